//! The rows in memory, and the list of runs that hold all others.
//!
//! A hash table answers for single keys, which is what nearly all requests ask; an ordered map of the keys serves scans, checkpoints
//! and eviction. A change stamps its row with the current epoch; a freeze ends the epoch, and installing the frozen rows' run makes
//! everything up to it clean. So no step touches more rows than it changes. The map repeats the stamps, so that a walk in order goes
//! to those rows alone that the runs lack.

use super::block::Block;
use super::run::Run;
use super::slot::{Image, SLOT_OVERHEAD_BYTES, Slot, Standing};
use crate::cache::Cache;
use crate::row::Row;
use crate::table::Table;
use crate::{Key, Space as NameSpace};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;

/// Of the budget, the share that cached blocks of runs may take.
const BLOCKS_SHARE: usize = 4;

/// A block of a run: the run's id, the block's number.
pub(crate) type BlockName = (u64, usize);

/// The index of one drive.
pub(crate) struct Index {
    pub(super) rows: Table<Key, Slot>,
    /// Every key of `rows`, with the epoch of its last change.
    pub(super) order: BTreeMap<Key, u64>,
    /// Stamped on what changes now.
    pub(super) epoch: u64,
    /// Everything stamped up to here is in the runs.
    pub(super) installed: u64,
    /// A checkpoint writes what is stamped up to here.
    pub(super) frozen: Option<u64>,
    /// Frozen rows that changed before they were encoded, as they were.
    pub(super) images: Table<Key, Option<Image>>,
    /// Changed last; its memory is estimated anew when something else happens.
    pub(super) unweighed: Option<Key>,
    pub(super) resident_bytes: usize,
    pub(super) dirty_bytes: usize,
    pub(super) dirty_rows: u64,
    pub(super) frozen_rows: u64,
    /// Memory of the rows that a checkpoint is writing. One that changes meanwhile counts as dirty too: an image of it is kept.
    pub(super) frozen_bytes: usize,
    /// Where eviction goes on.
    pub(super) hand: Option<Key>,
    /// The runs know of unsettled rows that nobody else thinks of, or will when this epoch is installed.
    pub(super) unsettled_elsewhere: Option<u64>,
    /// Rows that a copy of their trace is on its way for; they stay.
    pub(super) traces_on_their_way: BTreeSet<Key>,
    /// It found nothing to let go; it tries again when so much memory is used.
    pub(super) evict_at: usize,
    /// Rows that it looked at since it last found one.
    pub(super) looked_in_vain: usize,
    /// Newest first.
    pub(super) runs: Rc<Vec<Rc<Run>>>,
    /// Memory of their filters and fences.
    pub(super) pinned_bytes: usize,
    /// Replaced by a merge, but still named by the last root.
    pub(super) retired: Vec<Rc<Run>>,
    pub(super) generation: u64,
    pub(super) blocks: Cache<BlockName>,
    pub(super) limit_bytes: usize,
    keys: u64,
}

