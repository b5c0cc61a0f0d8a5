//! What a seed decides: fields of valid encodings, and what becomes of them.

use crate::format::AcceptorState;
use crate::space::Extent;
use crate::{Ballot, Space};

/// A stream of random numbers (xorshift64*, Vigna 2016).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }
    pub fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }
    /// Small, large, or anywhere in between.
    pub fn number(&mut self) -> u64 {
        let shift = self.below(64);
        self.bits() >> shift
    }
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.bits() as u8).collect()
    }
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.bits() as u8)
    }
    pub fn name(&mut self) -> Vec<u8> {
        let length = self.below(90) as usize;
        self.bytes(length)
    }
    pub fn space(&mut self) -> Space {
        [Space::Object, Space::Upload, Space::Part][self.below(3) as usize]
    }
    pub fn ballot(&mut self) -> Ballot {
        Ballot {
            clock: self.bits(),
            node: self.number() as u32,
            boot: self.number() as u32,
        }
    }
    pub fn state(&mut self) -> AcceptorState {
        AcceptorState {
            drive_floor: self.ballot(),
            dirty: if self.one_in(2) { Some(self.ballot()) } else { None },
            bound_clock: self.bits(),
            boot: self.number() as u32,
        }
    }
    pub fn extents(&mut self, most: u64) -> Vec<Extent> {
        (0..self.below(most)).map(|_| Extent::from_bytes(self.array())).collect()
    }
    /// Changes a few bytes: flips a bit, sets a byte or a number to something telling, cuts, adds, doubles or moves a piece.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            let length = 1 + self.below(16) as usize;
            return bytes.extend(self.bytes(length));
        }
        // Headers are where the numbers are.
        let reach = if self.one_in(2) { bytes.len().min(160) } else { bytes.len() };
        let at = self.below(reach as u64) as usize;
        match self.below(9) {
            0..3 => bytes[at] ^= 1 << self.below(8),
            3 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5) as usize],
            4 => {
                let size = [2, 4, 8][self.below(3) as usize].min(bytes.len() - at);
                let telling = [0, 1, u64::MAX, u64::MAX >> 1, 1 << 31, 1 << 16, self.number()];
                let number = telling[self.below(7) as usize].to_le_bytes();
                bytes[at..at + size].copy_from_slice(&number[..size]);
            }
            5 => bytes.truncate(at),
            6 => {
                let length = self.below(40) as usize;
                bytes.extend(self.bytes(length));
            }
            7 => {
                let end = (at + self.below(64) as usize).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = self.below(bytes.len() as u64) as usize;
                bytes.splice(to..to, piece);
            }
            _ => {
                let end = (at + self.below(64) as usize).min(bytes.len());
                bytes[at..end].fill(self.bits() as u8);
            }
        }
    }
}
