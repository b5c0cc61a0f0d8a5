//! Reading a message's bytes without trusting them: every step checks what is left, nothing panics, nothing allocates by a count
//! that the bytes at hand cannot hold.

use bytes::Bytes;
use std::fmt;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end too early.
    Short { needed: usize, left: usize },
    /// A field holds a value that this version does not know.
    Unknown { field: &'static str, value: u64 },
    /// The bytes of a field make no sense, or end within it.
    Malformed { field: &'static str },
    /// Bytes are left behind the last field.
    Trailing { left: usize },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Short { needed, left } => write!(formatter, "message ends early: a field of {needed} bytes, {left} bytes left"),
            DecodeError::Unknown { field, value } => write!(formatter, "unknown value {value} of {field}"),
            DecodeError::Malformed { field } => write!(formatter, "the bytes of a {field} make no sense"),
            DecodeError::Trailing { left } => write!(formatter, "{left} bytes behind the last field"),
        }
    }
}

/// A position in a message: its head, and its bulk in the order in which the head's fields name it.
pub struct Cursor<'a> {
    head: &'a [u8],
    bulk: Bytes,
}

impl<'a> Cursor<'a> {
    /// Reads `head` from its start; bulk fields are sliced out of `bulk` without copying.
    pub fn new(head: &'a [u8], bulk: Bytes) -> Cursor<'a> {
        Cursor { head, bulk }
    }

    /// Bytes of the head not read yet.
    pub fn left(&self) -> usize {
        self.head.len()
    }

    /// The next `count` bytes of the head.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.head.split_at_checked(count) {
            Some((taken, rest)) => {
                self.head = rest;
                Ok(taken)
            }
            None => Err(DecodeError::Short {
                needed: count,
                left: self.head.len(),
            }),
        }
    }

    /// What `take` takes off the front of the head.
    pub fn take_by<T>(&mut self, field: &'static str, take: impl FnOnce(&mut &'a [u8]) -> Option<T>) -> Result<T, DecodeError> {
        take(&mut self.head).ok_or(DecodeError::Malformed { field })
    }

    /// The next `N` bytes of the head.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A byte that is 0 or 1.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(DecodeError::Unknown {
                field,
                value: value.into(),
            }),
        }
    }

    /// A length and that many bytes of the head, copied, so that a short name never keeps a receive buffer alive.
    pub fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let length = self.u32()? as usize;
        Ok(Bytes::copy_from_slice(self.take(length)?))
    }

    /// As `bytes`, but from [`super::BULK_MIN_BYTES`] on the bytes are the next ones of the bulk, and shared with it.
    pub fn bulk(&mut self) -> Result<Bytes, DecodeError> {
        let length = self.u32()? as usize;
        if length < super::BULK_MIN_BYTES {
            return Ok(Bytes::copy_from_slice(self.take(length)?));
        }
        if length > self.bulk.len() {
            return Err(DecodeError::Short {
                needed: length,
                left: self.bulk.len(),
            });
        }
        Ok(self.bulk.split_to(length))
    }

    /// Text; what is not UTF-8 is replaced.
    pub fn text(&mut self) -> Result<String, DecodeError> {
        let length = self.u32()? as usize;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    /// Fails unless everything was read.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.head.len() + self.bulk.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing { left }),
        }
    }
}
