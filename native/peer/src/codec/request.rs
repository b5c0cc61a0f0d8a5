//! Requests to a slot.
//!
//! ```text
//!  1 read        key, want u8: 0 heads | 1 blocks: first u32, count u32
//!  2 blocks      key, write id 16, first u32, count u32
//!  3 stage       key, write id 16, block shift u8, shard length u64, offset u64, bytes bulk
//!  4 unstage     write id 16
//!  5 prepare     key, ballot 16
//!  6 publish     key, record
//!  7 stable      key, ballot 16
//!  8 scan        bucket u64, space u8, prefix bytes, from bytes, limit u32
//!  9 drop        key, ballot 16
//! 10 barrier     floor 16
//! 11 next space  option (bucket u64, space u8)
//! 12 heal scan   bucket u64, space u8, from bytes, limit u32, barrier 16
//! 13 digest      bucket u64, space u8, from bytes, to option bytes
//! 14 missed      keys list key, lost u8
//! 15 succession  step u8: 0 ask | 1 announce: round 16 | 2 take: round 16, heir | 3 filled: slot u8, generation u32
//! ```

use super::record::{decode_space, decode_spot, encode_spot};
use super::{Cursor, DecodeError, Wire, Writer};
use openlake_drive::{Request, Step, Want};

impl Wire for Want {
    const MIN_BYTES: usize = 1;
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Want::Heads => writer.u8(0),
            Want::Blocks { first, count } => {
                writer.u8(1);
                writer.u32(*first);
                writer.u32(*count);
            }
        }
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Want, DecodeError> {
        match cursor.u8()? {
            0 => Ok(Want::Heads),
            1 => Ok(Want::Blocks {
                first: cursor.u32()?,
                count: cursor.u32()?,
            }),
            value => Err(DecodeError::Unknown {
                field: "want",
                value: value.into(),
            }),
        }
    }
}

impl Wire for Step {
    const MIN_BYTES: usize = 1;
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Step::Ask => writer.u8(0),
            Step::Announce { round } => {
                writer.u8(1);
                round.encode(writer);
            }
            Step::Take { round, heir } => {
                writer.u8(2);
                round.encode(writer);
                heir.encode(writer);
            }
            Step::Filled { slot, generation } => {
                writer.u8(3);
                writer.u8(*slot);
                writer.u32(*generation);
            }
        }
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Step, DecodeError> {
        Ok(match cursor.u8()? {
            0 => Step::Ask,
            1 => Step::Announce {
                round: Wire::decode(cursor)?,
            },
            2 => Step::Take {
                round: Wire::decode(cursor)?,
                heir: Wire::decode(cursor)?,
            },
            3 => Step::Filled {
                slot: cursor.u8()?,
                generation: cursor.u32()?,
            },
            value => {
                return Err(DecodeError::Unknown {
                    field: "step",
                    value: value.into(),
                });
            }
        })
    }
}

