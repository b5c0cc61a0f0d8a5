//! Answers of a slot.
//!
//! ```text
//!  1 state         state, option shard
//!  2 blocks        shard
//!  3 staged        floor 16
//!  4 promise       state
//!  5 ack
//!  6 refuse        floor 16, stable option ballot, dirty option ballot
//!  7 page          rows list (name bytes, state), covers: u8 0 end | 1 up to: name bytes, dirty u8
//!  8 nothing
//!  9 not staged
//! 10 settle first
//! 11 gone
//! 12 clock         now u64, milliseconds since 1970
//! 13 full
//! 14 failed        text
//! 15 wrong         text
//! 16 behind
//! 17 done          highest 16, dirty u8, keys u64
//! 18 space         option (bucket u64, space u8)
//! 19 digest        digest u64, keys u64
//! 20 standing      generation u32, dirty u8, serves u8, round 16, heirs list heir
//! ```

use super::record::{decode_spot, encode_spot};
use super::{Cursor, DecodeError, Wire, Writer};
use openlake_drive::{Answer, Covers, ScanRows};

impl Wire for ScanRows {
    const MIN_BYTES: usize = 4;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u32(self.len() as u32);
        writer.raw(self.bytes());
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<ScanRows, DecodeError> {
        let count = cursor.u32()? as usize;
        cursor.take_by("row of a scan", |head| ScanRows::take(count, head))
    }
}

impl Wire for Covers {
    const MIN_BYTES: usize = 1;
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Covers::End => writer.u8(0),
            Covers::UpTo(name) => {
                writer.u8(1);
                writer.bytes(name);
            }
        }
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Covers, DecodeError> {
        Ok(if cursor.flag("covers")? {
            Covers::UpTo(cursor.bytes()?)
        } else {
            Covers::End
        })
    }
}

impl Wire for Answer {
    const MIN_BYTES: usize = 1;
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Answer::State { state, shard } => {
                writer.u8(1);
                state.encode(writer);
                shard.encode(writer);
            }
            Answer::Blocks(shard) => {
                writer.u8(2);
                shard.encode(writer);
            }
            Answer::Staged { floor } => {
                writer.u8(3);
                floor.encode(writer);
            }
            Answer::Promise(state) => {
                writer.u8(4);
                state.encode(writer);
            }
            Answer::Ack => writer.u8(5),
            Answer::Refuse { floor, stable, dirty } => {
                writer.u8(6);
                floor.encode(writer);
                stable.encode(writer);
                dirty.encode(writer);
            }
            Answer::Page { rows, covers, dirty } => {
                writer.u8(7);
                rows.encode(writer);
                covers.encode(writer);
                writer.u8(u8::from(*dirty));
            }
            Answer::Nothing => writer.u8(8),
            Answer::NotStaged => writer.u8(9),
            Answer::SettleFirst => writer.u8(10),
            Answer::Gone => writer.u8(11),
            Answer::Clock { now_ms } => {
                writer.u8(12);
                writer.u64(*now_ms);
            }
            Answer::Full => writer.u8(13),
            Answer::Failed(text) => {
                writer.u8(14);
                writer.bytes(text.as_bytes());
            }
            Answer::Wrong(text) => {
                writer.u8(15);
                writer.bytes(text.as_bytes());
            }
            Answer::Behind => writer.u8(16),
            Answer::Done { highest, dirty, keys } => {
                writer.u8(17);
                highest.encode(writer);
                writer.u8(u8::from(*dirty));
                writer.u64(*keys);
            }
            Answer::Space(spot) => {
                writer.u8(18);
                encode_spot(writer, *spot);
            }
            Answer::Digest { digest, keys } => {
                writer.u8(19);
                writer.u64(*digest);
                writer.u64(*keys);
            }
            Answer::Standing(standing) => {
                writer.u8(20);
                standing.encode(writer);
            }
        }
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Answer, DecodeError> {
        Ok(match cursor.u8()? {
            1 => Answer::State {
                state: Wire::decode(cursor)?,
                shard: Wire::decode(cursor)?,
            },
            2 => Answer::Blocks(Wire::decode(cursor)?),
            3 => Answer::Staged {
                floor: Wire::decode(cursor)?,
            },
            4 => Answer::Promise(Wire::decode(cursor)?),
            5 => Answer::Ack,
            6 => Answer::Refuse {
                floor: Wire::decode(cursor)?,
                stable: Wire::decode(cursor)?,
                dirty: Wire::decode(cursor)?,
            },
            7 => Answer::Page {
                rows: Wire::decode(cursor)?,
                covers: Wire::decode(cursor)?,
                dirty: cursor.flag("dirty")?,
            },
            8 => Answer::Nothing,
            9 => Answer::NotStaged,
            10 => Answer::SettleFirst,
            11 => Answer::Gone,
            12 => Answer::Clock { now_ms: cursor.u64()? },
            13 => Answer::Full,
            14 => Answer::Failed(cursor.text()?),
            15 => Answer::Wrong(cursor.text()?),
            16 => Answer::Behind,
            17 => Answer::Done {
                highest: Wire::decode(cursor)?,
                dirty: cursor.flag("dirty")?,
                keys: cursor.u64()?,
            },
            18 => Answer::Space(decode_spot(cursor)?),
            19 => Answer::Digest {
                digest: cursor.u64()?,
                keys: cursor.u64()?,
            },
            20 => Answer::Standing(Wire::decode(cursor)?),
            value => {
                return Err(DecodeError::Unknown {
                    field: "answer",
                    value: value.into(),
                });
            }
        })
    }
}
