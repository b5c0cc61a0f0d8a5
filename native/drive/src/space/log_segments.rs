//! Segments of the log: taken, lived in, retired when all that lived there was moved, and free again.

use super::{Segment, SegmentClass, Space, SpaceImage};

impl Space {
    /// Marks a segment as part of the log.
    pub fn claim_log(&mut self, number: u32, generation: u64) {
        if let Some(segment) = self.segments.get_mut(number as usize) {
            let was = std::mem::replace(&mut segment.class, SegmentClass::Log);
            segment.generation = generation;
            if was == SegmentClass::Free {
                self.log_segments += 1;
                self.count_free(number, false);
            }
        }
    }
    /// A log segment out of which everything that lives was moved, durably; it is used again two checkpoints later.
    pub fn retire_log(&mut self, number: u32) {
        if let Some(segment) = self.segments.get_mut(number as usize)
            && segment.class == SegmentClass::Log
            && !segment.retired
        {
            segment.retired = true;
            self.retired.push(number);
        }
    }
    /// Takes the numbers of the log segments retired since the last call.
    pub fn take_retired(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.retired)
    }
    /// The checkpoint that an image was for came to nothing: the next one holds what it held.
    pub fn forget_image(&mut self, image: &SpaceImage, retired: &[u32]) {
        self.changed.extend(image.bitmaps.iter().map(|bitmap| bitmap.segment));
        self.retired.extend(retired);
    }
    /// Makes a log segment free: no checkpoint that could be gone back to needs it.
    pub fn free_log(&mut self, number: u32) {
        if let Some(segment) = self.segments.get_mut(number as usize)
            && segment.class == SegmentClass::Log
        {
            self.live_log_bytes -= segment.live_bytes;
            *segment = Segment::free();
            self.log_segments -= 1;
            self.count_free(number, true);
        }
    }
    /// A log segment as an image describes it. One without life may be used for something else by now: it was retired when the image
    /// was taken, and free before what the image goes with was written.
    pub fn restore_log(&mut self, number: u32, generation: u64, live: (u64, u64), last_sequence: u64) {
        if live.1 == 0 && self.segment(number).is_some_and(|segment| segment.class != SegmentClass::Free) {
            return;
        }
        self.claim_log(number, generation);
        self.change_live(number, live.0 as i64, live.1 as i64, last_sequence);
    }
    /// Retires a segment again that could not be made free: the next checkpoint tries once more.
    pub fn retire_again(&mut self, number: u32) {
        self.retired.push(number);
    }
    /// Takes a free segment that exists for the log, if more than `kept` are free.
    pub fn take_log(&mut self, kept: u32) -> Option<u32> {
        if self.free <= kept {
            return None;
        }
        let number = self
            .segments
            .iter()
            .take(self.made as usize)
            .position(|segment| segment.class == SegmentClass::Free)? as u32;
        self.claim_log(number, 0);
        Some(number)
    }
    /// Adds to what is live in a log segment.
    pub fn add_live(&mut self, number: u32, bytes: u64, sequence: u64) {
        self.change_live(number, bytes as i64, 1, sequence);
    }
    /// Takes from what is live in a log segment.
    pub fn remove_live(&mut self, number: u32, bytes: u64) {
        self.change_live(number, -(bytes as i64), -1, 0);
    }
    /// Changes what is live in a log segment.
    pub fn change_live(&mut self, number: u32, bytes: i64, records: i64, sequence: u64) {
        if let Some(segment) = self.segments.get_mut(number as usize) {
            let before = segment.live_bytes;
            segment.live_bytes = before.saturating_add_signed(bytes);
            segment.live_records = segment.live_records.saturating_add_signed(records);
            segment.last_sequence = segment.last_sequence.max(sequence);
            self.live_log_bytes = self.live_log_bytes + segment.live_bytes - before;
        }
    }
}