impl Index {
    /// An empty index that shall take about `limit_bytes` of memory. Rows that no checkpoint has taken up are kept whatever it says.
    pub fn new(limit_bytes: u64) -> Index {
        let most = usize::try_from(limit_bytes).unwrap_or(usize::MAX) / SLOT_OVERHEAD_BYTES;
        Index {
            rows: Table::for_rows(most),
            order: BTreeMap::new(),
            epoch: 1,
            installed: 0,
            frozen: None,
            images: Table::for_rows(most),
            unweighed: None,
            resident_bytes: 0,
            dirty_bytes: 0,
            dirty_rows: 0,
            frozen_rows: 0,
            frozen_bytes: 0,
            hand: None,
            unsettled_elsewhere: None,
            traces_on_their_way: BTreeSet::new(),
            evict_at: 0,
            looked_in_vain: 0,
            runs: Rc::default(),
            pinned_bytes: 0,
            retired: Vec::new(),
            generation: 0,
            blocks: Cache::new(limit_bytes / BLOCKS_SHARE as u64),
            limit_bytes: usize::try_from(limit_bytes).unwrap_or(usize::MAX),
            keys: 0,
        }
    }
    /// The row of a key that is in memory. After `Core::load`, until the next await, `None` means that there is none.
    pub fn get(&self, key: &Key) -> Option<&Row> {
        let slot = self.rows.get(key)?;
        slot.used.set(true);
        Some(&slot.row).filter(|row| !row.is_empty())
    }
    /// Whether memory alone answers for a key.
    pub fn is_resident(&self, key: &Key) -> bool {
        self.runs.is_empty() || self.rows.contains_key(key)
    }
    /// The row of a key, to be changed; load it first.
    pub fn change(&mut self, key: &Key) -> Option<&mut Row> {
        self.weigh();
        let slot = self.rows.get_mut(key)?;
        stamp(
            slot,
            key,
            self.epoch,
            self.frozen,
            self.installed,
            &mut self.images,
            &mut self.order,
            &mut self.dirty_rows,
            &mut self.dirty_bytes,
        );
        self.unweighed = Some(key.clone());
        Some(&mut slot.row)
    }
    /// The row of a key, made if missing, to be changed; load it first. `key` must not pin a request's memory: see
    /// [`Index::own_key`].
    pub fn get_or_insert(&mut self, key: Key) -> &mut Row {
        self.weigh();
        let epoch = self.epoch;
        let slot = self.rows.get_or_insert_with(key.clone(), || Slot::new(Row::default(), 0));
        stamp(
            slot,
            &key,
            epoch,
            self.frozen,
            self.installed,
            &mut self.images,
            &mut self.order,
            &mut self.dirty_rows,
            &mut self.dirty_bytes,
        );
        self.unweighed = Some(key);
        &mut slot.row
    }
    /// What a change of the row of a key, which is in memory, adds to the rows that no checkpoint has taken up.
    pub fn bytes_to_write(&self, key: &Key) -> usize {
        let clean = |slot: &&Slot| standing(slot.epoch, self.frozen, self.installed) != Standing::Dirty;
        self.rows.get(key).filter(clean).map_or(0, |slot| slot.bytes)
    }
    /// Whether the row of a key is in memory, even if it says nothing.
    pub fn holds(&self, key: &Key) -> bool {
        self.rows.contains_key(key)
    }
    /// Takes in a row as the runs have it.
    pub(super) fn insert_clean(&mut self, key: Key, row: Row) {
        let mut slot = Slot::new(row, 0);
        slot.bytes = slot.estimate(&key);
        // The run that wrote the row wrote its marker.
        slot.marked = slot.is_unsettled();
        slot.counts = slot.holds_record();
        self.resident_bytes += slot.bytes;
        self.order.insert(key.clone(), slot.epoch);
        self.rows.insert(key, slot);
    }
    /// As [`Index::insert_clean`], and others go if memory is short; this one stays until the caller lets others work.
    pub fn take_in(&mut self, key: Key, row: Row) {
        self.insert_clean(key.clone(), row);
        self.evict(Some(&key));
    }
    /// A block read before.
    pub fn cached_block(&mut self, name: BlockName) -> Option<Block> {
        self.blocks.get(name).and_then(Block::parse)
    }
    /// Keeps a block for later.
    pub fn keep_block(&mut self, name: BlockName, block: &Block) {
        if self.blocks.takes(block.bytes().len()) {
            self.blocks.insert(name, Bytes::copy_from_slice(block.bytes()));
        }
    }
    /// The key as the index holds it, or a copy of it.
    pub fn own_key(&self, key: &Key) -> Key {
        let copied = || Key {
            bucket: key.bucket,
            space: key.space,
            name: Bytes::copy_from_slice(&key.name),
        };
        self.rows.get_key_value(key).map_or_else(copied, |(own, _)| own.clone())
    }
    /// Brings the accounts of the row changed last up to date: its memory, and whether its key counts.
    pub(super) fn weigh(&mut self) {
        let Some(key) = self.unweighed.take() else { return };
        let standing = |slot: &Slot| standing(slot.epoch, self.frozen, self.installed);
        if let Some(slot) = self.rows.get_mut(&key) {
            let bytes = slot.estimate(&key);
            let before = std::mem::replace(&mut slot.bytes, bytes);
            let holds = slot.holds_record();
            self.keys = recount(self.keys, slot.counts, holds);
            slot.counts = holds;
            self.resident_bytes = self.resident_bytes.saturating_sub(before) + bytes;
            if standing(slot) == Standing::Dirty {
                self.dirty_bytes = self.dirty_bytes.saturating_sub(before) + bytes;
            }
        }
    }
    /// Number of keys that a durable record is held of, those in runs included.
    pub fn keys(&self) -> u64 {
        let changed = self.unweighed.as_ref().and_then(|key| self.rows.get(key));
        changed.map_or(self.keys, |slot| recount(self.keys, slot.counts, slot.holds_record()))
    }
    /// The number as a checkpoint remembered it.
    pub fn set_keys(&mut self, keys: u64) {
        self.keys = keys;
    }
    /// Rows of one space of a bucket that the runs do not have as they are now, from a name (inclusive) to another (exclusive; `None`:
    /// the end), in order; those of removed keys too. Clean rows cost a look at the map, and no other memory.
    pub fn changed_range(&self, (bucket, space): (u64, NameSpace), from: &Bytes, to: Option<&Bytes>) -> impl Iterator<Item = (&Key, &Row)> {
        let key = |name: &Bytes| Key {
            bucket,
            space,
            name: name.clone(),
        };
        let end = to.map_or(Bound::Unbounded, |to| Bound::Excluded(key(to.max(from))));
        let keys = self.order.range((Bound::Included(key(from)), end));
        let same = move |(key, _): &(&Key, &u64)| key.bucket == bucket && key.space == space;
        keys.take_while(same)
            .filter(|(_, epoch)| standing(**epoch, self.frozen, self.installed) != Standing::Clean)
            .filter_map(|(key, _)| self.rows.get(key).map(|slot| (key, &slot.row)))
    }
    /// Bucket and space of the first row in memory from a key on; perhaps of a removed key.
    pub fn first_space(&self, from: &Key) -> Option<(u64, NameSpace)> {
        self.order
            .range((Bound::Included(from), Bound::Unbounded))
            .next()
            .map(|(key, _)| (key.bucket, key.space))
    }
    /// Every row in memory, in order: that of a hash table differs from run to run, and a simulation must not.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Row)> {
        self.order.keys().filter_map(|key| self.rows.get(key).map(|slot| (key, &slot.row)))
    }
    /// The same behind a key.
    pub fn rows_behind(&self, last: Option<&Key>) -> impl Iterator<Item = (&Key, &Row)> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.order.range::<Key, _>((from, Bound::Unbounded));
        keys.filter_map(|(key, _)| self.rows.get(key).map(|slot| (key, &slot.row)))
    }
    /// The runs, newest first.
    pub fn runs(&self) -> Rc<Vec<Rc<Run>>> {
        self.runs.clone()
    }
    /// Bytes of all runs.
    pub fn runs_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.blob.length).sum()
    }
    /// Changes whenever a checkpoint's run is installed: what was read from the runs before may be old. (A merge changes nothing.)
    pub fn generation(&self) -> u64 {
        self.generation
    }
    /// The runs that a start found, newest first.
    pub fn set_runs(&mut self, runs: Vec<Rc<Run>>) {
        self.put_runs(runs);
        self.generation += 1;
    }
    pub(super) fn put_runs(&mut self, runs: Vec<Rc<Run>>) {
        self.pinned_bytes = runs.iter().map(|run| run.memory_bytes()).sum();
        self.runs = Rc::new(runs);
        // What filters and fences take beyond their share, cached blocks give up.
        let share = self.limit_bytes / BLOCKS_SHARE;
        self.blocks
            .set_limit((share * 2).saturating_sub(self.pinned_bytes).clamp(share / 8, share));
    }
    /// A run says of this key, which is in memory, that it is unsettled.
    pub fn set_marked(&mut self, key: &Key) {
        if let Some(slot) = self.rows.get_mut(key) {
            slot.marked = true;
        }
    }
    /// Whether the runs may know of unsettled rows that are not in memory.
    pub fn has_unsettled_elsewhere(&self) -> bool {
        self.unsettled_elsewhere.is_some()
    }
    /// Says so, of rows as they are now.
    pub fn note_unsettled_elsewhere(&mut self) {
        self.unsettled_elsewhere = Some(self.epoch);
    }
    /// All that the runs know of are about to be looked for; those that no run has yet, later.
    pub fn begin_look_elsewhere(&mut self) {
        self.unsettled_elsewhere = self.unsettled_elsewhere.filter(|epoch| *epoch > self.installed);
    }
    /// Keeps the row of a trace in memory until its copy is durable.
    pub fn begin_trace_move(&mut self, key: &Key) {
        self.traces_on_their_way.insert(key.clone());
    }
    /// The copy is durable.
    pub fn end_trace_move(&mut self, key: &Key) {
        self.traces_on_their_way.remove(key);
    }
}

