//! Requests to a drive and its answers: the messages of protocol.md section 3, as values. `peer` puts them on the wire.

use crate::{Ballot, Coding, Key, Kind, Record, ScanRows, Space, Standing, Step, WriteId};
use bytes::Bytes;

/// What a `Read` wants besides the list of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing: HEAD and settling.
    Heads,
    /// Blocks of the newest record's shard (all of an inline shard, whatever the numbers say).
    Blocks { first: u32, count: u32 },
}

/// A request to one drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Read {
        key: Key,
        want: Want,
    },
    /// Blocks of the shard of a version named by its write id (later chunks of a GET; repair).
    Blocks {
        key: Key,
        write_id: WriteId,
        first: u32,
        count: u32,
    },
    /// Bytes of a bulk shard, staged invisibly. `offset` is a multiple of the block size; every call but the last of a shard
    /// carries whole blocks. `shard_length` is the final length if known, else 0.
    Stage {
        key: Key,
        write_id: WriteId,
        block_shift: u8,
        shard_length: u64,
        offset: u64,
        bytes: Bytes,
    },
    /// Staged bytes that no publish will follow: free them.
    Unstage {
        write_id: WriteId,
    },
    Prepare {
        key: Key,
        ballot: Ballot,
    },
    Publish {
        key: Key,
        record: Record,
    },
    /// Known complete; no answer is waited for.
    Stable {
        key: Key,
        ballot: Ballot,
    },
    /// Collects the tombstone `ballot`: every slot of the set said that it holds nothing else of the key, and that stable.
    Drop {
        key: Key,
        ballot: Ballot,
    },
    /// Keys of one space in order, from `from` (inclusive), names starting with `prefix`, at most `limit` rows, tombstones included.
    Scan {
        bucket: u64,
        space: Space,
        prefix: Bytes,
        from: Bytes,
        limit: u32,
    },
    /// Raises the floor of every key to `floor`, durably, so that nothing at or below it is accepted any more (section 9 step 3).
    Barrier {
        floor: Ballot,
    },
    /// The first space of a bucket that holds keys, behind the one given; for healing, which walks all there are.
    NextSpace {
        after: Option<(u64, Space)>,
    },
    /// A heal read of a range: as `Scan` of all names, answered only by a drive whose barrier stands at `barrier` or above.
    HealScan {
        bucket: u64,
        space: Space,
        from: Bytes,
        limit: u32,
        barrier: Ballot,
    },
    /// A digest over (key, newest stable ballot) of the names `from..=to` of one space; no `to`: to its end.
    Digest {
        bucket: u64,
        space: Space,
        from: Bytes,
        to: Option<Bytes>,
    },
    /// Hints: keys of which a version became complete without this drive. `lost`: there were more, which nobody remembers.
    Missed {
        keys: Vec<Key>,
        lost: bool,
    },
    /// About the drives that took over slots of the set (section 9 steps 1 and 2).
    Succession {
        step: Step,
    },
}

/// A version without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub ballot: Ballot,
    pub write_id: WriteId,
    pub origin: Ballot,
    pub base: Option<Ballot>,
    pub kind: Kind,
    pub unconditional: bool,
    pub size: u64,
    pub etag: [u8; 16],
    pub etag_parts: u16,
    pub metadata: Bytes,
    pub coding: Coding,
    pub slot: u8,
    pub payload_size: u64,
    /// Whether the shard is held inside the record.
    pub inline: bool,
}

/// All a drive knows of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    /// Newest first: the newest stable one and all newer ones.
    pub records: Vec<Head>,
    pub stable: Option<Ballot>,
    /// For ballots <= this, a record the drive lacks is unknown rather than absent.
    pub dirty: Option<Ballot>,
    pub floor: Ballot,
}

/// One block of a shard with its stored checksum (plain CRC-64/NVME of the bytes), or `None` where the drive found it damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub bytes: Bytes,
    pub checksum: u64,
    /// The drive compared the two, and the bytes have not left the process since. What came over a wire never says so.
    pub verified: bool,
}

/// Blocks of the shard of one write id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardBytes {
    pub write_id: WriteId,
    pub first: u32,
    pub blocks: Vec<Option<Block>>,
}

/// How far a scan's rows are exhaustive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covers {
    /// Every matching key from `from` on is in the rows.
    End,
    /// Every matching key up to and including this name is.
    UpTo(Bytes),
}

/// One key of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRow {
    pub name: Bytes,
    pub state: KeyState,
}

/// A drive's answer. Only `Refuse` is a refusal; everything from `NotStaged` on is "no answer" for the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    State {
        state: KeyState,
        shard: Option<ShardBytes>,
    },
    Blocks(ShardBytes),
    Staged {
        floor: Ballot,
    },
    Promise(KeyState),
    Ack,
    Refuse {
        floor: Ballot,
        stable: Option<Ballot>,
        /// As in `KeyState`: at or below this, the drive may have accepted the ballot and forgotten it.
        dirty: Option<Ballot>,
    },
    Page {
        rows: ScanRows,
        covers: Covers,
        dirty: bool,
    },
    /// The barrier stands, durably.
    Done {
        /// The highest ballot that the drive knows of.
        highest: Ballot,
        /// Of the drive as a whole: some of what it lacks is unknown.
        dirty: bool,
        /// Keys that it holds, about.
        keys: u64,
    },
    /// The space asked for, if there is one.
    Space(Option<(u64, Space)>),
    /// The digest of a range, and the keys in it.
    Digest {
        digest: u64,
        keys: u64,
    },
    /// What the drive knows of the drives of its set.
    Standing(Standing),
    /// Nothing was to be said (`Stable`, `Unstage`).
    Nothing,
    NotStaged,
    /// Eight unstable records already: settle the key first.
    SettleFirst,
    /// The write id asked for is not held (any more).
    Gone,
    /// The ballot lies too far ahead of the drive's clock.
    Clock {
        now_ms: u64,
    },
    /// No space.
    Full,
    /// The drive failed; the text says how.
    Failed(String),
    /// The node does not serve this slot, epoch or generation; the text says what it serves.
    Wrong(String),
    /// The node knows a newer revision of the bucket (protocol.md section 14), or has not loaded its tables yet.
    Behind,
}
