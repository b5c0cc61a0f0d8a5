//! The decoders of runs: footer, fences, filter, blocks, keys, rows, bitmaps.

use super::encodings::{self, PLACE, RUN, SALT};
use super::targets::{Target, put_crc};
use crate::index::{
    Block, Fences, Filter, KeyHash, RunFooter, RunSeed, decode_key, decode_row, decode_special_key, encode_key, encode_row, name_in,
    put_stored_state, take_bytes, take_length, take_varint,
};
use crate::space::{BitmapImage, ExtentRegistry, Geometry, Space};
use crate::{Ballot, Key};
use std::rc::Rc;

pub fn of_index() -> Vec<Target> {
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
                "index/row_codec.rs put_stored_state",
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
                "index/varint.rs take_long_varint",
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
    let state = put_stored_state(&mut Vec::new(), bytes, Ballot::ZERO, None);
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