/// The number of keys that count, after one of them did or did not and now does or does not.
fn recount(keys: u64, before: bool, now: bool) -> u64 {
    match (before, now) {
        (false, true) => keys + 1,
        (true, false) => keys.saturating_sub(1),
        _ => keys,
    }
}

/// How a row stamped `epoch` stands.
pub(super) fn standing(epoch: u64, frozen: Option<u64>, installed: u64) -> Standing {
    if epoch <= installed {
        Standing::Clean
    } else if frozen.is_some_and(|frozen| epoch <= frozen) {
        Standing::Frozen
    } else {
        Standing::Dirty
    }
}

/// Notes that a row is about to change: an image of it first, if a checkpoint still has to write it.
#[expect(clippy::too_many_arguments, reason = "parts of the index that is borrowed in parts")]
fn stamp(
    slot: &mut Slot,
    key: &Key,
    epoch: u64,
    frozen: Option<u64>,
    installed: u64,
    images: &mut Table<Key, Option<Image>>,
    order: &mut BTreeMap<Key, u64>,
    dirty_rows: &mut u64,
    dirty_bytes: &mut usize,
) {
    slot.used.set(true);
    let before = standing(slot.epoch, frozen, installed);
    if before == Standing::Frozen
        && let Some(freeze) = frozen
        && slot.encoded != freeze
    {
        let copy = !crate::sabotage::is_planted(crate::sabotage::Sabotage::FreezeWithoutCopy);
        images.insert(key.clone(), copy.then(|| slot.image()));
        slot.encoded = freeze;
    }
    if before != Standing::Dirty {
        *dirty_rows += 1;
        *dirty_bytes += slot.bytes;
    }
    if slot.epoch != epoch {
        slot.epoch = epoch;
        order.insert(key.clone(), epoch);
    }
}
