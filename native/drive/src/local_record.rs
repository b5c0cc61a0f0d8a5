//! What a drive keeps for itself, as records of keys in a bucket that no client has: log, checkpoints and cleaner treat them like any other.

use crate::core::Core;
use crate::fill::Filling;
use crate::{Answer, Ballot, Coding, Key, Kind, Record, Shard, WriteId};
use bytes::Bytes;
use std::rc::Rc;

impl Core {
    /// Keeps `bytes` under a key of the drive's own, durably, in place of what was there.
    pub async fn keep_local(self: &Rc<Core>, key: Key, bytes: Bytes) -> Result<(), Answer> {
        self.load(&key).await?;
        let before = self.index.borrow().get(&key).map_or(0, |row| row.floor().clock);
        let ballot = Ballot {
            clock: before + 1,
            node: 0,
            boot: 0,
        };
        let filling = Filling {
            drive_floor: Ballot::MAX,
            replaces: false,
        };
        match self.fill(key, local_record(ballot, bytes), filling).await {
            Answer::Ack => Ok(()),
            other => Err(other),
        }
    }
}

fn local_record(ballot: Ballot, metadata: Bytes) -> Record {
    Record {
        ballot,
        write_id: WriteId(ballot.to_bytes()),
        origin: ballot,
        base: None,
        kind: Kind::Data,
        unconditional: true,
        size: 0,
        etag: [0; 16],
        etag_parts: 0,
        metadata,
        coding: Coding::default(),
        slot: 0,
        payload_size: 0,
        shard: Shard::None,
    }
}
