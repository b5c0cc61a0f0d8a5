//! Records and keys as a coordinator would make them, with everything in them drawn at random.

use super::payload::Payload;
use super::plan::Load;
use crate::random::Random;
use bytes::Bytes;
use openlake_drive::{Ballot, Coding, Key, Kind, Record, Shard, Space, WriteId};

/// Buckets in use.
pub const BUCKETS: [u64; 2] = [5, 6];
/// Spaces in use.
pub const SPACES: [Space; 2] = [Space::Object, Space::Part];

/// One of the load's keys. Names share prefixes, some are prefixes of others, a few are as long as names get.
pub fn key(number: u64) -> Key {
    let name = match number % 7 {
        0 => format!("{number}"),
        1 => format!("folder/{number}"),
        2 => format!("folder/inner/{}", number / 2),
        3 => format!("folder/{number}/\u{10ffff}"),
        4 => format!("folder/inner/{number}/{}", "x".repeat(900)),
        _ => format!("k{number:08}"),
    };
    Key {
        bucket: BUCKETS[usize::from(number.is_multiple_of(5))],
        space: SPACES[usize::from(number % 11 == 3)],
        name: name.into(),
    }
}

/// A record of a payload, its bytes to be found as `shard` says.
pub fn record(ballot: Ballot, write: (WriteId, Payload), shard: Shard, load: &Load, random: &mut Random) -> Record {
    let (write_id, payload) = write;
    let metadata = Payload {
        seed: random.bits(),
        length: random.below(load.metadata_bytes + 1) as usize,
    };
    let coding = Coding {
        data: random.between(1, 8) as u8,
        parity: random.between(1, 4) as u8,
        block_shift: if random.percent(10) { 0 } else { random.between(12, 16) as u8 },
        whole: random.percent(20),
        manifest: random.percent(10),
    };
    Record {
        ballot,
        write_id,
        origin: if random.percent(80) {
            ballot
        } else {
            Ballot {
                clock: ballot.clock / 2,
                ..ballot
            }
        },
        base: match random.below(4) {
            0 => Some(Ballot::ZERO),
            _ => None,
        },
        kind: Kind::Data,
        unconditional: random.percent(50),
        size: payload.length as u64 * u64::from(coding.data),
        etag: std::array::from_fn(|at| write_id.0[at] ^ 0x55),
        etag_parts: random.below(3) as u16,
        metadata: metadata.bytes(),
        coding,
        slot: 2,
        payload_size: payload.length as u64 * u64::from(coding.data),
        shard,
    }
}

/// A record that says that the key was deleted.
pub fn tombstone(ballot: Ballot, write_id: WriteId, random: &mut Random) -> Record {
    Record {
        ballot,
        write_id,
        origin: ballot,
        base: random.percent(30).then_some(Ballot::ZERO),
        kind: Kind::Tombstone,
        unconditional: random.percent(50),
        size: 0,
        etag: [0; 16],
        etag_parts: 0,
        metadata: Bytes::new(),
        coding: Coding::default(),
        slot: 2,
        payload_size: 0,
        shard: Shard::None,
    }
}
