//! Whether a drive is what its log says: every row's record is there and whole, no space is leaked or used twice, the cleaner's
//! accounts are exact, and the index is what a rebuild would make.
//!
//! For a drive at rest: nothing may change meanwhile.

use crate::core::Core;
use crate::entry::Entry;
use crate::format::{LogRecord, mark_bytes};
use crate::index::Index;
use crate::log::{Found, Replay, salvage};
use crate::rebuild::{Counted, walk_rows};
use crate::recovery::known_segments;
use crate::replay::{apply, claimed_twice};
use crate::row::Row;
use crate::space::{Extent, ExtentRegistry, Ledger, SegmentClass, Space};
use crate::{Ballot, Key, Kind};
use std::rc::Rc;

/// More errors than this are only counted.
const ERRORS_LIMIT: usize = 100;

/// What was looked at and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    pub rows: u64,
    pub records: u64,
    pub bulk_extents: u64,
    pub log_segments: u64,
    /// All errors; `errors` holds the words of the first hundred.
    pub error_count: u64,
    pub errors: Vec<String>,
}

impl Verification {
    /// Adds what was found elsewhere.
    pub(crate) fn add(&mut self, errors: Vec<String>) {
        errors.into_iter().for_each(|text| self.error(text));
    }
    fn error(&mut self, text: String) {
        self.error_count += 1;
        if self.errors.len() < ERRORS_LIMIT {
            self.errors.push(text);
        }
    }
}

/// What the comparison needs of one row.
struct Seen {
    key: Key,
    entries: Vec<Rc<Entry>>,
    stable: Option<Ballot>,
    mark: Option<crate::space::Place>,
    /// The mark is the trace of a collected tombstone.
    is_trace: bool,
}

/// Looks at everything. Memory: all rows, twice.
pub(crate) async fn verify(core: &Rc<Core>) -> Result<Verification, String> {
    let mut found = Verification::default();
    let mut counted = Counted::default();
    let mut rows: Vec<Seen> = Vec::new();
    walk_rows(core, |key, row| {
        counted.add(key, row);
        if row.newest().is_some() {
            rows.push(seen(key, row));
        }
    })
    .await?;
    rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    found.rows = rows.len() as u64;
    for row in &rows {
        for entry in &row.entries {
            found.records += 1;
            if core.read_tail(entry).await.is_none() {
                found.error(format!(
                    "{}: the record of {} is not at its place",
                    name(&row.key),
                    entry.head.ballot
                ));
            }
        }
    }
    check_space(core, &counted, &mut found);
    check_accounts(core, &counted, &mut found);
    compare_with_rebuild(core, &rows, &mut found).await?;
    Ok(found)
}

fn seen(key: &Key, row: &Row) -> Seen {
    Seen {
        key: key.clone(),
        entries: row.entries().iter().filter(|entry| entry.is_durable()).cloned().collect(),
        stable: row.stable(),
        mark: row.mark(),
        is_trace: row.trace().is_some(),
    }
}

fn name(key: &Key) -> String {
    format!("key '{}' of bucket {:016x}", key.name.escape_ascii(), key.bucket)
}

/// The bitmaps against what rows and the index refer to.
fn check_space(core: &Core, counted: &Counted, found: &mut Verification) {
    let own = core.extents.unpublished();
    let space = core.space.borrow();
    let mut expected = Space::new(*core.medium.geometry(), core.medium.made_segments());
    found.bulk_extents = counted.extents.len() as u64;
    for extent in own.iter().chain(&counted.extents) {
        if !expected.claim_extent(*extent) {
            found.error(claimed_twice(*extent));
        }
    }
    for number in 0..core.medium.geometry().segments {
        let (is, should) = (space.bitmap_image(number, &[]), expected.bitmap_image(number, &[]));
        if is != should {
            let (leaked, unmarked) = difference(&is.words, &should.words);
            found.error(format!(
                "bulk segment {number}: {leaked} granules are used by nothing, {unmarked} are used but free by the bitmap"
            ));
        }
    }
}

