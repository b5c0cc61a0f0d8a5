//! Reading a log of which no checkpoint knows where it begins: every segment that ever was opened and not used for something else
//! since, in the order in which they were opened.
//!
//! Segments given up long ago are among them; what they say is superseded by what newer ones say. Each batch speaks for itself (its
//! checksum ties it to place and generation); only the last segment ends where a log ends.

use super::head::Head;
use super::reader::SegmentReader;
use super::recover::{Recovered, Replay, Walk, opening};
use crate::format::{AcceptorState, DriveSeed, FreedPage, PAGE_BYTES, SegmentOpen};
use crate::medium::Medium;
use crate::space::Place;
use std::collections::{BTreeMap, HashSet};

/// The segments in which anything lived at a checkpoint: another one of an earlier generation may have been given back, and what its
/// bytes still say of the log is void, whatever was written over its start.
pub(crate) struct KnownSegments {
    /// Generation of the segment in use at the checkpoint.
    pub generation: u64,
    /// Numbers and generations.
    pub segments: HashSet<(u32, u64)>,
}

impl KnownSegments {
    fn is_void(&self, segment: u32, generation: u64) -> bool {
        generation < self.generation && !self.segments.contains(&(segment, generation))
    }
}

/// What was salvaged.
pub(crate) struct Salvaged {
    /// `damage` is empty: see below.
    pub recovered: Recovered,
    /// Damage by segment; in a segment that was used for something else since, it is none.
    pub damage: Vec<(u32, String)>,
}

/// A segment by its first batch.
struct Opened {
    segment: u32,
    open: SegmentOpen,
    offset: u32,
    sequence: u64,
    crc: u64,
}

/// Generation of the log segment that was given back here and not used for the log since; 0: none.
pub(super) async fn given_back(medium: &Medium, seed: DriveSeed, segment: u32) -> u64 {
    let Ok(page) = medium.read(Place::new(segment, 0), PAGE_BYTES).await else {
        return 0;
    };
    let freed = FreedPage::decode(page.as_slice(), seed.salt).filter(|freed| freed.segment == segment);
    freed.map_or(0, |freed| freed.generation)
}

/// Reads all that is there and hands it to `replay`, oldest segment first. `state`: the acceptor's, if no segment is found. `known`: as
/// the newest manifest says it, if one is readable.
pub(crate) async fn salvage<R: Replay>(
    medium: &Medium,
    seed: DriveSeed,
    state: AcceptorState,
    known: Option<&KnownSegments>,
    replay: &mut R,
) -> Result<Salvaged, String> {
    let mut opened: BTreeMap<u64, Opened> = BTreeMap::new();
    for segment in 0..medium.made_segments() {
        let mut reader = SegmentReader::new(medium, seed, segment);
        let Some(found) = reader.batch(0).await else { continue };
        let Some(open) = opening(&found, reader.bytes(0, found.header.used as usize)) else {
            continue;
        };
        let first = Opened {
            segment,
            open,
            offset: found.header.length,
            sequence: found.header.sequence,
            crc: found.crc,
        };
        opened.insert(found.header.generation, first);
    }
    // A segment whose first batch is damaged is known by the one that came after it, unless it says itself that it was given back.
    let mut headless: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    for predecessor in opened.values().filter_map(|first| first.open.predecessor) {
        let reused = opened.values().any(|first| first.segment == predecessor.segment);
        let void = known.is_some_and(|known| known.is_void(predecessor.segment, predecessor.generation));
        let freed = void || given_back(medium, seed, predecessor.segment).await >= predecessor.generation;
        if !reused && !freed && !opened.contains_key(&predecessor.generation) {
            headless.insert(predecessor.generation, (predecessor.segment, predecessor.end));
        }
    }
    let mut walk = Walk::new(medium, seed, (Head::before_first(0), state), replay);
    let mut damage = Vec::new();
    let mut generations: Vec<u64> = opened.keys().chain(headless.keys()).copied().collect();
    generations.sort_unstable();
    let boot = opened.values().map(|first| first.open.state.boot).max().unwrap_or(0);
    walk.replay.survey(generations.len(), boot);
    for generation in generations {
        let successor = opened.get(&(generation + 1)).and_then(|first| first.open.predecessor);
        let segment = match (opened.get(&generation), headless.get(&generation)) {
            (Some(first), _) => {
                walk.recovered.state = first.open.state;
                walk.recovered.head = Head {
                    segment: first.segment,
                    generation,
                    offset: first.offset,
                    sequence: first.sequence,
                    crc: first.crc,
                    next: first.open.next,
                };
                first.segment
            }
            (None, Some((segment, end))) => {
                let mut reader = SegmentReader::new(medium, seed, *segment);
                let found = walk.next_batch(&mut reader, PAGE_BYTES, *end as usize, generation, 0).await;
                let Some((offset, found)) = found else { continue };
                walk.recovered.head = Head {
                    segment: *segment,
                    generation,
                    offset: offset as u32,
                    sequence: found.header.sequence - 1,
                    crc: found.header.previous,
                    next: opened.get(&(generation + 1)).map_or(u32::MAX, |first| first.segment),
                };
                damage.push((*segment, format!("the first {offset} bytes of log segment {segment} are damaged")));
                *segment
            }
            (None, None) => continue,
        };
        walk.recovered.segments += 1;
        walk.replay.enter(segment, generation);
        let end = successor
            .filter(|named| (named.segment, named.generation) == (segment, generation))
            .map(|named| named.end);
        walk.walk_segment(end).await?;
        damage.extend(std::mem::take(&mut walk.recovered.damage).into_iter().map(|text| (segment, text)));
    }
    Ok(Salvaged {
        recovered: walk.recovered,
        damage,
    })
}
