//! Sends a large body to all slots, stripe by stripe, invisibly; a publish record will make it a version.
//!
//! A few stripes are on the way at once, as far as the core's memory for bodies goes; otherwise the next one is read only when the last
//! one has arrived. A slot that falls behind is waited for a while, then left out: its publish would only answer that
//! nothing is staged. The write goes on as long as W slots take every stripe.

use crate::body_budget::Hold;
use crate::operation::Operation;
use crate::put::{check_length, encode_stripe};
use crate::scan::{SlotMask, bit, count};
use crate::stripe::Geometry;
use crate::{Body, StoreError};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::FuturesUnordered;
use openlake_drive::{Answer, Ballot, Coding, Request, Shard, WriteId};
use openlake_io::AlignedBuffer;
use openlake_peer::CallError;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// Stripes a slot may be behind before the body has to wait for it: hides one round trip, bounds memory.
const WINDOW_STRIPES: usize = 3;
/// How long the body waits for a slot that is behind, before it goes on without it.
const STRAGGLER_WAIT: Duration = Duration::from_secs(2);

/// What was staged where.
pub(crate) struct Staged {
    write_id: WriteId,
    /// For each slot that took all of its shard how it is to be published.
    pub shards: Vec<Option<Shard>>,
    /// The highest floor that any slot reported.
    pub floor: Ballot,
}

impl Staged {
    /// Frees the staged bytes, as no publish will follow.
    pub fn discard(&self, operation: &Operation) {
        unstage(operation, self.write_id, |_| true);
    }
    /// Frees what slots hold that fell behind and were left out: nothing is published to them.
    pub fn discard_left_out(&self, operation: &Operation) {
        unstage(operation, self.write_id, |slot| {
            matches!(self.shards.get(usize::from(slot)), Some(None))
        });
    }
}

type Reply = LocalBoxFuture<'static, (u8, Result<Answer, CallError>)>;

struct Lanes {
    operation: Rc<Operation>,
    /// Memory of the stripes on the way but the last.
    holds: Vec<Hold>,
    /// Slots that took everything so far.
    alive: SlotMask,
    behind: Vec<usize>,
    floor: Ballot,
    replies: FuturesUnordered<Reply>,
}

/// Reads `body` to its verified end and stages it. On any error nothing is left staged.
pub(crate) async fn stage(
    operation: &Rc<Operation>,
    write_id: WriteId,
    coding: Coding,
    body: &mut dyn Body,
    length: u64,
) -> Result<Staged, StoreError> {
    let slots = operation.quorum.slots();
    let alive = operation.slots().fold(0, |mask, slot| mask | bit(slot));
    let mut lanes = Lanes {
        operation: operation.clone(),
        holds: Vec::new(),
        alive,
        behind: vec![0; slots],
        floor: Ballot::ZERO,
        replies: FuturesUnordered::new(),
    };
    let result = feed(&mut lanes, write_id, coding, body, length).await;
    if let Err(error) = result {
        unstage(operation, write_id, |_| true);
        return Err(error);
    }
    let cut = Geometry::new(coding, length);
    let shards = operation.slots().map(|slot| {
        let taken = lanes.alive & bit(slot) != 0;
        taken.then(|| Shard::Staged {
            length: cut.shard_length(usize::from(slot)),
        })
    });
    Ok(Staged {
        write_id,
        shards: shards.collect(),
        floor: lanes.floor,
    })
}

async fn feed(lanes: &mut Lanes, write_id: WriteId, coding: Coding, body: &mut dyn Body, length: u64) -> Result<(), StoreError> {
    let operation = lanes.operation.clone();
    let cut = Geometry::new(coding, length);
    let stripe_bytes = cut.stripe() as usize;
    let mut buffer = AlignedBuffer::with_capacity(0);
    let (mut index, mut total) = (0, 0u64);
    loop {
        let next = lanes.while_sending(body.next()).await?.map_err(StoreError::Body)?;
        let ended = next.is_none();
        let mut bytes = next.unwrap_or_default();
        total += bytes.len() as u64;
        if total > length || (ended && total < length) {
            check_length(total, length)?;
        }
        while !bytes.is_empty() || (ended && !buffer.is_empty()) {
            let take = bytes.len().min(stripe_bytes - buffer.len());
            // A full stripe in one piece needs no copy. A copy is aligned, so that the drive's direct write needs no further one.
            let stripe = if buffer.is_empty() && take == stripe_bytes {
                bytes.split_to(take)
            } else {
                if buffer.capacity() == 0 {
                    buffer = AlignedBuffer::with_stale_capacity(stripe_bytes);
                }
                buffer.append(&bytes.split_to(take));
                if buffer.len() < stripe_bytes && !(ended && bytes.is_empty()) {
                    break;
                }
                std::mem::replace(&mut buffer, AlignedBuffer::with_capacity(0)).freeze()
            };
            operation.restart_clock();
            lanes.send(write_id, coding, &cut, index, &stripe)?;
            index += 1;
            let window = lanes.window(stripe_bytes);
            lanes.drain(window).await?;
            lanes.look()?;
        }
        if ended {
            break;
        }
    }
    operation.restart_clock();
    lanes.drain(0).await
}

