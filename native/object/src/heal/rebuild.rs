//! The bytes of one slot's shard, rebuilt from those of the others, stripe by stripe: however large the object, one stripe lies in
//! memory. Every block that goes in was verified against its checksum.

use crate::heal::Healer;
use crate::locate::Located;
use crate::scan::{SlotMask, bit};
use crate::stripe::INLINE_BYTES;
use crate::version::{ReadError, Version};
use openlake_drive::{Answer, Head, Key, Kind, Request, Shard};

impl Healer {
    /// The shard of the drive's slot in the form in which `fill` takes it; bulk bytes are staged on the drive by then. `holders`: slots
    /// that have bytes of the version.
    pub async fn rebuild(&mut self, key: &Key, head: &Head, holders: SlotMask) -> Result<Shard, ReadError> {
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
            let blocks = version.blocks(0, bit(slot)).await?;
            let bytes = blocks.into_iter().next().map(|(_, bytes)| bytes).unwrap_or_default();
            return Ok(Shard::Inline(bytes));
        }
        let length = version.geometry.shard_length(usize::from(slot));
        // The writer that left the slot out unstages what it sent there.
        self.drive.allow_staging(head.write_id);
        for index in 0..version.geometry.stripes() {
            operation.restart_clock();
            self.pace.begin(&self.core.runtime);
            for (_, bytes) in version.blocks(index, bit(slot)).await? {
                if bytes.is_empty() {
                    continue;
                }
                let stage = Request::Stage {
                    key: key.clone(),
                    write_id: head.write_id,
                    block_shift: head.coding.block_shift,
                    shard_length: length,
                    offset: index * version.geometry.block(),
                    bytes,
                };
                let answer = self.drive.handle(stage).await;
                if !matches!(answer, Answer::Staged { .. }) {
                    self.drive.discard_staged(head.write_id);
                    return self.in_words(Err(format!("the drive itself answers {answer:?}")));
                }
            }
            let (runtime, drive) = (self.core.runtime.clone(), self.drive.clone());
            self.pace.rest(&runtime, &drive).await;
        }
        Ok(Shard::Staged { length })
    }
}
