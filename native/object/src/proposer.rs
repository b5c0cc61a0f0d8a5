//! The two rounds of the protocol, prepare and publish, as a coordinator runs them for one operation on one key.
//!
//! Every answer of every round is kept and counted, however late it comes: W acknowledgements of one own ballot are success at any time.

use crate::decide::Attempt;
use crate::operation::Operation;
use crate::outcome::{Prepared, Published};
use crate::proposal::Proposal;
use crate::round::{Round, Standing};
use crate::scan::{SlotMask, bit, count};
use crate::shared_write::SharedWrite;
use crate::turn::Turn;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::FuturesUnordered;
use openlake_drive::{Answer, Ballot, KeyState, Request, WriteId};
use openlake_io::Instant;
use openlake_peer::CallError;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// First wait before a publish without an answer is sent again; doubles with each try.
const RESEND_AFTER: Duration = Duration::from_millis(10);
/// Where some slots refused to promise, others get so many times the usual: they may only promise in turn.
const TURNS_AWAITED: u32 = 8;
/// A slot gets one ballot at most so often.
const MOST_TRIES: u8 = 8;

struct Reply {
    publish: bool,
    ballot: Ballot,
    slot: u8,
    result: Result<Answer, CallError>,
}

/// The coordinator's side of both rounds.
pub(crate) struct Proposer {
    operation: Rc<Operation>,
    floor: Ballot,
    rounds: Vec<Round>,
    answers: Vec<(u8, KeyState)>,
    prepared: Ballot,
    turn: Option<Turn>,
    refusals: SlotMask,
    closed: SlotMask,
    witnessed: Option<Ballot>,
    shared: Option<SharedWrite>,
    /// Times the usual that stragglers get in a prepare.
    patience: u32,
    replies: FuturesUnordered<LocalBoxFuture<'static, Reply>>,
}

