//! Writing a message: small fields are appended to the head, long byte strings are shared, not copied, and follow as bulk.

use bytes::Bytes;

/// Collects a message's head and bulk.
pub struct Writer<'a> {
    head: &'a mut Vec<u8>,
    bulk: &'a mut Vec<Bytes>,
}

impl<'a> Writer<'a> {
    /// Appends to `head`, and to `bulk` what is not to be copied.
    pub fn new(head: &'a mut Vec<u8>, bulk: &'a mut Vec<Bytes>) -> Writer<'a> {
        Writer { head, bulk }
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.head.extend_from_slice(bytes);
    }

    /// What `put` appends to the head.
    pub fn put(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        put(self.head);
    }

    /// A byte.
    pub fn u8(&mut self, value: u8) {
        self.head.push(value);
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// A length and the bytes. Callers keep them below 4 GiB; a frame is far smaller anyway.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u32(bytes.len() as u32);
        self.raw(bytes);
    }

    /// A length and the bytes; from [`super::BULK_MIN_BYTES`] on they travel in the bulk.
    pub fn bulk(&mut self, bytes: &Bytes) {
        self.u32(bytes.len() as u32);
        if bytes.len() < super::BULK_MIN_BYTES {
            self.raw(bytes);
        } else {
            self.bulk.push(bytes.clone());
        }
    }
}
