//! Reading batches of one segment, through a window of bytes.

use crate::format::{BatchHeader, DriveSeed, PAGE_BYTES};
use crate::medium::Medium;
use crate::space::Place;
use openlake_io::AlignedBuffer;

/// Read ahead: the log is read in order, and large reads cost the device least.
const WINDOW_BYTES: usize = 4 << 20;

/// A batch found at a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundBatch {
    pub header: BatchHeader,
    pub crc: u64,
}

/// Reads one segment.
pub(crate) struct SegmentReader<'medium> {
    medium: &'medium Medium,
    seed: DriveSeed,
    segment: u32,
    window_bytes: usize,
    start: usize,
    window: Option<AlignedBuffer>,
}

impl<'medium> SegmentReader<'medium> {
    /// A reader of `segment`; nothing is read yet.
    pub fn new(medium: &'medium Medium, seed: DriveSeed, segment: u32) -> Self {
        SegmentReader::with_window(medium, seed, segment, WINDOW_BYTES)
    }
    /// A reader that reads so many bytes at once, or what a batch takes.
    pub fn with_window(medium: &'medium Medium, seed: DriveSeed, segment: u32, window_bytes: usize) -> Self {
        SegmentReader {
            window_bytes,
            medium,
            seed,
            segment,
            start: 0,
            window: None,
        }
    }
    /// `length` bytes at `offset`, both whole pages; `None` when they lie outside the segment or cannot be read.
    async fn fill(&mut self, offset: usize, length: usize) -> Option<()> {
        let end = offset.checked_add(length)?;
        let segment_bytes = self.medium.geometry().segment_bytes as usize;
        if end > segment_bytes {
            return None;
        }
        if self
            .window
            .as_ref()
            .is_some_and(|window| self.start <= offset && end <= self.start + window.len())
        {
            return Some(());
        }
        self.window = None;
        let place = Place::new(self.segment, offset as u32);
        // The first page is often all that is wanted: the batch that opened the segment.
        let ahead = if offset == 0 {
            length
        } else {
            length.max(self.window_bytes).min(segment_bytes - offset)
        };
        let window = match self.medium.read(place, ahead).await {
            Ok(window) => window,
            // One bad page in the window: read no more than what is asked for.
            Err(_) => self.medium.read(place, length).await.ok()?,
        };
        self.start = offset;
        self.window = Some(window);
        Some(())
    }
    /// Bytes that [`SegmentReader::batch`] made present.
    pub fn bytes(&self, offset: usize, length: usize) -> &[u8] {
        let window = self.window.as_ref().map_or(&[][..], AlignedBuffer::as_slice);
        let start = offset.wrapping_sub(self.start);
        window.get(start..start.saturating_add(length)).unwrap_or(&[])
    }
    /// The whole, unharmed batch at `offset`, if there is one. Whether it belongs to the log is the caller's question.
    pub async fn batch(&mut self, offset: usize) -> Option<FoundBatch> {
        self.fill(offset, PAGE_BYTES).await?;
        let header = BatchHeader::peek(self.bytes(offset, PAGE_BYTES))?;
        let length = header.length as usize;
        self.fill(offset, length).await?;
        let crc = header.verify(self.bytes(offset, length), Place::new(self.segment, offset as u32), &self.seed)?;
        Some(FoundBatch { header, crc })
    }
}
