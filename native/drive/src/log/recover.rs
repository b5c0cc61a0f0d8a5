//! Recovery: the longest valid prefix of the log, and what was damaged inside it.
//!
//! Batches are read in order, following `next` at a segment's end. At the first invalid batch, where sequence `s` was expected, the
//! log ends, unless something proves that this batch had been acknowledged: a later batch of the same segment with
//! `acknowledged >= s`, or a successor's open batch that names a later end. Then it is damage: reading goes on behind it, and the
//! drive may no longer say of any key that it never had it.

use super::head::Head;
use super::reader::{FoundBatch, SegmentReader};
use super::salvage::given_back;
use crate::format::{
    AcceptorState, BATCH_HEADER_BYTES, BatchKind, DriveSeed, LogRecord, PAGE_BYTES, STATE_RECORD_TYPE, SegmentOpen, decode_state_record,
    peek_record,
};
use crate::medium::Medium;
use crate::space::Place;

/// How far behind an invalid batch proof of damage is looked for: twice what can be in flight.
const SEARCH_BYTES: usize = 8 << 20;

/// Where reading begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LogStart {
    /// At the first batch of a segment that has no predecessor: a log that never saw a checkpoint.
    Segment { segment: u32, generation: u64 },
    /// Behind a batch that a checkpoint names: everything before is in the index.
    Behind(Head),
}

/// Takes in what the log says, in log order.
pub(crate) trait Replay {
    /// Of a log that is read as a whole: how many segments it has, and the highest boot number that they name.
    fn survey(&mut self, _segments: usize, _boot: u32) {}
    /// The log goes on in this segment.
    fn enter(&mut self, segment: u32, generation: u64);
    /// The records of one batch. An error ends the reading: what the records belong to cannot be found.
    async fn batch(&mut self, records: Vec<(LogRecord<'_>, Found)>) -> Result<(), String>;
}

/// What a log says.
pub(crate) struct Recovered {
    /// Where it ends.
    pub head: Head,
    pub state: AcceptorState,
    /// Segments read.
    pub segments: usize,
    /// What was found damaged, in words.
    pub damage: Vec<String>,
}

/// Where a record was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub place: Place,
    /// Of its segment.
    pub generation: u64,
    /// Of its batch.
    pub sequence: u64,
}

pub(super) struct Walk<'walk, R> {
    pub medium: &'walk Medium,
    pub seed: DriveSeed,
    pub recovered: Recovered,
    pub replay: &'walk mut R,
}

/// Reads the log from `start` on and hands every record that concerns a key to `replay`. `state` is the acceptor's as of there.
pub(crate) async fn recover<R: Replay>(
    medium: &Medium,
    seed: DriveSeed,
    start: LogStart,
    state: AcceptorState,
    replay: &mut R,
) -> Result<Recovered, String> {
    let head = match start {
        // The walk expects one more than the generation before.
        LogStart::Segment { segment, generation } => Head {
            generation: generation.saturating_sub(1),
            ..Head::before_first(segment)
        },
        LogStart::Behind(head) => head,
    };
    let mut walk = Walk::new(medium, seed, (head, state), replay);
    if matches!(start, LogStart::Behind(_)) {
        walk.recovered.segments = 1;
        walk.rest_of_segment().await?;
    }
    while walk.enter(walk.recovered.head.next).await {
        walk.rest_of_segment().await?;
    }
    Ok(walk.recovered)
}

impl<'walk, R> Walk<'walk, R> {
    /// A walk of which nothing is known but where it begins, and the acceptor's state there.
    pub fn new(medium: &'walk Medium, seed: DriveSeed, (head, state): (Head, AcceptorState), replay: &'walk mut R) -> Walk<'walk, R> {
        let recovered = Recovered {
            head,
            state,
            segments: 0,
            damage: Vec::new(),
        };
        Walk {
            medium,
            seed,
            recovered,
            replay,
        }
    }
}

