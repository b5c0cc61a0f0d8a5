//! The index from the log alone: for a drive whose checkpoints are all unreadable.
//!
//! Segments are read in the order in which they were opened, so the newest word on every key comes last. Space is counted when all
//! is known: in between, dead records claim what living ones use. If the rows do not fit into memory, a second pass writes them out
//! on the way, to space that no record of the log lays claim to.

use crate::Key;
use crate::core::Core;
use crate::format::{AcceptorState, LogRecord, mark_bytes};
use crate::index::{MergeCursor, Run, RunError, decode_key, decode_row};
use crate::log::{Found, Recovered, Replay, Salvaged, salvage};
use crate::recovery::known_segments;
use crate::replay::{apply, claimed_twice, load_row, load_rows};
use crate::row::Row;
use crate::space::{Extent, Ledger, SegmentClass, Space};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

/// Reads of the runs.
const READ_BYTES: usize = 256 << 10;
/// Rows in memory looked at in one step.
const STEP_ROWS: usize = 64;

/// Gathers rows; knows nothing of space but what might be in use.
struct Gatherer {
    core: Rc<Core>,
    /// Rows may be written out.
    spills: bool,
    /// Rows did not fit: only claims are gathered.
    overflowed: bool,
    /// Generation and last sequence of every segment read.
    segments: BTreeMap<u32, (u64, u64)>,
    /// Everything that any record lays claim to.
    claims: Vec<Extent>,
}

