//! The decoders: what they take, which bytes of it their checksums cover, how to make a checksum fit again.

use super::chance::Chance;
use super::encodings::{self, PLACE, RUN, SALT, SEED, place};
use crate::format::{
    AcceptorState, BatchHeader, FieldReader, FreedPage, LogRecord, Manifest, Root, SegmentOpen, StoredMark, StoredRecord, Superblock,
    block_count, decode_state_record, peek_record,
};
use crate::index::{
    Block, Fences, Filter, KeyHash, RunFooter, RunSeed, decode_key, decode_row, decode_special_key, decode_state, encode_key, encode_row,
    name_in, take_bytes, take_length, take_varint,
};
use crate::space::{BitmapImage, ExtentRegistry, Geometry, Space};
use crate::{Ballot, Key};
use openlake_checksum::{Crc64, crc64, crc64_seeded};
use std::ops::Range;
use std::rc::Rc;

/// One format.
pub struct Target {
    pub name: &'static str,
    /// Functions that it stands for: file and name.
    pub covers: &'static [&'static str],
    pub encode: fn(&mut Chance) -> Vec<u8>,
    /// Whether the bytes are taken.
    pub decode: fn(&[u8]) -> bool,
    /// Bytes under a checksum, of a valid encoding.
    pub sealed: Option<fn(&[u8]) -> Range<usize>>,
    /// Makes the checksum fit.
    pub seal: Option<fn(&mut [u8])>,
}

/// Functions of the sources that take bytes and may refuse them, and why they need no target.
pub const NO_DECODERS: &[(&str, &str)] = &[
    ("cleaner/evacuate.rs keep", "hands the record to LogRecord::decode"),
    ("log/recover.rs opening", "hands a verified batch's record to SegmentOpen::decode"),
    ("read.rs checksum_at", "a bounds-checked slice of a record that was decoded"),
    ("read.rs inline_blocks", "compares checksums of a record that was decoded"),
    (
        "read.rs inline_parts",
        "cuts up a record that was decoded, by lengths bounded by its own",
    ),
    ("read.rs intact", "compares checksums of a record that was decoded"),
    ("format/fields.rs new", "reads nothing"),
    ("format/superblock.rs has_magic", "a comparison"),
    ("index/block.rs fits", "asks whether an entry may be added"),
    ("index/run.rs block_for", "takes a key that is asked for"),
    ("index/run_cursor.rs seek", "takes a key that is asked for"),
    ("index/merge_cursor.rs seek", "takes a key that is asked for"),
    ("index/fences.rs find", "takes a key that is asked for"),
    ("load.rs find", "takes a key that is asked for"),
    ("index/run.rs verify", "hands each block to Block::verify"),
    ("blob.rs append", "writes"),
    ("checkpoint/write.rs write_run", "writes"),
    ("format/fields.rs put", "writes"),
    ("log/append.rs append", "writes"),
    ("home/region.rs write_page", "writes"),
];

pub fn targets() -> Vec<Target> {
    let mut all = of_format();
    all.extend(of_index());
    all
}

