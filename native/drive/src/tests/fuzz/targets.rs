//! The decoders: what they take, which bytes of it their checksums cover, how to make a checksum fit again.

use super::chance::Chance;
use super::encodings::{self, SALT, SEED, place};
use super::index_targets::of_index;
use crate::format::{
    AcceptorState, BatchHeader, FieldReader, FreedPage, LogRecord, Manifest, Root, SegmentOpen, StoredMark, StoredRecord, Superblock,
    block_count, decode_state_record, peek_record,
};
use crate::succession;
use openlake_checksum::{Crc64, crc64, crc64_seeded};
use std::ops::Range;

/// Bytes under a checksum, of a valid encoding.
type Sealed = fn(&[u8]) -> Range<usize>;

/// One format.
pub struct Target {
    pub name: &'static str,
    /// Functions that it stands for: file and name.
    pub covers: &'static [&'static str],
    pub encode: fn(&mut Chance) -> Vec<u8>,
    /// Whether the bytes are taken.
    pub decode: fn(&[u8]) -> bool,
    /// Bytes under a checksum, of a valid encoding.
    pub sealed: Option<Sealed>,
    /// Makes the checksum fit.
    pub seal: Option<fn(&mut [u8])>,
}

/// Functions of the sources that take bytes and may refuse them, and why they need no target.
pub const NO_DECODERS: &[(&str, &str)] = &[
    ("cleaner/evacuate.rs keep", "hands the record to LogRecord::decode"),
    ("log/recover.rs opening", "hands a verified batch's record to SegmentOpen::decode"),
    ("read.rs checksum_at", "a bounds-checked slice of a record that was decoded"),
    ("format/fields.rs new", "reads nothing"),
    ("format/superblock.rs has_magic", "a comparison"),
    ("index/block.rs fits", "asks whether an entry may be added"),
    ("index/run.rs block_for", "takes a key that is asked for"),
    ("index/run_cursor.rs seek", "takes a key that is asked for"),
    ("index/merge_cursor.rs seek", "takes a key that is asked for"),
    ("index/fences.rs find", "takes a key that is asked for"),
    ("load.rs find", "takes a key that is asked for"),
    ("index/piece.rs read", "takes keys that are asked for"),
    ("index/piece.rs at", "takes a key that is asked for"),
    ("index/piece.rs merge", "takes a key that is asked for"),
    ("index/run.rs block_of", "takes a key that is asked for"),
    ("index/run.rs ends_before", "takes a key that is asked for"),
    ("index/run_key.rs is_special", "a comparison"),
    ("ailments.rs dirty_of_name", "takes a name that is asked for"),
    ("scan.rs push", "writes"),
    ("scan.rs name_in", "hands a key to index::name_in"),
    ("scan_rows.rs take", "reads what a peer sends; fuzzed there"),
    ("scan_rows.rs take_row", "reads what a peer sends; fuzzed there"),
    ("told.rs take_array", "reads what a peer sends; fuzzed there"),
    ("told.rs take_bytes", "reads what a peer sends; fuzzed there"),
    ("told.rs take_option", "reads what a peer sends; fuzzed there"),
    ("told.rs take_head", "reads what a peer sends; fuzzed there"),
    ("told.rs take_state", "reads what a peer sends; fuzzed there"),
    ("index/run.rs verify", "hands each block to Block::verify"),
    ("blob.rs append", "writes"),
    ("local_record.rs keep_local", "writes"),
    ("checkpoint/write.rs write_run", "writes"),
    ("format/fields.rs put", "writes"),
    ("log/append.rs append", "writes"),
    ("log/append.rs append_patiently", "writes"),
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
            // A record's metadata, under the record's checksum.
            name: "heirs",
            covers: &["succession.rs decode"],
            encode: encodings::heirs,
            decode: |bytes| succession::decode(bytes).is_some(),
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

/// Puts the checksum of all before `at` there.
pub fn put_crc(bytes: &mut [u8], at: usize, checksum: impl FnOnce(&[u8]) -> u64) {
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
