//! The floor of HTTP on this machine: reads a request head, answers fixed bytes from memory, keeps the connection.
//!
//! It parses with the same library and runs on the same engine as the server, and does nothing else.

use bytes::Bytes;
use openlake_io::{AlignedBuffer, EngineKind, Runtime, Socket};
use std::io;
use std::net::SocketAddr;

/// Room for a request head.
const HEAD_BYTES: usize = 16 * 1024;

/// Answers every request on `address` with `body_bytes` bytes until the process ends; `started` learns the bound address.
pub fn respond(engine: EngineKind, address: SocketAddr, body_bytes: usize, started: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let runtime = Runtime::new(engine)?;
    let listener = runtime.listen(address, false)?;
    started(listener.local_address()?);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {body_bytes}\r\n\r\n");
    let reply = [Bytes::from(head), Bytes::from(vec![0x5a; body_bytes])];
    runtime.run(async {
        loop {
            let (socket, _peer) = listener.accept().await?;
            let reply = reply.to_vec();
            runtime.spawn(async move {
                // A connection that breaks is simply over.
                let _ = serve(socket, &reply).await;
            });
        }
    })
}

async fn serve(socket: Socket, reply: &[Bytes]) -> io::Result<()> {
    let mut buffer = AlignedBuffer::with_capacity(HEAD_BYTES);
    loop {
        let (filled, count) = socket.receive(buffer).await?;
        buffer = filled;
        if count == 0 {
            return Ok(());
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        if matches!(request.parse(buffer.as_slice()), Ok(httparse::Status::Complete(_))) {
            buffer.set_len(0);
            socket.send(reply.to_vec()).await?;
        }
    }
}
