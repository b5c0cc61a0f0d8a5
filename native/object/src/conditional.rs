//! A write that may take effect only if what is there allows it: prepare, judge, publish (CASPaxos; protocol.md section 7).
//!
//! The promises of W drives make the judgement hold: nothing older can be completed below the ballot, and a newer writer is met by a refusal.

use crate::StoreError;
use crate::decide::{Decision, decide};
use crate::locate::{Need, locate};
use crate::operation::Operation;
use crate::outcome::Published;
use crate::proposal::Proposal;
use crate::proposer::Proposer;
use crate::scan::{Finding, Found};
use crate::settle::republish;
use crate::shared_write::SharedWrite;
use crate::store::Condition;
use crate::version::ReadError;
use crate::write::{Promises, is_without_effect, must_be_permitted, needed_of, outcome_unknown, promises, tells, write, writer_of};
use openlake_drive::sabotage::{Sabotage, is_planted};
use openlake_drive::{Ballot, Head, Kind};
use std::rc::Rc;

/// What a publish is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Propose,
    FinishOwn,
    /// The version that fails the condition, which must be complete before the client hears of it.
    Fail,
}

/// Publishes `draft` if `condition` holds. `shared`: others may publish it too. Returns the version's origin.
pub(crate) async fn write_if(
    operation: &Rc<Operation>,
    draft: Proposal,
    condition: &Condition,
    floor: Ballot,
    shared: Option<SharedWrite>,
) -> Result<Ballot, StoreError> {
    if is_planted(Sabotage::ConditionOnRead) {
        let head = locate(operation, Need::Head).await?.map(|located| located.head);
        return if allows(condition, head.as_ref()) {
            write(operation, draft, floor, None).await
        } else {
            Err(StoreError::PreconditionFailed)
        };
    }
    let mut proposer = Proposer::of_shared(operation.clone(), floor, shared);
    let mut last: Option<Finding> = None;
    for round in 0.. {
        if round > 0 {
            proposer.end_turn();
            operation.back_off(round).await;
        }
        let (ballot, finding) = match promises(operation, &mut proposer, |proposer| tells(operation, proposer, &draft, false)).await {
            Promises::Found(ballot, finding) => (ballot, finding),
            Promises::OwnComplete(origin) => return Ok(origin),
            Promises::None => return Err(out_of_time(operation, &proposer, &draft, last.as_ref(), round > 0)),
        };
        let out_of_looks = operation.remaining() < operation.core.options.deadline / 4;
        let (proposal, goal) = match judge(operation, &proposer, &draft, condition, ballot, &finding).await? {
            Judgement::Done(origin) => return Ok(origin),
            Judgement::Publish(proposal, goal) => (proposal, goal),
            Judgement::Again => continue,
            // A drive that is merely slow may tell next time.
            Judgement::Unknown if !out_of_looks => {
                proposer.be_patient();
                continue;
            }
            Judgement::Unknown => {
                return Err(operation.unavailable("prepare: what the key holds cannot be told from the answers"));
            }
        };
        last = Some(finding);
        if goal != Goal::Fail {
            must_be_permitted(operation, &proposer, &draft).await?;
        }
        let (at, origin) = (proposal.ballot(), proposal.origin());
        match proposer.publish(proposal, 0, goal == Goal::Propose).await {
            Published::Complete => {
                proposer.mark_stable(at);
                return if goal == Goal::Fail {
                    Err(StoreError::PreconditionFailed)
                } else {
                    Ok(origin)
                };
            }
            Published::OwnComplete(own) => {
                proposer.mark_stable(own);
                return Ok(own);
            }
            Published::Silent => return Err(out_of_time(operation, &proposer, &draft, last.as_ref(), false)),
            Published::Refused => {}
        }
    }
    Err(out_of_time(operation, &proposer, &draft, last.as_ref(), true))
}

