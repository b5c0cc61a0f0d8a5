//! From a recovered log to the state of a running drive: index, space, acceptor.

use crate::core::Core;
use crate::entry::Entry;
use crate::format::{AcceptorState, LogRecord, MarkKind, RecordType, StoredMark, StoredRecord, mark_bytes};
use crate::index::{Index, shared_extents};
use crate::log::{Found, Recovered, Replay};
use crate::rebuild::walk_resident_rows;
use crate::row::{CLOCK_LIMIT_MS, Row};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::{Extent, ExtentRegistry, ExtentSet, Ledger, Place};
use crate::{Answer, Ballot, DriveOptions, Key};
use bytes::Bytes;
use openlake_io::{Instant, Runtime};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

/// Follows the log behind a checkpoint: rows, space and accounts step by step, as they were changed the first time.
pub(crate) struct Follower {
    core: Rc<Core>,
    /// Space claimed twice, in words.
    pub conflicts: Vec<String>,
}

impl Follower {
    /// Goes on from the state of `core`.
    pub fn new(core: &Rc<Core>) -> Follower {
        Follower {
            core: core.clone(),
            conflicts: Vec::new(),
        }
    }
    fn apply(&mut self, record: LogRecord<'_>, found: Found) {
        let core = &self.core;
        if let LogRecord::Version(version) = &record {
            core.highest_record.set(core.highest_record.get().max(version.head.ballot));
        }
        let mut ledger = Ledger::default();
        let claimed = apply(&mut core.index.borrow_mut(), &core.extents, &mut ledger, record, found);
        let mut space = core.space.borrow_mut();
        ledger.settle(&mut space);
        // What was dropped goes first: its space may be what comes now, or later in the log.
        core.extents.take_returned().into_iter().for_each(|extent| space.release(extent));
        for extent in claimed.into_iter().filter(|extent| !space.claim_extent(*extent)) {
            self.conflicts.push(claimed_twice(extent));
        }
    }
}

