//! The bytes of one version: blocks from the slots that hold them, each verified; missing ones rebuilt from k aligned blocks of others.

use crate::StoreError;
use crate::locate::Located;
use crate::operation::Operation;
use crate::scan::{SlotMask, bit};
use crate::stripe::{Geometry, shards_needed};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::FuturesUnordered;
use openlake_drive::{Answer, Block, Head, Request, ShardBytes};
use openlake_io::AlignedBuffer;
use openlake_peer::CallError;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// A version whose bytes can be read.
pub(crate) struct Version {
    pub operation: Rc<Operation>,
    pub head: Head,
    pub geometry: Geometry,
    /// Slots known to hold its bytes.
    pub holders: SlotMask,
    /// Blocks that came along with the head.
    pub shards: Vec<(u8, ShardBytes)>,
    /// Nobody waits for the bytes: slots that are late have queues of their own making before them, and asking others too would make
    /// those longer.
    pub unhurried: bool,
}

/// Why blocks could not be had.
#[derive(Clone, Debug)]
pub(crate) enum ReadError {
    /// The version was dropped under a newer one: start again, if nothing was sent yet.
    Vanished,
    Failed(StoreError),
}

pub(crate) type Fetch = LocalBoxFuture<'static, (u8, Result<Answer, CallError>)>;

/// Blocks of one stripe on their way.
struct Stripe {
    index: u64,
    have: Vec<Option<Bytes>>,
    asked: SlotMask,
    /// Slots that took too long; they may still answer.
    late: SlotMask,
    in_flight: SlotMask,
    /// Made for the first that has to wait.
    pending: Option<FuturesUnordered<Fetch>>,
    gone: bool,
}

impl Version {
    pub fn new(operation: &Rc<Operation>, located: Located) -> Version {
        let Located { head, holders, mut shards } = located;
        shards.retain(|(_, shard)| shard.write_id == head.write_id);
        let geometry = Geometry::new(head.coding, head.payload_size);
        Version {
            operation: operation.clone(),
            head,
            geometry,
            holders,
            shards,
            unhurried: false,
        }
    }

    /// After which time others are asked beside those that are late.
    pub fn patience(&self) -> Duration {
        if self.unhurried {
            return self.operation.core.options.deadline / 8;
        }
        self.operation.patience()
    }

    /// Payload bytes `first..first + length`, in order. Where that is more than a stripe, every drive is asked once for all its blocks.
    pub async fn read(&self, first: u64, length: u64) -> Result<Vec<Bytes>, ReadError> {
        let (stripe, end) = (self.geometry.stripe(), first + length);
        let stripes = first / stripe..end.div_ceil(stripe);
        let ahead = if stripes.end - stripes.start > 1 && !self.head.coding.whole {
            let data = (0..self.head.coding.data).fold(0, |mask, slot| mask | bit(slot));
            self.fetch(stripes.clone(), data).await
        } else {
            Vec::new()
        };
        let mut pieces = Vec::new();
        for index in stripes {
            let (from, to) = (first.max(index * stripe), end.min((index + 1).saturating_mul(stripe)));
            pieces.extend(self.read_stripe(index, from - index * stripe, to - from, &ahead).await?);
        }
        Ok(pieces)
    }

    /// Payload bytes `first..first + length` of stripe `index`, in order; `ahead`: blocks at hand.
    async fn read_stripe(&self, index: u64, first: u64, length: u64, ahead: &[(u8, ShardBytes)]) -> Result<Vec<Bytes>, ReadError> {
        let wanted = self.geometry.blocks_of_range(index, first, length);
        let mask = wanted.clone().fold(0, |mask, slot| mask | bit(slot as u8));
        let blocks = self.blocks_beside(index, mask, ahead).await?;
        let span = self.geometry.block_span(index);
        let mut pieces = Vec::with_capacity(blocks.len());
        for (slot, block) in blocks {
            let start = u64::from(slot) * span;
            let from = first.saturating_sub(start).min(block.len() as u64) as usize;
            let to = (first + length).saturating_sub(start).min(block.len() as u64) as usize;
            if from < to {
                pieces.push(block.slice(from..to));
            }
        }
        Ok(pieces)
    }

    /// The blocks of stripe `index` of the slots in `wanted`, in order of slot.
    pub async fn blocks(&self, index: u64, wanted: SlotMask) -> Result<Vec<(u8, Bytes)>, ReadError> {
        self.blocks_beside(index, wanted, &[]).await
    }

