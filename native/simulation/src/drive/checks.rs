//! What bytes a drive gives out: exactly those that were sent, or an honest nothing.

use super::payload::Payload;
use openlake_checksum::crc64;
use openlake_drive::{Head, Record, ShardBytes};

/// The bytes of a shard that an answer should hold.
pub struct Expected {
    pub payload: Payload,
    pub block_shift: u8,
    pub is_inline: bool,
}

impl Expected {
    /// The shard of a version as its head describes it.
    pub fn of_head(head: &Head, payload: Payload) -> Expected {
        Expected {
            payload,
            block_shift: head.coding.block_shift,
            is_inline: head.inline,
        }
    }
    /// The shard of a record that was sent.
    pub fn of_record(record: &Record, payload: Payload, is_inline: bool) -> Expected {
        Expected {
            payload,
            block_shift: record.coding.block_shift,
            is_inline,
        }
    }
}

/// Whether an answer to a request for blocks `first..first + count` holds them, byte for byte; how many are missing.
///
/// # Errors
/// What is wrong.
pub fn check_blocks(shard: &ShardBytes, expected: &Expected, first: u32, count: u32) -> Result<usize, String> {
    let all = expected.payload.blocks(expected.block_shift) as u32;
    let (first, count) = if expected.is_inline {
        (0, all)
    } else {
        (first.min(all), count.min(all - first.min(all)))
    };
    if (shard.first, shard.blocks.len()) != (first, count as usize) {
        return Err(format!(
            "blocks {first} and {count} on of {all} were to be read, {} and {} on came",
            shard.first,
            shard.blocks.len()
        ));
    }
    let bytes = expected.payload.bytes();
    let block_bytes = match expected.block_shift {
        0 => bytes.len(),
        shift => 1 << shift,
    };
    let mut missing = 0;
    for (number, block) in (first as usize..).zip(&shard.blocks) {
        let Some(block) = block else {
            missing += 1;
            continue;
        };
        let (from, to) = (number * block_bytes, ((number + 1) * block_bytes).min(bytes.len()));
        if block.bytes[..] != bytes[from..to] {
            return Err(format!("block {number} has other bytes than were sent"));
        }
        if block.checksum != crc64(&block.bytes) {
            return Err(format!("block {number} has another checksum than its bytes"));
        }
    }
    Ok(missing)
}
