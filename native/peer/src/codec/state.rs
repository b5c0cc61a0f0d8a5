//! What drives know of keys, and the bytes they hold.
//!
//! ```text
//! head    ballot 16, write id 16, origin 16, base option ballot, flags u8 (1 tombstone, 2 unconditional), size u64,
//!         etag 16, etag parts u16, metadata bytes, coding 4, slot u8, payload size u64, inline u8
//! state   records list head, stable option ballot, dirty option ballot, floor 16
//! block   checksum u64, bytes bulk
//! shard   write id 16, first u32, blocks list option block
//! heir    slot u8, generation u32, drive 16, filled u8
//! ```
//! A block's checksum is that of its bytes and is checked by whoever decodes the object, so the frame's checksum leaves bulk blocks out.

use super::{Cursor, DecodeError, Wire, Writer};
use bytes::Bytes;
use openlake_drive::told::{HEAD_MIN_BYTES, STATE_MIN_BYTES, put_head, put_state, take_head, take_state};
use openlake_drive::{Block, Head, Heir, KeyState, ShardBytes, Standing};

impl Wire for Head {
    const MIN_BYTES: usize = HEAD_MIN_BYTES;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(|head| put_head(head, self));
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Head, DecodeError> {
        let view = cursor.take_by("head", take_head)?;
        Ok(view.to_head(Bytes::copy_from_slice(view.metadata())))
    }
}

impl Wire for KeyState {
    const MIN_BYTES: usize = STATE_MIN_BYTES;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(|head| put_state(head, self));
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<KeyState, DecodeError> {
        Ok(cursor.take_by("state", take_state)?.to_state(Bytes::copy_from_slice))
    }
}

impl Wire for Block {
    const MIN_BYTES: usize = 12;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.checksum);
        writer.bulk(&self.bytes);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Block, DecodeError> {
        let checksum = cursor.u64()?;
        Ok(Block {
            bytes: cursor.bulk()?,
            checksum,
            verified: false,
        })
    }
}

impl Wire for ShardBytes {
    const MIN_BYTES: usize = 24;
    fn encode(&self, writer: &mut Writer<'_>) {
        self.write_id.encode(writer);
        writer.u32(self.first);
        self.blocks.encode(writer);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<ShardBytes, DecodeError> {
        Ok(ShardBytes {
            write_id: Wire::decode(cursor)?,
            first: cursor.u32()?,
            blocks: Wire::decode(cursor)?,
        })
    }
}

impl Wire for Heir {
    const MIN_BYTES: usize = 22;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u8(self.slot);
        writer.u32(self.generation);
        writer.raw(&self.drive);
        writer.u8(u8::from(self.filled));
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Heir, DecodeError> {
        Ok(Heir {
            slot: cursor.u8()?,
            generation: cursor.u32()?,
            drive: cursor.array()?,
            filled: cursor.flag("filled")?,
        })
    }
}

impl Wire for Standing {
    const MIN_BYTES: usize = 26;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u32(self.generation);
        writer.u8(u8::from(self.dirty));
        writer.u8(u8::from(self.serves));
        self.round.encode(writer);
        self.heirs.encode(writer);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Standing, DecodeError> {
        Ok(Standing {
            generation: cursor.u32()?,
            dirty: cursor.flag("dirty")?,
            serves: cursor.flag("serves")?,
            round: Wire::decode(cursor)?,
            heirs: Wire::decode(cursor)?,
        })
    }
}