fn difference(is: &[u64], should: &[u64]) -> (u32, u32) {
    let word = |words: &[u64], at: usize| words.get(at).copied().unwrap_or(0);
    (0..is.len().max(should.len())).fold((0, 0), |(leaked, unmarked), at| {
        let (is, should) = (word(is, at), word(should, at));
        (leaked + (is & !should).count_ones(), unmarked + (should & !is).count_ones())
    })
}

/// What the segment table calls live against what rows refer to.
fn check_accounts(core: &Core, counted: &Counted, found: &mut Verification) {
    let space = core.space.borrow();
    for (number, segment) in space.segments() {
        let counted = counted.live.get(&number).copied().unwrap_or_default();
        if segment.class == SegmentClass::Log {
            found.log_segments += 1;
        } else if counted != (0, 0) {
            found.error(format!("segment {number} holds records but is no log segment"));
        }
        let told = (segment.live_bytes, segment.live_records);
        if segment.class == SegmentClass::Log && told != counted {
            found.error(format!(
                "log segment {number}: {} bytes in {} records are said to live, {} in {} do",
                told.0, told.1, counted.0, counted.1
            ));
        }
    }
}

/// Rows from the log alone, in memory.
struct Memory {
    index: Index,
    extents: Rc<ExtentRegistry>,
}

impl Replay for Memory {
    fn enter(&mut self, _: u32, _: u64) {}
    async fn batch(&mut self, records: Vec<(LogRecord<'_>, Found)>) -> Result<(), String> {
        for (record, found) in records {
            apply(&mut self.index, &self.extents, &mut Ledger::default(), record, found);
        }
        Ok(())
    }
}

async fn compare_with_rebuild(core: &Rc<Core>, rows: &[Seen], found: &mut Verification) -> Result<(), String> {
    let mut memory = Memory {
        index: Index::new(u64::MAX),
        extents: Rc::default(),
    };
    let state = core.acceptor.get();
    let known = known_segments(core).await;
    salvage(&core.medium, core.seed, state, known.as_ref(), &mut memory).await?;
    let rebuilt: Vec<Seen> = memory
        .index
        .rows()
        .filter(|(_, row)| row.newest().is_some())
        .map(|(key, row)| seen(key, row))
        .collect();
    let mut left = rebuilt.iter().peekable();
    for row in rows {
        while let Some(extra) = left.next_if(|extra| extra.key < row.key) {
            extra_row(extra, state.drive_floor, found);
        }
        match left.next_if(|other| other.key == row.key) {
            None => found.error(format!("{}: a rebuild would lose it", name(&row.key))),
            Some(other) => compare(row, other, found),
        }
    }
    left.for_each(|extra| extra_row(extra, state.drive_floor, found));
    Ok(())
}

/// A row that only a rebuild has: the trace of a collected tombstone, or an error.
fn extra_row(extra: &Seen, drive_floor: Ballot, found: &mut Verification) {
    let newest = extra.entries.last().map(|entry| &entry.head);
    if !newest.is_some_and(|head| head.kind == Kind::Tombstone && head.ballot <= drive_floor) {
        found.error(format!("{}: a rebuild would resurrect it", name(&extra.key)));
    }
}

fn compare(row: &Seen, other: &Seen, found: &mut Verification) {
    let versions = |seen: &Seen| -> Vec<_> {
        let extents = |entry: &Rc<Entry>| -> Vec<Extent> { entry.extents.as_ref().map(|set| set.to_vec()).unwrap_or_default() };
        let all = seen.entries.iter();
        all.map(|entry| (entry.head.clone(), entry.place(), entry.total, extents(entry)))
            .collect()
    };
    if versions(row) != versions(other) || row.stable != other.stable {
        found.error(format!("{}: a rebuild would make another row of it", name(&row.key)));
    } else if row.mark != other.mark && !(row.mark.is_none() && other.is_trace) {
        // A trace that no segment is left for is forgotten, though the log may still have it.
        let bytes = mark_bytes(&row.key);
        found.error(format!("{}: a rebuild would find another mark of {bytes} bytes", name(&row.key)));
    }
}
