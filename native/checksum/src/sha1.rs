//! SHA-1 (FIPS 180-4), one of the checksums an S3 client may choose.

use sha1::Digest;

/// A SHA-1 over bytes that arrive in pieces.
#[derive(Clone, Debug, Default)]
pub struct Sha1(sha1::Sha1);

impl Sha1 {
    /// The digest of no bytes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `bytes` to what was seen so far.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes seen.
    pub fn finish(self) -> [u8; 20] {
        self.0.finalize().into()
    }
}
