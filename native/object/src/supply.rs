//! Bytes for slots that lack a version which is to be published again: rebuilt from those that hold it.
//!
//! Coding is deterministic, so a slot's shard of a write id has the same bytes whoever encodes it.

use crate::locate::Located;
use crate::operation::Operation;
use crate::scan::{SlotMask, bit, count};
use crate::stripe::INLINE_BYTES;
use crate::version::{ReadError, Version};
use openlake_drive::{Answer, Head, Kind, Request, Shard};
use std::rc::Rc;

/// For each slot the form in which the version of `head` can be published to it; `None` where it has to be left out. `Vanished`: it was
/// overwritten meanwhile.
pub(crate) async fn supply(operation: &Rc<Operation>, head: &Head, holders: SlotMask) -> Result<Vec<Option<Shard>>, ReadError> {
    let slots = operation.quorum.slots();
    if head.kind == Kind::Tombstone || head.payload_size == 0 {
        return Ok(vec![Some(Shard::None); slots]);
    }
    let mut shards: Vec<Option<Shard>> = operation
        .slots()
        .map(|slot| (holders & bit(slot) != 0).then_some(Shard::Held))
        .collect();
    let lacking: SlotMask = operation
        .slots()
        .filter(|slot| holders & bit(*slot) == 0)
        .fold(0, |mask, slot| mask | bit(slot));
    if lacking == 0 {
        return Ok(shards);
    }
    let version = Version::new(
        operation,
        Located {
            head: head.clone(),
            holders,
            shards: Vec::new(),
        },
    );
    let inline = version.geometry.shard_length(0) <= INLINE_BYTES as u64;
    if inline {
        for (slot, bytes) in version.blocks(0, lacking).await? {
            if let Some(shard) = shards.get_mut(usize::from(slot)) {
                *shard = Some(Shard::Inline(bytes));
            }
        }
        return Ok(shards);
    }
    // Enough drives hold the bulk bytes: the others are left to the healer rather than kept waiting for.
    if count(holders) >= operation.quorum.write() {
        return Ok(shards);
    }
    let staged = stage_missing(operation, &version, lacking).await?;
    for slot in operation.slots().filter(|slot| staged & bit(*slot) != 0) {
        if let Some(shard) = shards.get_mut(usize::from(slot)) {
            *shard = Some(Shard::Staged {
                length: version.geometry.shard_length(usize::from(slot)),
            });
        }
    }
    Ok(shards)
}

/// Rebuilds bulk shards stripe by stripe and stages them; which slots took all of it.
async fn stage_missing(operation: &Rc<Operation>, version: &Version, lacking: SlotMask) -> Result<SlotMask, ReadError> {
    let mut taking = lacking;
    for index in 0..version.geometry.stripes() {
        operation.restart_clock();
        let blocks = version.blocks(index, taking).await?;
        let calls = blocks.into_iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(slot, bytes)| {
            let request = Request::Stage {
                key: operation.key.clone(),
                write_id: version.head.write_id,
                block_shift: version.head.coding.block_shift,
                shard_length: version.geometry.shard_length(usize::from(slot)),
                offset: index * version.geometry.block(),
                bytes,
            };
            let call = operation.call(slot, request);
            async move { (slot, call.await) }
        });
        for (slot, result) in futures_util::future::join_all(calls).await {
            if !matches!(result, Ok(Answer::Staged { .. })) {
                taking &= !bit(slot);
            }
        }
    }
    Ok(taking)
}
