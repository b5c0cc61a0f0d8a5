//! A write without condition: one durable round in the good case, and the honest way out of a refusal (protocol.md section 5).

use crate::StoreError;
use crate::decide::{Attempt, Decision, Writer, decide, provably_without_effect};
use crate::operation::Operation;
use crate::outcome::{Prepared, Published};
use crate::proposal::Proposal;
use crate::proposer::Proposer;
use crate::scan::Finding;
use crate::settle::{republish, scan_answers};
use crate::shared_write::SharedWrite;
use crate::stripe::shards_needed;
use crate::version::ReadError;
use openlake_drive::Ballot;
use openlake_drive::sabotage::{Sabotage, is_planted};
use std::rc::Rc;

/// What a publish is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// The own record, under a new origin.
    Propose,
    /// The own record, found half-published: its origin is kept.
    FinishOwn,
    /// A version that overwrote the own one at once.
    FinishOther,
}

/// Publishes `draft` until it is complete or nobody can say. `floor`: the highest floor that staging saw. `shared`: others may publish it
/// too, so there is no round without prepare. Returns the version's origin.
pub(crate) async fn write(
    operation: &Rc<Operation>,
    draft: Proposal,
    floor: Ballot,
    shared: Option<SharedWrite>,
) -> Result<Ballot, StoreError> {
    let mut proposer = Proposer::of_shared(operation.clone(), floor, shared);
    let first = shared.map_or_else(|| proposer.next_ballot(), |shared| shared.since);
    let (mut proposal, mut goal) = match shared {
        None => (draft.proposed_at(first, None), Goal::Propose),
        Some(_) => match after_refusal(operation, &mut proposer, &draft, first).await? {
            Next::Done(origin) => return Ok(origin),
            Next::Publish(proposal, goal) => (proposal, goal),
        },
    };
    for round in 0.. {
        let (ballot, origin) = (proposal.ballot(), proposal.origin());
        if goal != Goal::FinishOther {
            must_be_permitted(operation, &proposer, &draft).await?;
        }
        match proposer.publish(proposal, 0, goal == Goal::Propose).await {
            Published::Complete => {
                proposer.mark_stable(ballot);
                return Ok(if goal == Goal::FinishOther { first } else { origin });
            }
            Published::OwnComplete(own) => {
                proposer.mark_stable(own);
                return Ok(own);
            }
            Published::Silent => return Err(outcome_unknown(operation, &proposer, &draft)),
            Published::Refused => {}
        }
        if round > 0 {
            operation.back_off(round).await;
        }
        (proposal, goal) = match after_refusal(operation, &mut proposer, &draft, first).await? {
            Next::Done(origin) => return Ok(origin),
            Next::Publish(proposal, goal) => (proposal, goal),
        };
    }
    Err(outcome_unknown(operation, &proposer, &draft))
}

/// Whether the own record may still be published; if not, why not, or that nobody knows what became of it.
pub(crate) async fn must_be_permitted(operation: &Operation, proposer: &Proposer, draft: &Proposal) -> Result<(), StoreError> {
    match operation.ask_permit().await {
        Err(_) if !is_without_effect(operation, proposer, draft, None) => Err(outcome_unknown(operation, proposer, draft)),
        result => result,
    }
}

#[expect(clippy::large_enum_variant, reason = "made once a refusal, moved at once")]
enum Next {
    Done(Ballot),
    Publish(Proposal, Goal),
}

/// How often promises are asked for while they leave the question open: late answers and other writers' progress may decide it.
const LOOKS: u32 = 4;

/// Step 5: prepare, scan, and the table.
async fn after_refusal(operation: &Rc<Operation>, proposer: &mut Proposer, draft: &Proposal, first: Ballot) -> Result<Next, StoreError> {
    for look in 0..LOOKS {
        if look > 0 {
            proposer.end_turn();
            operation.back_off(look).await;
        }
        let (ballot, finding) = match promises(operation, proposer, |proposer| tells(operation, proposer, draft, true)).await {
            Promises::Found(ballot, finding) => (ballot, finding),
            Promises::OwnComplete(origin) => return Ok(Next::Done(origin)),
            Promises::None => return Err(outcome_unknown(operation, proposer, draft)),
        };
        if let Finding::Complete(found) = &finding {
            // Older versions go, which also makes room where a drive asked to settle first.
            operation.send_stable(found.head.ballot, found.accepted);
        }
        let attempts = proposer.attempts();
        let writer = writer_of(operation, proposer, draft, true, &attempts);
        let reusing = || draft.clone().reusing(proposer.answers());
        if is_planted(Sabotage::BlindRetry) {
            return Ok(Next::Publish(reusing().proposed_at(ballot, None), Goal::Propose));
        }
        let found = finding.found();
        let base = Some(found.map_or(Ballot::ZERO, |found| found.head.ballot));
        return Ok(match (decide(&writer, &finding, needed_of(&finding)), found) {
            (Decision::Done, Some(found)) => Next::Done(found.head.origin),
            (Decision::FinishOwn, Some(found)) => Next::Publish(reusing().published_at(ballot, found.head.origin, base), Goal::FinishOwn),
            (Decision::Propose, _) => Next::Publish(reusing().proposed_at(ballot, base), Goal::Propose),
            (Decision::Overwritten, _) => Next::Done(first),
            (Decision::FinishOther, Some(found)) => match republish(operation, found, ballot).await {
                Ok(proposal) => Next::Publish(proposal, Goal::FinishOther),
                Err(ReadError::Vanished) => continue,
                Err(ReadError::Failed(_)) => return Err(outcome_unknown(operation, proposer, draft)),
            },
            _ => continue,
        });
    }
    if is_without_effect(operation, proposer, draft, None) {
        return Err(outcome_unknown(operation, proposer, draft));
    }
    Err(operation.unknown("publish: refused by a newer version, and it cannot be told whether this write took effect"))
}