fn of_format() -> Vec<Target> {
    vec![
        Target {
            name: "superblock",
            covers: &["format/superblock.rs decode", "format/superblock.rs read"],
            encode: encodings::superblock,
            decode: |bytes| Superblock::decode(bytes).is_ok_and(|found| Superblock::decode(&found.encode()) == Ok(found)),
            sealed: Some(|_| 0..124),
            seal: Some(|bytes| put_crc(bytes, 116, crc64)),
        },
        Target {
            name: "root",
            covers: &["format/root.rs decode", "space/extent.rs from_bytes", "ballot.rs from_bytes"],
            encode: encodings::root,
            decode: |bytes| Root::decode(bytes, SALT).is_some(),
            sealed: Some(|_| 0..4096),
            seal: Some(|bytes| put_crc(bytes, 4088, |checked| crc64_seeded(SALT, checked))),
        },
        Target {
            name: "freed page",
            covers: &["format/freed_page.rs decode"],
            encode: encodings::freed_page,
            decode: |bytes| FreedPage::decode(bytes, SALT).is_some(),
            sealed: Some(|_| 0..24),
            seal: Some(|bytes| put_crc(bytes, 16, |checked| crc64_seeded(SALT, checked))),
        },
        Target {
            // Its checksum lies in the root.
            name: "manifest",
            covers: &["format/manifest.rs decode"],
            encode: encodings::manifest,
            decode: |bytes| Manifest::decode(bytes).is_some_and(|found| Manifest::decode(&found.encode()) == Some(found)),
            sealed: None,
            seal: None,
        },
        Target {
            name: "batch",
            covers: &["format/batch.rs peek", "format/batch.rs verify"],
            encode: encodings::batch,
            decode: |bytes| BatchHeader::peek(bytes).is_some_and(|header| header.verify(bytes, place(), &SEED).is_some()),
            sealed: Some(|bytes| 0..BatchHeader::peek(bytes).map_or(0, |header| header.used as usize)),
            seal: Some(|bytes| {
                if let Some(header) = BatchHeader::peek(bytes).filter(|header| header.used as usize <= bytes.len()) {
                    header.seal(bytes, place(), &SEED);
                }
            }),
        },
        Target {
            name: "record",
            covers: &[
                "format/record.rs decode",
                "format/record.rs peek_record",
                "format/log_record.rs decode",
            ],
            encode: encodings::record,
            decode: |bytes| {
                peek_record(bytes);
                LogRecord::decode(bytes, SALT).is_some() && StoredRecord::decode(bytes, SALT).is_some()
            },
            sealed: Some(|bytes| 0..checked_of_record(bytes).unwrap_or(0)),
            seal: Some(seal_record),
        },
        Target {
            name: "mark",
            covers: &["format/mark_record.rs decode"],
            encode: encodings::mark,
            decode: |bytes| LogRecord::decode(bytes, SALT).is_some() && StoredMark::decode(bytes, SALT).is_some(),
            sealed: Some(|bytes| 0..64 + usize::from(u16::from_le_bytes([bytes[2], bytes[3]]))),
            seal: Some(seal_mark),
        },
        Target {
            // These three lie in batches, whose checksums cover them.
            name: "state record",
            covers: &["format/state_record.rs decode_state_record"],
            encode: encodings::state_record,
            decode: |bytes| decode_state_record(bytes).is_some(),
            sealed: None,
            seal: None,
        },
        Target {
            name: "state",
            covers: &["format/state.rs read"],
            encode: encodings::state,
            decode: |bytes| AcceptorState::read(&mut FieldReader::new(bytes)).is_some(),
            sealed: None,
            seal: None,
        },
        Target {
            name: "segment open",
            covers: &["format/segment_open.rs decode"],
            encode: encodings::segment_open,
            decode: |bytes| SegmentOpen::decode(bytes).is_some(),
            sealed: None,
            seal: None,
        },
    ]
}

