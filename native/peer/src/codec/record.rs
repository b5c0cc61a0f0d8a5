//! Keys and records as they travel.
//!
//! ```text
//! key     bucket u64, space u8, name bytes
//! coding  data u8, parity u8, block shift u8, flags u8 (1 whole, 2 manifest)
//! shard   form u8: 0 none | 1 inline: bulk | 2 staged: length u64 | 3 held
//! record  ballot 16, write id 16, origin 16, base option ballot, flags u8 (1 tombstone, 2 unconditional), size u64,
//!         etag 16, etag parts u16, metadata bytes, coding 4, slot u8, payload size u64, shard
//! ```

use super::{Cursor, DecodeError, Wire, Writer};
use openlake_drive::{Coding, Key, Kind, Record, Shard, Space, WriteId};

const WHOLE: u8 = 1;
const MANIFEST: u8 = 2;
const TOMBSTONE: u8 = 1;
const UNCONDITIONAL: u8 = 2;

/// Flags of a version.
fn encode_flags(writer: &mut Writer<'_>, kind: Kind, unconditional: bool) {
    let tombstone = if kind == Kind::Tombstone { TOMBSTONE } else { 0 };
    writer.u8(tombstone | if unconditional { UNCONDITIONAL } else { 0 });
}

/// The inverse of [`encode_flags`].
fn decode_flags(cursor: &mut Cursor<'_>) -> Result<(Kind, bool), DecodeError> {
    let flags = known_flags(cursor.u8()?, "version flags")?;
    let kind = if flags & TOMBSTONE != 0 { Kind::Tombstone } else { Kind::Data };
    Ok((kind, flags & UNCONDITIONAL != 0))
}

/// Refuses flags beyond the two that every flag byte of this file has.
fn known_flags(flags: u8, field: &'static str) -> Result<u8, DecodeError> {
    if flags > 3 {
        Err(DecodeError::Unknown {
            field,
            value: flags.into(),
        })
    } else {
        Ok(flags)
    }
}

/// A space's byte.
pub fn decode_space(cursor: &mut Cursor<'_>) -> Result<Space, DecodeError> {
    let byte = cursor.u8()?;
    Space::from_byte(byte).ok_or(DecodeError::Unknown {
        field: "space",
        value: byte.into(),
    })
}

/// A space of a bucket, or none: option (bucket u64, space u8).
pub fn encode_spot(writer: &mut Writer<'_>, spot: Option<(u64, Space)>) {
    writer.u8(u8::from(spot.is_some()));
    if let Some((bucket, space)) = spot {
        writer.u64(bucket);
        writer.u8(space as u8);
    }
}

/// The inverse of [`encode_spot`].
pub fn decode_spot(cursor: &mut Cursor<'_>) -> Result<Option<(u64, Space)>, DecodeError> {
    Ok(match cursor.flag("spot")? {
        true => Some((cursor.u64()?, decode_space(cursor)?)),
        false => None,
    })
}

impl Wire for Key {
    const MIN_BYTES: usize = 13;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.bucket);
        writer.u8(self.space as u8);
        writer.bytes(&self.name);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Key, DecodeError> {
        Ok(Key {
            bucket: cursor.u64()?,
            space: decode_space(cursor)?,
            name: cursor.bytes()?,
        })
    }
}

impl Wire for Coding {
    const MIN_BYTES: usize = 4;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.raw(&[self.data, self.parity, self.block_shift]);
        writer.u8(if self.whole { WHOLE } else { 0 } | if self.manifest { MANIFEST } else { 0 });
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Coding, DecodeError> {
        let [data, parity, block_shift, flags] = cursor.array()?;
        let flags = known_flags(flags, "coding flags")?;
        Ok(Coding {
            data,
            parity,
            block_shift,
            whole: flags & WHOLE != 0,
            manifest: flags & MANIFEST != 0,
        })
    }
}

impl Wire for Shard {
    const MIN_BYTES: usize = 1;
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Shard::None => writer.u8(0),
            Shard::Inline(bytes) => {
                writer.u8(1);
                writer.bulk(bytes);
            }
            Shard::Staged { length } => {
                writer.u8(2);
                writer.u64(*length);
            }
            Shard::Held => writer.u8(3),
        }
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Shard, DecodeError> {
        match cursor.u8()? {
            0 => Ok(Shard::None),
            1 => Ok(Shard::Inline(cursor.bulk()?)),
            2 => Ok(Shard::Staged { length: cursor.u64()? }),
            3 => Ok(Shard::Held),
            value => Err(DecodeError::Unknown {
                field: "shard form",
                value: value.into(),
            }),
        }
    }
}

impl Wire for Record {
    const MIN_BYTES: usize = 94;
    fn encode(&self, writer: &mut Writer<'_>) {
        self.ballot.encode(writer);
        self.write_id.encode(writer);
        self.origin.encode(writer);
        self.base.encode(writer);
        encode_flags(writer, self.kind, self.unconditional);
        writer.u64(self.size);
        writer.raw(&self.etag);
        writer.u16(self.etag_parts);
        writer.bytes(&self.metadata);
        self.coding.encode(writer);
        writer.u8(self.slot);
        writer.u64(self.payload_size);
        self.shard.encode(writer);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Record, DecodeError> {
        let ballot = Wire::decode(cursor)?;
        let write_id = WriteId::decode(cursor)?;
        let origin = Wire::decode(cursor)?;
        let base = Wire::decode(cursor)?;
        let (kind, unconditional) = decode_flags(cursor)?;
        Ok(Record {
            ballot,
            write_id,
            origin,
            base,
            kind,
            unconditional,
            size: cursor.u64()?,
            etag: cursor.array()?,
            etag_parts: cursor.u16()?,
            metadata: cursor.bytes()?,
            coding: Wire::decode(cursor)?,
            slot: cursor.u8()?,
            payload_size: cursor.u64()?,
            shard: Wire::decode(cursor)?,
        })
    }
}
