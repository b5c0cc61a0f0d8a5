//! How much of a link one slot may take: a drive that stands still must not hold up the other drives of its node.
//!
//! Requests with bulk to one slot wait here, in front of the link's own bound, until enough of those before them were answered or given up.

use crate::SlotId;
use crate::notify::Notify;
use openlake_drive::{Request, Shard};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Bytes of bulk that wait for answers of one slot: a few stripes' blocks of some uploads.
const MAX_SLOT_BYTES: usize = 16 << 20;

/// The bulk bytes of a link by slot.
#[derive(Default)]
pub struct Lanes {
    bytes: RefCell<HashMap<SlotId, usize>>,
    room: Notify,
}

/// A request's place in its lane.
pub struct Place {
    lanes: Rc<Lanes>,
    slot: SlotId,
    bytes: usize,
}

impl Lanes {
    /// Waits until the slot has room for a request with bulk; a single one always has. Gives the place up when dropped.
    pub async fn enter(self: &Rc<Lanes>, slot: SlotId, bytes: usize) -> Place {
        loop {
            let change = self.room.wait();
            let taken = self.bytes.borrow().get(&slot).copied().unwrap_or(0);
            if bytes == 0 || taken == 0 || taken + bytes <= MAX_SLOT_BYTES {
                *self.bytes.borrow_mut().entry(slot).or_default() += bytes;
                let lanes = self.clone();
                return Place { lanes, slot, bytes };
            }
            change.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.lanes.bytes.borrow_mut();
        if let Some(bytes) = all.get_mut(&self.slot) {
            *bytes -= self.bytes;
            if *bytes == 0 {
                all.remove(&self.slot);
            }
        }
        drop(all);
        self.lanes.room.notify();
    }
}

/// Bytes of objects that a request brings.
pub fn bulk_bytes(request: &Request) -> usize {
    match request {
        Request::Stage { bytes, .. } => bytes.len(),
        Request::Publish { record, .. } => match &record.shard {
            Shard::Inline(bytes) => bytes.len(),
            _ => 0,
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_full_lane_holds_up_no_other() {
        let lanes: Rc<Lanes> = Rc::default();
        let slot = |slot| SlotId { set: 0, slot };
        let first = lanes.enter(slot(1), MAX_SLOT_BYTES + 1).now_or_never();
        assert!(first.is_some(), "one request always fits");
        assert!(lanes.enter(slot(1), 1).now_or_never().is_none());
        assert!(lanes.enter(slot(1), 0).now_or_never().is_some(), "without bulk");
        let other = lanes.enter(slot(2), MAX_SLOT_BYTES).now_or_never();
        assert!(other.is_some(), "another drive");
        drop(first);
        assert!(lanes.enter(slot(1), 1).now_or_never().is_some());
        drop(other);
        assert!(lanes.bytes.borrow().is_empty());
    }
}
