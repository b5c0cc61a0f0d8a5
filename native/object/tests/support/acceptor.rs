//! One drive in memory: protocol.md sections 2 and 3 exactly, and nothing else.

use bytes::{Bytes, BytesMut};
use openlake_drive::{
    Answer, Ballot, Block, Covers, Head, Key, KeyState, Kind, Record, Request, ScanRow, Shard, ShardBytes, Space, Want, WriteId,
};
use std::collections::{BTreeMap, HashMap};

/// Unstable records of a key that a drive holds at most.
const MOST_UNSTABLE: usize = 8;

#[derive(Clone)]
struct Version {
    record: Record,
    bytes: Bytes,
}

#[derive(Clone, Default)]
struct Versions {
    floor: Ballot,
    stable: Option<Ballot>,
    /// Newest first.
    records: Vec<Version>,
    /// Dropped under a mark that is not durable yet: after a power cut they are there again. (A drive that lost the mark but not the
    /// drop would answer a duplicate publish with a refusal that looks as if it had never accepted the record.)
    dropped: Vec<Version>,
}

#[derive(Default)]
pub struct Acceptor {
    keys: BTreeMap<Key, Versions>,
    staged: HashMap<WriteId, BTreeMap<u64, Bytes>>,
    drive_floor: Ballot,
    dirty: Option<Ballot>,
    /// Answers that carried a damaged block on purpose.
    pub damage_blocks: bool,
    /// Publishes of objects fail; uploads and parts are taken.
    pub refuses_objects: bool,
    /// The turn of another writer lasts: publishes without a prepare have to settle first, and prepares wait.
    pub is_anothers_turn: bool,
    /// No room for bytes; tombstones and everything else go on.
    pub full: bool,
}

impl Acceptor {
    /// Lost with a power cut: staged bytes and marks. Promises and records are durable.
    pub fn restart(&mut self) {
        self.staged.clear();
        for versions in self.keys.values_mut() {
            versions.stable = None;
            versions.records.append(&mut versions.dropped);
            versions.records.sort_by_key(|v| std::cmp::Reverse(v.record.ballot));
        }
    }
    /// A blank drive in its place, adopted as section 9 step 1 says.
    pub fn replace_by_blank(&mut self, adopted_at: Ballot) {
        *self = Acceptor {
            drive_floor: adopted_at,
            dirty: Some(adopted_at),
            ..Acceptor::default()
        };
    }
    /// Newest record's ballot of a key, and whether it is marked stable.
    pub fn newest(&self, key: &Key) -> Option<(Ballot, bool)> {
        let versions = self.keys.get(key)?;
        let newest = versions.records.first()?;
        Some((newest.record.ballot, versions.stable == Some(newest.record.ballot)))
    }
    pub fn highest_floor(&self) -> Ballot {
        self.keys.values().map(|versions| versions.floor).max().unwrap_or(self.drive_floor)
    }
    /// Names of a space whose newest record is no tombstone.
    pub fn live_names(&self, space: Space) -> Vec<Bytes> {
        let live = |versions: &Versions| versions.records.first().is_some_and(|newest| newest.record.kind == Kind::Data);
        let of_space = self.keys.iter().filter(|(key, versions)| key.space == space && live(versions));
        of_space.map(|(key, _)| key.name.clone()).collect()
    }
    /// As if the key had never been.
    pub fn forget(&mut self, key: &Key) {
        self.keys.remove(key);
    }
    pub fn staged_uploads(&self) -> usize {
        self.staged.len()
    }

    pub fn handle(&mut self, request: Request) -> Answer {
        match request {
            Request::Read { key, want } => self.read(&key, want),
            Request::Blocks {
                key,
                write_id,
                first,
                count,
            } => {
                let found = self
                    .keys
                    .get(&key)
                    .and_then(|versions| versions.records.iter().find(|v| v.record.write_id == write_id));
                found.map_or(Answer::Gone, |version| Answer::Blocks(self.blocks(version, first, count)))
            }
            Request::Stage {
                key,
                write_id,
                offset,
                bytes,
                ..
            } => {
                self.staged.entry(write_id).or_default().insert(offset, bytes);
                Answer::Staged { floor: self.floor(&key) }
            }
            Request::Unstage { write_id } => {
                self.staged.remove(&write_id);
                Answer::Nothing
            }
            Request::Prepare { key, ballot } => self.prepare(&key, ballot),
            Request::Publish { key, .. } if self.refuses_objects && key.space == Space::Object => {
                Answer::Failed("as the test says".to_owned())
            }
            Request::Publish { record, .. } if self.is_anothers_turn && record.base.is_none() => Answer::SettleFirst,
            Request::Publish { record, .. } if self.full && record.kind == Kind::Data => Answer::Full,
            Request::Publish { key, record } => self.publish(key, record),
            Request::Stable { key, ballot } => {
                if let Some(versions) = self.keys.get_mut(&key)
                    && versions.records.iter().any(|v| v.record.ballot == ballot)
                {
                    versions.stable = versions.stable.max(Some(ballot));
                    let keep = versions.records.iter().take_while(|v| v.record.ballot >= ballot).count();
                    versions.dropped.extend(versions.records.drain(keep..));
                }
                Answer::Nothing
            }
            Request::Drop { key, ballot } => Answer::Refuse {
                floor: self.floor(&key),
                stable: Some(ballot),
                dirty: None,
            },
            Request::Barrier { .. }
            | Request::NextSpace { .. }
            | Request::HealScan { .. }
            | Request::Digest { .. }
            | Request::Succession { .. } => Answer::Failed("not played here".to_owned()),
            Request::Missed { .. } => Answer::Ack,
            Request::Scan {
                bucket,
                space,
                prefix,
                from,
                limit,
            } => self.scan(bucket, space, &prefix, from, limit as usize),
        }
    }

