//! TCP listeners and streams.

use crate::AlignedBuffer;
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;

/// A listening socket.
pub struct Listener {}

impl Listener {
    /// The next connection and its peer's address.
    pub async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        todo!()
    }
    /// The bound address.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        todo!()
    }
}

/// A connected stream; closed when the last clone is dropped. One receive and one send may be under way at a time.
#[derive(Clone)]
pub struct Socket {}

impl Socket {
    /// Receives at least one byte behind the bytes `buffer` holds (its length grows); 0 means the peer closed. Dropping the
    /// future cancels it.
    pub async fn receive(&self, buffer: AlignedBuffer) -> io::Result<(AlignedBuffer, usize)> {
        let _ = buffer;
        todo!()
    }
    /// Sends all bytes of `buffers` in order.
    pub async fn send(&self, buffers: Vec<Bytes>) -> io::Result<()> {
        let _ = buffers;
        todo!()
    }
    /// Ends both directions at once; pending operations fail.
    pub fn shutdown(&self) {
        todo!()
    }
    /// The peer's address.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        todo!()
    }
}
