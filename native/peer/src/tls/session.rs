//! One TLS session: bytes of a socket in, plain bytes out, and back.
//!
//! Received bytes are handed to rustls a few KiB at a time, and what they decrypt to goes straight to whoever receives: apart from one
//! receive's worth of ciphertext, a session holds a record or two. What is sent is encrypted a segment at a time, so that a long send
//! never has more than one segment in memory twice.

use super::{PeerTls, reason};
use bytes::{Buf, Bytes};
use openlake_checksum::sha256::digest;
use openlake_io::{AlignedBuffer, Socket};
use rustls::Connection;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, Read, Write};
use std::net::IpAddr;

/// Bytes received at once: while little comes, so that many quiet sessions hold little, and once such a buffer was filled.
const RECEIVE_BYTES: (usize, usize) = (16 << 10, 256 << 10);
/// Plain bytes encrypted for one send: enough to amortise a system call.
const SEGMENT_BYTES: usize = 256 << 10;
/// What a segment's records take beyond its plain bytes, with a margin: 22 bytes for each of at most 16 KiB, and a change of keys.
const SEGMENT_OVERHEAD_BYTES: usize = 4096;
/// A record of a handshake or an alert; a frame of ours begins otherwise.
const TLS_RECORD_TYPES: [u8; 2] = [21, 22];
const LABEL: &[u8] = b"EXPORTER-openlake-peer";

/// Why there is no session.
#[derive(Debug)]
pub enum NoSession {
    /// The other side does not speak TLS; what it said instead.
    NotSpoken(Bytes),
    Failed(String),
}

/// What is known of a session's other end, and what ties a proof to this very session.
pub struct Channel {
    tls: PeerTls,
    binding: [u8; 32],
    peer_chain: Vec<CertificateDer<'static>>,
    began: UnixTime,
}

impl Channel {
    fn of(tls: &PeerTls, connection: &Connection) -> Result<Channel, rustls::Error> {
        let peer_chain: Vec<CertificateDer<'static>> = connection.peer_certificates().unwrap_or_default().to_vec();
        let peer = peer_chain.first().ok_or(rustls::Error::NoCertificatesPresented)?;
        let (own, peer) = (digest(&tls.inner.own), digest(peer));
        // What TLS exports does not cover the certificate of the side that connected, so both go in.
        let certificates = match connection {
            Connection::Client(_) => [own, peer],
            Connection::Server(_) => [peer, own],
        };
        let binding = connection.export_keying_material([0; 32], LABEL, Some(certificates.as_flattened()))?;
        Ok(Channel {
            tls: tls.clone(),
            binding,
            peer_chain,
            began: tls.inner.wall.now(),
        })
    }

    /// Known to the two ends of this session, and to nobody else.
    pub fn binding(&self) -> &[u8; 32] {
        &self.binding
    }

    /// Names what this side proved itself by.
    pub fn material(&self) -> [u8; 8] {
        self.tls.id()
    }

    /// Whether the other side's certificate is one for `node`, which is at `address` by the layout.
    pub fn is_for(&self, node: u32, address: IpAddr) -> Result<(), String> {
        let name = self.tls.name_of(node, address)?;
        let peer = self.peer_chain.first().ok_or("it shows no certificate")?;
        ParsedCertificate::try_from(peer)
            .and_then(|parsed| verify_server_name(&parsed, &name))
            .map_err(|error| reason::of(&error))
    }

    pub(super) fn peer_chain(&self) -> &[CertificateDer<'static>] {
        &self.peer_chain
    }

    pub(super) fn began(&self) -> UnixTime {
        self.began
    }
}

/// A session that is open both ways. One receive and one send may be under way at a time.
pub struct Session {
    pub channel: Channel,
    connection: RefCell<Connection>,
    /// Received and not yet handed to rustls.
    ciphertext: RefCell<Bytes>,
    /// How much is received next.
    receive_bytes: Cell<usize>,
}

impl Session {
    /// Runs the TLS handshake, of which `ciphertext` has been received already. The caller bounds the time.
    pub(super) async fn shake_hands(
        tls: &PeerTls,
        socket: &Socket,
        mut connection: Connection,
        mut ciphertext: Bytes,
    ) -> Result<Session, NoSession> {
        connection.set_buffer_limit(None);
        let mut is_first = ciphertext.is_empty();
        loop {
            flush(socket, &mut connection).await.map_err(broken)?;
            if !connection.is_handshaking() {
                break;
            }
            if ciphertext.is_empty() {
                let received = receive(socket, RECEIVE_BYTES.0).await;
                if std::mem::take(&mut is_first) {
                    let said = received.as_ref().map(Bytes::clone).unwrap_or_default();
                    if said.first().is_none_or(|first| !TLS_RECORD_TYPES.contains(first)) {
                        return Err(NoSession::NotSpoken(said));
                    }
                }
                ciphertext = received.map_err(broken)?;
                if ciphertext.is_empty() {
                    return Err(NoSession::Failed(
                        "the other side closed the connection during the TLS handshake".to_owned(),
                    ));
                }
            }
            if let Err(error) = feed(&mut connection, &mut ciphertext) {
                // Best effort: it lets the other side know why.
                let _ = flush(socket, &mut connection).await;
                return Err(NoSession::Failed(error.to_string()));
            }
        }
        let channel = Channel::of(tls, &connection).map_err(|error| NoSession::Failed(reason::of(&error)))?;
        Ok(Session {
            channel,
            connection: RefCell::new(connection),
            ciphertext: RefCell::new(ciphertext),
            receive_bytes: Cell::new(RECEIVE_BYTES.0),
        })
    }

