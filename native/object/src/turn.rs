//! A prepare that others may be waiting behind (see `turns` of the drive): they are told when nothing will be published at its ballot.

use crate::operation::Operation;
use openlake_drive::Ballot;
use std::rc::Rc;

/// What the prepare of a ballot may be waited for. Dropped unused, it says that it is not needed any more: with a stable mark for the
/// ballot, which means nothing else, as no drive holds anything at it.
pub(crate) struct Turn {
    operation: Rc<Operation>,
    ballot: Ballot,
    used: bool,
}

impl Turn {
    /// That of a prepare about to be sent.
    pub fn new(operation: Rc<Operation>, ballot: Ballot) -> Turn {
        Turn {
            operation,
            ballot,
            used: false,
        }
    }
    /// Something is published at `ballot`: if at this one, that ends the turn, and a stable mark would be a lie.
    pub fn publishes(&mut self, ballot: Ballot) {
        self.used |= self.ballot == ballot;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.used {
            let all = self.operation.slots().fold(0, |mask, slot| mask | crate::scan::bit(slot));
            self.operation.send_stable(self.ballot, all);
        }
    }
}
