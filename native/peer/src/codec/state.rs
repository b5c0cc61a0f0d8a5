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

use super::record::{decode_flags, encode_flags};
use super::{Cursor, DecodeError, Wire, Writer};
use openlake_drive::{Block, Head, Heir, KeyState, ShardBytes, Standing, WriteId};

impl Wire for Head {
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
        writer.u8(u8::from(self.inline));
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Head, DecodeError> {
        let ballot = Wire::decode(cursor)?;
        let write_id = WriteId::decode(cursor)?;
        let origin = Wire::decode(cursor)?;
        let base = Wire::decode(cursor)?;
        let (kind, unconditional) = decode_flags(cursor)?;
        Ok(Head {
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
            inline: cursor.flag("inline")?,
        })
    }
}

impl Wire for KeyState {
    const MIN_BYTES: usize = 22;
    fn encode(&self, writer: &mut Writer<'_>) {
        self.records.encode(writer);
        self.stable.encode(writer);
        self.dirty.encode(writer);
        self.floor.encode(writer);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<KeyState, DecodeError> {
        Ok(KeyState {
            records: Wire::decode(cursor)?,
            stable: Wire::decode(cursor)?,
            dirty: Wire::decode(cursor)?,
            floor: Wire::decode(cursor)?,
        })
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
