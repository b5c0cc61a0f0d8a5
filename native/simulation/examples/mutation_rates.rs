//! Of 1,000 seeds of the drive's simulation, how many find each planted bug: the figures of docs/concepts/faults.md.
//!
//! With THEME=Flood in the environment only seeds of that theme are run.
//!
//! `cargo run --release -p openlake-simulation --example mutation_rates -- [SEEDS] [BUG ...]`

use openlake_drive::sabotage::Sabotage;
use openlake_simulation::drive::plan::DrivePlan;
use openlake_simulation::drive::simulation::run;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

/// What the run of a seed finds wrong, if anything.
fn problem(seed: u64, sabotage: Option<Sabotage>) -> Option<String> {
    let plan = DrivePlan {
        sabotage,
        ..DrivePlan::from_seed(seed)
    };
    let ended = catch_unwind(AssertUnwindSafe(|| run(&plan, false).problems.into_iter().next()));
    ended.unwrap_or_else(|_| Some("panic".to_owned()))
}

fn main() {
    set_hook(Box::new(|_| {}));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seeds: u64 = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let theme = std::env::var("THEME").ok();
    let wanted = |bug: &Sabotage| arguments.len() < 2 || arguments[1..].contains(&format!("{bug:?}"));
    // What fails without the bug proves nothing.
    let mut sound: BTreeMap<u64, bool> = BTreeMap::new();
    println!("| Bug | found by | first | by theme |");
    for bug in Sabotage::OF_DRIVE.into_iter().filter(wanted) {
        let mut found: Vec<u64> = Vec::new();
        let mut themes: BTreeMap<String, u64> = BTreeMap::new();
        let mut example = String::new();
        let is_of_theme = |seed: &u64| {
            theme
                .as_ref()
                .is_none_or(|theme| format!("{:?}", DrivePlan::from_seed(*seed).theme) == *theme)
        };
        for seed in (1..=seeds).filter(is_of_theme) {
            let Some(text) = problem(seed, Some(bug)) else { continue };
            if !*sound.entry(seed).or_insert_with(|| problem(seed, None).is_none()) {
                continue;
            }
            if found.is_empty() {
                example = text;
            }
            found.push(seed);
            *themes.entry(format!("{:?}", DrivePlan::from_seed(seed).theme)).or_default() += 1;
        }
        let first: Vec<u64> = found.iter().take(3).copied().collect();
        println!("| {bug:?} | {} of {seeds} | {first:?} | {themes:?} |", found.len());
        println!("    {}", example.chars().take(200).collect::<String>());
    }
}