fn of_index() -> Vec<Target> {
    vec![
        Target {
            name: "run footer",
            covers: &["index/run_footer.rs decode"],
            encode: encodings::run_footer,
            decode: |bytes| RunFooter::decode(bytes, SALT, length_of_run(bytes).unwrap_or(4096)).is_some(),
            sealed: Some(|_| 0..80),
            seal: Some(|bytes| {
                let run = bytes
                    .get(8..)
                    .and_then(|rest| rest.first_chunk())
                    .map_or(0, |run| u64::from_le_bytes(*run));
                put_crc(bytes, 72, |checked| RunSeed { salt: SALT, run }.checksum(0, checked));
            }),
        },
        Target {
            // Checksums of both lie in the footer.
            name: "fences",
            covers: &["index/fences.rs decode"],
            encode: encodings::fences,
            decode: fences,
            sealed: None,
            seal: None,
        },
        Target {
            name: "filter",
            covers: &["index/filter.rs decode"],
            encode: encodings::filter,
            decode: |bytes| {
                Filter::decode(bytes).is_some_and(|filter| filter.may_hold(KeyHash::of(b"key")) || filter.bytes() == bytes.len())
            },
            sealed: None,
            seal: None,
        },
        Target {
            name: "block",
            covers: &[
                "index/block.rs verify",
                "index/block.rs parse",
                "index/block.rs get",
                "index/block.rs seek",
            ],
            encode: encodings::block,
            decode: block,
            sealed: Some(|bytes| 0..bytes.len()),
            seal: Some(|bytes| {
                if let Some((crc, checked)) = bytes.split_first_chunk_mut::<8>() {
                    *crc = RUN.checksum(PLACE, checked).to_le_bytes();
                }
            }),
        },
        Target {
            // What follows is part of blocks.
            name: "key",
            covers: &["index/run_key.rs decode_key", "index/run_key.rs name_in"],
            encode: encodings::plain_key,
            decode: |bytes| {
                decode_key(bytes).is_some_and(|key| encode_key(&key) == bytes && name_in(bytes, key.bucket, key.space).is_some())
            },
            sealed: None,
            seal: None,
        },
        Target {
            name: "special key",
            covers: &["index/run_key.rs decode_special_key"],
            encode: encodings::special_key,
            decode: |bytes| decode_special_key(bytes).is_some() && decode_key(bytes).is_none(),
            sealed: None,
            seal: None,
        },
        Target {
            name: "row",
            covers: &[
                "index/row_codec.rs decode_row",
                "index/row_codec.rs decode_state",
                "index/row_codec.rs take_row",
                "index/version_codec.rs take_version",
                "index/version_codec.rs take_array",
                "index/version_codec.rs take_u32",
                "index/version_codec.rs take_ballot",
                "index/version_codec.rs take_place",
            ],
            encode: encodings::row,
            decode: row,
            sealed: None,
            seal: None,
        },
        Target {
            name: "numbers",
            covers: &[
                "index/varint.rs take_varint",
                "index/varint.rs take_length",
                "index/varint.rs take_bytes",
            ],
            encode: encodings::varints,
            decode: |bytes| {
                let mut rest = bytes;
                while take_varint(&mut rest).is_some() {}
                let (is_empty, mut rest) = (rest.is_empty(), bytes);
                while let Some(length) = take_length(&mut rest) {
                    if take_bytes(&mut rest, length).is_none() {
                        break;
                    }
                }
                is_empty
            },
            sealed: None,
            seal: None,
        },
        Target {
            name: "bitmap",
            covers: &["space/image.rs restore_bitmap"],
            encode: encodings::bitmap,
            decode: bitmap,
            sealed: None,
            seal: None,
        },
    ]
}

fn put_crc(bytes: &mut [u8], at: usize, checksum: impl FnOnce(&[u8]) -> u64) {
    if let Some((checked, rest)) = bytes.split_at_mut_checked(at)
        && let Some(crc) = rest.first_chunk_mut::<8>()
    {
        *crc = checksum(checked).to_le_bytes();
    }
}

fn checked_of_record(bytes: &[u8]) -> Option<usize> {
    let number = |at: usize| Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let (key, metadata, extents) = (number(2)?, number(58)?, number(68)?);
    let shift = *bytes.get(63)?;
    let shard_length = u64::from_le_bytes(*bytes.get(72..)?.first_chunk()?);
    let blocks = if bytes.first() == Some(&4) {
        0
    } else {
        block_count(shard_length, shift)
    };
    let checksums = usize::try_from(blocks).ok()?.checked_mul(8)?;
    (152 + key + metadata + extents * 8).checked_add(checksums)
}

