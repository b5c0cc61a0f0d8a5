//! One operation on one key: its erasure set, its time, its fence, and why slots did not answer it.

use crate::StoreError;
use crate::core::Core;
use crate::placement;
use crate::quorum::Quorum;
use crate::scan::{SlotMask, bit};
use crate::store::RESERVED_BUCKET;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use openlake_drive::{Answer, Ballot, Key, Request, Shard};
use openlake_io::Instant;
use openlake_peer::{CallError, ClusterLayout, Fence, SetLayout, SlotId};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often a request that met a newer bucket revision is sent again under it.
const FENCE_RETRIES: u32 = 4;
/// Between such retries when the other node has not loaded its tables yet.
const FENCE_PAUSE: Duration = Duration::from_millis(20);

/// The context of an operation on a key.
pub(crate) struct Operation {
    pub core: Rc<Core>,
    pub key: Key,
    pub quorum: Quorum,
    layout: Arc<ClusterLayout>,
    position: usize,
    fence: Cell<Option<Fence>>,
    deadline: Cell<Instant>,
    gone: Cell<bool>,
    storing: Cell<bool>,
    reasons: RefCell<Vec<(u8, String)>>,
    permit: RefCell<Option<Permit>>,
}

/// Asked before a record of one's own is published on a prepare: whether it still may be.
pub(crate) type Permit = Box<dyn Fn() -> LocalBoxFuture<'static, Result<(), StoreError>>>;