/// Whether the promises so far decide what the writer may do.
pub(crate) fn tells(operation: &Operation, proposer: &Proposer, draft: &Proposal, unconditional: bool) -> bool {
    let finding = scan_answers(operation, proposer.answers());
    let attempts = proposer.attempts();
    let writer = writer_of(operation, proposer, draft, unconditional, &attempts);
    decide(&writer, &finding, needed_of(&finding)) != Decision::Unknown
}

/// Shards that give the version found back.
pub(crate) fn needed_of(finding: &Finding) -> usize {
    finding.found().map_or(1, |found| shards_needed(&found.head))
}

/// What a prepare, repeated at higher ballots as long as it is only refused, brought.
pub(crate) enum Promises {
    Found(Ballot, Finding),
    OwnComplete(Ballot),
    /// Too few answers, or out of time.
    None,
}

/// Rounds of prepare without answers before giving up early.
const SILENT_ROUNDS: u32 = 4;

/// Prepares until W drives promised; while that is not `enough`, stragglers get a while.
pub(crate) async fn promises(operation: &Rc<Operation>, proposer: &mut Proposer, enough: impl Fn(&Proposer) -> bool) -> Promises {
    let mut silent = 0;
    for round in 0.. {
        if operation.remaining().is_zero() || silent == SILENT_ROUNDS || operation.is_bucket_gone() {
            break;
        }
        match proposer.prepare(&enough).await {
            Prepared::Promised(ballot) => return Promises::Found(ballot, scan_answers(operation, proposer.answers())),
            Prepared::OwnComplete(origin) => return Promises::OwnComplete(origin),
            Prepared::Refused => {}
            Prepared::TooFew => silent += 1,
        }
        operation.back_off(round).await;
    }
    Promises::None
}

/// The decision table's view of this write.
pub(crate) fn writer_of<'writer>(
    operation: &Operation,
    proposer: &Proposer,
    draft: &Proposal,
    unconditional: bool,
    attempts: &'writer [Attempt],
) -> Writer<'writer> {
    Writer {
        quorum: operation.quorum,
        write_id: draft.write_id(),
        unconditional,
        needed: draft.needed(),
        attempts,
        witnessed: proposer.witnessed(),
        shared: proposer.shared(),
    }
}

/// Whether the write had no effect and will have none, as far as is known. `finding`: what was found last.
pub(crate) fn is_without_effect(operation: &Operation, proposer: &Proposer, draft: &Proposal, finding: Option<&Finding>) -> bool {
    let attempts = proposer.attempts();
    // What was finished after somebody else had adopted it is under way at a ballot that is no attempt.
    !proposer.has_finished(draft.write_id()) && provably_without_effect(&writer_of(operation, proposer, draft, false, &attempts), finding)
}

/// 503: something was published, and fewer than W drives said so. Without effect if nothing was, or if so many drives took nothing (they
/// are full, the bucket is gone, or it was not the write's turn) that nobody can ever adopt it; also where the bucket is gone, as others
/// may have seen the write before that was.
pub(crate) fn outcome_unknown(operation: &Operation, proposer: &Proposer, draft: &Proposal) -> StoreError {
    if !proposer.has_proposed() {
        return operation.unavailable("prepare: too few slots promised, or other writers were faster");
    }
    if is_without_effect(operation, proposer, draft, None) {
        return operation.unavailable("publish: too few slots took the record for anyone to complete it");
    }
    let acked = proposer
        .attempts()
        .iter()
        .map(|attempt| attempt.acked.count_ones())
        .max()
        .unwrap_or(0);
    let (slots, write) = (operation.quorum.slots(), operation.quorum.write());
    operation.unknown(&format!("publish: {acked} of {slots} slots acknowledged, {write} needed"))
}
