//! The drive's checkers find what they are there for: each known bug, planted on purpose, within the stated number of seeds.
//!
//! Only the seeds of one theme are run for each bug; those between them could only find it sooner. How many of them find it is in
//! docs/concepts/faults.md (`--example drive_mutation_rates`): the bound holds several, so that a change of the code which shifts all
//! histories does not cost the proof.

use openlake_drive::sabotage::Sabotage;
use openlake_simulation::drive::mutants::{MUTANTS, problem, seeds_of};

/// All bugs are found by the seeds 1 to this one.
const SEEDS: u64 = 300;

fn find(bugs: &[(Sabotage, openlake_simulation::drive::theme::Theme)]) {
    let missed: Vec<Sabotage> = bugs
        .iter()
        .filter(|(bug, theme)| {
            // What fails without the bug proves nothing.
            let found = seeds_of(*theme, SEEDS).find(|&seed| problem(seed, Some(*bug)).is_some() && problem(seed, None).is_none());
            println!("{bug:?}: found by seed {found:?}");
            found.is_none()
        })
        .map(|(bug, _)| *bug)
        .collect();
    assert!(missed.is_empty(), "not found by the seeds 1 to {SEEDS}: {missed:?}");
}

#[test]
fn every_bug_of_a_drive_is_among_those_to_be_found() {
    let listed = |bug: &Sabotage| MUTANTS.iter().any(|(listed, _)| listed == bug);
    assert!(Sabotage::OF_DRIVE.iter().all(listed) && MUTANTS.len() == Sabotage::OF_DRIVE.len());
}

#[test]
fn planted_bugs_are_found() {
    find(&MUTANTS[..10]);
}

#[test]
fn further_planted_bugs_are_found() {
    find(&MUTANTS[10..]);
}
