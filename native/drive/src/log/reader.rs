//! Reading batches of one segment, through a window of bytes.
//!
//! A page that cannot be read says nothing of what is on it, unlike one that holds no batch; the reader keeps both apart. Around a bad
//! page it reads in small steps: one sector must cost neither what lies before it, nor a long wait for the device again and again.

use crate::format::{BatchHeader, DriveSeed, PAGE_BYTES};
use crate::medium::Medium;
use crate::space::Place;
use openlake_io::AlignedBuffer;
use std::io;

/// Read ahead: the log is read in order, and large reads cost the device least.
const WINDOW_BYTES: usize = 4 << 20;

/// An error may pass; one that comes so often in a row stays.
const TRIES: usize = 3;
/// Around a page that cannot be read the window is divided by this until it fits in between.
const STEP_DOWN: usize = 8;

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
    /// Read at once where everything can be read.
    window_bytes: usize,
    /// Read at once at present.
    step_bytes: usize,
    start: usize,
    window: Option<AlignedBuffer>,
    error: Option<io::Error>,
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
            step_bytes: window_bytes,
            medium,
            seed,
            segment,
            start: 0,
            window: None,
            error: None,
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
        let mut tries = TRIES;
        let window = loop {
            // The first page is often all that is wanted: the batch that opened the segment.
            let ahead = if offset == 0 {
                length
            } else {
                length.max(self.step_bytes).min(segment_bytes - offset)
            };
            match self.medium.read(place, ahead).await {
                Ok(window) => {
                    self.step_bytes = (self.step_bytes * 2).min(self.window_bytes);
                    break window;
                }
                Err(_) if ahead == length && tries > 1 => tries -= 1,
                Err(error) if ahead == length => {
                    self.error = Some(error);
                    return None;
                }
                // A bad page in the window.
                Err(_) => self.step_bytes = (ahead / STEP_DOWN).next_multiple_of(PAGE_BYTES),
            }
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
    /// The whole, unharmed batch at `offset`, if there is one. Whether it belongs to the log is the caller's question. `None` with
    /// [`SegmentReader::take_error`]: there may be one, but it cannot be read.
    pub async fn batch(&mut self, offset: usize) -> Option<FoundBatch> {
        self.error = None;
        self.fill(offset, PAGE_BYTES).await?;
        let header = BatchHeader::peek(self.bytes(offset, PAGE_BYTES))?;
        let length = header.length as usize;
        self.fill(offset, length).await?;
        let crc = header.verify(self.bytes(offset, length), Place::new(self.segment, offset as u32), &self.seed)?;
        Some(FoundBatch { header, crc })
    }
    /// Why the last batch asked for could not be read, if that was the reason.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}
