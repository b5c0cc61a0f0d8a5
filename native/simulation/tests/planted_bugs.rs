//! Checkers that never found anything prove nothing: each known bug, planted on purpose, is found within the stated number of seeds.
//! (Two rules for replaced drives: see `replaced_drives.rs`.)

use openlake_drive::sabotage::Sabotage;
use openlake_simulation::plan::{Plan, Shape};
use openlake_simulation::simulation::run;
use std::ops::RangeInclusive;

const FOUR: Shape = Shape {
    data: 2,
    parity: 2,
    nodes: 4,
    sets: 1,
};
const THREE: Shape = Shape {
    data: 2,
    parity: 1,
    nodes: 3,
    sets: 1,
};

const ONE_AND_TWO: Shape = Shape {
    data: 1,
    parity: 2,
    nodes: 3,
    sets: 1,
};

fn is_found(sabotage: Sabotage, shape: Shape, seeds: RangeInclusive<u64>) {
    is_found_in(Plan::from_seed, sabotage, shape, seeds);
}

/// The same with plans of another kind.
fn is_found_in(kind: fn(u64, Option<Shape>) -> Plan, sabotage: Sabotage, shape: Shape, seeds: RangeInclusive<u64>) {
    let found = seeds.clone().find(|&seed| {
        let plan = Plan {
            sabotage: Some(sabotage),
            ..kind(seed, Some(shape))
        };
        !run(&plan, false).problems.is_empty()
    });
    match found {
        Some(seed) => println!("{sabotage:?} on {}+{}: found by seed {seed}", shape.data, shape.parity),
        None => panic!("{sabotage:?} was not found by seeds {} to {}", seeds.start(), seeds.end()),
    }
}

#[test]
fn a_read_without_write_back_is_found() {
    is_found(Sabotage::NoWriteBack, FOUR, 1..=200);
}

#[test]
fn a_blind_retry_is_found() {
    // One seed in twenty shows it: writers of one coordinator take turns, so only those of different ones race.
    is_found(Sabotage::BlindRetry, FOUR, 41..=300);
}

#[test]
fn success_before_the_write_quorum_is_found() {
    is_found(Sabotage::EarlySuccess, FOUR, 1..=200);
}

#[test]
fn a_condition_on_a_plain_read_is_found() {
    is_found(Sabotage::ConditionOnRead, THREE, 1..=200);
}

#[test]
fn early_discard_is_found() {
    is_found(Sabotage::EarlyDiscard, FOUR, 1..=200);
}

#[test]
fn publishing_before_the_flush_is_found() {
    is_found(Sabotage::PublishBeforeFlush, FOUR, 1..=200);
}

#[test]
fn acknowledging_before_durability_is_found() {
    is_found(Sabotage::EarlyAcknowledge, FOUR, 1..=200);
}

#[test]
fn a_forgotten_complete_is_found() {
    is_found(Sabotage::ForgottenComplete, FOUR, 271..=700);
}

#[test]
fn a_fill_by_force_is_found() {
    is_found_in(Plan::replacing, Sabotage::HealByForce, ONE_AND_TWO, 56..=400);
}

#[test]
fn a_blank_drive_that_counts_is_found() {
    is_found_in(Plan::replacing, Sabotage::BlankCounts, FOUR, 71..=500);
}

#[test]
fn healing_before_the_adoption_is_found() {
    is_found_in(Plan::replacing, Sabotage::HealBeforeAdoption, FOUR, 86..=500);
}
