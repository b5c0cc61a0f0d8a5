//! The bytes of one slot's shard, rebuilt from those of the others, some stripes at a time: however large the object, few stripes lie in
//! memory. Every block that goes in was verified against its checksum.

use crate::heal::Healer;
use crate::locate::Located;
use crate::scan::{SlotMask, bit};
use crate::stripe::INLINE_BYTES;
use crate::version::{ReadError, Version};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use openlake_drive::{Answer, Head, Key, Kind, Request, Shard};
use openlake_io::AlignedBuffer;
use std::ops::Range;

/// Asked of a source at a time and written to the drive at a time, as far as there is memory for it: what a request costs both is then
/// little beside its bytes. A single block may be more.
const SPAN_BYTES: u64 = 512 << 10;
/// Spans of one shard under way at once, as far as there is memory for them.
const SPANS_AT_ONCE: usize = 2;

impl Healer {
    /// The shard of the drive's slot in the form in which `fill` takes it; bulk bytes are staged on the drive by then. `holders`: slots
    /// that have bytes of the version.
    pub async fn rebuild(&self, key: &Key, head: &Head, holders: SlotMask) -> Result<Shard, ReadError> {
        if head.kind == Kind::Tombstone || head.payload_size == 0 {
            return Ok(Shard::None);
        }
        let operation = self.in_words(self.operation(key.clone()))?;
        let slot = self.slot.slot;
        let mut version = Version::new(
            &operation,
            Located {
                head: head.clone(),
                holders,
                shards: Vec::new(),
            },
        );
        version.unhurried = true;
        if version.geometry.shard_length(0) <= INLINE_BYTES as u64 {
            let blocks = self.pace.step(version.blocks(0, bit(slot))).await?;
            let bytes = blocks.into_iter().next().map(|(_, bytes)| bytes).unwrap_or_default();
            return Ok(Shard::Inline(bytes));
        }
        let length = version.geometry.shard_length(usize::from(slot));
        // The writer that left the slot out unstages what it sent there.
        self.drive.allow_staging(head.write_id);
        let rebuilt = self.rebuild_spans(&version).await;
        if rebuilt.is_err() {
            self.drive.discard_staged(head.write_id);
        }
        rebuilt.map(|()| Shard::Staged { length })
    }

    /// The whole shard, onto the drive. After an error nothing of it is under way any more: what the drive staged may be given up.
    async fn rebuild_spans(&self, version: &Version) -> Result<(), ReadError> {
        let stripes = version.geometry.stripes();
        let (mut next, mut failure) = (0, None);
        let mut running = FuturesUnordered::new();
        loop {
            while failure.is_none() && next < stripes && running.len() < self.pace.at_once(SPANS_AT_ONCE) {
                let wanted = (SPAN_BYTES / version.geometry.block()).clamp(1, stripes - next);
                let hold = |count: u64| self.core.body_budget.take((count * version.geometry.stripe()) as usize);
                let (count, hold) = match hold(wanted) {
                    Some(hold) => (wanted, Some(hold)),
                    None => (1, hold(1)),
                };
                if hold.is_none() && !running.is_empty() {
                    break;
                }
                let rebuilt = self.pace.step(self.rebuild_span(version, next..next + count));
                next += count;
                running.push(async move {
                    let _hold = hold;
                    rebuilt.await
                });
            }
            match running.next().await {
                Some(Ok(())) => {}
                Some(Err(error)) => failure = failure.or(Some(error)),
                None => return failure.map_or(Ok(()), Err),
            }
        }
    }

    /// Some stripes' blocks of the slot's shard, onto the drive.
    async fn rebuild_span(&self, version: &Version, stripes: Range<u64>) -> Result<(), ReadError> {
        let (operation, head, slot) = (&version.operation, &version.head, self.slot.slot);
        operation.restart_clock();
        let ahead = version.fetch(stripes.clone(), bit(slot)).await;
        let lengths = stripes.clone().map(|index| version.geometry.block_length(usize::from(slot), index));
        let mut span = AlignedBuffer::with_stale_capacity(lengths.sum::<u64>() as usize);
        for index in stripes.clone() {
            for (_, block) in version.blocks_beside(index, bit(slot), &ahead).await? {
                span.append(&block);
            }
        }
        if span.is_empty() {
            return Ok(());
        }
        let stage = Request::Stage {
            key: operation.key.clone(),
            write_id: head.write_id,
            block_shift: head.coding.block_shift,
            shard_length: version.geometry.shard_length(usize::from(slot)),
            offset: stripes.start * version.geometry.block(),
            bytes: span.freeze(),
        };
        self.pace.note_own(1);
        match self.drive.handle(stage).await {
            Answer::Staged { .. } => Ok(()),
            answer => self.in_words(Err(format!("the drive itself answers {answer:?}"))),
        }
    }
}
