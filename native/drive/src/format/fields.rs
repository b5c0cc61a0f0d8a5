//! Fixed-width little-endian fields, read and written in order.
//!
//! Every format of the drive is a run of such fields. A reader never panics: what lies behind the end of the bytes is `None`.

/// Takes fields off the front of bytes.
pub(crate) struct FieldReader<'bytes> {
    rest: &'bytes [u8],
}

impl<'bytes> FieldReader<'bytes> {
    /// Starts at the first byte.
    pub fn new(bytes: &'bytes [u8]) -> Self {
        FieldReader { rest: bytes }
    }
    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'bytes [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }
    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }
    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }
    /// The next 2 bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }
    /// The next 4 bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    /// The next 8 bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Puts fields into a slice that the caller sized for them.
pub(crate) struct FieldWriter<'bytes> {
    bytes: &'bytes mut [u8],
    at: usize,
}

impl<'bytes> FieldWriter<'bytes> {
    /// Starts at the first byte.
    pub fn new(bytes: &'bytes mut [u8]) -> Self {
        FieldWriter { bytes, at: 0 }
    }
    /// Bytes written so far.
    pub fn position(&self) -> usize {
        self.at
    }
    /// Appends bytes; what does not fit is a mistake of the caller's arithmetic.
    pub fn put(&mut self, source: &[u8]) -> &mut Self {
        let end = self.at + source.len();
        self.bytes[self.at..end].copy_from_slice(source);
        self.at = end;
        self
    }
    /// Appends a byte.
    pub fn byte(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }
    /// Appends 2 bytes.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
    /// Appends 4 bytes.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
    /// Appends 8 bytes.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
}