impl Wire for Request {
    const MIN_BYTES: usize = 2;
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Request::Read { key, want } => {
                writer.u8(1);
                key.encode(writer);
                want.encode(writer);
            }
            Request::Blocks {
                key,
                write_id,
                first,
                count,
            } => {
                writer.u8(2);
                key.encode(writer);
                write_id.encode(writer);
                writer.u32(*first);
                writer.u32(*count);
            }
            Request::Stage {
                key,
                write_id,
                block_shift,
                shard_length,
                offset,
                bytes,
            } => {
                writer.u8(3);
                key.encode(writer);
                write_id.encode(writer);
                writer.u8(*block_shift);
                writer.u64(*shard_length);
                writer.u64(*offset);
                writer.bulk(bytes);
            }
            Request::Unstage { write_id } => {
                writer.u8(4);
                write_id.encode(writer);
            }
            Request::Prepare { key, ballot } => {
                writer.u8(5);
                key.encode(writer);
                ballot.encode(writer);
            }
            Request::Publish { key, record } => {
                writer.u8(6);
                key.encode(writer);
                record.encode(writer);
            }
            Request::Stable { key, ballot } => {
                writer.u8(7);
                key.encode(writer);
                ballot.encode(writer);
            }
            Request::Drop { key, ballot } => {
                writer.u8(9);
                key.encode(writer);
                ballot.encode(writer);
            }
            Request::Scan {
                bucket,
                space,
                prefix,
                from,
                limit,
            } => {
                writer.u8(8);
                writer.u64(*bucket);
                writer.u8(*space as u8);
                writer.bytes(prefix);
                writer.bytes(from);
                writer.u32(*limit);
            }
            Request::Barrier { floor } => {
                writer.u8(10);
                floor.encode(writer);
            }
            Request::NextSpace { after } => {
                writer.u8(11);
                encode_spot(writer, *after);
            }
            Request::HealScan {
                bucket,
                space,
                from,
                limit,
                barrier,
            } => {
                writer.u8(12);
                writer.u64(*bucket);
                writer.u8(*space as u8);
                writer.bytes(from);
                writer.u32(*limit);
                barrier.encode(writer);
            }
            Request::Digest { bucket, space, from, to } => {
                writer.u8(13);
                writer.u64(*bucket);
                writer.u8(*space as u8);
                writer.bytes(from);
                writer.u8(u8::from(to.is_some()));
                if let Some(to) = to {
                    writer.bytes(to);
                }
            }
            Request::Missed { keys, lost } => {
                writer.u8(14);
                keys.encode(writer);
                writer.u8(u8::from(*lost));
            }
            Request::Succession { step } => {
                writer.u8(15);
                step.encode(writer);
            }
        }
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Request, DecodeError> {
        Ok(match cursor.u8()? {
            1 => Request::Read {
                key: Wire::decode(cursor)?,
                want: Wire::decode(cursor)?,
            },
            2 => Request::Blocks {
                key: Wire::decode(cursor)?,
                write_id: Wire::decode(cursor)?,
                first: cursor.u32()?,
                count: cursor.u32()?,
            },
            3 => Request::Stage {
                key: Wire::decode(cursor)?,
                write_id: Wire::decode(cursor)?,
                block_shift: cursor.u8()?,
                shard_length: cursor.u64()?,
                offset: cursor.u64()?,
                bytes: cursor.bulk()?,
            },
            4 => Request::Unstage {
                write_id: Wire::decode(cursor)?,
            },
            5 => Request::Prepare {
                key: Wire::decode(cursor)?,
                ballot: Wire::decode(cursor)?,
            },
            6 => Request::Publish {
                key: Wire::decode(cursor)?,
                record: Wire::decode(cursor)?,
            },
            7 => Request::Stable {
                key: Wire::decode(cursor)?,
                ballot: Wire::decode(cursor)?,
            },
            8 => Request::Scan {
                bucket: cursor.u64()?,
                space: decode_space(cursor)?,
                prefix: cursor.bytes()?,
                from: cursor.bytes()?,
                limit: cursor.u32()?,
            },
            9 => Request::Drop {
                key: Wire::decode(cursor)?,
                ballot: Wire::decode(cursor)?,
            },
            10 => Request::Barrier {
                floor: Wire::decode(cursor)?,
            },
            11 => Request::NextSpace {
                after: decode_spot(cursor)?,
            },
            12 => Request::HealScan {
                bucket: cursor.u64()?,
                space: decode_space(cursor)?,
                from: cursor.bytes()?,
                limit: cursor.u32()?,
                barrier: Wire::decode(cursor)?,
            },
            13 => Request::Digest {
                bucket: cursor.u64()?,
                space: decode_space(cursor)?,
                from: cursor.bytes()?,
                to: if cursor.flag("to")? { Some(cursor.bytes()?) } else { None },
            },
            14 => Request::Missed {
                keys: Wire::decode(cursor)?,
                lost: cursor.flag("lost")?,
            },
            15 => Request::Succession {
                step: Wire::decode(cursor)?,
            },
            value => {
                return Err(DecodeError::Unknown {
                    field: "request",
                    value: value.into(),
                });
            }
        })
    }
}
