//! Between the log and the device: issues its writes, applies what became durable, reacts to errors.

use crate::Answer;
use crate::cleaner::PATIENCE;
use crate::core::{Core, Effect};
use crate::format::{BatchKind, STATE_RECORD_BYTES, encode_state_record};
use crate::log::{LogFailed, LogWrite, SealedBatch};
use crate::space::{Claim, Place};
use bytes::Bytes;
use futures_util::future::{Either, select};
use openlake_io::Durability;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// A second failed log write within this time is a failed drive.
const SECOND_ERROR: Duration = Duration::from_secs(60);

impl Core {
    /// Issues writes as long as the drive is open. Requests of one turn of the executor gather in one batch first.
    pub async fn run_pump(self: Rc<Core>) {
        while !self.closed.get() {
            self.pump.until(|| (self.pump_work.get() || self.closed.get()).then_some(())).await;
            self.runtime.yield_now().await;
            self.pump_work.set(false);
            self.issue();
        }
    }
    /// Tells the pump that a batch may leave.
    pub fn wake_pump(&self) {
        if !self.pump_work.replace(true) {
            self.pump.notify();
        }
    }
    fn issue(self: &Rc<Core>) {
        loop {
            if self.log.borrow().should_close() {
                self.append_marks();
                self.append_bound_ahead();
                self.log.borrow_mut().close();
            }
            let Some(write) = self.log.borrow_mut().next_write() else { break };
            let core = self.clone();
            self.runtime.spawn(async move { core.write(write).await });
        }
        self.log_changed.notify();
    }
    async fn write(self: Rc<Core>, write: LogWrite) {
        let result = self.medium.write(write.place, vec![write.bytes], Durability::Sync).await;
        if let Err(error) = &result {
            self.counters.errors.add(1);
            let place = write.place;
            let text = format!(
                "a write of the log failed in segment {} at {}: {error}",
                place.segment(),
                place.offset()
            );
            self.suspect(text);
        }
        let acknowledged = self.log.borrow_mut().complete(write.sequence, result.is_ok());
        for batch in acknowledged {
            self.apply(batch);
        }
        self.sweep_unsettled();
        self.start_mark_timer();
        self.resolve_error();
        self.log.borrow_mut().wake_decided();
        self.wake_pump();
        self.log_changed.notify();
        self.provision.notify();
    }
    /// When writes failed and all others have ended: writes the same records into the next segment, once.
    pub fn resolve_error(&self) {
        if !self.log.borrow().is_stuck() {
            return;
        }
        let now = self.runtime.now();
        let again = self
            .last_log_error
            .replace(Some(now))
            .is_some_and(|last| now.0.saturating_sub(last.0) < SECOND_ERROR.as_nanos() as u64);
        let relocated = !again && self.log.borrow_mut().relocate();
        if !relocated {
            let text = match &*self.health.borrow() {
                crate::DriveState::Suspect(text) => text.clone(),
                _ => "the log cannot be written".to_owned(),
            };
            self.fail(text);
        }
    }
    fn apply(&self, batch: SealedBatch<Effect>) {
        self.counters.batches.add(1);
        self.counters.records.add(u64::from(batch.records));
        let bytes = batch.bytes.len();
        let now = self.runtime.now();
        if batch.kind == BatchKind::Open {
            self.space.borrow_mut().claim_log(batch.place.segment(), batch.generation);
        }
        for (offset, effect) in batch.effects {
            let place = Place::new(batch.place.segment(), batch.place.offset() + offset);
            match effect {
                Effect::Accepted(entry) => {
                    if let Some(row) = self.index.borrow_mut().change(&entry.key) {
                        row.note_generation(batch.generation);
                    }
                    entry.set_durable(place, now);
                    self.space
                        .borrow_mut()
                        .add_live(place.segment(), u64::from(entry.total), batch.sequence);
                    let tail = offset as usize + entry.tail_offset as usize;
                    let tail_bytes = entry.tail_bytes();
                    let mut cache = self.cache.borrow_mut();
                    if tail_bytes > 0 && cache.takes(tail_bytes) {
                        let key = (batch.generation, place.offset());
                        cache.insert(key, Bytes::copy_from_slice(&batch.bytes[tail..tail + tail_bytes]));
                    }
                    drop(cache);
                    if entry.stable_early.get() {
                        self.mark_stable(&entry.key, entry.head.ballot);
                    } else {
                        entry.queued.set(true);
                        self.unsettled.borrow_mut().push_back(Rc::downgrade(&entry));
                    }
                }
                Effect::Repaired(repair) => {
                    repair.entry.set_durable(place, now);
                    if self.note_repaired(&repair) {
                        if let Some(row) = self.index.borrow_mut().change(&repair.entry.key) {
                            row.note_generation(batch.generation);
                        }
                        let total = u64::from(repair.entry.total);
                        self.space.borrow_mut().add_live(place.segment(), total, batch.sequence);
                    } else {
                        repair.entry.leave_row();
                    }
                }
                // What no reader needs any more gives its space back.
                Effect::Settled(mark) => self.note_mark(&mark.entry, place, batch.sequence),
                Effect::Dropped(entry) => self.note_dropped(&entry, place, batch.generation, batch.sequence),
                Effect::Moved(moved) => self.note_moved(&moved, place, batch.sequence),
                Effect::MarkMoved(moved) => self.note_mark_moved(&moved, place, batch.sequence),
                Effect::TraceMoved(moved) => self.note_trace_moved(&moved, place, batch.sequence),
                Effect::Bound(clock) => self.durable_bound.set(clock),
            }
        }
        self.note_log(bytes);
    }
    /// Whether a record of `bytes` can be appended for a claim.
    pub fn has_log_room(&self, bytes: usize, claim: Claim) -> bool {
        self.log.borrow().has_room(bytes, self.may_roll(claim))
    }
    /// Waits until a record of `bytes` can be appended for a claim; an answer when it never can.
    pub async fn room(&self, bytes: usize, claim: Claim) -> Result<(), Answer> {
        let began = self.runtime.now();
        loop {
            let check = || match (self.has_log_room(bytes, claim), self.lacks_segments(claim)) {
                (true, _) => Some(Ok(())),
                // The cleaner makes room, where there is any to make.
                (false, true) if self.may_gain_room(Claim::Removal) => None,
                (false, true) => Some(Err(Answer::Full)),
                (false, false) => None,
            };
            let late = pin!(self.runtime.sleep(PATIENCE));
            if let Either::Left((decided, _)) = select(pin!(self.log_changed.until(check)), late).await {
                return decided;
            }
            let waited = self.runtime.now().0.saturating_sub(began.0);
            if self.lacks_segments(claim) && u128::from(waited) >= PATIENCE.as_nanos() {
                return Err(Answer::Full);
            }
        }
    }
    /// Waits until a batch is durable; otherwise the answer that says why it will not be.
    pub async fn durable(&self, ordinal: u64) -> Result<(), Answer> {
        let decided = poll_fn(|context| {
            let mut log = self.log.borrow_mut();
            match log.is_durable(ordinal) {
                Some(result) => Poll::Ready(result),
                None => {
                    log.wait(ordinal, context.waker());
                    Poll::Pending
                }
            }
        });
        decided
            .await
            .map_err(|LogFailed| Answer::Failed(self.failure().unwrap_or_default()))
    }
    /// Waits until everything appended so far is durable.
    pub async fn all_durable(&self) -> Result<(), Answer> {
        let last = self.log.borrow().last_ordinal();
        // Whoever appended it last may have ended before it said so.
        self.wake_pump();
        self.durable(last).await
    }
    /// Appends the acceptor's state with promises allowed up to `clock`; room was made sure of.
    pub fn append_bound(&self, clock: u64) -> Result<u64, LogFailed> {
        let mut state = self.acceptor.get();
        state.bound_clock = clock;
        let mut log = self.log.borrow_mut();
        let ordinal = log.append(STATE_RECORD_BYTES, |bytes| encode_state_record(&state, bytes))?;
        log.set_last_effect(STATE_RECORD_BYTES, Effect::Bound(clock));
        log.set_state(state);
        self.acceptor.set(state);
        Ok(ordinal)
    }
    /// While conditional writes go on, the bound rides along with other traffic before it runs out.
    fn append_bound_ahead(&self) {
        let now = self.runtime.wall_ms();
        let in_use = !self.closing.get() && now.saturating_sub(self.last_prepare_ms.get()) < crate::prepare::BOUND_IN_USE_MS;
        let highest = self.highest_promise.get();
        let short = self.acceptor.get().bound_clock < highest.clock.saturating_add((crate::prepare::BOUND_AHEAD_MS / 2) << 16);
        if in_use && short && self.log.borrow().fits_beside(STATE_RECORD_BYTES, false) {
            // The open batch has room, so nothing can fail here but a log that has failed for everybody.
            self.append_bound(crate::prepare::bound_clock(highest)).ok();
        }
    }
}
