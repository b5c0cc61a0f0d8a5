//! The blocks of several stripes at once: every drive is asked once for all that it has of them. A drive that is away is stood in for the
//! same way, by others asked once for the whole span, so that it costs a reader the work of rebuilding and no further round trips.
//!
//! Nothing here has the last word: blocks that are damaged, missing or did not come are asked for stripe by stripe (see `version`).

use crate::scan::{SlotMask, bit, count};
use crate::stripe::shards_needed;
use crate::version::{Fetch, Version};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use openlake_drive::{Answer, ShardBytes};
use std::ops::Range;
use std::pin::pin;

/// Blocks of a span on their way.
struct Span {
    stripes: Range<u64>,
    /// Slots whose blocks are there.
    have: SlotMask,
    asked: SlotMask,
    in_flight: SlotMask,
    /// Slots that took too long; they may still answer.
    late: SlotMask,
    pending: FuturesUnordered<Fetch>,
    fetched: Vec<(u8, ShardBytes)>,
}

impl Version {
    /// The blocks of these stripes of the slots in `wanted`, or as many others as rebuild them, as far as they can be had.
    pub async fn fetch(&self, stripes: Range<u64>, wanted: SlotMask) -> Vec<(u8, ShardBytes)> {
        let needed = shards_needed(&self.head);
        let slots = self.geometry.slots() as u8;
        let have = (0..slots).filter(|slot| self.first_missing(*slot, &stripes) >= stripes.end);
        let mut span = Span {
            have: have.fold(0, |mask, slot| mask | bit(slot)),
            stripes,
            asked: 0,
            in_flight: 0,
            late: 0,
            pending: FuturesUnordered::new(),
            fetched: Vec::with_capacity(needed),
        };
        loop {
            if wanted & !span.have == 0 || count(span.have) >= needed {
                return span.fetched;
            }
            self.ask_for_span(&mut span, wanted, needed);
            if span.pending.is_empty() || self.operation.remaining().is_zero() {
                return span.fetched;
            }
            let next = {
                let alarm = pin!(self.operation.core.runtime.sleep(self.patience()));
                match select(span.pending.next(), alarm).await {
                    Either::Left((next, _)) => next,
                    Either::Right(_) => None,
                }
            };
            let Some((slot, result)) = next else {
                span.late |= span.in_flight;
                continue;
            };
            span.in_flight &= !bit(slot);
            span.late &= !bit(slot);
            if let Ok(Answer::Blocks(shard)) = result
                && shard.write_id == self.head.write_id
            {
                span.have |= bit(slot);
                span.fetched.push((slot, shard));
            }
        }
    }

    /// Asks the slots that have the wanted blocks; where one of them is away, late, or known to nobody, as many others as rebuilding needs.
    fn ask_for_span(&self, span: &mut Span, wanted: SlotMask, needed: usize) {
        let slots = self.geometry.slots() as u8;
        let is_down = |slot: u8| self.operation.core.is_down(self.operation.slot_id(slot));
        for slot in (0..slots).filter(|slot| wanted & self.holders & bit(*slot) != 0) {
            if (span.have | span.asked) & bit(slot) == 0 && !is_down(slot) {
                self.send_for_span(span, slot);
            }
        }
        let sure = span.have | (span.in_flight & !span.late);
        if wanted & !sure == 0 {
            return;
        }
        let mut others: Vec<u8> = (0..slots).filter(|slot| (span.have | span.asked) & bit(*slot) == 0).collect();
        others.sort_by_key(|slot| (is_down(*slot), self.holders & bit(*slot) == 0));
        for slot in others.into_iter().take(needed.saturating_sub(count(sure))) {
            self.send_for_span(span, slot);
        }
    }

    fn send_for_span(&self, span: &mut Span, slot: u8) {
        span.asked |= bit(slot);
        span.in_flight |= bit(slot);
        let first = self.first_missing(slot, &span.stripes);
        span.pending.push(self.call(slot, first, span.stripes.end - first));
    }

    /// The first of these stripes whose block of a slot did not come along with the head.
    fn first_missing(&self, slot: u8, stripes: &Range<u64>) -> u64 {
        let came_along = self.shards.iter().filter(|(held, _)| *held == slot).map(|(_, shard)| {
            let first = u64::from(shard.first);
            first..first + shard.blocks.len() as u64
        });
        let mut missing = stripes.start;
        for blocks in came_along {
            if blocks.contains(&missing) {
                missing = blocks.end;
            }
        }
        missing.min(stripes.end)
    }
}