impl Operation {
    /// On `key`, in the set that placement names. `fence`: the bucket's revision as the client's request met it.
    pub fn new(core: &Rc<Core>, key: Key, fence: Option<Fence>) -> Result<Rc<Operation>, StoreError> {
        let layout = core.slots.layout();
        let Some(position) = placement::place(key.bucket, key.placement_name(), &layout.sets) else {
            return Err(StoreError::Unavailable("the layout has no erasure set".to_owned()));
        };
        Operation::in_set(core, key, fence, layout, position)
    }
    /// On a set itself (lists); `key` says bucket and space.
    pub fn in_set(
        core: &Rc<Core>,
        key: Key,
        fence: Option<Fence>,
        layout: Arc<ClusterLayout>,
        position: usize,
    ) -> Result<Rc<Operation>, StoreError> {
        let Some(set) = layout.sets.get(position) else {
            return Err(StoreError::Unavailable(format!("the layout has no erasure set number {position}")));
        };
        let quorum = Quorum::new(set.data, set.parity);
        if set.slots.len() != quorum.slots() || quorum.slots() > 64 || set.data == 0 {
            let text = format!(
                "erasure set {} of {}+{} has {} slots",
                set.id,
                set.data,
                set.parity,
                set.slots.len()
            );
            return Err(StoreError::Unavailable(text));
        }
        let fence = fence.filter(|_| key.bucket != RESERVED_BUCKET);
        let deadline = Cell::new(core.after(core.options.deadline));
        Ok(Rc::new(Operation {
            core: core.clone(),
            key,
            quorum,
            layout,
            position,
            fence: Cell::new(fence),
            deadline,
            gone: Cell::new(false),
            storing: Cell::new(false),
            reasons: RefCell::default(),
            permit: RefCell::default(),
        }))
    }
    /// The same set, fence and time for another key of it (a part beside its object).
    pub fn beside(&self, key: Key) -> Result<Rc<Operation>, StoreError> {
        Operation::in_set(&self.core, key, self.fence.get(), self.layout.clone(), self.position)
    }
    pub fn set(&self) -> &SetLayout {
        // The constructor checked the position.
        &self.layout.sets[self.position]
    }
    pub fn slot_id(&self, slot: u8) -> SlotId {
        SlotId { set: self.set().id, slot }
    }
    /// All slot numbers.
    pub fn slots(&self) -> std::ops::Range<u8> {
        0..self.quorum.slots() as u8
    }
    /// Slots in the order to ask them, data slots first: those that answered lately, then those whose drives are being filled, then the others.
    pub fn preferred(&self) -> Vec<u8> {
        let mut slots: Vec<u8> = self.slots().collect();
        if self.core.any_late() {
            slots.sort_by_key(|slot| self.core.lateness(self.slot_id(*slot)));
        }
        slots
    }
    /// Gives the operation its full time again (a body took its own).
    pub fn restart_clock(&self) {
        self.deadline.set(self.core.after(self.core.options.deadline));
    }
    /// Time left.
    pub fn remaining(&self) -> Duration {
        Duration::from_nanos(self.deadline.get().0.saturating_sub(self.core.runtime.now().0))
    }
    /// The longest p95 of the set's slots, within sane bounds: how long a straggler is worth waiting for.
    pub fn patience(&self) -> Duration {
        let longest = self.slots().map(|slot| self.core.slots.hedge_after(self.slot_id(slot))).max();
        longest
            .unwrap_or_default()
            .clamp(Duration::from_millis(2), Duration::from_millis(200))
    }
    /// Waits before another round, longer each time.
    pub async fn back_off(&self, round: u32) {
        self.core.back_off(round, self.patience()).await;
    }
    /// A new ballot above `floor`.
    pub fn next_ballot(&self, floor: Ballot) -> Ballot {
        self.core.next_ballot(floor)
    }
    /// Tells slots that the version at `ballot` is complete.
    pub fn send_stable(&self, ballot: Ballot, slots: SlotMask) {
        for slot in self.slots().filter(|slot| slots & bit(*slot) != 0) {
            self.core.slots.send(
                self.slot_id(slot),
                Request::Stable {
                    key: self.key.clone(),
                    ballot,
                },
            );
        }
    }
    /// A version became complete on these slots: the others are to be told that they missed it.
    pub fn note_missing(&self, holders: SlotMask) {
        for slot in self.slots().filter(|slot| holders & bit(*slot) == 0) {
            self.core.hints.note(self.slot_id(slot), &self.key);
        }
    }
    /// It is to store bytes, so drives without room are a reason of their own to fail.
    pub fn note_storing(&self) {
        self.storing.set(true);
    }
    /// Lets `permit` be asked between every prepare and what the operation then publishes of its own.
    pub fn set_permit(&self, permit: Permit) {
        *self.permit.borrow_mut() = Some(permit);
    }
    /// Asks it.
    pub async fn ask_permit(&self) -> Result<(), StoreError> {
        let asked = self.permit.borrow().as_ref().map(|permit| permit());
        match asked {
            Some(asked) => asked.await,
            None => Ok(()),
        }
    }
    /// Whether a slot refused because the bucket is gone.
    pub fn is_bucket_gone(&self) -> bool {
        self.gone.get()
    }
    /// Asks a slot that can answer at once; `None`: it has to be called.
    pub fn call_in_memory(&self, slot: u8, request: &Request) -> Option<Answer> {
        let id = self.slot_id(slot);
        let answer = self.core.slots.call_in_memory(id, self.fence.get(), request)?;
        self.hear(slot, request, &answer);
        Some(answer)
    }
    /// Asks a slot, with a share of the operation's time. `Behind` is met here: the bucket's record is read again and, while it lives,
    /// the request sent under its new revision. The slot never saw the first one, so this is no repetition.
    pub fn call(self: &Rc<Self>, slot: u8, request: Request) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        let operation = self.clone();
        async move {
            let mut retries = 0;
            loop {
                let fence = operation.fence.get();
                let result = operation.call_once(slot, fence, &request).await;
                let (Ok(Answer::Behind), Some(fence)) = (&result, fence) else {
                    return result;
                };
                retries += 1;
                if retries > FENCE_RETRIES || !operation.renew_fence(fence).await {
                    return result;
                }
            }
        }
        .boxed_local()
    }

    async fn call_once(&self, slot: u8, fence: Option<Fence>, request: &Request) -> Result<Answer, CallError> {
        let core = &self.core;
        // On a contended key a prepare waits until those before it are done, as long as there is time left for what follows.
        let (share, left) = (core.options.deadline / 4, self.remaining());
        let waits = matches!(request, Request::Prepare { .. });
        let limit = if waits { left.saturating_sub(share).max(share) } else { share }.min(left);
        if limit.is_zero() {
            self.note(slot, "the operation's time was up".to_owned());
            return Err(CallError::Timeout);
        }
        let id = self.slot_id(slot);
        let result = core.slots.call(id, fence, request.clone(), limit).await;
        match &result {
            Ok(answer) => self.hear(slot, request, answer),
            Err(error) => {
                if !(waits && *error == CallError::Timeout) {
                    core.mark_down(id);
                }
                self.note(slot, describe(error, limit));
            }
        }
        result
    }

    /// Notes what a slot's answer says of its drive.
    fn hear(&self, slot: u8, request: &Request, answer: &Answer) {
        let (core, id) = (&self.core, self.slot_id(slot));
        core.mark_up(id);
        if *answer == Answer::Full && carries_bytes(request) {
            core.mark_full(id);
        }
        if is_dirty(answer) {
            core.mark_dirty(id);
        }
        if let Some(text) = why_not(answer) {
            self.note(slot, text);
        }
    }

    /// Reads the bucket's record again; whether it makes sense to go on under it.
    async fn renew_fence(&self, old: Fence) -> bool {
        if self.fence.get() == Some(old) {
            match self.core.renewed_view(old.bucket).await {
                Ok(view) if view.id == old.bucket && view.revision != old.revision => {
                    self.fence.set(Some(Fence {
                        bucket: view.id,
                        revision: view.revision,
                    }));
                }
                // The other node has not loaded its tables, or only heard of the change before us.
                Ok(view) if view.id == old.bucket => self.core.runtime.sleep(FENCE_PAUSE).await,
                Ok(_) | Err(StoreError::NoSuchBucket) => {
                    self.gone.set(true);
                    return false;
                }
                Err(_) => return false,
            }
        }
        !self.remaining().is_zero()
    }

    fn note(&self, slot: u8, reason: String) {
        let mut reasons = self.reasons.borrow_mut();
        match reasons.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, text)) => *text = reason,
            None => reasons.push((slot, reason)),
        }
    }
    /// 503 without effect: `what` says what was tried and how many answers were needed and had.
    pub fn unavailable(&self, what: &str) -> StoreError {
        if self.gone.get() {
            return StoreError::NoSuchBucket;
        }
        if self.storing.get() && self.reasons.borrow().iter().any(|(_, reason)| reason == FULL) {
            return StoreError::Full;
        }
        StoreError::Unavailable(self.explain(what))
    }
    /// 503 with unknown outcome.
    pub fn unknown(&self, what: &str) -> StoreError {
        StoreError::Unknown(self.explain(what))
    }
    fn explain(&self, what: &str) -> String {
        let mut text = format!("set {}: {what}", self.set().id);
        for (slot, reason) in self.reasons.borrow().iter() {
            let node = self.set().slots.get(usize::from(*slot)).map_or(0, |place| place.node);
            text.push_str(&format!("; slot {slot} (node {node}): {reason}"));
        }
        text
    }
}

