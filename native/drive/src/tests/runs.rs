//! Runs of the index against an ordered map, and the row codec and decoders against any bytes.

use super::harness::*;
use crate::blob::Blob;
use crate::core::Core;
use crate::index::{Block, Filter, KeyHash, MergeCursor, Piece, Run, RunWriter, special_range_start};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;
use std::rc::Rc;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn keys() -> impl Strategy<Value = Vec<u8>> {
    // Few letters, so that keys share beginnings and recur in several runs.
    let short = proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), any::<u8>()], 0..12);
    let deep = proptest::collection::vec(0_u8..3, 0..6).prop_map(|path| {
        let mut key = b"a/long/common/beginning/of/many/names/".to_vec();
        key.extend_from_slice(&path);
        key
    });
    prop_oneof![short, deep]
}

fn maps() -> impl Strategy<Value = Map> {
    let values = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..120),
        1 => Just(Vec::new()),
        1 => (0_u64..1000, 0_usize..20_000).prop_map(|(seed, length)| pattern(seed, length)),
    ];
    proptest::collection::btree_map(keys(), values, 0..200)
}

async fn write(core: &Rc<Core>, map: &Map) -> Rc<Run> {
    let mut writer = RunWriter::new(core, 0, map.len() as u64);
    for (key, value) in map {
        writer.push(key, value);
        writer.write_out().await.expect("room for a run");
    }
    let written = writer.finish().await.expect("room for a run");
    let blob = Blob::new(written.blob.extents.to_vec(), written.blob.length, &core.extents);
    let opened = Run::open(&core.medium, core.seed.salt, blob, 0).await.expect("a readable run");
    assert_eq!(
        (opened.id(), opened.entries(), opened.blocks()),
        (written.id(), written.entries(), written.blocks())
    );
    // Two sets of the same extents: this one must not give them back.
    std::mem::forget(written);
    Rc::new(opened)
}

async fn get(core: &Core, run: &Run, key: &[u8]) -> Option<Vec<u8>> {
    let block = run.block_for(key, KeyHash::of(key))?;
    let blocks = run.read_blocks(&core.medium, block, 1).await.expect("a readable block");
    let value = blocks.first().expect("one block").get(key).expect("a sound block");
    value.map(|value| value.to_vec())
}

async fn collect(core: &Core, runs: &[Rc<Run>], from: &[u8], step: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cursor = MergeCursor::seek(runs, &core.medium, from, step).await.expect("readable runs");
    let mut found = Vec::new();
    while let Some(key) = cursor.key() {
        found.push((key.to_vec(), cursor.value().to_vec()));
        if !cursor.advance_at_once().expect("sound runs") {
            cursor.advance(&core.medium).await.expect("readable runs");
        }
    }
    found
}

/// Runs a case for every seed (`OPENLAKE_SEED` replays one) on one drive.
fn with_core(name: &str, cases: u64, case: impl AsyncFn(&Rc<Core>, &mut TestRunner)) {
    let (folder, runtime) = (Folder::new(name), runtime());
    let seeds = match std::env::var("OPENLAKE_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..cases,
    };
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        for seed in seeds {
            eprintln!("seed {seed}");
            let mut bytes = [7; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
            case(drive.core(), &mut TestRunner::new_with_rng(ProptestConfig::default(), rng)).await;
        }
    });
}

fn sample<T: std::fmt::Debug>(runner: &mut TestRunner, strategy: impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).expect("a value").current()
}

#[test]
fn a_run_holds_what_was_put_into_it_and_nothing_else() {
    with_core("run", 20, async |core, runner| {
        let map = sample(runner, maps());
        let probes = sample(runner, proptest::collection::vec(keys(), 20));
        let run = write(core, &map).await;
        for (key, value) in &map {
            assert_eq!(get(core, &run, key).await.as_ref(), Some(value), "{key:?} of {map:?}");
        }
        for key in &probes {
            assert_eq!(get(core, &run, key).await, map.get(key).cloned());
            let expected: Vec<_> = map.range(key.clone()..).map(|(key, value)| (key.clone(), value.clone())).collect();
            assert_eq!(collect(core, std::slice::from_ref(&run), key, 1).await, expected);
        }
    });
}

