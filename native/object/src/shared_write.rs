//! A write that more than one coordinator may publish under the same write id, at once or one after the other: the object of a multipart
//! upload, whose Complete is repeated until somebody knows its outcome.
//!
//! A coordinator does not know at which ballots others published. It knows one ballot that W drives promised before anybody published,
//! and every publish is at a higher one, by prepare. So if the newest version found lies below that ballot, or stands on a version that
//! does, no attempt of anybody was ever complete, and the write may be proposed; and a version proposed above it was not complete when
//! the write began. Both are the rows of protocol.md section 5 step 5, with that ballot in the place of all unknown ones.

use crate::StoreError;
use crate::operation::Operation;
use crate::proposer::Proposer;
use crate::scan::Found;
use crate::write::{Promises, promises};
use openlake_drive::Ballot;
use std::rc::Rc;

/// What a coordinator knows of the others that publish the same write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedWrite {
    /// Promised by W drives before the first publish of anybody, and below all of them.
    pub since: Ballot,
    /// Nobody else published it when this coordinator began; whoever does later answers for itself.
    pub alone: bool,
}

impl SharedWrite {
    /// Whether no attempt of anybody below the ballot that found this was ever, or can become, complete.
    pub fn cannot_return(self, found: &Found) -> bool {
        found.head.ballot < self.since || found.head.base.is_some_and(|base| base < self.since)
    }
}

/// Has a ballot promised, to stand below every publish of a write that is about to begin.
pub(crate) async fn begin(operation: &Rc<Operation>) -> Result<Ballot, StoreError> {
    let mut proposer = Proposer::new(operation.clone(), Ballot::ZERO);
    match promises(operation, &mut proposer, |_| true).await {
        Promises::Found(ballot, _) => Ok(ballot),
        Promises::OwnComplete(_) | Promises::None => {
            let (slots, write) = (operation.quorum.slots(), operation.quorum.write());
            Err(operation.unavailable(&format!("prepare: fewer than {write} of {slots} slots promised")))
        }
    }
}
