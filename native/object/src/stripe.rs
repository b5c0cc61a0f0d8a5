//! How a payload is cut into blocks: stripes of k data blocks of 128 KiB, and a last stripe of exact length.
//!
//! ```text
//! payload   | stripe 0: k blocks of B bytes | stripe 1 | ... | last: r < k * B bytes |
//! last      data shard j holds clamp(r - j * L, 0, L) bytes with L = ceil(r / k), every parity shard L
//! shard j   | block of stripe 0 | block of stripe 1 | ... | block of the last stripe |
//! ```
//! Nothing is padded: short data blocks count as followed by zeros when parity is computed.

use openlake_drive::{Coding, Head, Kind};

/// Bytes of a block of one shard, as a shift: 128 KiB. A stripe's shards stay in L2 while they are encoded.
pub const BLOCK_SHIFT: u8 = 17;
/// Longest shard that travels inside its record.
pub const INLINE_BYTES: usize = 64 << 10;
/// A shard shorter than a record's header is not worth cutting: every slot then holds the whole object.
pub const WHOLE_BELOW_BYTES: u64 = 144;

/// Shards that give a version's bytes back: 1 where every holder knows all of it.
pub fn shards_needed(head: &Head) -> usize {
    shards_needed_of(head.kind, head.payload_size, head.coding)
}

/// As [`shards_needed`], from the parts of a head or record.
pub fn shards_needed_of(kind: Kind, payload_size: u64, coding: Coding) -> usize {
    let single = kind == Kind::Tombstone || payload_size == 0 || coding.whole;
    if single { 1 } else { usize::from(coding.data).max(1) }
}

/// The cut of one payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    data: u64,
    slots: usize,
    whole: bool,
    block_shift: u8,
    payload: u64,
}

impl Geometry {
    /// The cut of a payload of `payload` bytes under `coding`.
    pub fn new(coding: Coding, payload: u64) -> Geometry {
        Geometry {
            data: u64::from(coding.data.max(1)),
            slots: usize::from(coding.data) + usize::from(coding.parity),
            whole: coding.whole,
            // A shift beyond 40 bits (a terabyte block) can only come from damage; it must not overflow.
            block_shift: coding.block_shift.min(40),
            payload,
        }
    }
    /// Bytes of a full block.
    pub fn block(&self) -> u64 {
        1 << self.block_shift
    }
    /// Payload bytes of a full stripe.
    pub fn stripe(&self) -> u64 {
        if self.whole { self.block() } else { self.block() * self.data }
    }
    /// Number of stripes, the last, shorter one included.
    pub fn stripes(&self) -> u64 {
        self.payload.div_ceil(self.stripe())
    }
    /// Payload bytes of stripe `index`.
    pub fn stripe_length(&self, index: u64) -> u64 {
        self.payload.saturating_sub(index.saturating_mul(self.stripe())).min(self.stripe())
    }
    /// L: length of the longest block of stripe `index`, which every parity block has.
    pub fn block_span(&self, index: u64) -> u64 {
        let length = self.stripe_length(index);
        if self.whole { length } else { length.div_ceil(self.data) }
    }
    /// Bytes that `slot` holds of stripe `index`.
    pub fn block_length(&self, slot: usize, index: u64) -> u64 {
        let span = self.block_span(index);
        if self.whole || slot as u64 >= self.data {
            return span;
        }
        self.stripe_length(index).saturating_sub(slot as u64 * span).min(span)
    }
    /// Bytes of the whole shard of `slot`.
    pub fn shard_length(&self, slot: usize) -> u64 {
        let full = self.payload / self.stripe();
        full * self.block() + if full < self.stripes() { self.block_length(slot, full) } else { 0 }
    }
    /// All slots of the coding.
    pub fn slots(&self) -> usize {
        self.slots
    }
    /// Data blocks of stripe `index` that hold bytes `first..first + length` of the stripe (as slot numbers, in order). For a whole
    /// object: slot 0 stands for any.
    pub fn blocks_of_range(&self, index: u64, first: u64, length: u64) -> std::ops::Range<usize> {
        let span = self.block_span(index);
        if length == 0 || span == 0 {
            return 0..0;
        }
        if self.whole {
            return 0..1;
        }
        let last = (first + length - 1).min(self.stripe_length(index).saturating_sub(1));
        (first / span) as usize..(last / span) as usize + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coding(data: u8, parity: u8) -> Coding {
        Coding {
            data,
            parity,
            block_shift: 4,
            whole: false,
            manifest: false,
        }
    }

    #[test]
    fn data_blocks_cover_the_payload_exactly_once_and_in_order() {
        for data in 1..=5u8 {
            for payload in 0..300u64 {
                let cut = Geometry::new(coding(data, 2), payload);
                let mut total = 0;
                for stripe in 0..cut.stripes() {
                    let blocks: u64 = (0..usize::from(data)).map(|slot| cut.block_length(slot, stripe)).sum();
                    assert_eq!(blocks, cut.stripe_length(stripe), "{data} {payload} {stripe}");
                    total += blocks;
                }
                assert_eq!(total, payload);
                let shards: u64 = (0..usize::from(data)).map(|slot| cut.shard_length(slot)).sum();
                assert_eq!(shards, payload);
                assert_eq!(
                    cut.shard_length(0),
                    cut.shard_length(usize::from(data)),
                    "parity is as long as the longest data shard"
                );
            }
        }
    }

    #[test]
    fn a_range_names_just_the_blocks_that_hold_it() {
        for data in 1..=4u8 {
            for payload in 1..150u64 {
                let cut = Geometry::new(coding(data, 1), payload);
                let stripe = cut.stripes() - 1;
                let (length, span) = (cut.stripe_length(stripe), cut.block_span(stripe));
                for first in 0..length {
                    for last in first..length {
                        let blocks = cut.blocks_of_range(stripe, first, last - first + 1);
                        for slot in 0..usize::from(data) {
                            let start = slot as u64 * span;
                            let end = start + cut.block_length(slot, stripe);
                            assert_eq!(
                                blocks.contains(&slot),
                                start <= last && first < end,
                                "{data} {payload} {first}-{last} {slot}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn damaged_numbers_do_not_overflow() {
        let cut = Geometry::new(
            Coding {
                data: 0,
                parity: 0,
                block_shift: 255,
                whole: false,
                manifest: false,
            },
            u64::MAX,
        );
        assert!(cut.stripes() > 0);
        assert_eq!(cut.stripe_length(u64::MAX), 0);
    }
}
