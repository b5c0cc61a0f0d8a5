//! What stands before a request or an answer in the head of its frame.
//!
//! ```text
//! request       set u32, slot u8, epoch u32, generation u32 (0: any), fence option (bucket u64, revision 16),
//!               deadline u32 (milliseconds from the arrival on), clock u64 (of the sender)
//! answer        generation u32 (of the drive; 0: no drive answered), clock u64
//! node request  clock u64
//! node answer   clock u64
//! ```

use super::{Cursor, DecodeError, Wire, Writer};
use crate::{Fence, SlotId};

/// Before a request to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestEnvelope {
    pub slot: SlotId,
    pub epoch: u32,
    pub generation: u32,
    pub fence: Option<Fence>,
    pub deadline_ms: u32,
    pub clock: u64,
}

/// Before a slot's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerEnvelope {
    pub generation: u32,
    pub clock: u64,
}

/// Before a request to a node, and before its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeEnvelope {
    pub clock: u64,
}

impl Wire for Fence {
    const MIN_BYTES: usize = 24;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.bucket);
        self.revision.encode(writer);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Fence, DecodeError> {
        Ok(Fence {
            bucket: cursor.u64()?,
            revision: Wire::decode(cursor)?,
        })
    }
}

impl Wire for RequestEnvelope {
    const MIN_BYTES: usize = 26;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u32(self.slot.set);
        writer.u8(self.slot.slot);
        writer.u32(self.epoch);
        writer.u32(self.generation);
        self.fence.encode(writer);
        writer.u32(self.deadline_ms);
        writer.u64(self.clock);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<RequestEnvelope, DecodeError> {
        Ok(RequestEnvelope {
            slot: SlotId {
                set: cursor.u32()?,
                slot: cursor.u8()?,
            },
            epoch: cursor.u32()?,
            generation: cursor.u32()?,
            fence: Wire::decode(cursor)?,
            deadline_ms: cursor.u32()?,
            clock: cursor.u64()?,
        })
    }
}

impl Wire for AnswerEnvelope {
    const MIN_BYTES: usize = 12;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u32(self.generation);
        writer.u64(self.clock);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<AnswerEnvelope, DecodeError> {
        Ok(AnswerEnvelope {
            generation: cursor.u32()?,
            clock: cursor.u64()?,
        })
    }
}

impl Wire for NodeEnvelope {
    const MIN_BYTES: usize = 8;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.clock);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<NodeEnvelope, DecodeError> {
        Ok(NodeEnvelope { clock: cursor.u64()? })
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    const MIN_BYTES: usize = A::MIN_BYTES + B::MIN_BYTES;
    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.encode(writer);
        self.1.encode(writer);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<(A, B), DecodeError> {
        Ok((A::decode(cursor)?, B::decode(cursor)?))
    }
}
