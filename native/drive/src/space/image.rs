//! What a checkpoint keeps of the space: bitmaps of bulk segments, and the table of log segments.
//!
//! An image holds what durable records refer to, no more: allocated space less what only this run of the process knows of. Bitmaps
//! are kept for segments that changed since the image before; a segment without a bit set has none.

use super::{Extent, Segment, SegmentClass, Space};
use std::collections::BTreeSet;

/// One bit per granule of a bulk segment, set when used; empty when the segment holds no bulk (any more).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BitmapImage {
    pub segment: u32,
    pub words: Vec<u64>,
}

/// One log segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogSegmentImage {
    pub segment: u32,
    pub generation: u64,
    pub live_bytes: u64,
    pub live_records: u64,
    pub last_sequence: u64,
}

/// The space as of one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpaceImage {
    pub bitmaps: Vec<BitmapImage>,
    pub log: Vec<LogSegmentImage>,
}

impl Space {
    /// An image without `unpublished` extents; bitmaps of segments that changed since the last image, by the space's own knowledge
    /// or by that of `changed`.
    pub fn image(&mut self, unpublished: &[Extent], changed: BTreeSet<u32>) -> SpaceImage {
        let mut numbers = std::mem::take(&mut self.changed);
        numbers.extend(changed);
        // What is left out today must be looked at again next time: it may be published by then.
        self.changed.extend(unpublished.iter().map(|extent| extent.segment));
        let bitmaps = numbers.into_iter().map(|segment| self.bitmap_image(segment, unpublished)).collect();
        let in_use = |segment: &Segment| segment.class == SegmentClass::Log && segment.generation > 0;
        let log = self
            .segments()
            .filter(|(_, segment)| in_use(segment))
            .map(|(number, segment)| LogSegmentImage {
                segment: number,
                generation: segment.generation,
                live_bytes: segment.live_bytes,
                live_records: segment.live_records,
                last_sequence: segment.last_sequence,
            })
            .collect();
        SpaceImage { bitmaps, log }
    }
    /// A bulk segment's bitmap without `unpublished` extents.
    pub fn bitmap_image(&self, segment: u32, unpublished: &[Extent]) -> BitmapImage {
        let bulk = self.segment(segment).filter(|row| row.class == SegmentClass::Bulk);
        let mut words = bulk.map(|row| row.bitmap.clone()).unwrap_or_default();
        for extent in unpublished.iter().filter(|extent| extent.segment == segment) {
            for granule in u32::from(extent.first)..u32::from(extent.first) + extent.granules {
                if let Some(word) = words.get_mut((granule / 64) as usize) {
                    *word &= !(1_u64 << (granule % 64));
                }
            }
        }
        if words.iter().all(|word| *word == 0) {
            words.clear();
        }
        BitmapImage { segment, words }
    }
    /// Takes over a bitmap. False when it does not fit: the segment is used already, or bits lie behind its end.
    pub fn restore_bitmap(&mut self, image: &BitmapImage) -> bool {
        let mut fits = image.words.len() <= (self.geometry().granules() as usize).div_ceil(64);
        for (at, word) in (0_u32..=u32::from(u16::MAX)).zip(&image.words) {
            let mut rest = *word;
            while rest != 0 {
                let first = rest.trailing_zeros();
                let granules = (rest >> first).trailing_ones();
                rest = if first + granules == 64 {
                    0
                } else {
                    rest & (u64::MAX << (first + granules))
                };
                fits &= u16::try_from(at * 64 + first).is_ok_and(|first| {
                    self.claim_extent(Extent {
                        segment: image.segment,
                        first,
                        granules,
                    })
                });
            }
        }
        self.changed.remove(&image.segment);
        fits
    }
}