#[test]
fn of_several_runs_the_newest_value_wins() {
    with_core("merge", 16, async |core, runner| {
        let maps = sample(runner, proptest::collection::vec(maps(), 0..6));
        let from = sample(runner, keys());
        let mut merged = Map::new();
        let mut runs = Vec::new();
        for map in &maps {
            runs.insert(0, write(core, map).await);
            merged.extend(map.clone());
        }
        let expected: Vec<_> = merged
            .range(from.clone()..)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for step in [1, 64 << 10] {
            assert_eq!(collect(core, &runs, &from, step).await, expected);
        }
    });
}

/// The range in pieces, each of about `wanted` rows.
async fn in_pieces(core: &Core, runs: &[Rc<Run>], (from, to): (&[u8], &[u8]), wanted: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut from, mut found) = (from.to_vec(), Vec::new());
    loop {
        let piece = Piece::read(runs, &core.medium, &from, to, wanted).await.expect("readable runs");
        let rows = piece.rows().map(|(key, value)| (key.to_vec(), value.to_vec()));
        found.extend(rows);
        match piece.end {
            Some(end) => {
                assert!(end > from && end[..] < *to, "a piece from {from:?} to {end:?}");
                from = end;
            }
            None => return found,
        }
    }
}

#[test]
fn pieces_put_together_are_the_whole_range() {
    with_core("pieces", 24, async |core, runner| {
        let mut maps = sample(runner, proptest::collection::vec(maps(), 0..5));
        let special = special_range_start();
        // As checkpoints write them: markers and bitmaps behind all keys.
        for (number, map) in maps.iter_mut().enumerate() {
            map.retain(|key, _| *key < special);
            for byte in 0..number as u8 {
                map.insert([&special[..], &[1, byte]].concat(), vec![byte; 500]);
            }
        }
        let (one, other) = sample(runner, (keys(), keys()));
        let (from, to) = (one.clone().min(other.clone()), one.max(other).min(special.clone()));
        let (mut merged, mut runs) = (Map::new(), Vec::new());
        for map in &maps {
            let run = write(core, map).await;
            let last = map.range(..special.clone()).next_back().map(|(key, _)| key);
            for key in map.keys().chain([&from, &to]).filter(|key| **key < special) {
                assert_eq!(run.ends_before(key), last.is_none_or(|last| last < key), "{key:?} of {map:?}");
            }
            runs.insert(0, run);
            merged.extend(map.clone());
        }
        for (from, to) in [(&from, &to), (&Vec::new(), &special)] {
            let expected = merged.range(from.clone()..to.clone());
            let expected: Vec<_> = expected.map(|(key, value)| (key.clone(), value.clone())).collect();
            for wanted in [1, 7, 1000] {
                assert_eq!(in_pieces(core, &runs, (from, to), wanted).await, expected, "{wanted} rows each");
            }
        }
    });
}

#[test]
fn a_filter_has_no_false_negatives_and_few_false_positives() {
    let mut filter = Filter::with_room_for(20_000);
    let hash = |number: u64| KeyHash::of(format!("bucket/prefix/{number:08}").as_bytes());
    (0..20_000).for_each(|number| filter.add(hash(number)));
    assert!((0..20_000).all(|number| filter.may_hold(hash(number))));
    let wrong = (20_000..120_000).filter(|number| filter.may_hold(hash(*number))).count();
    assert!(wrong < 2_500, "{wrong} of 100,000 strangers are let through");
    let mut bytes = Vec::new();
    filter.encode(&mut bytes);
    assert_eq!(Filter::decode(&bytes), Some(filter));
}

proptest! {
    #[test]
    fn blocks_take_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), used in 0_u32..400, restarts in 0_u16..20, key in keys()) {
        let mut bytes = bytes;
        if bytes.len() >= 16 {
            bytes[8..12].copy_from_slice(&used.to_le_bytes());
            bytes[12..14].copy_from_slice(&restarts.to_le_bytes());
        }
        if let Some(block) = Block::parse(bytes.into()) {
            block.get(&key);
            let mut position = block.start();
            while block.advance(&mut position) == Some(true) {
                position.value(&block);
            }
        }
    }
}
