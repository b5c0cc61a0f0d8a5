//! MD5 (RFC 1321), only because S3 clients expect it as ETag and Content-MD5. It protects against nothing.

use md5::Digest;

/// An MD5 over bytes that arrive in pieces.
#[derive(Clone, Debug, Default)]
pub struct Md5(md5::Md5);

impl Md5 {
    /// The digest of no bytes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `bytes` to what was seen so far.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes seen.
    pub fn finish(self) -> [u8; 16] {
        self.0.finalize().into()
    }
}

/// MD5 of `bytes`.
pub fn digest(bytes: &[u8]) -> [u8; 16] {
    md5::Md5::digest(bytes).into()
}
