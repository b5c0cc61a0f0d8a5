//! Reading: a version's blocks, each verified before it is given out. A damaged one is `None`, never wrong bytes.

use crate::core::Core;
use crate::entry::Entry;
use crate::format::{PAGE_BYTES, StoredRecord};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::{Place, pieces};
use crate::strain::Foreground;
use crate::{Answer, Block, Key, KeyState, Kind, ShardBytes, Want, WriteId};
use bytes::{Bytes, BytesMut};
use openlake_checksum::crc64;
use std::rc::Rc;

/// Most bytes of one read of the device; larger ones gain nothing and hold memory longer.
const READ_LIMIT_BYTES: u64 = 4 << 20;

/// A run of bytes of a shard as the device gave it, or nothing where it failed.
struct Run {
    offset: u64,
    length: u64,
    bytes: Option<Bytes>,
}

impl Core {
    /// What the drive knows of a key, with blocks of the newest version if wanted. `None`: memory does not hold all of it, or something
    /// in it is damaged.
    pub fn read_in_memory(&self, key: &Key, want: Want) -> Option<Answer> {
        let (state, newest) = match self.look_up(key) {
            Some(found) => found,
            None if self.index.borrow().is_resident(key) => (self.nothing_of(key), None),
            None => return None,
        };
        let shard = match (want, newest) {
            (Want::Blocks { .. }, Some(entry)) if entry.head.kind == Kind::Data => {
                if entry.extents.is_some() {
                    return None;
                }
                let tail = self.cache.borrow_mut().get(self.cache_key(entry.place()?))?;
                let blocks = inline_blocks(&entry, &tail);
                if blocks.iter().any(Option::is_none) {
                    return None;
                }
                self.counters.cache_hits.add(1);
                Some(ShardBytes {
                    write_id: entry.head.write_id,
                    first: 0,
                    blocks,
                })
            }
            _ => None,
        };
        Some(Answer::State { state, shard })
    }
    /// The same from memory and the device, where a block that cannot be read is `None`.
    pub async fn read(&self, key: Key, want: Want) -> Answer {
        let (state, newest) = match self.look_up(&key) {
            Some(found) => found,
            None => {
                if let Err(answer) = self.load(&key).await {
                    return answer;
                }
                self.look_up(&key).unwrap_or_else(|| (self.nothing_of(&key), None))
            }
        };
        let shard = match (want, newest) {
            (Want::Blocks { first, count }, Some(entry)) if entry.head.kind == Kind::Data => {
                Some(self.read_blocks(&entry, first, count).await)
            }
            _ => None,
        };
        Answer::State { state, shard }
    }
    /// What memory says of a key.
    fn look_up(&self, key: &Key) -> Option<(KeyState, Option<Rc<Entry>>)> {
        let acceptor = self.acceptor.get();
        let index = self.index.borrow();
        let row = index.get(key)?;
        Some((row.state(acceptor.drive_floor, self.dirty_of(key), false), row.newest().cloned()))
    }
    /// What is said of a key without a row.
    fn nothing_of(&self, key: &Key) -> KeyState {
        let acceptor = self.acceptor.get();
        let promised = self.promises.borrow().get(key).copied().unwrap_or_default();
        KeyState {
            records: Vec::new(),
            stable: None,
            dirty: self.dirty_of(key),
            floor: acceptor.drive_floor.max(promised),
        }
    }
    /// Blocks of a version named by its write id.
    pub async fn read_by_write_id(&self, key: Key, write_id: WriteId, first: u32, count: u32) -> Answer {
        if let Err(answer) = self.load(&key).await {
            return answer;
        }
        let held = self
            .index
            .borrow()
            .get(&key)
            .and_then(|row| row.durable_of_write_id(write_id).cloned());
        let held = held.or_else(|| {
            self.departed
                .borrow()
                .get(write_id)
                .filter(|entry| entry.key == key && entry.is_durable())
        });
        match held {
            Some(entry) => Answer::Blocks(self.read_blocks(&entry, first, count).await),
            None => Answer::Gone,
        }
    }

