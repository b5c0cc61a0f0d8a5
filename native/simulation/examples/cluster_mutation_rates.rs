//! How many seeds of the simulation of clusters find each planted bug: the figures of docs/concepts/faults.md.
//!
//! `cargo run --release -p openlake-simulation --example cluster_mutation_rates -- [LAST SEED] [BUG ...]`

use openlake_simulation::mutants::{MUTANTS, problem};
use std::panic::set_hook;

fn main() {
    set_hook(Box::new(|_| {}));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let last: u64 = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(60);
    println!("| Bug | Theme | Shape | Seeds | Find it | The first |\n|---|---|---|---|---|---|");
    for (bug, theme, shape, _) in MUTANTS {
        if arguments.len() > 1 && !arguments[1..].contains(&format!("{bug:?}")) {
            continue;
        }
        let found = (1..=last).filter(|&seed| problem(seed, (theme, shape), Some(bug)).is_some());
        // What fails without the bug proves nothing.
        let found: Vec<u64> = found.filter(|&seed| problem(seed, (theme, shape), None).is_none()).collect();
        let first = found.first().map_or("-".to_owned(), u64::to_string);
        println!(
            "| {bug:?} | {theme:?} | {}+{} | {last} | {} | {first} |",
            shape.data,
            shape.parity,
            found.len()
        );
    }
}
