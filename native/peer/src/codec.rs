//! Messages as bytes: little-endian, every one drawn above its codec.
//!
//! A message has a head (small fields) and a bulk (long byte strings, one behind the other). The head names the bulk's pieces by
//! their lengths. So bulk is sent from where it lies, and received into aligned memory of its own that a drive can write from.
//!
//! Forms shared by all drawings:
//!
//! | Form | Bytes |
//! |---|---|
//! | `bytes`, `text` | length u32, that many bytes |
//! | `bulk` | length u32; below 4096 the bytes follow, from 4096 on they are the next of the frame's bulk |
//! | `option T` | 0, or 1 and T |
//! | `list T` | count u32, that many T |
//! | `ballot` | clock u64, node u32, boot u32 |

mod answer;
mod cursor;
mod envelope;
mod node;
mod record;
mod request;
mod state;
#[cfg(test)]
mod tests;
mod writer;

pub use cursor::{Cursor, DecodeError};
pub use envelope::{AnswerEnvelope, NodeEnvelope, RequestEnvelope};
pub use writer::Writer;

use openlake_drive::{Ballot, WriteId};

/// Byte strings from this length on travel as bulk: a page, so that short ones cost no buffer of their own.
pub const BULK_MIN_BYTES: usize = 4096;

/// A value with a drawn form.
pub trait Wire: Sized {
    /// The fewest bytes of head that a value takes; bounds what a list's count may make us allocate.
    const MIN_BYTES: usize;
    /// Appends the value.
    fn encode(&self, writer: &mut Writer<'_>);
    /// Reads a value.
    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError>;
}

impl Wire for Ballot {
    const MIN_BYTES: usize = 16;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.clock);
        writer.u32(self.node);
        writer.u32(self.boot);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Ballot, DecodeError> {
        Ok(Ballot {
            clock: cursor.u64()?,
            node: cursor.u32()?,
            boot: cursor.u32()?,
        })
    }
}

impl Wire for WriteId {
    const MIN_BYTES: usize = 16;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.raw(&self.0);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<WriteId, DecodeError> {
        Ok(WriteId(cursor.array()?))
    }
}

impl<T: Wire> Wire for Option<T> {
    const MIN_BYTES: usize = 1;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u8(u8::from(self.is_some()));
        if let Some(value) = self {
            value.encode(writer);
        }
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Option<T>, DecodeError> {
        Ok(if cursor.flag("option")? { Some(T::decode(cursor)?) } else { None })
    }
}

impl<T: Wire> Wire for Vec<T> {
    const MIN_BYTES: usize = 4;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u32(self.len() as u32);
        for value in self {
            value.encode(writer);
        }
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Vec<T>, DecodeError> {
        let count = cursor.u32()? as usize;
        let needed = count.saturating_mul(T::MIN_BYTES);
        if needed > cursor.left() {
            return Err(DecodeError::Short {
                needed,
                left: cursor.left(),
            });
        }
        let mut values = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            values.push(T::decode(cursor)?);
        }
        Ok(values)
    }
}

/// Reads a whole message; every byte of head and bulk must belong to it.
pub fn decode_all<T: Wire>(head: &[u8], bulk: bytes::Bytes) -> Result<T, DecodeError> {
    let mut cursor = Cursor::new(head, bulk);
    let value = T::decode(&mut cursor)?;
    cursor.finish()?;
    Ok(value)
}
