//! What the log holds of keys: versions, and marks about them.

use super::mark_record::StoredMark;
use super::record::{StoredRecord, peek_record};
use crate::Key;
use bytes::Bytes;

/// A record of the log that concerns a key.
#[derive(Debug)]
pub(crate) enum LogRecord<'bytes> {
    Version(StoredRecord<'bytes>),
    Mark(StoredMark<'bytes>),
}

impl<'bytes> LogRecord<'bytes> {
    /// Reads the record at the start of `bytes`; `None` when it is damaged, cut off or of a type this version does not know.
    pub fn decode(bytes: &'bytes [u8], salt: u64) -> Option<LogRecord<'bytes>> {
        let (kind, _) = peek_record(bytes)?;
        if StoredMark::is_type(kind) {
            StoredMark::decode(bytes, salt).map(LogRecord::Mark)
        } else {
            StoredRecord::decode(bytes, salt).map(LogRecord::Version)
        }
    }
    /// The key it concerns; its name is a copy.
    pub fn key(&self) -> Key {
        let (bucket, space, name) = match self {
            LogRecord::Version(record) => (record.bucket, record.space, record.name),
            LogRecord::Mark(mark) => (mark.bucket, mark.space, mark.name),
        };
        Key {
            bucket,
            space,
            name: Bytes::copy_from_slice(name),
        }
    }
}
