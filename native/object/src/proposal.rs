//! A version on its way to the slots: one record for all of them, and for each slot the form in which its bytes travel.

use crate::scan::{SlotMask, bit};
use crate::stripe::{Geometry, INLINE_BYTES, shards_needed_of};
use openlake_drive::{Ballot, Head, KeyState, Record, Shard, WriteId};

/// What is to be published. Slots whose form is `None` are left out.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    template: Record,
    shards: Vec<Option<Shard>>,
}

impl Proposal {
    /// `template`'s ballots, slot and shard are filled in later.
    pub fn new(template: Record, shards: Vec<Option<Shard>>) -> Proposal {
        Proposal { template, shards }
    }
    /// A version found, to be published again: everything as its own coordinator wrote it.
    pub fn of_head(head: &Head, shards: Vec<Option<Shard>>) -> Proposal {
        let template = Record {
            ballot: head.ballot,
            write_id: head.write_id,
            origin: head.origin,
            base: head.base,
            kind: head.kind,
            unconditional: head.unconditional,
            size: head.size,
            etag: head.etag,
            etag_parts: head.etag_parts,
            metadata: head.metadata.clone(),
            coding: head.coding,
            slot: 0,
            payload_size: head.payload_size,
            shard: Shard::None,
        };
        Proposal { template, shards }
    }
    pub fn ballot(&self) -> Ballot {
        self.template.ballot
    }
    pub fn origin(&self) -> Ballot {
        self.template.origin
    }
    pub fn write_id(&self) -> WriteId {
        self.template.write_id
    }
    /// Shards that give this version back.
    pub fn needed(&self) -> usize {
        shards_needed_of(self.template.kind, self.template.payload_size, self.template.coding)
    }
    /// Proposed by its own coordinator at `ballot`.
    pub fn proposed_at(&self, ballot: Ballot, base: Option<Ballot>) -> Proposal {
        self.published_at(ballot, ballot, base)
    }
    /// Published at `ballot`; `origin` is when it was proposed first.
    pub fn published_at(&self, ballot: Ballot, origin: Ballot, base: Option<Ballot>) -> Proposal {
        let template = Record {
            ballot,
            origin,
            base,
            ..self.template.clone()
        };
        Proposal {
            template,
            shards: self.shards.clone(),
        }
    }
    /// Bulk bytes that a drive holds under this write id are not staged there any more: let it reuse them.
    pub fn reusing(mut self, answers: &[(u8, KeyState)]) -> Proposal {
        for (slot, state) in answers {
            if state.records.iter().any(|record| record.write_id == self.template.write_id)
                && let Some(Some(shard @ Shard::Staged { .. })) = self.shards.get_mut(usize::from(*slot))
            {
                *shard = Shard::Held;
            }
        }
        self
    }
    /// Slots it goes to.
    pub fn targets(&self) -> SlotMask {
        (0u8..)
            .zip(&self.shards)
            .filter(|(_, shard)| shard.is_some())
            .fold(0, |mask, (slot, _)| mask | bit(slot))
    }
    /// The record as `slot` is to hold it. `flipped`: the slot knew nothing of the form tried before, so bytes thought staged are
    /// taken as held, and the other way round (the acknowledgement of an earlier ballot may have been lost).
    pub fn record(&self, slot: u8, flipped: bool) -> Option<Record> {
        let shard = self.shards.get(usize::from(slot))?.clone()?;
        let length = Geometry::new(self.template.coding, self.template.payload_size).shard_length(usize::from(slot));
        let shard = match shard {
            Shard::Staged { .. } if flipped => Shard::Held,
            Shard::Held if flipped && length > INLINE_BYTES as u64 => Shard::Staged { length },
            other => other,
        };
        Some(Record {
            slot,
            shard,
            ..self.template.clone()
        })
    }
}
