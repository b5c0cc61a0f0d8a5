//! Finds the version of a key that a reader may return: protocol.md section 6 steps 1 to 3, then settles what is left open.
//!
//! In the good case this is one round to M (HEAD) or R drives (GET, with the first blocks): the newest version they show carries a stable
//! mark. On any gap, doubt or delay the other slots are asked too.

use crate::StoreError;
use crate::operation::Operation;
use crate::scan::{Finding, Found, SlotMask, bit, count, scan};
use crate::settle::settle;
use crate::stripe::shards_needed;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::FuturesUnordered;
use openlake_drive::sabotage::{Sabotage, is_planted};
use openlake_drive::{Answer, Head, KeyState, Request, ShardBytes, Want};
use openlake_peer::CallError;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// Once all slots are asked, stragglers get this many times the usual answer time before a doubt is settled without them.
const STRAGGLER_PATIENCE: u32 = 4;

type Reply = LocalBoxFuture<'static, (u8, Result<Answer, CallError>)>;

/// A version decided on.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub head: Head,
    /// Slots known to hold its bytes.
    pub holders: SlotMask,
    /// Blocks that came along.
    pub shards: Vec<(u8, ShardBytes)>,
}

/// Answers of slots to one `Read`, as they come.
pub(crate) struct Gather {
    operation: Rc<Operation>,
    want: Want,
    pub answers: Vec<(u8, KeyState)>,
    pub shards: Vec<(u8, ShardBytes)>,
    asked: SlotMask,
    /// Given at once, and not looked at yet.
    at_hand: VecDeque<(u8, Answer)>,
    /// Made for the first that has to wait: reads from memory are many, and do not.
    pending: Option<FuturesUnordered<Reply>>,
}

impl Gather {
    pub fn new(operation: &Rc<Operation>, want: Want) -> Gather {
        Gather {
            operation: operation.clone(),
            want,
            answers: Vec::with_capacity(operation.quorum.slots()),
            shards: Vec::new(),
            asked: 0,
            at_hand: VecDeque::new(),
            pending: None,
        }
    }
    pub fn ask(&mut self, slot: u8) {
        self.asked |= bit(slot);
        let request = Request::Read {
            key: self.operation.key.clone(),
            want: self.want,
        };
        if let Some(answer) = self.operation.call_in_memory(slot, &request) {
            self.at_hand.push_back((slot, answer));
            return;
        }
        let call = self.operation.call(slot, request);
        let pending = self.pending.get_or_insert_with(FuturesUnordered::new);
        pending.push(async move { (slot, call.await) }.boxed_local());
    }
    /// Asks up to `most` slots not asked yet; how many were.
    pub fn ask_more(&mut self, most: usize) -> usize {
        let mut count = 0;
        for slot in self.operation.preferred() {
            if count < most && self.asked & bit(slot) == 0 {
                self.ask(slot);
                count += 1;
            }
        }
        count
    }
    pub fn is_idle(&self) -> bool {
        self.pending() == 0
    }
    pub fn pending(&self) -> usize {
        self.at_hand.len() + self.pending.as_ref().map_or(0, FuturesUnordered::len)
    }
    pub fn scan(&self) -> Finding {
        let answers: Vec<(u8, &KeyState)> = self.answers.iter().map(|(slot, state)| (*slot, state)).collect();
        scan(self.operation.quorum, &answers)
    }
    /// The next answer: `Some(true)` a good one, `Some(false)` none from that slot, `None` when `wait` passed or nobody is left.
    pub async fn next(&mut self, wait: Duration) -> Option<bool> {
        if let Some((slot, answer)) = self.at_hand.pop_front() {
            return Some(self.take_up(slot, answer));
        }
        let wait = wait.min(self.operation.remaining());
        let pending = self.pending.as_mut().filter(|pending| !pending.is_empty() && !wait.is_zero())?;
        let (slot, result) = {
            let alarm = pin!(self.operation.core.runtime.sleep(wait));
            match select(pending.next(), alarm).await {
                Either::Left((Some(reply), _)) => reply,
                Either::Left((None, _)) | Either::Right(_) => return None,
            }
        };
        Some(result.is_ok_and(|answer| self.take_up(slot, answer)))
    }
    /// Whether the answer is a good one.
    fn take_up(&mut self, slot: u8, answer: Answer) -> bool {
        let Answer::State { state, shard } = answer else { return false };
        self.answers.push((slot, state));
        self.shards.extend(shard.map(|shard| (slot, shard)));
        true
    }
    /// Asks all slots and waits for them; stragglers only for a while once W answered.
    pub async fn all(operation: &Rc<Operation>) -> Gather {
        let mut gather = Gather::new(operation, Want::Heads);
        gather.ask_more(usize::MAX);
        while !gather.is_idle() {
            let enough = gather.answers.len() >= operation.quorum.write();
            let wait = if enough {
                operation.patience() * STRAGGLER_PATIENCE
            } else {
                operation.remaining()
            };
            if gather.next(wait).await.is_none() {
                break;
            }
        }
        gather
    }
}