    /// The same; `ahead`: blocks at hand.
    pub async fn blocks_beside(&self, index: u64, wanted: SlotMask, ahead: &[(u8, ShardBytes)]) -> Result<Vec<(u8, Bytes)>, ReadError> {
        let mut stripe = self.start(index, ahead);
        let needed = shards_needed(&self.head);
        let mut hedged = false;
        loop {
            if let Some(blocks) = self.finished(&stripe, wanted, needed)? {
                return Ok(blocks);
            }
            self.ask(&mut stripe, wanted, needed, hedged);
            if stripe.in_flight == 0 {
                return Err(self.failed(&stripe, needed));
            }
            let next = {
                let alarm = pin!(self.operation.core.runtime.sleep(self.patience()));
                let pending = stripe.pending.get_or_insert_with(FuturesUnordered::new);
                match select(pending.next(), alarm).await {
                    Either::Left((next, _)) => next,
                    Either::Right(_) => None,
                }
            };
            match next {
                Some((slot, result)) => self.take(&mut stripe, slot, result),
                None if self.operation.remaining().is_zero() => return Err(self.failed(&stripe, needed)),
                None => {
                    hedged = true;
                    stripe.late |= stripe.in_flight;
                }
            }
        }
    }

    /// What is known without asking: blocks that came with the head or `ahead`, and those of no bytes.
    fn start(&self, index: u64, ahead: &[(u8, ShardBytes)]) -> Stripe {
        let mut have = vec![None; self.geometry.slots()];
        for (slot, held) in have.iter_mut().enumerate() {
            if !self.head.coding.whole && self.geometry.block_length(slot, index) == 0 {
                *held = Some(Bytes::new());
            }
        }
        let mut stripe = Stripe {
            index,
            have,
            asked: 0,
            late: 0,
            in_flight: 0,
            pending: None,
            gone: false,
        };
        for (slot, shard) in self.shards.iter().chain(ahead) {
            let offset = index
                .checked_sub(u64::from(shard.first))
                .and_then(|offset| usize::try_from(offset).ok());
            if let Some(Some(block)) = offset.and_then(|offset| shard.blocks.get(offset)) {
                self.keep(&mut stripe, *slot, block);
            }
        }
        stripe
    }

    /// Keeps a block if it is what its checksum and its place say. A drive of this process has compared the checksum already, over the
    /// same memory.
    fn keep(&self, stripe: &mut Stripe, slot: u8, block: &Block) {
        let expected = self.geometry.block_length(usize::from(slot), stripe.index);
        let intact = || block.verified || openlake_checksum::crc64(&block.bytes) == block.checksum;
        let sound = block.bytes.len() as u64 == expected && intact();
        if let Some(held) = stripe.have.get_mut(usize::from(slot))
            && sound
        {
            *held = Some(block.bytes.clone());
            stripe.asked |= bit(slot);
        }
    }

    fn take(&self, stripe: &mut Stripe, slot: u8, result: Result<Answer, CallError>) {
        stripe.in_flight &= !bit(slot);
        stripe.late &= !bit(slot);
        match result {
            Ok(Answer::Blocks(shard)) if shard.write_id == self.head.write_id => {
                if let Some(Some(block)) = shard.blocks.first() {
                    self.keep(stripe, slot, block);
                }
            }
            Ok(Answer::Gone) => stripe.gone |= self.holders & bit(slot) != 0,
            _ => {}
        }
    }

