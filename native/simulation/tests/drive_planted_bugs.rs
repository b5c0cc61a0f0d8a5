//! The drive's checkers find what they are there for: each known bug, planted on purpose, within the stated number of seeds.

use openlake_drive::sabotage::Sabotage;
use openlake_simulation::drive::plan::DrivePlan;
use openlake_simulation::drive::simulation::run;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn is_found(sabotage: Sabotage, seeds: u64) {
    let fails = |seed: &u64| {
        let plan = DrivePlan {
            sabotage: Some(sabotage),
            ..DrivePlan::from_seed(*seed)
        };
        // A drive that trips over the bug's traces has found it too.
        catch_unwind(AssertUnwindSafe(|| !run(&plan, false).problems.is_empty())).unwrap_or(true)
    };
    match (1..=seeds).find(fails) {
        Some(seed) => println!("{sabotage:?}: found by seed {seed}"),
        None => panic!("{sabotage:?} was not found by seeds 1 to {seeds}"),
    }
}

#[test]
fn early_discard_is_found() {
    is_found(Sabotage::EarlyDiscard, 20);
}

#[test]
fn forgotten_promises_are_found() {
    is_found(Sabotage::VolatilePromise, 20);
}

#[test]
fn publishing_before_the_flush_is_found() {
    is_found(Sabotage::PublishBeforeFlush, 40);
}

#[test]
fn acknowledging_before_durability_is_found() {
    is_found(Sabotage::EarlyAcknowledge, 20);
}
