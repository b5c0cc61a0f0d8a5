//! Settles a key whose newest version may or may not be complete: protocol.md section 6 steps 4 to 6.
//!
//! First it waits a moment, as the writer is usually just finishing. Then it writes the version back, at its own ballot, to the drives
//! that lack it; where that is refused, it prepares a higher ballot and publishes whatever that shows.

use crate::StoreError;
use crate::locate::{Gather, Located};
use crate::operation::Operation;
use crate::outcome::{Prepared, Published};
use crate::proposal::Proposal;
use crate::proposer::Proposer;
use crate::put::tombstone;
use crate::scan::{Finding, Found, SlotMask, count, scan};
use crate::store::Condition;
use crate::stripe::shards_needed;
use crate::supply::supply;
use crate::version::ReadError;
use openlake_drive::{Ballot, KeyState};
use std::rc::Rc;

/// How often a version may be overwritten while it is being settled.
const OVERWRITTEN: u32 = 8;

/// Brings the key's newest version to completion, or shows that it has none. `None`: the key does not exist.
pub(crate) async fn settle(operation: &Rc<Operation>) -> Result<Option<Located>, StoreError> {
    for round in 0..OVERWRITTEN {
        match settle_newest(operation).await {
            Ok(located) => return Ok(located),
            Err(ReadError::Failed(error)) => return Err(error),
            Err(ReadError::Vanished) if operation.remaining().is_zero() => break,
            Err(ReadError::Vanished) => operation.back_off(round).await,
        }
    }
    Err(operation.unavailable("settle: other writers were faster each time"))
}

/// Publishes the key's newest version again, on top of everything, also if it was complete: what lies below and is not complete cannot
/// come back afterwards. `None`: the key holds nothing, and a tombstone was published.
pub(crate) async fn publish_on_top(operation: &Rc<Operation>) -> Result<Option<Located>, StoreError> {
    for round in 0..OVERWRITTEN {
        operation.restart_clock();
        match prepare_and_publish(operation, Proposer::new(operation.clone(), Ballot::ZERO), true).await {
            Ok(located) => return Ok(located),
            Err(ReadError::Failed(error)) => return Err(error),
            Err(ReadError::Vanished) => operation.back_off(round).await,
        }
    }
    Err(operation.unavailable("settle: other writers were faster each time"))
}

/// One try; `Vanished`: the version was overwritten meanwhile.
async fn settle_newest(operation: &Rc<Operation>) -> Result<Option<Located>, ReadError> {
    operation.core.runtime.sleep(operation.patience()).await;
    let gather = Gather::all(operation).await;
    let (write, slots) = (operation.quorum.write(), operation.quorum.slots());
    let found = match gather.scan() {
        Finding::Absent => return Ok(None),
        Finding::Complete(found) => return Ok(Some(complete(operation, found))),
        Finding::Possible(found) if gather.answers.len() >= write => found,
        Finding::Possible(_) | Finding::TooFew => {
            let text = format!("settle: {} of {slots} slots answered, {write} needed", gather.answers.len());
            return Err(ReadError::Failed(operation.unavailable(&text)));
        }
    };
    let floor = gather.answers.iter().map(|(_, state)| state.floor).max().unwrap_or(Ballot::ZERO);
    let mut proposer = Proposer::new(operation.clone(), floor);
    let shards = supply(operation, &found.head, found.holders).await?;
    let proposal = Proposal::of_head(&found.head, shards);
    match proposer.publish(proposal, found.accepted, false).await {
        Published::Complete => Ok(Some(finish(proposer, found))),
        Published::Refused => prepare_and_publish(operation, proposer, false).await,
        Published::Silent | Published::OwnComplete(_) => {
            Err(ReadError::Failed(operation.unavailable(&too_few("write back", write, slots))))
        }
    }
}

