//! Valid bytes of every format, everything in them drawn by chance.

use super::chance::Chance;
use crate::entry::Entry;
use crate::format::{
    BatchHeader, BatchKind, DriveSeed, FieldWriter, FreedPage, Manifest, ManifestPlace, ManifestRun, MarkKind, MarkParts, Predecessor,
    RecordParts, RecordType, Root, SegmentOpen, Superblock, block_count, encode_state_record, round_to_page,
};
use crate::index::{
    BlockBuilder, Fences, Filter, KeyHash, RunFooter, RunSeed, SpecialKey, bitmap_key, encode_key, encode_row, put_varint,
    special_range_start,
};
use crate::log::Head as LogHead;
use crate::row::Row;
use crate::space::{ExtentRegistry, ExtentSet, Geometry, LogSegmentImage, Place};
use crate::succession;
use crate::{Ballot, Coding, Head, Heir, Identity, Key, Kind, WriteId};
use std::rc::Rc;

/// Seeds all checksums here.
pub const SALT: u64 = 0x5a17;
pub const SEED: DriveSeed = DriveSeed {
    salt: SALT,
    drive: [4; 16],
};
pub const RUN: RunSeed = RunSeed { salt: SALT, run: 9 };
/// Where batches and blocks lie.
pub const PLACE: u64 = 8192;

pub fn place() -> Place {
    Place::new(7, PLACE as u32)
}

pub fn superblock(chance: &mut Chance) -> Vec<u8> {
    let identity = Identity {
        cluster: chance.array(),
        drive: chance.array(),
        set: chance.number() as u32,
        slot: chance.number() as u32,
        generation: chance.number() as u32,
        set_epoch: chance.number() as u32,
    };
    let geometry = Geometry::for_capacity((1 << 30) + chance.below(1 << 40), None).expect("room for a drive");
    let (sequence, salt) = (chance.number(), chance.bits());
    let block = Superblock {
        sequence,
        identity,
        salt,
        geometry,
    };
    block.encode().to_vec()
}

pub fn heirs(chance: &mut Chance) -> Vec<u8> {
    let count = chance.below(9);
    let heirs: Vec<Heir> = (0..count)
        .map(|slot| Heir {
            slot: slot as u8,
            generation: chance.number() as u32,
            drive: chance.array(),
            filled: chance.below(2) == 1,
        })
        .collect();
    let round = Ballot {
        clock: chance.number(),
        node: chance.number() as u32,
        boot: chance.number() as u32,
    };
    succession::encode(round, &heirs).to_vec()
}

pub fn root(chance: &mut Chance) -> Vec<u8> {
    let extents = chance.extents(90);
    let place = ManifestPlace {
        extents,
        length: chance.number() | 1,
        crc: chance.bits(),
    };
    let root = Root {
        sequence: chance.number(),
        clean: chance.one_in(2),
        rebuild: chance.one_in(2),
        log_start: Place(chance.number()),
        log_start_generation: chance.number(),
        last_sequence: chance.number(),
        state: chance.state(),
        manifest: Some(place).filter(|_| !chance.one_in(3)),
    };
    root.encode(SALT).to_vec()
}

pub fn freed_page(chance: &mut Chance) -> Vec<u8> {
    let page = FreedPage {
        segment: chance.number() as u32,
        generation: chance.number(),
    };
    page.encode(SALT).to_vec()
}

pub fn manifest(chance: &mut Chance) -> Vec<u8> {
    let runs = (0..chance.below(6)).map(|_| ManifestRun {
        level: chance.bits() as u8,
        length: chance.number(),
        extents: chance.extents(9),
    });
    let runs = runs.collect();
    let segments = (0..chance.below(9)).map(|segment| LogSegmentImage {
        segment: segment as u32,
        generation: chance.number(),
        live_bytes: chance.number(),
        live_records: chance.number(),
        last_sequence: chance.number(),
    });
    let log_segments = segments.collect();
    let log = LogHead {
        segment: chance.number() as u32,
        generation: chance.number(),
        offset: chance.number() as u32,
        sequence: chance.number(),
        crc: chance.bits(),
        next: chance.number() as u32,
    };
    let (checkpoint, state, keys) = (chance.number(), chance.state(), chance.number());
    let highest = chance.state().drive_floor;
    Manifest {
        checkpoint,
        log,
        state,
        highest,
        keys,
        runs,
        log_segments,
    }
    .encode()
}