    /// Sends what is still worth asking: the wanted blocks themselves; once one of them is late, missing or held by nobody known, as many
    /// others as rebuilding needs.
    fn ask(&self, stripe: &mut Stripe, wanted: SlotMask, needed: usize, hedged: bool) {
        let slots = self.geometry.slots() as u8;
        let has = |stripe: &Stripe, slot: u8| stripe.have.get(usize::from(slot)).is_some_and(Option::is_some);
        let whole = self.head.coding.whole;
        if !hedged && !whole {
            for slot in (0..slots).filter(|slot| wanted & self.holders & bit(*slot) != 0) {
                if !has(stripe, slot) && stripe.asked & bit(slot) == 0 && !self.operation.core.is_down(self.operation.slot_id(slot)) {
                    self.send(stripe, slot);
                }
            }
            let on_the_way = |slot: &u8| has(stripe, *slot) || stripe.in_flight & bit(*slot) != 0;
            if (0..slots).filter(|slot| wanted & bit(*slot) != 0).all(|slot| on_the_way(&slot)) {
                return;
            }
        }
        let sure = (0..slots)
            .filter(|slot| has(stripe, *slot) || stripe.in_flight & !stripe.late & bit(*slot) != 0)
            .count();
        let mut others: Vec<u8> = (0..slots)
            .filter(|slot| stripe.asked & bit(*slot) == 0 && !has(stripe, *slot))
            .collect();
        others.sort_by_key(|slot| {
            (
                self.operation.core.is_down(self.operation.slot_id(*slot)),
                self.holders & bit(*slot) == 0,
            )
        });
        for slot in others.into_iter().take(needed.saturating_sub(sure)) {
            self.send(stripe, slot);
        }
    }

    fn send(&self, stripe: &mut Stripe, slot: u8) {
        stripe.asked |= bit(slot);
        stripe.in_flight |= bit(slot);
        let call = self.call(slot, stripe.index, 1);
        stripe.pending.get_or_insert_with(FuturesUnordered::new).push(call);
    }

    /// Asks a slot for its blocks of `count` stripes from `first` on.
    pub fn call(&self, slot: u8, first: u64, count: u64) -> Fetch {
        let request = Request::Blocks {
            key: self.operation.key.clone(),
            write_id: self.head.write_id,
            first: u32::try_from(first).unwrap_or(u32::MAX),
            count: u32::try_from(count).unwrap_or(u32::MAX),
        };
        let call = self.operation.call(slot, request);
        async move { (slot, call.await) }.boxed_local()
    }

    /// The wanted blocks, if they are there or can be rebuilt.
    fn finished(&self, stripe: &Stripe, wanted: SlotMask, needed: usize) -> Result<Option<Vec<(u8, Bytes)>>, ReadError> {
        let wanted: Vec<u8> = (0..self.geometry.slots() as u8).filter(|slot| wanted & bit(*slot) != 0).collect();
        let held: Option<Vec<(u8, Bytes)>> = wanted
            .iter()
            .map(|slot| stripe.have.get(usize::from(*slot))?.clone().map(|bytes| (*slot, bytes)))
            .collect();
        if held.is_some() {
            return Ok(held);
        }
        let present: Vec<(u8, &[u8])> = (0u8..)
            .zip(&stripe.have)
            .filter_map(|(slot, bytes)| bytes.as_ref().map(|bytes| (slot, &bytes[..])))
            .take(needed)
            .collect();
        if present.len() < needed {
            return Ok(None);
        }
        if self.head.coding.whole {
            let any = stripe.have.iter().flatten().next().cloned().unwrap_or_default();
            return Ok(Some(wanted.into_iter().map(|slot| (slot, any.clone())).collect()));
        }
        let code = self
            .operation
            .core
            .code(self.head.coding.data, self.head.coding.parity)
            .map_err(ReadError::Failed)?;
        let mut blocks = Vec::with_capacity(wanted.len());
        for slot in wanted {
            if let Some(Some(bytes)) = stripe.have.get(usize::from(slot)) {
                blocks.push((slot, bytes.clone()));
                continue;
            }
            // Every byte is written by the rebuild.
            let length = self.geometry.block_span(stripe.index) as usize;
            let mut bytes = AlignedBuffer::with_stale_capacity(length);
            bytes.set_len(length);
            if let Err(error) = code.rebuild(&present, slot, bytes.as_mut_slice()) {
                let text = format!("rebuild of slot {slot} from {needed} blocks: {error:?}");
                return Err(ReadError::Failed(self.operation.unavailable(&text)));
            }
            bytes.set_len(self.geometry.block_length(usize::from(slot), stripe.index) as usize);
            blocks.push((slot, bytes.freeze()));
        }
        Ok(Some(blocks))
    }

    fn failed(&self, stripe: &Stripe, needed: usize) -> ReadError {
        if stripe.gone {
            return ReadError::Vanished;
        }
        let had = stripe.have.iter().flatten().count();
        let text = format!("read of stripe {}: {had} of the {needed} sound blocks needed", stripe.index);
        ReadError::Failed(self.operation.unavailable(&text))
    }
}