/// Step 6: over and over at higher ballots, until the deadline. `always`: what is complete is published again all the same.
async fn prepare_and_publish(operation: &Rc<Operation>, mut proposer: Proposer, always: bool) -> Result<Option<Located>, ReadError> {
    let (write, slots) = (operation.quorum.write(), operation.quorum.slots());
    let failed = |text: &str| ReadError::Failed(operation.unavailable(text));
    for round in 0.. {
        if operation.remaining().is_zero() {
            break;
        }
        // What is not complete comes to nothing only once enough drives say that they never had it; so all are heard where that is wanted.
        let enough = |proposer: &Proposer| !always && is_decodable(operation, proposer.answers());
        let ballot = match proposer.prepare(enough).await {
            Prepared::Promised(ballot) => ballot,
            Prepared::Refused => {
                operation.back_off(round).await;
                continue;
            }
            Prepared::TooFew | Prepared::OwnComplete(_) => return Err(failed(&too_few("settle", write, slots))),
        };
        let found = match scan_answers(operation, proposer.answers()) {
            Finding::Absent if !always => return Ok(None),
            Finding::Absent => {
                let nothing = tombstone(operation, &Condition::Absent).proposed_at(ballot, Some(Ballot::ZERO));
                match proposer.publish(nothing, 0, false).await {
                    Published::Complete => {
                        proposer.mark_stable(ballot);
                        return Ok(None);
                    }
                    Published::Refused => {
                        operation.back_off(round).await;
                        continue;
                    }
                    Published::Silent | Published::OwnComplete(_) => return Err(failed(&too_few("settle", write, slots))),
                }
            }
            Finding::TooFew => return Err(failed(&too_few("settle", write, slots))),
            Finding::Complete(found) if !always => return Ok(Some(complete(operation, found))),
            Finding::Complete(found) | Finding::Possible(found) => found,
        };
        let proposal = republish(operation, &found, ballot).await?;
        match proposer.publish(proposal, 0, false).await {
            Published::Complete => {
                let mut found = found;
                found.head.ballot = ballot;
                return Ok(Some(finish(proposer, found)));
            }
            Published::Refused => operation.back_off(round).await,
            Published::Silent | Published::OwnComplete(_) => return Err(failed(&too_few("settle", write, slots))),
        }
    }
    Err(failed("settle: other writers were faster until the time was up"))
}

/// The proposal that publishes a version found at a higher ballot, on top of itself; `Vanished` if it was overwritten meanwhile.
pub(crate) async fn republish(operation: &Rc<Operation>, found: &Found, ballot: Ballot) -> Result<Proposal, ReadError> {
    let needed = shards_needed(&found.head);
    if count(found.holders) < needed {
        let text = format!("settle: {} of the {needed} shards needed were found", count(found.holders));
        return Err(ReadError::Failed(operation.unavailable(&text)));
    }
    let shards = supply(operation, &found.head, found.holders).await?;
    Ok(Proposal::of_head(&found.head, shards).published_at(ballot, found.head.origin, Some(found.head.ballot)))
}

/// Scans promises.
pub(crate) fn scan_answers(operation: &Operation, answers: &[(u8, KeyState)]) -> Finding {
    let answers: Vec<(u8, &KeyState)> = answers.iter().map(|(slot, state)| (*slot, state)).collect();
    scan(operation.quorum, &answers)
}

/// Whether promises say what the key holds, and the version they show, if any, can be published again from them.
pub(crate) fn is_decodable(operation: &Operation, answers: &[(u8, KeyState)]) -> bool {
    match scan_answers(operation, answers) {
        Finding::Absent => true,
        Finding::TooFew => false,
        Finding::Complete(found) | Finding::Possible(found) => count(found.holders) >= shards_needed(&found.head),
    }
}

fn complete(operation: &Operation, found: Found) -> Located {
    operation.send_stable(found.head.ballot, found.accepted);
    Located {
        head: found.head,
        holders: found.holders,
        shards: Vec::new(),
    }
}

fn finish(proposer: Proposer, found: Found) -> Located {
    let acked: SlotMask = proposer.mark_stable(found.head.ballot);
    Located {
        head: found.head,
        holders: found.holders | acked,
        shards: Vec::new(),
    }
}

fn too_few(what: &str, write: usize, slots: usize) -> String {
    format!("{what}: fewer than {write} of {slots} slots answered")
}