pub fn batch(chance: &mut Chance) -> Vec<u8> {
    let used = 64 + chance.below(5000) as usize;
    let mut bytes = chance.bytes(used);
    bytes.resize(round_to_page(used), 0);
    let header = BatchHeader {
        kind: if chance.one_in(2) { BatchKind::Open } else { BatchKind::Data },
        segment: 7,
        records: chance.number() as u32,
        generation: chance.number(),
        sequence: chance.number(),
        length: bytes.len() as u32,
        used: used as u32,
        previous: chance.bits(),
        acknowledged: chance.number(),
    };
    header.seal(&mut bytes, place(), &SEED);
    bytes
}

pub fn head(chance: &mut Chance) -> Head {
    let ballot = chance.ballot();
    let metadata = chance.name();
    Head {
        ballot,
        write_id: WriteId(chance.array()),
        origin: if chance.one_in(2) { ballot } else { chance.ballot() },
        base: if chance.one_in(2) { Some(chance.ballot()) } else { None },
        kind: if chance.one_in(4) { Kind::Tombstone } else { Kind::Data },
        unconditional: chance.one_in(2),
        size: chance.number(),
        etag: chance.array(),
        etag_parts: chance.number() as u16,
        metadata: metadata.into(),
        coding: Coding {
            data: chance.bits() as u8,
            parity: chance.bits() as u8,
            block_shift: [0, 12, 16, 30][chance.below(4) as usize],
            whole: chance.one_in(2),
            manifest: chance.one_in(2),
        },
        slot: chance.bits() as u8,
        payload_size: chance.number(),
        inline: true,
    }
}

pub fn key(chance: &mut Chance) -> Key {
    Key {
        bucket: chance.bits() >> 1,
        space: chance.space(),
        name: chance.name().into(),
    }
}

pub fn record(chance: &mut Chance) -> Vec<u8> {
    let (key, mut head) = (key(chance), head(chance));
    let kind = match (head.kind, chance.one_in(2)) {
        (Kind::Tombstone, _) => RecordType::Delete,
        (Kind::Data, true) => RecordType::Bulk,
        (Kind::Data, false) => RecordType::Inline,
    };
    head.inline = kind != RecordType::Bulk;
    let shard_length = if kind == RecordType::Delete { 0 } else { chance.below(9000) };
    let payload = if kind == RecordType::Inline {
        chance.bytes(shard_length as usize)
    } else {
        Vec::new()
    };
    let checksums = chance.bytes(block_count(shard_length, head.coding.block_shift) as usize * 8);
    let extents = if kind == RecordType::Bulk { chance.extents(6) } else { Vec::new() };
    let parts = RecordParts {
        key: &key,
        kind,
        head: &head,
        shard_length,
        extents: &extents,
        checksums: &checksums,
        payload: &payload,
        stable: chance.one_in(2),
    };
    let mut bytes = vec![0; parts.encoded_bytes()];
    parts.encode(&mut bytes, SALT);
    bytes
}

pub fn mark(chance: &mut Chance) -> Vec<u8> {
    let key = key(chance);
    let kind = if chance.one_in(2) { MarkKind::Settled } else { MarkKind::Drop };
    let parts = MarkParts {
        kind,
        key: &key,
        ballot: chance.ballot(),
        floor: chance.ballot(),
        moved: chance.one_in(2),
    };
    let mut bytes = vec![0; parts.encoded_bytes()];
    parts.encode(&mut bytes, SALT);
    bytes
}

pub fn state_record(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = vec![0; 56];
    encode_state_record(&chance.state(), &mut bytes);
    bytes
}

pub fn state(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    chance.state().write(&mut FieldWriter::new(&mut bytes));
    bytes
}

pub fn segment_open(chance: &mut Chance) -> Vec<u8> {
    let predecessor = Predecessor {
        segment: chance.below(1 << 20) as u32,
        generation: chance.number(),
        end: chance.number() as u32,
        last_sequence: chance.number(),
        last_crc: chance.bits(),
    };
    let predecessor = Some(predecessor).filter(|_| !chance.one_in(3));
    let mut bytes = vec![0; 96];
    SegmentOpen {
        next: chance.number() as u32,
        predecessor,
        state: chance.state(),
    }
    .encode(&mut bytes);
    bytes
}