/// What a reader needs of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Its head: one holder of a complete version will do.
    Head,
    /// Its bytes, and these blocks at once.
    Data { first: u32, count: u32 },
}

/// The version to return; `None` if the key does not exist. A tombstone is returned as such.
pub(crate) async fn locate(operation: &Rc<Operation>, need: Need) -> Result<Option<Located>, StoreError> {
    let quorum = operation.quorum;
    let (want, first_ask) = match need {
        Need::Head => (Want::Heads, quorum.meet()),
        Need::Data { first, count } => (Want::Blocks { first, count }, quorum.read()),
    };
    let mut gather = Gather::new(operation, want);
    gather.ask_more(first_ask);
    let mut all_asked = false;
    let last = loop {
        // With fewer than W answers a doubt cannot be settled either, and too few shards give nothing back: there is nothing better to do
        // than to wait for the others.
        let wait = match all_asked {
            true if gather.answers.len() < quorum.write() || lacks_shards(&gather, need) => operation.remaining(),
            true => operation.patience() * STRAGGLER_PATIENCE,
            false => operation.patience(),
        };
        let reply = gather.next(wait).await;
        if reply == Some(true) && gather.answers.len() >= quorum.meet() {
            match gather.scan() {
                Finding::Absent => return Ok(None),
                Finding::Complete(found) if is_enough(&found, need) => return Ok(Some(accept(operation, found, gather.shards))),
                Finding::Possible(found) if is_planted(Sabotage::NoWriteBack) && is_enough(&found, need) => {
                    return Ok(Some(Located {
                        head: found.head,
                        holders: found.holders,
                        shards: gather.shards,
                    }));
                }
                finding if gather.is_idle() && all_asked => break finding,
                _ => {}
            }
        }
        // Silence: hedge with one slot for each that is late, then wait again. A bad answer or doubt: ask all.
        let doubt = gather.is_idle() || reply == Some(false);
        match (reply, all_asked) {
            (None, true) => break gather.scan(),
            (None, false) => all_asked = gather.ask_more(gather.pending().max(1)) == 0,
            (Some(_), false) if doubt => {
                all_asked = gather.ask_more(usize::MAX) == 0 || gather.asked.count_ones() as usize == quorum.slots()
            }
            (Some(_), true) if gather.is_idle() => break gather.scan(),
            (Some(_), _) => {}
        }
    };
    match last {
        Finding::Absent => Ok(None),
        Finding::Complete(found) if is_enough(&found, need) => Ok(Some(accept(operation, found, gather.shards))),
        Finding::Possible(_) => {
            let shards = gather.shards;
            Ok(settle(operation).await?.map(|located| Located { shards, ..located }))
        }
        Finding::Complete(found) => {
            let needed = shards_needed(&found.head);
            Err(operation.unavailable(&format!("read: {} of the {needed} shards needed were found", count(found.holders))))
        }
        Finding::TooFew => {
            let (had, needed) = (gather.answers.len(), quorum.meet());
            Err(operation.unavailable(&format!(
                "read: {had} of {} slots answered, at least {needed} needed",
                quorum.slots()
            )))
        }
    }
}

/// Whether the version is known, but not enough of its shards.
fn lacks_shards(gather: &Gather, need: Need) -> bool {
    matches!(gather.scan(), Finding::Complete(found) if !is_enough(&found, need))
}

fn is_enough(found: &Found, need: Need) -> bool {
    need == Need::Head || count(found.holders) >= shards_needed(&found.head)
}

fn accept(operation: &Rc<Operation>, found: Found, shards: Vec<(u8, ShardBytes)>) -> Located {
    if !found.marked {
        operation.send_stable(found.head.ballot, found.accepted);
    }
    Located {
        head: found.head,
        holders: found.holders,
        shards,
    }
}
