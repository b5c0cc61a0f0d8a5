//! From a recovered log to the state of a running drive: index, space, acceptor.

use crate::entry::Entry;
use crate::format::{AcceptorState, LogRecord, MarkKind, RecordType, Root, StoredMark, StoredRecord, mark_bytes};
use crate::index::Index;
use crate::log::{Found, Recovered};
use crate::medium::Medium;
use crate::row::{CLOCK_LIMIT_MS, Row};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::{ExtentRegistry, ExtentSet, Ledger, Place, Space};
use crate::{Ballot, DriveOptions, Key};
use bytes::Bytes;
use openlake_io::{Instant, Runtime};
use std::collections::{HashSet, VecDeque};
use std::rc::{Rc, Weak};

/// Puts one record of the log into the index; what it makes live and dead goes into the ledger.
pub(crate) fn apply(index: &mut Index, extents: &Rc<ExtentRegistry>, ledger: &mut Ledger, record: LogRecord<'_>, found: Found) {
    match record {
        LogRecord::Version(record) => apply_version(index, extents, ledger, record, found),
        LogRecord::Mark(mark) => apply_mark(index, ledger, mark, found),
    }
}

fn apply_version(index: &mut Index, extents: &Rc<ExtentRegistry>, ledger: &mut Ledger, record: StoredRecord<'_>, found: Found) {
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
        return;
    }
    let mut head = record.head;
    head.metadata = Bytes::copy_from_slice(record.metadata);
    let shared = row.of_write_id(head.write_id).and_then(|entry| entry.extents.clone());
    let bulk = (record.kind == RecordType::Bulk).then(|| shared.unwrap_or_else(|| ExtentSet::new(record.extents, extents)));
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
}

fn apply_mark(index: &mut Index, ledger: &mut Ledger, mark: StoredMark<'_>, found: Found) {
    let key = index.own_key(&Key {
        bucket: mark.bucket,
        space: mark.space,
        name: Bytes::copy_from_slice(mark.name),
    });
    let row = index.get_or_insert(key.clone());
    row.note_generation(found.generation);
    row.raise_floor(mark.floor);
    match mark.kind {
        MarkKind::Settled => {
            let dropped = row.settle(mark.ballot).unwrap_or_default();
            forget(ledger, &dropped);
            if row.stable() == Some(mark.ballot) {
                ledger.add(found.place, mark.total as u64, found.sequence);
                set_mark(row, ledger, Some(found.place), mark.total as u64);
            }
        }
        MarkKind::Drop => {}
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

/// Space as the records left it; what claims the same space twice is told in words.
pub(crate) fn rebuild_space(medium: &Medium, recovered: &Recovered, index: &Index, ledger: Ledger) -> (Space, Vec<String>) {
    let mut space = Space::new(*medium.geometry(), medium.made_segments());
    for (segment, generation) in &recovered.segments {
        space.claim_log(*segment, *generation);
    }
    ledger.settle(&mut space);
    let mut conflicts = Vec::new();
    let mut claimed: HashSet<*const ExtentSet> = HashSet::new();
    for (_, entry) in index.entries() {
        let Some(extents) = &entry.extents else { continue };
        if !claimed.insert(Rc::as_ptr(extents)) {
            continue;
        }
        for extent in extents.to_vec().into_iter().filter(|extent| !space.claim_extent(*extent)) {
            conflicts.push(format!(
                "segment {} granule {} belongs to more than one record",
                extent.segment, extent.first
            ));
        }
    }
    (space, conflicts)
}

/// The acceptor's state of this run: promises of the run before were kept up to its bound; after damage, whatever was lost was at
/// most as far ahead of the clock as any ballot may be.
pub(crate) fn next_state(runtime: &Runtime, recovered: &Recovered, root: &Root, options: &DriveOptions, damaged: bool) -> AcceptorState {
    let before = recovered.state;
    let boot = before.boot.max(root.state.boot).saturating_add(1).max(options.boot_at_least);
    let bound = if is_planted(Sabotage::VolatilePromise) {
        before.drive_floor
    } else {
        before.bound()
    };
    let mut drive_floor = before.drive_floor.max(bound);
    let mut dirty = before.dirty;
    if damaged {
        let clock = (runtime.wall_ms() + CLOCK_LIMIT_MS) << 16 | 0xffff;
        drive_floor = drive_floor.max(root.state.bound()).max(Ballot {
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

/// Records that nobody said to be complete; their age begins anew.
pub(crate) fn unsettled(index: &Index, runtime: &Runtime) -> VecDeque<Weak<Entry>> {
    let now = runtime.now();
    let mut queue = VecDeque::new();
    for (_, row) in index.rows() {
        for entry in row.entries().iter().filter(|entry| Some(entry.head.ballot) > row.stable()) {
            entry.since.set(now);
            queue.push_back(Rc::downgrade(entry));
        }
    }
    queue
}
