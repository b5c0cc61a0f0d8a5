//! Ballots order all versions of a key; write ids say which bytes belong together.

use std::fmt;

/// A totally ordered, never reused number of a proposal: hybrid logical clock, then node, then the node's boot number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// Upper 48 bits: milliseconds since 1970. Lower 16 bits: counter within the millisecond.
    pub clock: u64,
    pub node: u32,
    pub boot: u32,
}

impl Ballot {
    /// Below every ballot ever proposed.
    pub const ZERO: Ballot = Ballot {
        clock: 0,
        node: 0,
        boot: 0,
    };
    /// Above every ballot ever proposed.
    pub const MAX: Ballot = Ballot {
        clock: u64::MAX,
        node: u32::MAX,
        boot: u32::MAX,
    };

    /// The wall-clock part, milliseconds since 1970.
    pub fn time_ms(self) -> u64 {
        self.clock >> 16
    }
    /// 16 bytes: clock, node, boot, each big-endian, so that byte order is ballot order.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.clock.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.node.to_be_bytes());
        bytes[12..].copy_from_slice(&self.boot.to_be_bytes());
        bytes
    }
    /// The inverse of [`Ballot::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Ballot {
        let number = u128::from_be_bytes(bytes);
        Ballot {
            clock: (number >> 64) as u64,
            node: (number >> 32) as u32,
            boot: number as u32,
        }
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}@{}.{}", self.time_ms(), self.clock & 0xffff, self.node, self.boot)
    }
}

/// 128 random bits, one per client request: shards decode together only when these are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub [u8; 16]);