    async fn read_blocks(&self, entry: &Rc<Entry>, first: u32, count: u32) -> ShardBytes {
        let all = entry.blocks() as u32;
        let (first, count) = match entry.extents {
            Some(_) => (first.min(all), count.min(all.saturating_sub(first))),
            None => (0, all),
        };
        let tail = if count > 0 { self.tail(entry).await } else { Some(Bytes::new()) };
        let blocks = match (tail, &entry.extents) {
            (Some(tail), Some(_)) => self.bulk_blocks(entry, &tail, first, count).await,
            (Some(tail), None) => inline_blocks(entry, &tail),
            (None, _) => vec![None; count as usize],
        };
        let corrupt = blocks.iter().filter(|block| block.is_none()).count();
        if corrupt > 0 {
            self.counters.corrupt_blocks.add(corrupt as u64);
            self.ailments.note_damaged(&entry.key);
        }
        ShardBytes {
            write_id: entry.head.write_id,
            first,
            blocks,
        }
    }

    /// Checksums and inline payload of a record, from memory or the device.
    async fn tail(&self, entry: &Entry) -> Option<Bytes> {
        let place = entry.place()?;
        // Until the tail is in the cache: the key stands for this record only as long as the segment is not used again.
        let _lease = (!is_planted(Sabotage::LeaseIgnored)).then(|| self.leases.take(place.segment()));
        let key = self.cache_key(place);
        if let Some(tail) = self.cache.borrow_mut().get(key) {
            self.counters.cache_hits.add(1);
            return Some(tail);
        }
        self.counters.cache_misses.add(1);
        let wait = self.strain.begin(self.runtime.now());
        let tail = self.read_tail(entry).await;
        self.strain.end(Foreground::Read, wait, self.runtime.now());
        let tail = tail?;
        if self.cache.borrow().takes(tail.len()) && intact(entry, &tail) {
            self.cache.borrow_mut().insert(key, Bytes::copy_from_slice(&tail));
        }
        Some(tail)
    }
    /// The same from the device; `None` when the record cannot be read or is damaged outside its payload.
    pub async fn read_tail(&self, entry: &Entry) -> Option<Bytes> {
        let place = entry.place()?;
        let _lease = (!is_planted(Sabotage::LeaseIgnored)).then(|| self.leases.take(place.segment()));
        let start = place.offset() as usize / PAGE_BYTES * PAGE_BYTES;
        let end = (place.offset() as usize + entry.total as usize).next_multiple_of(PAGE_BYTES);
        let read = self.medium.read(Place::new(place.segment(), start as u32), end - start).await;
        let pages = read.inspect_err(|_| self.counters.errors.add(1)).ok()?.freeze();
        let at = place.offset() as usize - start;
        let record = StoredRecord::decode(pages.get(at..)?, self.seed.salt)?;
        let same = record.head.ballot == entry.head.ballot
            && record.head.write_id == entry.head.write_id
            && record.name == &entry.key.name[..]
            && record.tail_offset == entry.tail_offset as usize;
        let tail = at + entry.tail_offset as usize..at + entry.tail_offset as usize + entry.tail_bytes();
        same.then(|| pages.slice(tail))
    }