    /// As [`Socket::receive`], of plain bytes. Dropping the future ends the stream.
    pub async fn receive(&self, socket: &Socket, mut buffer: AlignedBuffer) -> io::Result<(AlignedBuffer, usize)> {
        if buffer.len() == buffer.capacity() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a receive needs room, but the buffer is full",
            ));
        }
        loop {
            let (count, is_over) = self.decrypt(&mut buffer)?;
            if count > 0 || is_over {
                return Ok((buffer, count));
            }
            let room = self.receive_bytes.get();
            let received = receive(socket, room).await?;
            if received.is_empty() {
                return Ok((buffer, 0));
            }
            let is_full = received.len() == room;
            self.receive_bytes.set(if is_full { RECEIVE_BYTES.1 } else { RECEIVE_BYTES.0 });
            self.ciphertext.replace(received);
        }
    }

    /// Appends what can be decrypted and fits; also says whether the other side has ended the stream.
    fn decrypt(&self, buffer: &mut AlignedBuffer) -> io::Result<(usize, bool)> {
        let (mut connection, mut ciphertext) = (self.connection.borrow_mut(), self.ciphertext.borrow_mut());
        let start = buffer.len();
        loop {
            match connection.reader().read(buffer.spare_mut()) {
                Ok(0) if buffer.len() < buffer.capacity() => return Ok((buffer.len() - start, true)),
                Ok(count) => buffer.set_len(buffer.len() + count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if buffer.len() == buffer.capacity() || ciphertext.is_empty() {
                return Ok((buffer.len() - start, false));
            }
            feed(&mut connection, &mut ciphertext)?;
        }
    }

    /// As [`Socket::send`], of plain bytes.
    pub async fn send(&self, socket: &Socket, mut parts: Vec<Bytes>) -> io::Result<()> {
        parts.reverse();
        while !parts.is_empty() {
            let encrypted = self.encrypt(&cut_segment(&mut parts))?;
            socket.send(encrypted).await?;
        }
        Ok(())
    }

    fn encrypt(&self, segment: &[Bytes]) -> io::Result<Vec<Bytes>> {
        let mut connection = self.connection.borrow_mut();
        let slices: Vec<IoSlice<'_>> = segment.iter().map(|part| IoSlice::new(part)).collect();
        let plain_bytes: usize = segment.iter().map(Bytes::len).sum();
        let taken = connection.writer().write_vectored(&slices)?;
        if taken != plain_bytes {
            return Err(io::Error::other(format!("TLS took {taken} of {plain_bytes} bytes")));
        }
        drain(&mut connection, plain_bytes + SEGMENT_OVERHEAD_BYTES)
    }
}

/// Takes parts off the end, which come first, until they make a segment.
fn cut_segment(parts: &mut Vec<Bytes>) -> Vec<Bytes> {
    let (mut segment, mut room) = (Vec::new(), SEGMENT_BYTES);
    while room > 0
        && let Some(mut part) = parts.pop()
    {
        if part.len() > room {
            let rest = part.split_off(room);
            parts.push(rest);
        }
        room -= part.len();
        segment.push(part);
    }
    segment
}

/// Hands received bytes to rustls, about as many as it takes at once.
fn feed(connection: &mut Connection, ciphertext: &mut Bytes) -> io::Result<()> {
    let count = connection.read_tls(&mut &ciphertext[..])?;
    ciphertext.advance(count);
    connection
        .process_new_packets()
        .map(|_| ())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, reason::of(&error)))
}

/// What rustls has to send, most likely of no more than `expected_bytes`.
fn drain(connection: &mut Connection, expected_bytes: usize) -> io::Result<Vec<Bytes>> {
    let mut drained = Vec::new();
    while connection.wants_write() {
        let mut output = Output(AlignedBuffer::with_stale_capacity(expected_bytes));
        while connection.wants_write() && connection.write_tls(&mut output)? > 0 {}
        drained.push(output.0.freeze());
    }
    Ok(drained)
}

async fn flush(socket: &Socket, connection: &mut Connection) -> io::Result<()> {
    let drained = drain(connection, SEGMENT_OVERHEAD_BYTES)?;
    if drained.is_empty() {
        return Ok(());
    }
    socket.send(drained).await
}

/// At least one byte; none when the other side has closed.
async fn receive(socket: &Socket, room: usize) -> io::Result<Bytes> {
    let (buffer, _) = socket.receive(AlignedBuffer::with_stale_capacity(room)).await?;
    Ok(buffer.freeze())
}

fn broken(error: io::Error) -> NoSession {
    NoSession::Failed(format!("connection broke during the TLS handshake: {error}"))
}

/// Collects what rustls writes, as much as has room.
struct Output(AlignedBuffer);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.0.append(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