impl Replay for Follower {
    fn enter(&mut self, segment: u32, generation: u64) {
        self.core.space.borrow_mut().claim_log(segment, generation);
    }
    async fn batch(&mut self, records: Vec<(LogRecord<'_>, Found)>) -> Result<(), String> {
        load_rows(&self.core, records.iter().map(|(record, _)| record.key())).await?;
        for (record, found) in records {
            // Loading the rows behind it may have let go of this one again.
            load_row(&self.core, &record.key()).await?;
            self.apply(record, found);
        }
        Ok(())
    }
}

/// Reads the rows of `keys` ahead, many at a time; in words, why that fails. With little memory some may be gone again afterwards:
/// before a row is changed, [`load_row`] makes sure of it.
pub(crate) async fn load_rows(core: &Rc<Core>, keys: impl Iterator<Item = Key>) -> Result<(), String> {
    let keys: Vec<Key> = keys.collect();
    let loads = keys.iter().map(|key| load_row(core, key));
    futures_util::future::try_join_all(loads).await.map(drop)
}

/// Brings the row of a key into memory, where it stays until the next await.
pub(crate) async fn load_row(core: &Rc<Core>, key: &Key) -> Result<(), String> {
    core.load(key).await.map_err(|answer| match answer {
        Answer::Failed(text) => text,
        other => format!("{other:?}"),
    })
}

/// How a double claim is told.
pub(crate) fn claimed_twice(extent: Extent) -> String {
    format!(
        "segment {} granule {} belongs to more than one record",
        extent.segment, extent.first
    )
}

/// Puts one record of the log into the index; what it makes live and dead goes into the ledger. Returns bulk space that a row
/// refers to now and did not before.
pub(crate) fn apply(
    index: &mut Index,
    extents: &Rc<ExtentRegistry>,
    ledger: &mut Ledger,
    record: LogRecord<'_>,
    found: Found,
) -> Vec<Extent> {
    match record {
        LogRecord::Version(record) => apply_version(index, extents, ledger, record, found),
        LogRecord::Mark(mark) => {
            apply_mark(index, ledger, mark, found);
            Vec::new()
        }
    }
}

fn apply_version(
    index: &mut Index,
    extents: &Rc<ExtentRegistry>,
    ledger: &mut Ledger,
    record: StoredRecord<'_>,
    found: Found,
) -> Vec<Extent> {
    let key = index.own_key(&Key {
        bucket: record.bucket,
        space: record.space,
        name: Bytes::copy_from_slice(record.name),
    });
    let row = index.get_or_insert(key.clone());
    row.note_generation(found.generation);
    let ballot = record.head.ballot;
    if row.stable().is_some_and(|stable| ballot < stable) {
        // Dead: an older copy of a version that is superseded.
        return Vec::new();
    }
    let mut head = record.head;
    head.metadata = Bytes::copy_from_slice(record.metadata);
    let mut claimed = Vec::new();
    let shared = shared_extents(row.entries(), head.write_id, &record.extents);
    let bulk = (record.kind == RecordType::Bulk).then(|| {
        shared.unwrap_or_else(|| {
            claimed.clone_from(&record.extents);
            ExtentSet::new(record.extents, extents)
        })
    });
    let mut entry = Entry::pending(key.clone(), head, record.shard_length, bulk);
    entry.total = record.total as u32;
    entry.tail_offset = record.tail_offset as u32;
    entry.payload = record.payload.len() as u32;
    entry.set_durable(found.place, Instant(0));
    ledger.add(found.place, u64::from(entry.total), found.sequence);
    let replaced = row.accept(Rc::new(entry));
    forget(ledger, replaced.as_slice());
    if record.stable {
        let dropped = row.settle(ballot).unwrap_or_default();
        forget(ledger, &dropped);
        if row.stable() == Some(ballot) {
            set_mark(row, ledger, None, mark_bytes(&key) as u64);
        }
    }
    claimed
}

fn apply_mark(index: &mut Index, ledger: &mut Ledger, mark: StoredMark<'_>, found: Found) {
    let key = index.own_key(&Key {
        bucket: mark.bucket,
        space: mark.space,
        name: Bytes::copy_from_slice(mark.name),
    });
    let row = index.get_or_insert(key.clone());
    row.note_generation(found.generation);
    if mark.kind == MarkKind::Settled {
        row.raise_floor(mark.floor);
    }
    match mark.kind {
        MarkKind::Settled => {
            let dropped = row.settle(mark.ballot).unwrap_or_default();
            forget(ledger, &dropped);
            if row.stable() == Some(mark.ballot) {
                ledger.add(found.place, mark.total as u64, found.sequence);
                set_mark(row, ledger, Some(found.place), mark.total as u64);
            }
        }
        MarkKind::Drop => {
            let traced = row.trace();
            let Some((dropped, superseded)) = row.drop_up_to(mark.ballot) else {
                return;
            };
            forget(ledger, &dropped);
            if let Some(superseded) = superseded {
                ledger.remove(superseded, mark.total as u64);
            }
            ledger.add(found.place, mark.total as u64, found.sequence);
            // A moved copy is kept for the same segments as the original.
            row.leave_trace(found.place, traced.map_or(found.generation, |traced| *traced.end()));
            row.take_promise();
        }
    }
}

fn set_mark(row: &mut Row, ledger: &mut Ledger, mark: Option<Place>, bytes: u64) {
    if let Some(before) = row.set_mark(mark) {
        ledger.remove(before, bytes);
    }
}

fn forget(ledger: &mut Ledger, entries: &[Rc<Entry>]) {
    for entry in entries {
        if let Some(place) = entry.place() {
            ledger.remove(place, u64::from(entry.total));
        }
    }
}

/// The acceptor's state of this run: promises of the run before were kept up to its bound; after damage, whatever was lost was at
/// most as far ahead of the clock as any ballot may be. `known`: as the newest root has it.
pub(crate) fn next_state(
    runtime: &Runtime,
    recovered: &Recovered,
    known: AcceptorState,
    options: &DriveOptions,
    damaged: bool,
) -> AcceptorState {
    let before = recovered.state;
    let boot = before.boot.max(known.boot).saturating_add(1).max(options.boot_at_least);
    let bound = if is_planted(Sabotage::VolatilePromise) {
        before.drive_floor
    } else {
        before.bound()
    };
    let mut drive_floor = before.drive_floor.max(bound);
    let mut dirty = before.dirty;
    if damaged {
        let clock = (runtime.wall_ms() + CLOCK_LIMIT_MS) << 16 | 0xffff;
        drive_floor = drive_floor.max(known.bound()).max(Ballot {
            clock,
            node: u32::MAX,
            boot: u32::MAX,
        });
        dirty = Some(drive_floor);
    }
    AcceptorState {
        drive_floor,
        dirty,
        bound_clock: drive_floor.clock,
        boot,
    }
}

/// Records that nobody said to be complete; their age begins anew. In words, why the drive is not to start any more.
pub(crate) async fn unsettled(core: &Rc<Core>) -> Result<VecDeque<Weak<Entry>>, String> {
    let now = core.runtime.now();
    let mut queue = VecDeque::new();
    walk_resident_rows(core, |_, row| {
        for entry in row.entries().iter().filter(|entry| Some(entry.head.ballot) > row.stable()) {
            entry.since.set(now);
            entry.queued.set(true);
            queue.push_back(Rc::downgrade(entry));
        }
    })
    .await?;
    Ok(queue)
}
