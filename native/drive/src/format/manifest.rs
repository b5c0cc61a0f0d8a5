//! The manifest of a checkpoint: which runs make the index, where the log goes on behind them, and the table of log segments. It
//! lies in bulk space; a root names its place and checksum.
//!
//! ```text
//!  offset bytes field
//!       0     4 magic "OLMF"
//!       4     4 version            2; 1 is read as well, it has no highest ballot
//!       8     8 checkpoint         number of this checkpoint
//!      16     4 segment            the log as it was at the freeze (W): all records below it are in the runs
//!      20     4 offset             where the next batch was to be written
//!      24     8 generation         of that segment
//!      32     8 sequence           of the last batch
//!      40     8 crc                of the last batch
//!      48     4 next               segment that follows
//!      52     4 runs
//!      56     4 log segments
//!      60     4 zero
//!      64     8 keys               of which a record is held
//!      72    48 drive state        see `state`
//!     120    16 highest            of all ballots of records until then, those no longer held included
//!     136       runs, newest first: level 4, extents 4, length 8, then the extents, 8 each
//!               log segments: segment 4, zero 4, generation 8, live bytes 8, live records 8, last sequence 8
//! ```

use super::fields::FieldReader;
use super::state::{AcceptorState, STATE_BYTES};
use crate::Ballot;
use crate::format::FieldWriter;
use crate::log::Head;
use crate::space::{Extent, LogSegmentImage};

const MAGIC: [u8; 4] = *b"OLMF";
const VERSION: u32 = 2;
/// Has no highest ballot.
const FIRST_VERSION: u32 = 1;
const HEADER_BYTES: usize = 72 + STATE_BYTES + 16;
const RUN_BYTES: usize = 16;
const SEGMENT_BYTES: usize = 40;

/// A run as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestRun {
    pub level: u8,
    pub length: u64,
    pub extents: Vec<Extent>,
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub checkpoint: u64,
    /// The log's durable end at the freeze.
    pub log: Head,
    pub state: AcceptorState,
    /// The highest ballot of a record until then.
    pub highest: Ballot,
    pub keys: u64,
    /// Newest first.
    pub runs: Vec<ManifestRun>,
    pub log_segments: Vec<LogSegmentImage>,
}

impl Manifest {
    /// The manifest's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let runs: usize = self.runs.iter().map(|run| RUN_BYTES + run.extents.len() * 8).sum();
        let mut bytes = vec![0; HEADER_BYTES + runs + self.log_segments.len() * SEGMENT_BYTES];
        let mut fields = FieldWriter::new(&mut bytes);
        fields
            .put(&MAGIC)
            .u32(VERSION)
            .u64(self.checkpoint)
            .u32(self.log.segment)
            .u32(self.log.offset)
            .u64(self.log.generation)
            .u64(self.log.sequence)
            .u64(self.log.crc)
            .u32(self.log.next)
            .u32(self.runs.len() as u32)
            .u32(self.log_segments.len() as u32)
            .u32(0)
            .u64(self.keys);
        self.state.write(&mut fields);
        fields.put(&self.highest.to_bytes());
        for run in &self.runs {
            fields.u32(u32::from(run.level)).u32(run.extents.len() as u32).u64(run.length);
            for extent in &run.extents {
                fields.put(&extent.to_bytes());
            }
        }
        for row in &self.log_segments {
            fields
                .u32(row.segment)
                .u32(0)
                .u64(row.generation)
                .u64(row.live_bytes)
                .u64(row.live_records)
                .u64(row.last_sequence);
        }
        bytes
    }
    /// Reads a manifest whose checksum was verified; `None` when it is of another version or makes no sense.
    pub fn decode(bytes: &[u8]) -> Option<Manifest> {
        let mut fields = FieldReader::new(bytes);
        let (magic, version): ([u8; 4], u32) = (fields.array()?, fields.u32()?);
        if magic != MAGIC || !(FIRST_VERSION..=VERSION).contains(&version) {
            return None;
        }
        let (checkpoint, segment, offset) = (fields.u64()?, fields.u32()?, fields.u32()?);
        let (generation, sequence, crc, next) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u32()?);
        let log = Head {
            segment,
            generation,
            offset,
            sequence,
            crc,
            next,
        };
        let (runs, log_segments) = (fields.u32()?, fields.u32()?);
        fields.u32()?;
        let (keys, state) = (fields.u64()?, AcceptorState::read(&mut fields)?);
        let highest = if version == FIRST_VERSION {
            Ballot::ZERO
        } else {
            Ballot::from_bytes(fields.array()?)
        };
        let mut read_run = || {
            let (level, extents, length) = (fields.u32()?, fields.u32()?, fields.u64()?);
            let extents = (0..extents)
                .map(|_| fields.array().map(Extent::from_bytes))
                .collect::<Option<Vec<_>>>()?;
            let level = u8::try_from(level).ok()?;
            Some(ManifestRun { level, length, extents })
        };
        let runs = (0..runs).map(|_| read_run()).collect::<Option<Vec<_>>>()?;
        let mut read_segment = || {
            let segment = fields.u32()?;
            fields.u32()?;
            Some(LogSegmentImage {
                segment,
                generation: fields.u64()?,
                live_bytes: fields.u64()?,
                live_records: fields.u64()?,
                last_sequence: fields.u64()?,
            })
        };
        let log_segments = (0..log_segments).map(|_| read_segment()).collect::<Option<Vec<_>>>()?;
        Some(Manifest {
            checkpoint,
            log,
            state,
            highest,
            keys,
            runs,
            log_segments,
        })
    }
}
