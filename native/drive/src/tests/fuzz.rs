//! Every decoder that reads bytes from a drive, under mutated and random bytes: it never panics, never asks for more memory than its
//! bytes are worth, never takes anything whose checksummed bytes differ, and what it takes makes sense.
//!
//! The list in `targets` is complete as long as `every_decoder_is_fuzzed` passes: that test reads the sources and wants every function
//! that takes bytes and may refuse them to be named by a target, or among those that read no bytes of a drive, with the reason.
//! A failure prints its target and seed; `OPENLAKE_SEED=N cargo test -p openlake-drive --lib tests::fuzz` replays it.

mod chance;
mod encodings;
mod index_targets;
mod targets;

use chance::Chance;
use std::panic::{AssertUnwindSafe, catch_unwind};
use targets::{NO_DECODERS, Target, targets};

/// Mutations of each format in one run.
const ROUNDS: u64 = 3_000;
/// More address space than this no decoder may ask for, kilobytes.
const MEMORY_LIMIT_KB: u64 = 1 << 20;

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("OPENLAKE_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..ROUNDS,
    }
}

/// One mutation of a valid encoding, or bytes from nowhere.
fn round(target: &Target, seed: u64) {
    let mut chance = Chance::new(seed);
    let valid = (target.encode)(&mut chance);
    assert!((target.decode)(&valid), "its own encoding is refused");
    if chance.one_in(8) {
        let length = chance.below(6000) as usize;
        (target.decode)(&chance.bytes(length));
        return;
    }
    let mut mutated = valid.clone();
    for _ in 0..1 + chance.below(3) {
        chance.mutate(&mut mutated);
    }
    let sealed = target.sealed.map_or(0..0, |sealed| sealed(&valid));
    let is_taken = (target.decode)(&mutated);
    let is_changed = mutated.get(sealed.clone()) != valid.get(sealed.clone());
    assert!(!(is_taken && is_changed), "bytes under a checksum changed, and it is taken");
    // Behind a checksum that fits, the parser itself.
    if let Some(seal) = target.seal {
        seal(&mut mutated);
        (target.decode)(&mutated);
    }
}

#[test]
fn no_bytes_mislead_a_decoder() {
    for target in targets() {
        for seed in seeds() {
            if catch_unwind(AssertUnwindSafe(|| round(&target, seed))).is_err() {
                panic!("{} fails: replay with OPENLAKE_SEED={seed}", target.name);
            }
        }
    }
    // Address space asked for is counted even when it is never touched.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let peak_kb = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let now = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let now_kb = now.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    if let (Some(peak_kb), Some(now_kb)) = (peak_kb, now_kb) {
        assert!(
            peak_kb - now_kb < MEMORY_LIMIT_KB,
            "{peak_kb} kB were asked for, {now_kb} kB are in use"
        );
    }
}

/// Functions of the sources that take bytes and may refuse them: `file function`.
fn decoders() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources") {
            let path = entry.expect("a file").path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");
                let file = path.display().to_string().trim_start_matches(root).to_owned();
                found.extend(
                    signatures(&text)
                        .filter(|text| refuses_bytes(text))
                        .map(|text| format!("{file} {}", name_of(&text))),
                );
            }
        }
    }
    found.sort();
    found
}

/// Everything between `fn` and the body.
fn signatures(text: &str) -> impl Iterator<Item = String> {
    text.split("fn ").skip(1).map(|rest| {
        let end = rest.find('{').unwrap_or(rest.len());
        rest[..end].split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

fn name_of(signature: &str) -> String {
    signature
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

fn refuses_bytes(signature: &str) -> bool {
    let Some((parameters, result)) = signature.split_once("->") else {
        return false;
    };
    let takes = [
        "[u8]",
        "FieldReader",
        "bytes: Bytes",
        "value: &Bytes",
        "read: Bytes",
        "[u8; 8]",
        "[u8; 16]",
        "BitmapImage",
    ];
    let may_refuse = ["Option<", "Result<", "bool", "Self", "Extent", "Ballot"];
    takes.iter().any(|text| parameters.contains(text)) && may_refuse.iter().any(|text| result.contains(text))
}

#[test]
fn every_decoder_is_fuzzed() {
    let targets = targets();
    let named: Vec<&str> = targets.iter().flat_map(|target| target.covers).copied().collect();
    let excused = |name: &str| NO_DECODERS.iter().any(|(excused, _)| *excused == name);
    let found = decoders();
    let missing: Vec<&String> = found
        .iter()
        .filter(|name| !named.contains(&name.as_str()) && !excused(name))
        .collect();
    assert!(missing.is_empty(), "no target covers {missing:#?}");
    let is_there = |name: &&str| found.iter().any(|found| found == name);
    let gone: Vec<&str> = named
        .iter()
        .chain(NO_DECODERS.iter().map(|(name, _)| name))
        .copied()
        .filter(|name| !is_there(name))
        .collect();
    assert!(gone.is_empty(), "named, but not in the sources: {gone:#?}");
}