impl<R: Replay> Walk<'_, R> {
    async fn rest_of_segment(&mut self) -> Result<(), String> {
        let end = self.end_named_by(self.recovered.head.next).await;
        self.walk_segment(end).await
    }

    /// Enters the next segment: its open batch, or, where that is damaged, whatever proves that there was one. False: the log ends.
    async fn enter(&mut self, segment: u32) -> bool {
        let before = self.recovered.head;
        let first = before.segment == u32::MAX;
        let mut reader = SegmentReader::new(self.medium, self.seed, segment);
        if let Some(found) = reader.batch(0).await
            && let Some(open) = opening(&found, reader.bytes(0, found.header.used as usize))
            && found.header.generation == before.generation + 1
            && (first
                || open
                    .predecessor
                    .is_some_and(|named| (named.segment, named.generation) == (before.segment, before.generation)))
        {
            self.recovered.segments += 1;
            self.replay.enter(segment, found.header.generation);
            self.recovered.state = open.state;
            let offset = found.header.length;
            let (generation, sequence) = (found.header.generation, found.header.sequence);
            self.recovered.head = Head {
                segment,
                generation,
                offset,
                sequence,
                crc: found.crc,
                next: open.next,
            };
            return true;
        }
        if given_back(self.medium, self.seed, segment).await > before.generation {
            return false;
        }
        // No open batch. Later batches of that generation which knew it to be durable prove that it was there.
        let expected = before.sequence + 1;
        let Some((offset, found)) = self.proof(&mut reader, PAGE_BYTES, before.generation + 1, expected).await else {
            return false;
        };
        let next = self.successor_of(segment, found.header.generation).await;
        self.recovered
            .damage
            .push(format!("the first {offset} bytes of log segment {segment} are damaged"));
        self.recovered.segments += 1;
        self.replay.enter(segment, found.header.generation);
        let sequence = found.header.sequence - 1;
        let (generation, crc) = (found.header.generation, found.header.previous);
        self.recovered.head = Head {
            segment,
            generation,
            offset: offset as u32,
            sequence,
            crc,
            next: next.unwrap_or(u32::MAX),
        };
        true
    }

    /// Reads the batches of the segment in use up to its end (`named`: the end that its successor names).
    pub(super) async fn walk_segment(&mut self, named: Option<u32>) -> Result<(), String> {
        let segment = self.recovered.head.segment;
        let mut reader = SegmentReader::new(self.medium, self.seed, segment);
        let limit = named.unwrap_or(self.medium.geometry().segment_bytes);
        while self.recovered.head.offset < limit {
            let head = self.recovered.head;
            let found = reader.batch(head.offset as usize).await.filter(|found| {
                let header = &found.header;
                (header.generation, header.sequence, header.previous) == (head.generation, head.sequence + 1, head.crc)
            });
            if let Some(found) = found {
                self.take(&reader, head.offset as usize, &found).await?;
                continue;
            }
            let expected = head.sequence + 1;
            let behind = head.offset as usize + PAGE_BYTES;
            let later = match named {
                Some(end) => self.next_batch(&mut reader, behind, end as usize, head.generation, expected).await,
                None => self.proof(&mut reader, behind, head.generation, expected).await,
            };
            let damage = |to: usize| format!("log segment {segment} is damaged from {} to {to}", head.offset);
            match (later, named) {
                (Some((offset, found)), _) => {
                    self.recovered.damage.push(damage(offset));
                    self.recovered.head.offset = offset as u32;
                    self.recovered.head.sequence = found.header.sequence - 1;
                    self.recovered.head.crc = found.header.previous;
                }
                (None, Some(end)) => {
                    self.recovered.damage.push(damage(end as usize));
                    self.recovered.head.offset = end;
                }
                (None, None) => break,
            }
        }
        if let Some(predecessor) = self.named_by(self.recovered.head.next).await {
            // The successor knows the end best, damaged or not.
            self.recovered.head.sequence = predecessor.last_sequence;
            self.recovered.head.crc = predecessor.last_crc;
        }
        Ok(())
    }

    async fn take(&mut self, reader: &SegmentReader<'_>, offset: usize, found: &FoundBatch) -> Result<(), String> {
        let segment = self.recovered.head.segment;
        let bytes = reader.bytes(offset, found.header.used as usize);
        let mut at = BATCH_HEADER_BYTES;
        let mut records = Vec::with_capacity(found.header.records.min(4096) as usize);
        for _ in 0..found.header.records {
            let rest = bytes.get(at..).unwrap_or(&[]);
            let Some((kind, total)) = peek_record(rest).filter(|(_, total)| (8..=rest.len()).contains(total)) else {
                break;
            };
            if kind == STATE_RECORD_TYPE {
                self.recovered.state = decode_state_record(rest).unwrap_or(self.recovered.state);
            } else if let Some(record) = LogRecord::decode(rest, self.seed.salt) {
                let (generation, sequence) = (found.header.generation, found.header.sequence);
                let place = Place::new(segment, (offset + at) as u32);
                records.push((
                    record,
                    Found {
                        place,
                        generation,
                        sequence,
                    },
                ));
            } else {
                self.recovered.damage.push(format!(
                    "a record of type {kind} in log segment {segment} at {} is unreadable",
                    offset + at
                ));
            }
            at += total;
        }
        self.replay.batch(records).await?;
        self.recovered.head.offset = offset as u32 + found.header.length;
        self.recovered.head.sequence = found.header.sequence;
        self.recovered.head.crc = found.crc;
        Ok(())
    }

    /// The first batch from `from` on that proves the batch `expected` to have been acknowledged; reading resumes at the first batch
    /// that is whole.
    async fn proof(&self, reader: &mut SegmentReader<'_>, from: usize, generation: u64, expected: u64) -> Option<(usize, FoundBatch)> {
        let end = (self.medium.geometry().segment_bytes as usize).min(from.saturating_add(SEARCH_BYTES));
        let mut resume = None;
        let mut from = from;
        while let Some((offset, found)) = self.next_batch(reader, from, end, generation, expected).await {
            resume = resume.or(Some((offset, found)));
            if found.header.acknowledged >= expected {
                return resume;
            }
            from = offset + found.header.length as usize;
        }
        None
    }

    /// The first whole batch of a generation, with a sequence above `expected`, between two offsets.
    pub(super) async fn next_batch(
        &self,
        reader: &mut SegmentReader<'_>,
        from: usize,
        end: usize,
        generation: u64,
        expected: u64,
    ) -> Option<(usize, FoundBatch)> {
        let mut offset = from;
        while offset + PAGE_BYTES <= end {
            if let Some(found) = reader.batch(offset).await
                && found.header.generation == generation
                && found.header.sequence > expected
            {
                return Some((offset, found));
            }
            offset += PAGE_BYTES;
        }
        None
    }

    /// Where the segment in use ends by the word of its successor.
    async fn end_named_by(&self, successor: u32) -> Option<u32> {
        self.named_by(successor).await.map(|predecessor| predecessor.end)
    }

    async fn named_by(&self, successor: u32) -> Option<crate::format::Predecessor> {
        let head = &self.recovered.head;
        let (_, open) = self.read_opening(successor).await?;
        open.predecessor
            .filter(|named| (named.segment, named.generation) == (head.segment, head.generation))
    }

    async fn read_opening(&self, segment: u32) -> Option<(u64, SegmentOpen)> {
        let mut reader = SegmentReader::new(self.medium, self.seed, segment);
        let found = reader.batch(0).await?;
        let open = opening(&found, reader.bytes(0, found.header.used as usize))?;
        Some((found.header.generation, open))
    }

    /// The segment whose open batch names this one as its predecessor; looked for everywhere, as the one that knew is damaged.
    async fn successor_of(&self, segment: u32, generation: u64) -> Option<u32> {
        for candidate in 0..self.medium.made_segments() {
            if let Some((_, open)) = self.read_opening(candidate).await
                && open
                    .predecessor
                    .is_some_and(|named| (named.segment, named.generation) == (segment, generation))
            {
                return Some(candidate);
            }
        }
        None
    }
}

pub(super) fn opening(found: &FoundBatch, bytes: &[u8]) -> Option<SegmentOpen> {
    let record = bytes.get(BATCH_HEADER_BYTES..)?;
    (found.header.kind == BatchKind::Open)
        .then(|| SegmentOpen::decode(record))
        .flatten()
}