impl Proposer {
    /// `floor`: the highest ballot seen so far.
    pub fn new(operation: Rc<Operation>, floor: Ballot) -> Proposer {
        Proposer {
            operation,
            floor,
            rounds: Vec::new(),
            answers: Vec::new(),
            prepared: Ballot::ZERO,
            turn: None,
            refusals: 0,
            closed: 0,
            witnessed: None,
            shared: None,
            patience: 1,
            replies: FuturesUnordered::new(),
        }
    }
    /// The same for a write that others may publish too: all its ballots lie above the one promised when it began.
    pub fn of_shared(operation: Rc<Operation>, floor: Ballot, shared: Option<SharedWrite>) -> Proposer {
        let since = shared.map(|shared| shared.since);
        Proposer {
            shared,
            witnessed: since,
            ..Proposer::new(operation, floor.max(since.unwrap_or(Ballot::ZERO)))
        }
    }
    /// What the last prepare left open may be told by drives that are merely slow: they get longer next time.
    pub fn be_patient(&mut self) {
        self.patience = (self.patience * 4).min(256);
    }
    pub fn shared(&self) -> Option<SharedWrite> {
        self.shared
    }
    /// A new ballot above all floors seen.
    pub fn next_ballot(&mut self) -> Ballot {
        let ballot = self.operation.next_ballot(self.floor);
        self.floor = self.floor.max(ballot);
        ballot
    }
    /// What is known of every own proposal.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.rounds.iter().filter(|round| round.own).map(Round::attempt).collect()
    }
    /// Whether the write may have taken effect, by anybody's doing.
    pub fn has_proposed(&self) -> bool {
        self.rounds.iter().any(|round| round.own) || self.shared.is_some_and(|shared| !shared.alone)
    }
    /// Whether this write was found, adopted by somebody else, and published again: at ballots that are no attempts.
    pub fn has_finished(&self, write_id: WriteId) -> bool {
        self.rounds.iter().any(|round| !round.own && round.proposal.write_id() == write_id)
    }
    /// Promises of the last prepare.
    pub fn answers(&self) -> &[(u8, KeyState)] {
        &self.answers
    }
    /// Lowest own earlier ballot that at least M drives promised or acknowledged.
    pub fn witnessed(&self) -> Option<Ballot> {
        let acked = self
            .rounds
            .iter()
            .filter(|round| round.own && count(round.acked) >= self.operation.quorum.meet())
            .map(Round::ballot);
        acked.chain(self.witnessed).min()
    }
    /// The last prepare becomes an earlier one: remembers it if at least M drives promised.
    fn close_prepare(&mut self) {
        if self.answers.len() >= self.operation.quorum.meet() {
            self.witnessed = Some(self.witnessed.map_or(self.prepared, |earlier| earlier.min(self.prepared)));
        }
    }

    /// Publishes to every target and waits for the outcome. `held`: slots known to hold this ballot. `own`: a proposal of one's own
    /// record, which counts as an attempt.
    pub async fn publish(&mut self, proposal: Proposal, held: SlotMask, own: bool) -> Published {
        let operation = self.operation.clone();
        if let Some(turn) = &mut self.turn {
            turn.publishes(proposal.ballot());
        }
        let index = self.rounds.len();
        let round = Round::new(Rc::new(proposal), own, held, operation.quorum.slots());
        let targets = round.targets();
        self.rounds.push(round);
        for slot in operation.slots().filter(|slot| targets & bit(*slot) != 0) {
            self.send_publish(index, slot, Duration::ZERO);
        }
        let mut until: Option<Instant> = None;
        loop {
            if let Some(ballot) = self.complete_own()
                && ballot != self.rounds[index].ballot()
            {
                return Published::OwnComplete(ballot);
            }
            match self.rounds[index].standing(operation.quorum.write()) {
                Standing::Complete => return Published::Complete,
                Standing::Refused => return Published::Refused,
                Standing::Silent if !self.rounds[index].awaits_more_untaken() => return Published::Silent,
                Standing::Doubtful | Standing::Silent if until.is_none() => until = Some(operation.core.after(operation.patience())),
                Standing::Doubtful | Standing::Silent | Standing::Open => {}
            }
            if !self.next_reply(until).await {
                let refused = self.rounds[index].standing(operation.quorum.write()) == Standing::Doubtful;
                return if refused { Published::Refused } else { Published::Silent };
            }
        }
    }

    /// Asks all slots to promise a new ballot. `enough` judges, from W promises on, whether they suffice; if not, stragglers get a while.
    pub async fn prepare(&mut self, enough: impl Fn(&Proposer) -> bool) -> Prepared {
        let operation = self.operation.clone();
        let (write, slots) = (operation.quorum.write(), operation.quorum.slots());
        self.close_prepare();
        self.prepared = self.next_ballot();
        self.turn = Some(Turn::new(operation.clone(), self.prepared));
        self.answers.clear();
        (self.refusals, self.closed) = (0, 0);
        for slot in operation.slots() {
            self.send_prepare(slot);
        }
        let (mut until, mut had_enough): (Option<Instant>, bool) = (None, false);
        loop {
            if let Some(origin) = self.complete_own() {
                return Prepared::OwnComplete(origin);
            }
            let answered = count(self.closed);
            let promised = self.answers.len() >= write;
            if promised && (answered == slots || enough(self)) {
                return Prepared::Promised(self.prepared);
            }
            if !promised && self.answers.len() + (slots - answered) < write {
                return self.fell_short();
            }
            // Once there are W promises the others may tell more; before that, they may be waiting for other writers' turns.
            if promised && !had_enough {
                (until, had_enough) = (Some(operation.core.after(operation.patience() * self.patience)), true);
            } else if until.is_none() && self.refusals != 0 {
                until = Some(operation.core.after(operation.patience() * self.patience * TURNS_AWAITED));
            }
            if !self.next_reply(until).await {
                return if promised {
                    Prepared::Promised(self.prepared)
                } else {
                    self.fell_short()
                };
            }
        }
    }

    fn fell_short(&mut self) -> Prepared {
        self.end_turn();
        if self.refusals != 0 { Prepared::Refused } else { Prepared::TooFew }
    }
    /// Nothing comes of the last prepare: nobody has to wait for it.
    pub fn end_turn(&mut self) {
        self.turn = None;
    }

    /// An own ballot that W drives acknowledged, if there is one.
    pub fn complete_own(&self) -> Option<Ballot> {
        let write = self.operation.quorum.write();
        self.rounds
            .iter()
            .find(|round| round.own && count(round.acked) >= write)
            .map(Round::ballot)
    }

    /// The version at `ballot` is complete: tells the drives that hold it, and those that acknowledge later. Who holds it by now.
    pub fn mark_stable(self, ballot: Ballot) -> SlotMask {
        let operation = self.operation;
        let acked = self
            .rounds
            .iter()
            .filter(|round| round.ballot() == ballot)
            .fold(0, |mask, round| mask | round.acked);
        operation.send_stable(ballot, acked);
        let mut replies = self.replies;
        if replies.is_empty() {
            operation.note_missing(acked);
            return acked;
        }
        let runtime = operation.core.runtime.clone();
        runtime.spawn(async move {
            let mut all = acked;
            while let Some(reply) = replies.next().await {
                if reply.publish && reply.ballot == ballot && reply.result == Ok(Answer::Ack) {
                    operation.send_stable(ballot, bit(reply.slot));
                    all |= bit(reply.slot);
                }
            }
            operation.note_missing(all);
        });
        acked
    }

    /// Handles one reply; false when `until` or the operation's time passed first, or nobody is left to answer.
    async fn next_reply(&mut self, until: Option<Instant>) -> bool {
        let now = self.operation.core.runtime.now();
        let left = until.map_or(Duration::MAX, |until| Duration::from_nanos(until.0.saturating_sub(now.0)));
        let wait = left.min(self.operation.remaining());
        if wait.is_zero() {
            return false;
        }
        let runtime = self.operation.core.runtime.clone();
        let reply = {
            let alarm = pin!(runtime.sleep(wait));
            match select(self.replies.next(), alarm).await {
                Either::Left((Some(reply), _)) => reply,
                Either::Left((None, _)) | Either::Right(_) => return false,
            }
        };
        if reply.publish {
            self.take_publish(reply)
        } else {
            self.take_prepare(reply)
        }
        true
    }

    fn take_publish(&mut self, reply: Reply) {
        let Some(index) = self.rounds.iter().position(|round| round.ballot() == reply.ballot) else {
            return;
        };
        let slot = reply.slot;
        let current = index + 1 == self.rounds.len();
        let round = &mut self.rounds[index];
        let hopeless = match reply.result {
            Ok(Answer::Ack) => return round.note_ack(slot),
            Ok(Answer::Refuse { floor, stable, dirty }) => {
                self.floor = self.floor.max(floor);
                self.operation.core.learn_floor(floor);
                return round.note_refusal(slot, stable, dirty);
            }
            Ok(Answer::NotStaged) => {
                round.flipped ^= bit(slot);
                false
            }
            Ok(Answer::SettleFirst) => return round.note_unsettled(slot),
            Ok(Answer::Full | Answer::Behind) => return round.note_untaken(slot),
            Err(_) => false,
            Ok(_) => true,
        };
        if round.note_silence(slot, hopeless) && current {
            let tries = self.rounds[index].tries(slot);
            if tries < MOST_TRIES {
                self.send_publish(index, slot, RESEND_AFTER * (1 << tries.min(6)) / 2);
            } else {
                self.rounds[index].note_silence(slot, true);
            }
        }
    }

    fn take_prepare(&mut self, reply: Reply) {
        if let Ok(Answer::Refuse { floor, .. }) = &reply.result {
            self.floor = self.floor.max(*floor);
            self.operation.core.learn_floor(*floor);
        }
        if reply.ballot != self.prepared || self.closed & bit(reply.slot) != 0 {
            return;
        }
        self.closed |= bit(reply.slot);
        match reply.result {
            Ok(Answer::Promise(state)) => {
                self.floor = self.floor.max(state.floor);
                for round in self.rounds.iter_mut().filter(|round| round.own) {
                    round.note_promise(reply.slot, &state);
                }
                self.answers.push((reply.slot, state));
            }
            Ok(Answer::Refuse { .. }) => self.refusals |= bit(reply.slot),
            _ => {}
        }
    }

    fn send_publish(&mut self, index: usize, slot: u8, delay: Duration) {
        let round = &mut self.rounds[index];
        let Some(record) = round.proposal.record(slot, round.flipped & bit(slot) != 0) else {
            return;
        };
        round.note_sent(slot);
        let operation = self.operation.clone();
        let reply = async move {
            if !delay.is_zero() {
                operation.core.runtime.sleep(delay.min(operation.remaining())).await;
            }
            let ballot = record.ballot;
            let result = operation
                .call(
                    slot,
                    Request::Publish {
                        key: operation.key.clone(),
                        record,
                    },
                )
                .await;
            Reply {
                publish: true,
                ballot,
                slot,
                result,
            }
        };
        self.replies.push(reply.boxed_local());
    }

    fn send_prepare(&mut self, slot: u8) {
        let operation = self.operation.clone();
        let ballot = self.prepared;
        let reply = async move {
            let result = operation
                .call(
                    slot,
                    Request::Prepare {
                        key: operation.key.clone(),
                        ballot,
                    },
                )
                .await;
            Reply {
                publish: false,
                ballot,
                slot,
                result,
            }
        };
        self.replies.push(reply.boxed_local());
    }
}