    async fn bulk_blocks(&self, entry: &Rc<Entry>, checksums: &Bytes, first: u32, count: u32) -> Vec<Option<Block>> {
        if count == 0 {
            return Vec::new();
        }
        let shift = u32::from(entry.head.coding.block_shift);
        let bounds = |block: u32| (u64::from(block) << shift, (u64::from(block + 1) << shift).min(entry.shard_length));
        let (start, end) = (bounds(first).0, bounds(first + count - 1).1);
        let runs = self.runs(entry, start, end - start).await;
        let mut blocks = Vec::with_capacity(count as usize);
        for block in first..first + count {
            let (from, to) = bounds(block);
            let checksum = checksum_at(checksums, block as usize);
            let good = |bytes: Bytes| {
                let checksum = checksum?;
                (crc64(&bytes) == checksum).then_some(Block {
                    bytes,
                    checksum,
                    verified: true,
                })
            };
            let mut found = gather(&runs, from, to - from).and_then(good);
            if found.is_none() && count > 1 {
                // The read around it failed, perhaps not because of this block.
                found = gather(&self.runs(entry, from, to - from).await, from, to - from).and_then(good);
            }
            blocks.push(found);
        }
        blocks
    }
    /// Reads a range of a bulk shard, large pieces at once. The entry's extents cannot be reused meanwhile: the caller holds them.
    async fn runs(&self, entry: &Rc<Entry>, offset: u64, length: u64) -> Vec<Run> {
        let Some(extents) = &entry.extents else { return Vec::new() };
        let page = PAGE_BYTES as u64;
        let (from, to) = (offset / page * page, (offset + length).next_multiple_of(page));
        let mut reads = Vec::new();
        let mut position = from;
        for (segment, start, length) in pieces(&extents.to_vec(), self.medium.geometry().granule_bytes, from, to - from) {
            let mut done = 0;
            while done < length {
                let step = READ_LIMIT_BYTES.min(length - done);
                let (place, offset) = (Place::new(segment, start + done as u32), position + done);
                reads.push(async move {
                    let read = self
                        .medium
                        .read(place, step as usize)
                        .await
                        .inspect_err(|_| self.counters.errors.add(1));
                    Run {
                        offset,
                        length: step,
                        bytes: read.ok().map(|buffer| buffer.freeze()),
                    }
                });
                done += step;
            }
            position += length;
        }
        futures_util::future::join_all(reads).await
    }
}

fn checksum_at(checksums: &[u8], block: usize) -> Option<u64> {
    checksums.get(block * 8..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// `length` bytes at `offset` out of runs: a slice where one run holds them all, else a copy; `None` where a run is missing.
fn gather(runs: &[Run], offset: u64, length: u64) -> Option<Bytes> {
    let end = offset + length;
    let mut overlapping = runs.iter().filter(|run| run.offset < end && offset < run.offset + run.length);
    let cut = |run: &Run| {
        let (from, to) = (offset.max(run.offset) - run.offset, end.min(run.offset + run.length) - run.offset);
        run.bytes.as_ref().map(|bytes| bytes.slice(from as usize..to as usize))
    };
    let first = cut(overlapping.next()?)?;
    if first.len() as u64 == length {
        return Some(first);
    }
    let mut whole = BytesMut::with_capacity(length as usize);
    whole.extend_from_slice(&first);
    for run in overlapping {
        whole.extend_from_slice(&cut(run)?);
    }
    (whole.len() as u64 == length).then(|| whole.freeze())
}

fn inline_parts<'tail>(entry: &Entry, tail: &'tail Bytes) -> impl Iterator<Item = (Bytes, Option<u64>)> + 'tail {
    let checksum_bytes = entry.checksum_bytes().min(tail.len());
    let payload = tail.slice(checksum_bytes..);
    let block = match entry.head.coding.block_shift {
        0 => payload.len().max(1),
        shift => 1_usize << shift,
    };
    let blocks = entry.blocks() as usize;
    (0..blocks).map(move |at| {
        let (from, to) = ((at * block).min(payload.len()), ((at + 1) * block).min(payload.len()));
        (payload.slice(from..to), checksum_at(&tail[..checksum_bytes], at))
    })
}

fn inline_blocks(entry: &Entry, tail: &Bytes) -> Vec<Option<Block>> {
    let verified = |(bytes, checksum): (Bytes, Option<u64>)| {
        let checksum = checksum?;
        (crc64(&bytes) == checksum).then_some(Block {
            bytes,
            checksum,
            verified: true,
        })
    };
    inline_parts(entry, tail).map(verified).collect()
}

/// Whether an inline payload may be kept in memory (checksums of bulk blocks were verified with their record).
fn intact(entry: &Entry, tail: &Bytes) -> bool {
    entry.extents.is_some() || inline_parts(entry, tail).all(|(bytes, checksum)| Some(crc64(&bytes)) == checksum)
}
