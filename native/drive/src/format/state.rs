//! What the acceptor must know of the drive as a whole; repeated in every root, at the head of every log segment, and in the log
//! whenever it changes.
//!
//! ```text
//!  offset bytes field
//!       0    16 drive floor        lower bound of all floors (protocol.md section 2)
//!      16    16 dirty              for ballots <= this, a missing record is unknown; zero: none
//!      32     8 bound              clock part of B: promises are kept in memory up to it; after a restart it becomes the floor
//!      40     4 boot               the node's boot number
//!      44     4 zero
//! ```

use super::fields::{FieldReader, FieldWriter};
use crate::Ballot;

/// Bytes of the encoded state.
pub(crate) const STATE_BYTES: usize = 48;

/// Per-drive durable state of the acceptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AcceptorState {
    pub drive_floor: Ballot,
    pub dirty: Option<Ballot>,
    /// Promises with a clock up to this one need no write of their own.
    pub bound_clock: u64,
    pub boot: u32,
}

impl AcceptorState {
    /// B as a ballot above every promise it covers and equal to none that a node could make.
    pub fn bound(&self) -> Ballot {
        match self.bound_clock {
            0 => Ballot::ZERO,
            clock => Ballot {
                clock,
                node: u32::MAX,
                boot: u32::MAX,
            },
        }
    }
    /// Appends the 48 bytes.
    pub fn write(&self, fields: &mut FieldWriter<'_>) {
        fields
            .put(&self.drive_floor.to_bytes())
            .put(&self.dirty.unwrap_or(Ballot::ZERO).to_bytes());
        fields.u64(self.bound_clock).u32(self.boot).u32(0);
    }
    /// Takes the 48 bytes.
    pub fn read(fields: &mut FieldReader<'_>) -> Option<AcceptorState> {
        let drive_floor = Ballot::from_bytes(fields.array()?);
        let dirty = Some(Ballot::from_bytes(fields.array()?)).filter(|dirty| *dirty != Ballot::ZERO);
        let (bound_clock, boot, _zero) = (fields.u64()?, fields.u32()?, fields.u32()?);
        Some(AcceptorState {
            drive_floor,
            dirty,
            bound_clock,
            boot,
        })
    }
}
