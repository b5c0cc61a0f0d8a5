//! Read leases: a segment of the log is not used again while somebody reads from it or is promised that he may.
//!
//! A lease is taken in the same step in which the place is looked up, so a segment that is empty and without leases has no readers
//! and gets none.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Readers by segment.
#[derive(Default)]
pub(crate) struct Leases {
    readers: RefCell<BTreeMap<u32, u32>>,
}

/// Keeps one segment from being used again.
pub(crate) struct Lease {
    leases: Rc<Leases>,
    segment: u32,
}

impl Leases {
    /// A lease on `segment`, until it is dropped.
    pub fn take(self: &Rc<Leases>, segment: u32) -> Lease {
        *self.readers.borrow_mut().entry(segment).or_default() += 1;
        Lease {
            leases: self.clone(),
            segment,
        }
    }
    /// Whether anybody holds a lease on `segment`.
    pub fn is_leased(&self, segment: u32) -> bool {
        self.readers.borrow().contains_key(&segment)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut readers = self.leases.readers.borrow_mut();
        if let Some(count) = readers.get_mut(&self.segment) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.segment);
            }
        }
    }
}
