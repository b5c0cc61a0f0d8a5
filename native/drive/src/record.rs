//! A record: one version of one key as one slot of its erasure set holds it.

use crate::{Ballot, WriteId};
use bytes::Bytes;

/// What a version says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Data,
    Tombstone,
}

/// How an object's bytes were cut into shards. Equal for all slots of a write id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coding {
    pub data: u8,
    pub parity: u8,
    /// Bytes of one shard's block = 1 << block_shift.
    pub block_shift: u8,
    /// Every slot holds the whole object (tiny ones only).
    pub whole: bool,
    /// The payload is a manifest of multipart parts, not the object's own bytes.
    pub manifest: bool,
}

/// The bytes of a shard, in the forms a publish may carry them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shard {
    /// No bytes: tombstones and empty objects.
    None,
    /// Travels and lives in the record. At most 64 KiB.
    Inline(Bytes),
    /// Was staged under the record's write id; `length` bytes in all.
    Staged { length: u64 },
    /// The drive holds a record of the same write id and is to reuse its bytes (a version published again at a higher ballot).
    Held,
}

/// See protocol.md section 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub ballot: Ballot,
    pub write_id: WriteId,
    /// Ballot at which its own coordinator proposed it first: the version; Last-Modified comes from it.
    pub origin: Ballot,
    /// Version found by the prepare that preceded it; `None` for a one-round write.
    /// `Some(Ballot::ZERO)`: the prepare found nothing.
    pub base: Option<Ballot>,
    pub kind: Kind,
    pub unconditional: bool,
    /// The object's size in bytes (for a manifest: the sum of its parts).
    pub size: u64,
    pub etag: [u8; 16],
    /// Parts of a multipart ETag (`-N`); 0 for a plain one.
    pub etag_parts: u16,
    /// Opaque to the drive, at most 16 KiB.
    pub metadata: Bytes,
    pub coding: Coding,
    pub slot: u8,
    /// Bytes the shards encode: the object's size, or the manifest's length.
    pub payload_size: u64,
    pub shard: Shard,
}
