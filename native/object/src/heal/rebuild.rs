//! The bytes of one slot's shard, rebuilt from those of the others, stripe by stripe: however large the object, few stripes lie in
//! memory. Every block that goes in was verified against its checksum.

use crate::heal::Healer;
use crate::locate::Located;
use crate::scan::{SlotMask, bit};
use crate::stripe::INLINE_BYTES;
use crate::version::{ReadError, Version};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use openlake_drive::{Answer, Head, Key, Kind, Request, Shard};

/// Stripes of one shard under way at once, as far as there is memory for them.
const STRIPES_AT_ONCE: usize = 4;

impl Healer {
    /// The shard of the drive's slot in the form in which `fill` takes it; bulk bytes are staged on the drive by then. `holders`: slots
    /// that have bytes of the version.
    pub async fn rebuild(&self, key: &Key, head: &Head, holders: SlotMask) -> Result<Shard, ReadError> {
        if head.kind == Kind::Tombstone || head.payload_size == 0 {
            return Ok(Shard::None);
        }
        let operation = self.in_words(self.operation(key.clone()))?;
        let slot = self.slot.slot;
        let version = Version::new(
            &operation,
            Located {
                head: head.clone(),
                holders,
                shards: Vec::new(),
            },
        );
        if version.geometry.shard_length(0) <= INLINE_BYTES as u64 {
            let blocks = self.pace.step(version.blocks(0, bit(slot))).await?;
            let bytes = blocks.into_iter().next().map(|(_, bytes)| bytes).unwrap_or_default();
            return Ok(Shard::Inline(bytes));
        }
        let length = version.geometry.shard_length(usize::from(slot));
        // The writer that left the slot out unstages what it sent there.
        self.drive.allow_staging(head.write_id);
        let mut stripes = 0..version.geometry.stripes();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.pace.at_once(STRIPES_AT_ONCE) {
                let hold = self.core.body_budget.take(version.geometry.stripe() as usize);
                let may_begin = hold.is_some() || running.is_empty();
                let Some(index) = may_begin.then(|| stripes.next()).flatten() else {
                    break;
                };
                let rebuilt = self.pace.step(self.rebuild_stripe(&version, index));
                running.push(async move {
                    let _hold = hold;
                    rebuilt.await
                });
            }
            match running.next().await {
                Some(rebuilt) => rebuilt?,
                None => return Ok(Shard::Staged { length }),
            }
        }
    }

    /// One block of the slot's shard, onto the drive.
    async fn rebuild_stripe(&self, version: &Version, index: u64) -> Result<(), ReadError> {
        let (operation, head, slot) = (&version.operation, &version.head, self.slot.slot);
        operation.restart_clock();
        for (_, bytes) in version.blocks(index, bit(slot)).await? {
            if bytes.is_empty() {
                continue;
            }
            let stage = Request::Stage {
                key: operation.key.clone(),
                write_id: head.write_id,
                block_shift: head.coding.block_shift,
                shard_length: version.geometry.shard_length(usize::from(slot)),
                offset: index * version.geometry.block(),
                bytes,
            };
            self.pace.note_own(1);
            let answer = self.drive.handle(stage).await;
            if !matches!(answer, Answer::Staged { .. }) {
                self.drive.discard_staged(head.write_id);
                return self.in_words(Err(format!("the drive itself answers {answer:?}")));
            }
        }
        Ok(())
    }
}