impl Lanes {
    fn send(&mut self, write_id: WriteId, coding: Coding, cut: &Geometry, index: u64, stripe: &Bytes) -> Result<(), StoreError> {
        let blocks = encode_stripe(&self.operation, coding, stripe)?;
        for (slot, bytes) in self.operation.slots().zip(blocks) {
            if self.alive & bit(slot) == 0 || bytes.is_empty() {
                continue;
            }
            let request = Request::Stage {
                key: self.operation.key.clone(),
                write_id,
                block_shift: coding.block_shift,
                shard_length: cut.shard_length(usize::from(slot)),
                offset: index * cut.block(),
                bytes,
            };
            let call = self.operation.call(slot, request);
            self.replies.push(async move { (slot, call.await) }.boxed_local());
            if let Some(behind) = self.behind.get_mut(usize::from(slot)) {
                *behind += 1;
            }
        }
        Ok(())
    }

    /// How many stripes living slots may be behind, the one just sent included, before the next one is read.
    fn window(&mut self, stripe_bytes: usize) -> usize {
        let is_alive = |slot: &usize| self.alive & bit(*slot as u8) != 0;
        let behind = self
            .behind
            .iter()
            .enumerate()
            .filter(|(slot, _)| is_alive(slot))
            .map(|(_, behind)| *behind);
        let most = behind.max().unwrap_or(0);
        self.holds.truncate(most);
        let slots = self.operation.quorum.slots();
        let bytes = stripe_bytes / self.operation.quorum.data().max(1) * slots;
        while self.holds.len() < most.min(WINDOW_STRIPES) {
            match self.operation.core.body_budget.take(bytes) {
                Some(hold) => self.holds.push(hold),
                None => break,
            }
        }
        self.holds.len()
    }

    /// Sends on and takes answers while the body is waited for: requests move only when they are polled, and their time passes meanwhile.
    async fn while_sending<T>(&mut self, body: impl Future<Output = T>) -> Result<T, StoreError> {
        let mut body = pin!(body);
        loop {
            if self.replies.is_empty() {
                return Ok(body.await);
            }
            match select(body, self.replies.next()).await {
                Either::Left((next, _)) => return Ok(next),
                Either::Right((reply, waiting)) => {
                    body = waiting;
                    if let Some((slot, result)) = reply {
                        self.take(slot, result);
                    }
                    self.check()?;
                }
            }
        }
    }

    /// Sends what was added, and takes the answers that are there.
    fn look(&mut self) -> Result<(), StoreError> {
        while let Some(Some((slot, result))) = self.replies.next().now_or_never() {
            self.take(slot, result);
        }
        self.check()
    }

    /// Waits until no living slot is more than `window` stripes behind; those that take too long are left out.
    async fn drain(&mut self, window: usize) -> Result<(), StoreError> {
        let runtime = self.operation.core.runtime.clone();
        let mut alarm = pin!(runtime.sleep(STRAGGLER_WAIT.min(self.operation.remaining())));
        loop {
            let is_late =
                |slot: &u8| self.alive & bit(*slot) != 0 && self.behind.get(usize::from(*slot)).is_some_and(|behind| *behind > window);
            let late: SlotMask = self.operation.slots().filter(is_late).fold(0, |mask, slot| mask | bit(slot));
            if late == 0 {
                break;
            }
            match select(self.replies.next(), &mut alarm).await {
                Either::Left((Some((slot, result)), _)) => self.take(slot, result),
                Either::Left((None, _)) => break,
                // Fewer than W punctual slots cannot make a write, so they wait for the late ones as long as the requests themselves live.
                Either::Right(_) if count(self.alive & !late) < self.operation.quorum.write() => {
                    alarm.set(runtime.sleep(STRAGGLER_WAIT));
                }
                Either::Right(_) => self.alive &= !late,
            }
            self.check()?;
        }
        self.check()
    }

    fn take(&mut self, slot: u8, result: Result<Answer, CallError>) {
        if let Some(behind) = self.behind.get_mut(usize::from(slot)) {
            *behind = behind.saturating_sub(1);
        }
        // What has arrived everywhere needs no memory any more, however long the client takes for the next stripe.
        let most = self.behind.iter().max().copied().unwrap_or(0);
        self.holds.truncate(most);
        match result {
            Ok(Answer::Staged { floor }) => self.floor = self.floor.max(floor),
            _ => self.alive &= !bit(slot),
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        let (alive, write) = (count(self.alive), self.operation.quorum.write());
        if alive >= write {
            return Ok(());
        }
        let slots = self.operation.quorum.slots();
        Err(self
            .operation
            .unavailable(&format!("stage: {alive} of {slots} slots take the bytes, {write} needed")))
    }
}

fn unstage(operation: &Operation, write_id: WriteId, which: impl Fn(u8) -> bool) {
    for slot in operation.slots().filter(|slot| which(*slot)) {
        operation.core.slots.send(operation.slot_id(slot), Request::Unstage { write_id });
    }
}