    fn floor(&self, key: &Key) -> Ballot {
        self.keys
            .get(key)
            .map_or(self.drive_floor, |versions| versions.floor.max(self.drive_floor))
    }

    fn state(&self, key: &Key) -> KeyState {
        let records = self
            .keys
            .get(key)
            .map(|versions| versions.records.iter().map(|v| head(&v.record)).collect());
        KeyState {
            records: records.unwrap_or_default(),
            stable: self.keys.get(key).and_then(|versions| versions.stable),
            dirty: self.dirty,
            floor: self.floor(key),
        }
    }

    fn read(&self, key: &Key, want: Want) -> Answer {
        let newest = self.keys.get(key).and_then(|versions| versions.records.first());
        let shard = match (want, newest) {
            (Want::Blocks { first, count }, Some(version)) if !version.bytes.is_empty() => match version.record.shard {
                Shard::Inline(_) => Some(self.blocks(version, 0, 1)),
                _ => Some(self.blocks(version, first, count)),
            },
            _ => None,
        };
        Answer::State {
            state: self.state(key),
            shard,
        }
    }

    fn blocks(&self, version: &Version, first: u32, count: u32) -> ShardBytes {
        let size = 1usize << version.record.coding.block_shift;
        let chunks = version.bytes.chunks(size).skip(first as usize).take(count as usize);
        let block = |bytes: &[u8]| {
            let checksum = openlake_checksum::crc64(bytes);
            let mut bytes = bytes.to_vec();
            if self.damage_blocks {
                bytes[0] ^= 1;
            }
            Some(Block {
                bytes: bytes.into(),
                checksum,
                verified: false,
            })
        };
        ShardBytes {
            write_id: version.record.write_id,
            first,
            blocks: chunks.map(block).collect(),
        }
    }

    fn prepare(&mut self, key: &Key, ballot: Ballot) -> Answer {
        let floor = self.floor(key);
        if ballot < floor || ballot == self.drive_floor {
            return Answer::Refuse {
                floor,
                stable: self.keys.get(key).and_then(|versions| versions.stable),
                dirty: None,
            };
        }
        // An equal ballot is the same sender's, as ballots are never reused.
        self.keys.entry(key.clone()).or_default().floor = ballot;
        Answer::Promise(self.state(key))
    }

    fn publish(&mut self, key: Key, record: Record) -> Answer {
        let floor = self.floor(&key);
        let versions = self.keys.entry(key).or_default();
        if versions.records.iter().any(|v| v.record.ballot == record.ballot) {
            return Answer::Ack;
        }
        if record.ballot < floor || versions.stable.is_some_and(|stable| record.ballot <= stable) {
            return Answer::Refuse {
                floor,
                stable: versions.stable,
                dirty: None,
            };
        }
        let unstable = versions
            .records
            .iter()
            .filter(|v| versions.stable.is_none_or(|stable| v.record.ballot > stable))
            .count();
        if unstable >= MOST_UNSTABLE && record.base.is_none() {
            return Answer::SettleFirst;
        }
        let bytes = match &record.shard {
            Shard::None => Bytes::new(),
            Shard::Inline(bytes) => bytes.clone(),
            Shard::Held => match versions.records.iter().find(|v| v.record.write_id == record.write_id) {
                Some(held) => held.bytes.clone(),
                None => return Answer::NotStaged,
            },
            Shard::Staged { length } => {
                let Some(pieces) = self.staged.get(&record.write_id) else {
                    return Answer::NotStaged;
                };
                let mut bytes = BytesMut::new();
                for (offset, piece) in pieces {
                    if *offset != bytes.len() as u64 {
                        return Answer::NotStaged;
                    }
                    bytes.extend_from_slice(piece);
                }
                if bytes.len() as u64 != *length {
                    return Answer::NotStaged;
                }
                self.staged.remove(&record.write_id);
                bytes.freeze()
            }
        };
        versions.floor = record.ballot;
        versions.records.insert(0, Version { record, bytes });
        Answer::Ack
    }

    fn scan(&self, bucket: u64, space: Space, prefix: &Bytes, from: Bytes, limit: usize) -> Answer {
        let start = Key {
            bucket,
            space,
            name: from.max(prefix.clone()),
        };
        let mut rows = Vec::new();
        for (key, versions) in self.keys.range(start..) {
            if key.bucket != bucket || key.space != space || !key.name.starts_with(prefix) {
                break;
            }
            if versions.records.is_empty() {
                continue;
            }
            if rows.len() == limit {
                let covers = rows.last().map_or(Covers::End, |row: &ScanRow| Covers::UpTo(row.name.clone()));
                return Answer::Page {
                    rows: rows.into_iter().collect(),
                    covers,
                    dirty: self.dirty.is_some(),
                };
            }
            rows.push(ScanRow {
                name: key.name.clone(),
                state: self.state(key),
            });
        }
        Answer::Page {
            rows: rows.into_iter().collect(),
            covers: Covers::End,
            dirty: self.dirty.is_some(),
        }
    }
}

fn head(record: &Record) -> Head {
    Head {
        ballot: record.ballot,
        write_id: record.write_id,
        origin: record.origin,
        base: record.base,
        kind: record.kind,
        unconditional: record.unconditional,
        size: record.size,
        etag: record.etag,
        etag_parts: record.etag_parts,
        metadata: record.metadata.clone(),
        coding: record.coding,
        slot: record.slot,
        payload_size: record.payload_size,
        inline: matches!(record.shard, Shard::Inline(_)),
    }
}
