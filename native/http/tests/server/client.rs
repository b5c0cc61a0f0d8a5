//! A raw client: it signs by the book, sends exactly the bytes it is told to, and reads replies.

use bytes::{Bytes, BytesMut};
use openlake_checksum::sha256::{digest, hmac};
use openlake_io::{AlignedBuffer, Runtime, Socket};
use std::net::SocketAddr;

pub const ACCESS_KEY: &str = "test-key";
pub const SECRET_KEY: &str = "test-secret";
pub const REGION: &str = "us-east-1";

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The signing key of a day, and the texts that go with it.
#[derive(Clone)]
pub struct Signer {
    pub timestamp: String,
    pub scope: String,
    key: [u8; 32],
}

impl Signer {
    pub fn at(wall_ms: u64) -> Signer {
        let seconds = wall_ms / 1000;
        let (mut days, mut year) = (seconds / 86_400, 1970);
        let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        while days >= 365 + u64::from(leap(year)) {
            days -= 365 + u64::from(leap(year));
            year += 1;
        }
        let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 0;
        while days >= lengths[month] {
            days -= lengths[month];
            month += 1;
        }
        let date = format!("{year:04}{:02}{:02}", month + 1, days + 1);
        let timestamp = format!("{date}T{:02}{:02}{:02}Z", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let mut key = hmac(format!("AWS4{SECRET_KEY}").as_bytes(), date.as_bytes());
        for part in [REGION, "s3", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        Signer {
            timestamp,
            scope: format!("{date}/{REGION}/s3/aws4_request"),
            key,
        }
    }
    pub fn sign(&self, text: &str) -> String {
        hex(&hmac(&self.key, text.as_bytes()))
    }
    /// A chunk's or trailer's signature.
    pub fn sign_chunk(&self, purpose: &str, previous: &str, middle: &str, bytes: &[u8]) -> String {
        self.sign(&format!(
            "AWS4-HMAC-SHA256-{purpose}\n{}\n{}\n{previous}\n{middle}{}",
            self.timestamp,
            self.scope,
            hex(&digest(bytes))
        ))
    }
}

/// A request to be signed. The target must be written in canonical form.
pub struct Ask {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// `x-amz-content-sha256`; empty: of the body.
    pub payload: String,
}

impl Ask {
    pub fn new(method: &'static str, target: &str) -> Ask {
        Ask {
            method,
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            payload: String::new(),
        }
    }
    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
    pub fn body(mut self, body: &[u8]) -> Ask {
        self.body = body.to_vec();
        self
    }
    pub fn payload(mut self, payload: &str) -> Ask {
        self.payload = payload.to_owned();
        self
    }
    /// The head and its signature.
    pub fn head(&self, signer: &Signer) -> (String, String) {
        let payload = if self.payload.is_empty() {
            hex(&digest(&self.body))
        } else {
            self.payload.clone()
        };
        let mut headers = self.headers.clone();
        headers.push(("host".to_owned(), "localhost".to_owned()));
        headers.push(("x-amz-date".to_owned(), signer.timestamp.clone()));
        headers.push(("x-amz-content-sha256".to_owned(), payload.clone()));
        headers.sort();
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let mut pairs: Vec<String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
            .collect();
        pairs.sort();
        let canonical = format!("{}\n{path}\n{}\n{lines}\n{names}\n{payload}", self.method, pairs.join("&"));
        let signature = signer.sign(&format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{}",
            signer.timestamp,
            signer.scope,
            hex(&digest(canonical.as_bytes()))
        ));
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let scope = &signer.scope;
        head.push_str(&format!(
            "authorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}\r\n"
        ));
        let framed = self
            .headers
            .iter()
            .any(|(name, _)| name == "content-length" || name == "transfer-encoding");
        if !framed && (self.method == "PUT" || self.method == "POST" || !self.body.is_empty()) {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        (head + "\r\n", signature)
    }
    /// All bytes.
    pub fn bytes(&self, signer: &Signer) -> Vec<u8> {
        [self.head(signer).0.as_bytes(), &self.body].concat()
    }
}

/// A reply.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// Status and error code.
    pub fn error(&self) -> (u16, String) {
        let text = self.text();
        let code = text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"))
            .map(|(code, _)| code.to_owned());
        (self.status, code.unwrap_or_default())
    }
}

/// One connection.
pub struct Client {
    pub socket: Socket,
    held: BytesMut,
    runtime: Runtime,
}

impl Client {
    pub async fn connect(runtime: &Runtime, address: SocketAddr) -> Client {
        Client {
            socket: runtime.connect(address).await.expect("the server listens"),
            held: BytesMut::new(),
            runtime: runtime.clone(),
        }
    }
    pub fn signer(&self) -> Signer {
        Signer::at(self.runtime.wall_ms())
    }
    pub async fn send(&self, bytes: impl Into<Vec<u8>>) {
        self.socket
            .send(vec![Bytes::from(bytes.into())])
            .await
            .expect("the server takes bytes");
    }
    /// One more piece; false at the end.
    async fn receive(&mut self) -> bool {
        match self.socket.receive(AlignedBuffer::with_capacity(64 * 1024)).await {
            Ok((buffer, length)) if length > 0 => {
                self.held.extend_from_slice(buffer.as_slice());
                true
            }
            _ => false,
        }
    }
    /// True when the server closed without a further byte.
    pub async fn is_closed(&mut self) -> bool {
        self.held.is_empty() && !self.receive().await
    }
    /// A reply's head, as it came.
    pub async fn read_head(&mut self) -> String {
        loop {
            if let Some(end) = self.held.windows(4).position(|window| window == b"\r\n\r\n") {
                return String::from_utf8(self.held.split_to(end + 4).to_vec()).unwrap();
            }
            assert!(self.receive().await, "the server closed inside a head: {:?}", self.held);
        }
    }
    /// A whole reply; `bodiless`: to a HEAD.
    pub async fn read(&mut self, bodiless: bool) -> Answer {
        let head = self.read_head().await;
        let mut lines = head.trim_end().split("\r\n");
        let status: u16 = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|status| status.parse().ok())
            .unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| {
                line.split_once(": ")
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .unwrap()
            })
            .collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while !bodiless && answer.body.len() < length {
            if self.held.is_empty() && !self.receive().await {
                break;
            }
            let missing = length - answer.body.len();
            let taken = self.held.split_to(self.held.len().min(missing));
            answer.body.extend_from_slice(&taken);
        }
        answer
    }
    /// Signs, sends, reads.
    pub async fn ask(&mut self, ask: Ask) -> Answer {
        self.send(ask.bytes(&self.signer())).await;
        self.read(ask.method == "HEAD").await
    }
}
