//! What lies behind the end of a segment that the log left early.
//!
//! A write that the device reported as failed may have reached the medium all the same. The log went on in the next segment, whose open
//! batch names the end before that write, and by this word alone it does not count: in itself it continues the log without fault. So the
//! word must not go before it is gone, too.

use super::reader::SegmentReader;
use super::recover::opening;
use crate::format::{DriveSeed, PAGE_BYTES, Predecessor};
use crate::medium::Medium;
use crate::space::Place;

/// The end that a log segment's open batch names.
pub(crate) async fn named_by(medium: &Medium, seed: DriveSeed, segment: u32) -> Option<(u64, Predecessor)> {
    let mut reader = SegmentReader::with_window(medium, seed, segment, PAGE_BYTES);
    let found = reader.batch(0).await?;
    let open = opening(&found, reader.bytes(0, found.header.used as usize))?;
    Some((found.header.generation, open.predecessor?))
}

/// Where a batch lies, or may lie, that would continue the log behind an end if nobody named it.
pub(crate) async fn abandoned_behind(medium: &Medium, seed: DriveSeed, end: &Predecessor) -> Option<Place> {
    let mut reader = SegmentReader::with_window(medium, seed, end.segment, PAGE_BYTES);
    if end.end as usize + PAGE_BYTES > medium.geometry().segment_bytes as usize {
        return None;
    }
    let found = reader.batch(end.end as usize).await;
    let continues = match found {
        Some(found) => {
            let header = &found.header;
            (header.generation, header.sequence, header.previous) == (end.generation, end.last_sequence + 1, end.last_crc)
        }
        // What cannot be read now may be readable again.
        None => reader.take_error().is_some(),
    };
    continues.then(|| Place::new(end.segment, end.end))
}
