//! One keep-alive connection of a client: sends a signed request, reads the whole reply.

use crate::options::Endpoint;
use crate::sign::{Signable, Signer};
use bytes::Bytes;
use openlake_io::{AlignedBuffer, Runtime, Socket};
use std::io;
use std::time::Duration;

/// A request that takes longer than this has failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Received at once at most, in bytes.
const RECEIVE_BYTES: usize = 256 * 1024;

/// A reply.
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

/// A connection that is made when it is needed.
pub struct Client {
    runtime: Runtime,
    endpoint: Endpoint,
    socket: Option<Socket>,
    signer: Signer,
}

/// A request to send.
pub struct Call<'call> {
    pub method: &'static str,
    pub path: &'call str,
    pub query: &'call str,
    pub body: Bytes,
}

/// What a reply's head says.
struct ReplyHead {
    length: usize,
    status: u16,
    body_bytes: usize,
    close: bool,
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn parse_head(bytes: &[u8], method: &str) -> io::Result<Option<ReplyHead>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response
        .parse(bytes)
        .map_err(|error| invalid(format!("the reply's head is malformed: {error}")))?
    {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(length) => length,
    };
    let value = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let status = response.code.unwrap_or(0);
    let bodiless = method == "HEAD" || status == 204 || status == 304;
    let body_bytes = match value("content-length") {
        _ if bodiless => 0,
        Some(text) => text
            .parse()
            .map_err(|_| invalid(format!("content-length is '{text}', expected a number")))?,
        None => return Err(invalid(format!("a reply with status {status} has no content-length"))),
    };
    let close = value("connection").is_some_and(|text| text.eq_ignore_ascii_case("close"));
    Ok(Some(ReplyHead {
        length,
        status,
        body_bytes,
        close,
    }))
}

impl Client {
    /// A client of one endpoint.
    pub fn new(runtime: &Runtime, endpoint: &Endpoint, signer: Signer) -> Client {
        Client {
            runtime: runtime.clone(),
            endpoint: endpoint.clone(),
            socket: None,
            signer,
        }
    }
    /// Sends a request and reads its reply. After an error the next call connects anew.
    pub async fn call(&mut self, call: Call<'_>) -> io::Result<Reply> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.runtime.connect(self.endpoint.address).await?,
        };
        let exchange = exchange(&socket, self.head(&call), &call);
        let (reply, close) = match self.runtime.timeout(REQUEST_TIMEOUT, exchange).await {
            Ok(result) => result?,
            Err(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no reply within {REQUEST_TIMEOUT:?}"),
                ));
            }
        };
        if !close {
            self.socket = Some(socket);
        }
        Ok(reply)
    }
    fn head(&mut self, call: &Call<'_>) -> Bytes {
        let host = &self.endpoint.host;
        let request = Signable {
            method: call.method,
            host,
            path: call.path,
            query: call.query,
            body: &call.body,
        };
        let signed = self.signer.sign(&request, self.runtime.wall_ms());
        let question = if call.query.is_empty() { "" } else { "?" };
        let text = format!(
            "{} {}{question}{} HTTP/1.1\r\nhost: {host}\r\nx-amz-date: {}\r\nx-amz-content-sha256: {}\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n",
            call.method,
            call.path,
            call.query,
            signed.date,
            signed.content_sha256,
            signed.authorization,
            call.body.len()
        );
        Bytes::from(text)
    }
}

async fn exchange(socket: &Socket, head: Bytes, call: &Call<'_>) -> io::Result<(Reply, bool)> {
    let mut buffers = vec![head];
    if !call.body.is_empty() {
        buffers.push(call.body.clone());
    }
    socket.send(buffers).await?;
    let mut received = Vec::new();
    let mut buffer = AlignedBuffer::with_capacity(RECEIVE_BYTES);
    let mut head = None;
    loop {
        if head.is_none() {
            head = parse_head(&received, call.method)?;
        }
        if let Some(head) = &head {
            let end = head.length + head.body_bytes;
            if received.len() >= end {
                received.truncate(end);
                let body = received.split_off(head.length);
                return Ok((Reply { status: head.status, body }, head.close));
            }
            received.reserve(end - received.len());
        }
        buffer.set_len(0);
        let (filled, count) = socket.receive(buffer).await?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the server closed after {} bytes of a reply", received.len()),
            ));
        }
        received.extend_from_slice(filled.as_slice());
        buffer = filled;
    }
}
