//! Extents that free themselves: space is given back when nothing refers to it any more, readers included.

use super::{Extent, pieces};
use std::cell::RefCell;
use std::rc::Rc;

/// Extents whose last holder is gone, waiting to be marked free.
pub(crate) type Returned = Rc<RefCell<Vec<Extent>>>;

/// The bulk space of one shard. Records, dropped records within their grace, staged writes and running reads share it; so an
/// extent is never reused under any of them.
pub(crate) struct ExtentSet {
    extents: RefCell<Vec<Extent>>,
    returned: Returned,
}

impl ExtentSet {
    /// Owns `extents`; they go to `returned` in the end.
    pub fn new(extents: Vec<Extent>, returned: &Returned) -> Rc<ExtentSet> {
        Rc::new(ExtentSet {
            extents: RefCell::new(extents),
            returned: returned.clone(),
        })
    }
    /// The extents in the shard's order.
    pub fn to_vec(&self) -> Vec<Extent> {
        self.extents.borrow().clone()
    }
    /// The pieces of the device that hold `length` bytes from `offset` on: see [`pieces`].
    pub fn pieces(&self, granule_bytes: u32, offset: u64, length: u64) -> Vec<(u32, u32, u64)> {
        pieces(&self.extents.borrow(), granule_bytes, offset, length)
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
        self.returned.borrow_mut().append(&mut surplus);
    }
}

impl Drop for ExtentSet {
    fn drop(&mut self) {
        self.returned.borrow_mut().append(self.extents.get_mut());
    }
}