pub fn run_footer(chance: &mut Chance) -> Vec<u8> {
    let footer = RunFooter {
        run: chance.bits(),
        entries: chance.number(),
        blocks: chance.number(),
        data_bytes: chance.number() >> 3,
        fences_bytes: chance.number() >> 3,
        filter_bytes: chance.number() >> 3,
        fences_crc: chance.bits(),
        filter_crc: chance.bits(),
    };
    footer.encode(SALT).to_vec()
}

/// Blocks and bytes that they cover, 8 bytes each, then the fences.
pub fn fences(chance: &mut Chance) -> Vec<u8> {
    let mut fences = Fences::default();
    let (mut fence, mut data_bytes) = (Vec::new(), 0_u64);
    for number in 0..chance.below(60) as u32 {
        fence.truncate(chance.below(4) as usize);
        fence.resize(4, 0);
        fence[..4].copy_from_slice(&number.to_be_bytes());
        let length = chance.below(20) as usize;
        fence.extend(chance.bytes(length));
        let length = 4096 * (1 + chance.below(3) as usize);
        fences.push(&fence, length);
        data_bytes += length as u64;
    }
    let mut bytes = (fences.len() as u64).to_le_bytes().to_vec();
    bytes.extend(data_bytes.to_le_bytes());
    fences.encode(&mut bytes);
    bytes
}

pub fn filter(chance: &mut Chance) -> Vec<u8> {
    let mut filter = Filter::with_room_for(chance.below(500));
    (0..chance.below(500)).for_each(|_| filter.add(KeyHash::of(&chance.array::<9>())));
    let mut bytes = Vec::new();
    filter.encode(&mut bytes);
    bytes
}

pub fn block(chance: &mut Chance) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    let mut key = Vec::new();
    for number in 0..1 + chance.below(90) as u16 {
        key.truncate(chance.below(12) as usize);
        let shared = number.to_be_bytes();
        key.splice(..key.len().min(2), shared);
        let (more, length) = (chance.below(9) as usize, chance.below(30) as usize);
        key.extend(chance.bytes(more));
        let value = chance.bytes(length);
        if !builder.is_empty() && !builder.fits(&key, &value) {
            break;
        }
        builder.push(&key, &value);
    }
    let mut bytes = Vec::new();
    builder.finish(RUN, PLACE, &mut bytes);
    bytes
}

pub fn plain_key(chance: &mut Chance) -> Vec<u8> {
    encode_key(&key(chance))
}

pub fn special_key(chance: &mut Chance) -> Vec<u8> {
    match chance.one_in(2) {
        true => bitmap_key(chance.number() as u32),
        false => {
            // As `SpecialKey::Unsettled` is written.
            let mut bytes = special_range_start();
            bytes.push(2);
            bytes.extend(plain_key(chance));
            debug_assert!(matches!(crate::index::decode_special_key(&bytes), Some(SpecialKey::Unsettled(_))));
            bytes
        }
    }
}

pub fn row(chance: &mut Chance) -> Vec<u8> {
    let registry = Rc::new(ExtentRegistry::default());
    let key = key(chance);
    let mut entries: Vec<Rc<Entry>> = Vec::new();
    for number in 0..1 + chance.below(5) {
        let mut head = head(chance);
        head.ballot.clock = number << 32 | head.ballot.clock >> 32;
        head.inline = chance.one_in(2);
        let extents = (!head.inline).then(|| ExtentSet::with_published(chance.extents(5), 1, &registry));
        let place = Place::new(chance.below(1 << 20) as u32, chance.number() as u32);
        let mut entry = Entry::restored(key.clone(), head, chance.number(), extents, place);
        (entry.total, entry.tail_offset, entry.payload) = (chance.number() as u32, chance.number() as u32, chance.number() as u32);
        entries.push(Rc::new(entry));
    }
    let stable = chance.one_in(2).then(|| entries[0].head.ballot);
    let mark = chance
        .one_in(2)
        .then(|| Place::new(chance.below(1 << 20) as u32, chance.number() as u32));
    let floor = if chance.one_in(2) {
        chance.ballot()
    } else {
        entries[entries.len() - 1].head.ballot
    };
    encode_row(&Row::restored(entries, stable, floor, mark, (chance.number(), 0)))
}

pub fn varints(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = Vec::new();
    (0..1 + chance.below(9)).for_each(|_| put_varint(&mut bytes, chance.number()));
    bytes
}

/// A segment number in 4 bytes, then the words of a bitmap.
pub fn bitmap(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = (chance.below(8) as u32).to_le_bytes().to_vec();
    bytes.extend((chance.bits() & 0xffff).to_le_bytes());
    bytes
}