impl Replay for Gatherer {
    fn survey(&mut self, segments: usize, boot: u32) {
        self.core.rebuilding.note_survey(segments, boot);
    }
    fn enter(&mut self, segment: u32, generation: u64) {
        self.core.rebuilding.note_segment();
        self.segments.insert(segment, (generation, 0));
    }
    async fn batch(&mut self, records: Vec<(LogRecord<'_>, Found)>) -> Result<(), String> {
        for (record, found) in &records {
            if let LogRecord::Version(version) = record {
                self.core.note_record(version.head.ballot);
                if !self.spills {
                    self.claims.extend(&version.extents);
                }
            }
            if let Some((_, last)) = self.segments.get_mut(&found.place.segment()) {
                *last = found.sequence;
            }
        }
        if self.overflowed {
            return Ok(());
        }
        if self.spills {
            load_rows(&self.core, records.iter().map(|(record, _)| record.key())).await?;
        }
        for (record, found) in records {
            self.core.rebuild_step().await?;
            if self.spills {
                load_row(&self.core, &record.key()).await?;
            }
            let mut ledger = Ledger::default();
            apply(&mut self.core.index.borrow_mut(), &self.core.extents, &mut ledger, record, found);
            self.core.extents.take_returned();
        }
        if self.core.rows_overflow() {
            if self.spills {
                self.core.spill().await?;
            } else {
                self.overflowed = true;
                self.core.forget_recovered();
            }
        }
        Ok(())
    }
}

/// Rebuilds rows and space of `core`, which knows nothing yet.
pub(crate) async fn rebuild(core: &Rc<Core>, state: AcceptorState) -> Result<Recovered, String> {
    let mut gatherer = Gatherer {
        core: core.clone(),
        spills: false,
        overflowed: false,
        segments: BTreeMap::new(),
        claims: Vec::new(),
    };
    let known = known_segments(core).await;
    let mut salvaged = salvage(&core.medium, core.seed, state, known.as_ref(), &mut gatherer).await?;
    if gatherer.overflowed {
        core.forget_recovered();
        reserve(core, &gatherer, &salvaged);
        gatherer = Gatherer {
            spills: true,
            overflowed: false,
            segments: BTreeMap::new(),
            ..gatherer
        };
        salvaged = salvage(&core.medium, core.seed, state, known.as_ref(), &mut gatherer).await?;
    }
    let conflicts = count(core, &gatherer).await?;
    let space = core.space.borrow();
    let is_log = |segment: u32| space.segment(segment).is_some_and(|row| row.class == SegmentClass::Log);
    let damage = salvaged.damage.into_iter().filter(|(segment, _)| is_log(*segment));
    let mut recovered = salvaged.recovered;
    recovered.damage = damage.map(|(_, text)| text).chain(conflicts).collect();
    Ok(recovered)
}

/// Marks as used what any record might use, so that runs can be written beside it.
fn reserve(core: &Core, gatherer: &Gatherer, salvaged: &Salvaged) {
    let mut space = core.space.borrow_mut();
    for extent in &gatherer.claims {
        space.reserve_extent(*extent);
    }
    for (segment, (generation, _)) in &gatherer.segments {
        space.claim_log(*segment, *generation);
    }
    space.claim_log(salvaged.recovered.head.next, 0);
}

/// Counts the space from the rows as they are in the end; what is claimed twice, in words.
async fn count(core: &Rc<Core>, gatherer: &Gatherer) -> Result<Vec<String>, String> {
    let mut space = Space::new(*core.medium.geometry(), core.medium.made_segments());
    let mut counted = Counted::default();
    walk_rows(core, |key, row| counted.add(key, row)).await?;
    let mut conflicts = Vec::new();
    let runs: Rc<Vec<Rc<Run>>> = core.index.borrow().runs();
    let of_runs = runs.iter().flat_map(|run| run.blob.extents.to_vec());
    for extent in of_runs.chain(counted.extents) {
        if !space.claim_extent(extent) {
            conflicts.push(claimed_twice(extent));
        }
    }
    for (segment, (generation, last)) in &gatherer.segments {
        let live = counted.live.remove(segment).unwrap_or_default();
        let class = space.segment(*segment).map(|row| row.class);
        match (class, live) {
            // Used for something else since.
            (Some(SegmentClass::Bulk), (0, 0)) => {}
            (Some(SegmentClass::Bulk), _) => conflicts.push(format!("segment {segment} holds both bulk and records of the log")),
            _ => space.restore_log(*segment, *generation, live, *last),
        }
    }
    core.extents.take_returned();
    *core.space.borrow_mut() = space;
    Ok(conflicts)
}

/// Shows every row, whether in memory or not, in no particular order; in words, what cannot be read. Nobody may change any meanwhile.
pub(crate) async fn walk_rows(core: &Rc<Core>, mut visit: impl FnMut(&Key, &Row)) -> Result<(), String> {
    walk_resident_rows(core, &mut visit).await?;
    let in_words = |error: RunError| error.to_string();
    let runs = core.index.borrow().runs();
    let mut cursor = MergeCursor::seek(&runs, &core.medium, &[], READ_BYTES).await.map_err(in_words)?;
    while let Some(bytes) = cursor.key() {
        let value = cursor.value();
        if let Some(key) = decode_key(bytes).filter(|_| !value.is_empty())
            && !core.index.borrow().holds(&key)
        {
            let row = decode_row(&key, &value, &core.extents).flatten();
            let row = row.ok_or_else(|| format!("the row of '{}' makes no sense", key.name.escape_ascii()))?;
            visit(&key, &row);
        }
        cursor.advance(&core.medium).await.map_err(in_words)?;
        core.rebuild_step().await?;
    }
    Ok(())
}

/// The same of the rows in memory, in order.
pub(crate) async fn walk_resident_rows(core: &Rc<Core>, mut visit: impl FnMut(&Key, &Row)) -> Result<(), String> {
    let mut last: Option<Key> = None;
    loop {
        {
            let index = core.index.borrow();
            let mut seen = None;
            for (key, row) in index.rows_behind(last.as_ref()).take(STEP_ROWS) {
                visit(key, row);
                seen = Some(key.clone());
            }
            last = seen;
        }
        if last.is_none() {
            return Ok(());
        }
        core.rebuild_step().await?;
    }
}

/// Space that rows refer to.
#[derive(Default)]
pub(crate) struct Counted {
    /// Bytes and records by log segment.
    pub live: BTreeMap<u32, (u64, u64)>,
    pub extents: Vec<Extent>,
    pub rows: u64,
}

impl Counted {
    /// Adds one row.
    pub fn add(&mut self, key: &Key, row: &Row) {
        self.rows += 1;
        let mut sets = HashSet::new();
        for entry in row.entries() {
            let Some(place) = entry.place() else { continue };
            self.add_live(place.segment(), u64::from(entry.total));
            if let Some(extents) = &entry.extents
                && sets.insert(Rc::as_ptr(extents))
            {
                self.extents.extend(extents.to_vec());
            }
        }
        if let Some(mark) = row.mark() {
            self.add_live(mark.segment(), mark_bytes(key) as u64);
        }
    }
    fn add_live(&mut self, segment: u32, bytes: u64) {
        let live = self.live.entry(segment).or_default();
        live.0 += bytes;
        live.1 += 1;
    }
}
