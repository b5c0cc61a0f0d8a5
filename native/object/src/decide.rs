//! What a writer may do after a refusal: the table of protocol.md section 5 step 5. Pure.
//!
//! "Enough drives refused, so publish again with a higher clock" is wrong: a reader may have completed the first attempt, another
//! write followed, and the first value would return on top of it. So the writer looks at what is there, and at what every ballot of
//! its own can have become.

use crate::quorum::Quorum;
use crate::scan::{Finding, Found, SlotMask, count};
use crate::shared_write::SharedWrite;
use openlake_drive::{Ballot, WriteId};

/// An own ballot under which the write's record was proposed, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub ballot: Ballot,
    pub acked: SlotMask,
    /// Only refusals that count: the ballot went there once, or the drive's stable mark lies below it.
    pub refused: SlotMask,
}

/// What a writer knows of itself when it decides.
#[derive(Clone, Debug)]
pub struct Writer<'writer> {
    pub quorum: Quorum,
    pub write_id: WriteId,
    /// Whether the write has no condition.
    pub unconditional: bool,
    /// Shards that give its own version back.
    pub needed: usize,
    pub attempts: &'writer [Attempt],
    /// Lowest own earlier ballot that at least M drives acknowledged or promised.
    pub witnessed: Option<Ballot>,
    /// Others may publish it too.
    pub shared: Option<SharedWrite>,
}

/// The rows of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// 503, outcome unknown.
    Unknown,
    /// The version found is this write, and complete.
    Done,
    /// The version found is this write: publish it again at the new ballot, origin kept.
    FinishOwn,
    /// No own ballot was ever, or can be, complete: propose anew on top of what was found.
    Propose,
    /// This write was overwritten at once, by a complete version: success.
    Overwritten,
    /// The same, but the version found must be made complete first.
    FinishOther,
}

/// Decides on a finding from at least W promises. `needed`: shards that give the version found back.
pub fn decide(writer: &Writer<'_>, finding: &Finding, needed: usize) -> Decision {
    let (found, complete) = match finding {
        Finding::TooFew => return Decision::Unknown,
        Finding::Absent => return Decision::Propose,
        Finding::Complete(found) => (found, true),
        Finding::Possible(found) => (found, false),
    };
    if count(found.holders) < needed {
        return Decision::Unknown;
    }
    if found.head.write_id == writer.write_id {
        return if complete { Decision::Done } else { Decision::FinishOwn };
    }
    let others_cannot = writer.shared.is_none_or(|shared| shared.cannot_return(found));
    if others_cannot && writer.attempts.iter().all(|attempt| cannot_return(writer, attempt, found)) {
        return Decision::Propose;
    }
    let both_unconditional = writer.unconditional && found.head.unconditional;
    let began_before = writer.witnessed.is_some_and(|ballot| ballot < found.head.origin);
    match (both_unconditional && began_before, complete) {
        (false, _) => Decision::Unknown,
        (true, true) => Decision::Overwritten,
        (true, false) => Decision::FinishOther,
    }
}

/// Whether no own record at this attempt's ballot was ever, or can become, complete.
fn cannot_return(writer: &Writer<'_>, attempt: &Attempt, found: &Found) -> bool {
    found.head.ballot < attempt.ballot || found.head.base.is_some_and(|base| base < attempt.ballot) || never_adopted(writer, attempt)
}

/// Whether so many drives refused the attempt that nobody can ever have adopted it.
fn never_adopted(writer: &Writer<'_>, attempt: &Attempt) -> bool {
    writer.quorum.slots().saturating_sub(count(attempt.refused)) < writer.quorum.adoption(writer.needed)
}

/// Whether the write provably had and will have no effect: protocol.md section 7 step 5, the rule for a conditional write that ran out
/// of time.
pub fn provably_without_effect(writer: &Writer<'_>, finding: Option<&Finding>) -> bool {
    let complete = match finding {
        Some(Finding::Complete(found)) => Some(found),
        _ => None,
    };
    let others_did_nothing = writer.shared.is_none_or(|shared| shared.alone);
    others_did_nothing
        && writer.attempts.iter().all(|attempt| {
            let overtaken = complete.is_some_and(|found| {
                found.head.write_id != writer.write_id
                    && attempt.ballot < found.head.ballot
                    && found.head.base.is_some_and(|base| base < attempt.ballot)
            });
            never_adopted(writer, attempt) || overtaken
        })
}

#[cfg(test)]
mod tests;
