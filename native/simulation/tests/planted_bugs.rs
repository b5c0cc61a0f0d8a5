//! Checkers that never found anything prove nothing: each known bug, planted on purpose, is found within the stated number of seeds of its
//! theme. How many of them find it is in docs/concepts/faults.md (`--example cluster_mutation_rates`): the bound holds several, so that a change of
//! the code which shifts all histories does not cost the proof.

use openlake_drive::sabotage::Sabotage;
use openlake_simulation::mutants::{MUTANTS, problem};

fn find(sabotage: Sabotage) {
    let (_, theme, shape, last) = MUTANTS.into_iter().find(|(bug, ..)| *bug == sabotage).expect("a known bug");
    // What fails without the bug proves nothing.
    let finds = |seed: &u64| problem(*seed, (theme, shape), Some(sabotage)).is_some() && problem(*seed, (theme, shape), None).is_none();
    let found = (1..=last).find(finds);
    println!("{sabotage:?}: found by seed {found:?} of {theme:?}");
    assert!(found.is_some(), "not found by the seeds 1 to {last} of {theme:?}");
}

#[test]
fn a_read_without_write_back_is_found() {
    find(Sabotage::NoWriteBack);
}

#[test]
fn a_blind_retry_is_found() {
    find(Sabotage::BlindRetry);
}

#[test]
fn success_before_the_write_quorum_is_found() {
    find(Sabotage::EarlySuccess);
}

#[test]
fn a_condition_on_a_plain_read_is_found() {
    find(Sabotage::ConditionOnRead);
}

#[test]
fn early_discard_is_found() {
    find(Sabotage::EarlyDiscard);
}

#[test]
fn publishing_before_the_flush_is_found() {
    find(Sabotage::PublishBeforeFlush);
}

#[test]
fn acknowledging_before_durability_is_found() {
    find(Sabotage::EarlyAcknowledge);
}

#[test]
fn a_forgotten_complete_is_found() {
    find(Sabotage::ForgottenComplete);
}

#[test]
fn a_blank_drive_that_counts_is_found() {
    find(Sabotage::BlankCounts);
}

#[test]
fn healing_before_the_adoption_is_found() {
    find(Sabotage::HealBeforeAdoption);
}

#[test]
fn a_fill_that_takes_newer_versions_away_is_found() {
    find(Sabotage::HealByForce);
}