#[expect(clippy::large_enum_variant, reason = "made once a round, moved at once")]
enum Judgement {
    Done(Ballot),
    Publish(Proposal, Goal),
    /// What was found was overwritten meanwhile.
    Again,
    /// The promises leave it open what the key holds, and nothing that was proposed can take effect.
    Unknown,
}

/// Steps 2 to 4: own earlier ballots by the table without its fourth row, then the condition.
async fn judge(
    operation: &Rc<Operation>,
    proposer: &Proposer,
    draft: &Proposal,
    condition: &Condition,
    ballot: Ballot,
    finding: &Finding,
) -> Result<Judgement, StoreError> {
    if let Finding::Complete(found) = finding {
        operation.send_stable(found.head.ballot, found.accepted);
    }
    let attempts = proposer.attempts();
    let writer = writer_of(operation, proposer, draft, false, &attempts);
    let found = finding.found();
    let base = Some(found.map_or(Ballot::ZERO, |found| found.head.ballot));
    let reusing = || draft.clone().reusing(proposer.answers());
    match (decide(&writer, finding, needed_of(finding)), found) {
        (Decision::Done, Some(found)) => return Ok(Judgement::Done(found.head.origin)),
        (Decision::FinishOwn, Some(found)) => {
            return Ok(Judgement::Publish(
                reusing().published_at(ballot, found.head.origin, base),
                Goal::FinishOwn,
            ));
        }
        (Decision::Propose, _) => {}
        _ if !is_without_effect(operation, proposer, draft, Some(finding)) => {
            return Err(operation.unknown("publish: refused, and it cannot be told whether this write took effect"));
        }
        _ => return Ok(Judgement::Unknown),
    }
    if holds(condition, found) {
        return Ok(Judgement::Publish(reusing().proposed_at(ballot, base), Goal::Propose));
    }
    // The condition fails. The client may only hear so once what fails it is complete, and once no own earlier ballot can come back: one
    // above the version found was not complete when W drives promised, but a reader with fewer answers might still adopt it. Publishing
    // the version found again, on top of itself, settles both.
    let own_are_dead = is_without_effect(operation, proposer, draft, Some(finding));
    match (finding, found) {
        (Finding::Complete(_) | Finding::Absent, _) if own_are_dead => Err(StoreError::PreconditionFailed),
        (_, Some(found)) => match republish(operation, found, ballot).await {
            Ok(proposal) => Ok(Judgement::Publish(proposal, Goal::Fail)),
            Err(ReadError::Vanished) => Ok(Judgement::Again),
            Err(ReadError::Failed(_)) if !own_are_dead => Err(outcome_unknown(operation, proposer, draft)),
            Err(ReadError::Failed(error)) => Err(error),
        },
        (_, None) => Err(outcome_unknown(operation, proposer, draft)),
    }
}

/// Whether the condition holds of what was found.
fn holds(condition: &Condition, found: Option<&Found>) -> bool {
    allows(condition, found.map(|found| &found.head))
}

/// Whether the condition holds of a version; a tombstone counts as absent.
fn allows(condition: &Condition, head: Option<&Head>) -> bool {
    let live = head.filter(|head| head.kind == Kind::Data);
    match condition {
        Condition::None => true,
        Condition::Absent => live.is_none(),
        Condition::Exists => live.is_some(),
        Condition::Matches { etag, parts } => live.is_some_and(|head| head.etag == *etag && head.etag_parts == *parts),
    }
}

/// Step 5's end: 409 where the write provably had no effect but only lost races, 503 otherwise.
fn out_of_time(operation: &Operation, proposer: &Proposer, draft: &Proposal, last: Option<&Finding>, raced: bool) -> StoreError {
    if is_without_effect(operation, proposer, draft, last) {
        if raced {
            return StoreError::ConditionalConflict;
        }
        let (slots, write) = (operation.quorum.slots(), operation.quorum.write());
        return operation.unavailable(&format!("prepare: fewer than {write} of {slots} slots answered"));
    }
    outcome_unknown(operation, proposer, draft)
}
