//! Signatures of aws-chunked bodies: each chunk's covers the one before it, the first covers the request's own (the seed).
//!
//! ```text
//! AWS4-HMAC-SHA256-PAYLOAD \n timestamp \n scope \n previous signature \n SHA-256("") \n SHA-256(chunk)
//! AWS4-HMAC-SHA256-TRAILER \n timestamp \n scope \n previous signature \n SHA-256("name:value\n" ...)
//! ```
//!
//! Source: AWS, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks".

use crate::encoding::{hex, push_hex};
use crate::sigv4::equal_in_constant_time;
use openlake_checksum::sha256::HmacKey;
use std::rc::Rc;

/// SHA-256 of no bytes.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The chain, up to the last chunk that was right.
#[derive(Clone)]
pub(crate) struct ChunkSigner {
    key: Rc<HmacKey>,
    /// `\n timestamp \n scope \n`
    context: String,
    previous: String,
}

impl ChunkSigner {
    /// The chain's start: `seed` is the request's signature.
    pub(crate) fn new(key: Rc<HmacKey>, timestamp: &str, scope: &str, seed: String) -> ChunkSigner {
        ChunkSigner {
            key,
            context: format!("\n{timestamp}\n{scope}\n"),
            previous: seed,
        }
    }
    /// Signs a chunk with this SHA-256 and moves on.
    pub(crate) fn sign_chunk(&mut self, hash: &[u8; 32]) -> &str {
        self.sign("AWS4-HMAC-SHA256-PAYLOAD", Some(EMPTY_SHA256), hash)
    }
    /// Signs the trailer with this SHA-256 of its canonical lines.
    pub(crate) fn sign_trailer(&mut self, hash: &[u8; 32]) -> &str {
        self.sign("AWS4-HMAC-SHA256-TRAILER", None, hash)
    }
    /// Whether `signature` is the chunk's; the chain moves on.
    pub(crate) fn accepts_chunk(&mut self, hash: &[u8; 32], signature: &str) -> bool {
        equal_in_constant_time(self.sign_chunk(hash).as_bytes(), signature.as_bytes())
    }
    /// Whether `signature` is the trailer's.
    pub(crate) fn accepts_trailer(&mut self, hash: &[u8; 32], signature: &str) -> bool {
        equal_in_constant_time(self.sign_trailer(hash).as_bytes(), signature.as_bytes())
    }

    fn sign(&mut self, purpose: &str, middle: Option<&str>, hash: &[u8; 32]) -> &str {
        let mut text = Vec::with_capacity(320);
        text.extend_from_slice(purpose.as_bytes());
        text.extend_from_slice(self.context.as_bytes());
        text.extend_from_slice(self.previous.as_bytes());
        text.push(b'\n');
        if let Some(middle) = middle {
            text.extend_from_slice(middle.as_bytes());
            text.push(b'\n');
        }
        push_hex(&mut text, hash);
        self.previous = hex(&self.key.sign(&text));
        &self.previous
    }
}
