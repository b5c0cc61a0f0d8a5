//! How many seeds of the drive's simulation find each planted bug: the figures of docs/concepts/faults.md.
//!
//! `cargo run --release -p openlake-simulation --example drive_mutation_rates -- [LAST SEED] [BUG ...]`

use openlake_simulation::drive::mutants::{MUTANTS, problem, seeds_of};
use std::collections::BTreeMap;
use std::panic::set_hook;

fn main() {
    set_hook(Box::new(|_| {}));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let last: u64 = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(300);
    // What fails without the bug proves nothing.
    let mut sound: BTreeMap<u64, bool> = BTreeMap::new();
    println!("| Bug | Theme | Seeds | Find it | The first |\n|---|---|---|---|---|");
    for (bug, theme) in MUTANTS {
        if arguments.len() > 1 && !arguments[1..].contains(&format!("{bug:?}")) {
            continue;
        }
        let seeds: Vec<u64> = seeds_of(theme, last).collect();
        let found: Vec<u64> = seeds
            .iter()
            .copied()
            .filter(|&seed| problem(seed, Some(bug)).is_some())
            .filter(|&seed| *sound.entry(seed).or_insert_with(|| problem(seed, None).is_none()))
            .collect();
        let first = found.first().map_or("-".to_owned(), u64::to_string);
        println!("| {bug:?} | {theme:?} | {} | {} | {first} |", seeds.len(), found.len());
    }
}
