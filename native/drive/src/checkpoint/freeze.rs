//! The one step of a checkpoint in which time stands still.

use crate::Ballot;
use crate::core::Core;
use crate::format::AcceptorState;
use crate::index::FrozenRows;
use crate::log::Head;
use crate::sabotage::{Sabotage, is_planted};
use crate::space::SpaceImage;
use std::rc::Rc;

/// The drive as its log says it up to one batch. The rows are frozen in the index.
pub(super) struct Frozen {
    /// The log's durable end.
    pub log: Head,
    pub state: AcceptorState,
    pub space: SpaceImage,
    /// Log segments retired until now.
    pub retired: Vec<u32>,
    pub keys: u64,
    /// The highest ballot of a record.
    pub highest: Ballot,
}

impl Core {
    /// Freezes rows and space. Marks are held back before it until all that were told are durable: in memory they hold at once, and
    /// a checkpoint must not know what the log could still lose. In words, why not.
    pub(super) async fn freeze(self: &Rc<Core>) -> Result<(Frozen, FrozenRows), String> {
        self.marks.borrow_mut().held += 1;
        let flushed = self.flush_marks().await;
        let frozen = flushed.map(|()| self.freeze_now());
        self.release_marks();
        frozen.map_err(|answer| format!("{answer:?}"))
    }
    fn freeze_now(&self) -> (Frozen, FrozenRows) {
        let mut space = self.space.borrow_mut();
        self.extents.take_returned().into_iter().for_each(|extent| space.release(extent));
        let image = space.image(&self.extents.unpublished(), self.extents.take_changed());
        space.hold_released();
        let retired = space.take_retired();
        let mut index = self.index.borrow_mut();
        let rows = index.freeze();
        self.checkpoints.log_bytes.set(0);
        self.checkpoints.wanted.set(false);
        let log = self.log.borrow();
        let end = if is_planted(Sabotage::CheckpointAhead) {
            log.head()
        } else {
            log.durable_head()
        };
        let frozen = Frozen {
            log: *end,
            state: self.acceptor.get(),
            space: image,
            retired,
            keys: index.keys(),
            highest: self.highest_record.get(),
        };
        (frozen, rows)
    }
}