/// Whether a request brings object bytes inside a record.
fn carries_bytes(request: &Request) -> bool {
    matches!(request, Request::Publish { record, .. } if matches!(record.shard, Shard::Inline(_)))
}

/// Whether a drive says that something that it lacks is unknown.
fn is_dirty(answer: &Answer) -> bool {
    match answer {
        Answer::State { state, .. } | Answer::Promise(state) => state.dirty.is_some(),
        Answer::Refuse { dirty, .. } => dirty.is_some(),
        Answer::Page { dirty, .. } => *dirty,
        _ => false,
    }
}

const FULL: &str = "the drive is full";

/// Why an answer counts as none, if it does.
fn why_not(answer: &Answer) -> Option<String> {
    match answer {
        Answer::NotStaged => Some("its bytes were not staged".to_owned()),
        Answer::SettleFirst => Some("too many unsettled versions".to_owned()),
        Answer::Gone => Some("the version is not held any more".to_owned()),
        Answer::Clock { now_ms } => Some(format!("the ballot is too far ahead of its clock ({now_ms} ms)")),
        Answer::Full => Some(FULL.to_owned()),
        Answer::Failed(text) | Answer::Wrong(text) => Some(text.clone()),
        Answer::Behind => Some("it knows a newer state of the bucket, or has not loaded its tables".to_owned()),
        _ => None,
    }
}

fn describe(error: &CallError, limit: Duration) -> String {
    match error {
        CallError::Unreachable(text) => text.clone(),
        CallError::Timeout => format!("no answer within {} ms", limit.as_millis()),
        CallError::Lost => "the link broke".to_owned(),
    }
}