/// As `format/record.rs` does it.
fn seal_record(bytes: &mut [u8]) {
    let Some(checked) = checked_of_record(bytes).and_then(|length| bytes.get(..length)) else {
        return;
    };
    let mut crc = Crc64::new();
    crc.update(&SALT.to_le_bytes());
    crc.update(&checked[16..32]);
    crc.update(&checked[..144]);
    crc.update(&checked[152..]);
    bytes[144..152].copy_from_slice(&crc.finish().to_le_bytes());
}

/// As `format/mark_record.rs` does it.
fn seal_mark(bytes: &mut [u8]) {
    let Some(length) = bytes
        .get(2..4)
        .map(|length| usize::from(u16::from_le_bytes([length[0], length[1]])))
    else {
        return;
    };
    let Some(checked) = bytes.get(..64 + length) else { return };
    let mut crc = Crc64::new();
    crc.update(&SALT.to_le_bytes());
    crc.update(&checked[16..32]);
    crc.update(&checked[..48]);
    crc.update(&checked[56..]);
    bytes[48..56].copy_from_slice(&crc.finish().to_le_bytes());
}

/// The only length that fits what a footer says.
fn length_of_run(bytes: &[u8]) -> Option<u64> {
    let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let before = number(32)?.checked_add(number(40)?)?.checked_add(number(48)?)?;
    before.checked_next_multiple_of(4096)?.checked_add(4096)
}

fn fences(bytes: &[u8]) -> bool {
    let Some((blocks, rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    let Some((data_bytes, rest)) = rest.split_first_chunk::<8>() else {
        return false;
    };
    let fences = Fences::decode(rest, u64::from_le_bytes(*blocks), u64::from_le_bytes(*data_bytes));
    fences.is_some_and(|fences| {
        assert!(
            fences.memory_bytes() <= 64 * bytes.len().max(4096),
            "a few bytes became {}",
            fences.memory_bytes()
        );
        fences.find(b"key").is_none_or(|number| fences.block(number).is_some())
    })
}

fn block(bytes: &[u8]) -> bool {
    let walk = |block: &Block| {
        let mut position = block.start();
        while block.advance(&mut position) == Some(true) {
            position.value(block);
            block.get(position.key());
        }
        block.get(b"key");
    };
    if let Some(block) = Block::parse(bytes.to_vec().into()) {
        walk(&block);
    }
    let block = Block::verify(bytes.to_vec().into(), RUN, PLACE);
    block.inspect(walk).is_some()
}

fn row(bytes: &[u8]) -> bool {
    let registry = Rc::new(ExtentRegistry::default());
    let key = Key {
        bucket: 3,
        space: crate::Space::Object,
        name: b"key".to_vec().into(),
    };
    let state = decode_state(&bytes.to_vec().into(), Ballot::ZERO, None);
    let found = decode_row(&key, bytes, &registry);
    assert_eq!(found.is_some(), state.is_some(), "rows and answers read the same bytes");
    if let Some(Some(row)) = &found {
        let again = encode_row(row);
        assert!(
            again.is_empty() || decode_row(&key, &again, &registry).is_some(),
            "what was taken cannot be written"
        );
    }
    found.is_some()
}

fn bitmap(bytes: &[u8]) -> bool {
    let Some((segment, words)) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    let words = words.chunks_exact(8).filter_map(|word| word.first_chunk());
    let words = words.map(|word| u64::from_le_bytes(*word)).collect();
    let geometry = Geometry::for_capacity(4 << 20, Some(256 << 10)).expect("sixteen segments");
    let mut space = Space::new(geometry, 16);
    let image = BitmapImage {
        segment: u32::from_le_bytes(*segment),
        words,
    };
    let fits = space.restore_bitmap(&image);
    assert!(
        space.used_granule_bytes() <= geometry.capacity_bytes(),
        "more is used than there is"
    );
    let set: u32 = image.words.iter().map(|word| word.count_ones()).sum();
    assert!(!fits || u64::from(set) * u64::from(geometry.granule_bytes) == space.used_granule_bytes());
    fits
}
