//! Extents that free themselves: space is given back when nothing refers to it any more, readers included.
//!
//! A set is *published* while durable entries of rows refer to it, whether those rows are in memory or not; so it keeps its space
//! when the last of them is evicted. What no durable entry refers to (staged, on its way to the log, dropped and still read, part
//! of the index) belongs to this run of the process alone: a checkpoint leaves it out of the space it calls used, and so a start
//! finds it free.

use super::{Extent, pieces};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::{Rc, Weak};

/// What the sets of one drive tell its space.
#[derive(Default)]
pub(crate) struct ExtentRegistry {
    /// Extents whose last holder is gone, waiting to be marked free.
    returned: RefCell<Vec<Extent>>,
    /// Living sets that no durable entry refers to.
    unpublished: RefCell<BTreeMap<u64, Weak<ExtentSet>>>,
    /// Segments in which published space changed since the last look.
    changed: RefCell<BTreeSet<u32>>,
    last_number: Cell<u64>,
}

impl ExtentRegistry {
    /// Takes what was returned since the last call.
    pub fn take_returned(&self) -> Vec<Extent> {
        std::mem::take(&mut *self.returned.borrow_mut())
    }
    /// Takes the numbers of segments in which extents were published or withdrawn since the last call.
    pub fn take_changed(&self) -> BTreeSet<u32> {
        std::mem::take(&mut *self.changed.borrow_mut())
    }
    /// Extents that are held but that no durable entry refers to.
    pub fn unpublished(&self) -> Vec<Extent> {
        let sets = self.unpublished.borrow();
        let living = sets.values().filter_map(Weak::upgrade);
        living.flat_map(|set| set.to_vec()).collect()
    }
    fn note(&self, extents: &[Extent]) {
        self.changed.borrow_mut().extend(extents.iter().map(|extent| extent.segment));
    }
}

/// The bulk space of one shard, or of a piece of the index. Records, dropped records within their grace, staged writes and running
/// reads share it; so an extent is never reused under any of them.
pub(crate) struct ExtentSet {
    extents: RefCell<Vec<Extent>>,
    /// Durable entries that refer to it, in memory or not.
    published: Cell<u32>,
    number: u64,
    registry: Rc<ExtentRegistry>,
}

impl ExtentSet {
    /// Owns `extents`, which no durable entry refers to yet; they go back to the space in the end.
    pub fn new(extents: Vec<Extent>, registry: &Rc<ExtentRegistry>) -> Rc<ExtentSet> {
        let set = ExtentSet::with_published(extents, 0, registry);
        registry.unpublished.borrow_mut().insert(set.number, Rc::downgrade(&set));
        set
    }
    /// Owns `extents` that `published` (1 or more) durable entries refer to: those of a row read from the index.
    pub fn with_published(extents: Vec<Extent>, published: u32, registry: &Rc<ExtentRegistry>) -> Rc<ExtentSet> {
        let number = registry.last_number.get() + 1;
        registry.last_number.set(number);
        Rc::new(ExtentSet {
            extents: RefCell::new(extents),
            published: Cell::new(published),
            number,
            registry: registry.clone(),
        })
    }
    /// One more durable entry refers to it.
    pub fn publish(&self) {
        if self.published.replace(self.published.get() + 1) == 0 {
            self.registry.unpublished.borrow_mut().remove(&self.number);
            self.registry.note(&self.extents.borrow());
        }
    }
    /// One durable entry less refers to it: it left its row.
    pub fn withdraw(self: &Rc<ExtentSet>) {
        let published = self.published.get().saturating_sub(1);
        if self.published.replace(published) == 1 {
            self.registry.unpublished.borrow_mut().insert(self.number, Rc::downgrade(self));
            self.registry.note(&self.extents.borrow());
        }
    }
    /// The extents in the shard's order.
    pub fn to_vec(&self) -> Vec<Extent> {
        self.extents.borrow().clone()
    }
    /// The pieces of the device that hold `length` bytes from `offset` on: see [`pieces`].
    pub fn pieces(&self, granule_bytes: u32, offset: u64, length: u64) -> Vec<(u32, u32, u64)> {
        pieces(&self.extents.borrow(), granule_bytes, offset, length)
    }
    /// Memory of the list.
    pub fn memory_bytes(&self) -> usize {
        self.extents.borrow().capacity() * size_of::<Extent>()
    }
    /// Granules held.
    pub fn granules(&self) -> u64 {
        self.extents.borrow().iter().map(|extent| u64::from(extent.granules)).sum()
    }
    /// Appends extents; the last one grows where the first new one follows it directly.
    pub fn extend(&self, more: Vec<Extent>) {
        let mut extents = self.extents.borrow_mut();
        for extent in more {
            match extents.last_mut() {
                Some(last) if last.segment == extent.segment && u32::from(last.first) + last.granules == u32::from(extent.first) => {
                    last.granules += extent.granules;
                }
                _ => extents.push(extent),
            }
        }
    }
    /// Gives back what lies behind the first `granules`.
    pub fn trim(&self, granules: u64) {
        let mut kept = granules;
        let mut extents = self.extents.borrow_mut();
        let mut surplus = Vec::new();
        extents.retain_mut(|extent| {
            let keep = u64::from(extent.granules).min(kept) as u32;
            kept -= u64::from(keep);
            if keep < extent.granules {
                surplus.push(Extent {
                    segment: extent.segment,
                    first: (u32::from(extent.first) + keep) as u16,
                    granules: extent.granules - keep,
                });
            }
            extent.granules = keep;
            keep > 0
        });
        self.registry.returned.borrow_mut().append(&mut surplus);
    }
}

impl Drop for ExtentSet {
    fn drop(&mut self) {
        if self.published.get() > 0 {
            // Rows that are not in memory hold it still.
            return;
        }
        self.registry.unpublished.borrow_mut().remove(&self.number);
        self.registry.returned.borrow_mut().append(self.extents.get_mut());
    }
}
