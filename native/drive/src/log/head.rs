//! The end of the log: where the next batch goes.

use crate::format::Predecessor;
use crate::space::Place;

/// Everything the next batch must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub segment: u32,
    /// 0: the log has no segment yet.
    pub generation: u64,
    /// Where in the segment the next batch starts.
    pub offset: u32,
    /// Of the last batch.
    pub sequence: u64,
    /// Of the last batch.
    pub crc: u64,
    /// The segment that follows this one.
    pub next: u32,
}

impl Head {
    /// A log that begins with `next`.
    pub fn before_first(next: u32) -> Head {
        Head {
            segment: u32::MAX,
            generation: 0,
            offset: 0,
            sequence: 0,
            crc: 0,
            next,
        }
    }
    /// Where the next batch starts.
    pub fn place(&self) -> Place {
        Place::new(self.segment, self.offset)
    }
    /// How the segment's successor names this end.
    pub fn as_predecessor(&self) -> Option<Predecessor> {
        (self.generation > 0).then_some(Predecessor {
            segment: self.segment,
            generation: self.generation,
            end: self.offset,
            last_sequence: self.sequence,
            last_crc: self.crc,
        })
    }
}
