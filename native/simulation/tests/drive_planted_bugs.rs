//! The drive's checkers find what they are there for: each known bug, planted on purpose, within the stated number of seeds.

use openlake_drive::sabotage::Sabotage;
use openlake_simulation::drive::plan::DrivePlan;
use openlake_simulation::drive::simulation::run;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Whether a seed's run finds a problem. A drive that trips over the bug's traces has found it too.
fn fails(seed: u64, sabotage: Option<Sabotage>) -> bool {
    let plan = DrivePlan {
        sabotage,
        ..DrivePlan::from_seed(seed)
    };
    catch_unwind(AssertUnwindSafe(|| !run(&plan, false).problems.is_empty())).unwrap_or(true)
}

fn is_found(sabotage: Sabotage, seeds: u64) {
    // What fails without the bug proves nothing.
    let found = (1..=seeds).find(|&seed| fails(seed, Some(sabotage)) && !fails(seed, None));
    match found {
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

#[test]
fn half_staged_bytes_taken_for_held_ones_are_found() {
    is_found(Sabotage::HeldFromStage, 60);
}

#[test]
fn space_used_again_before_the_checkpoint_is_found() {
    is_found(Sabotage::EarlyReuse, 40);
}

#[test]
fn a_root_written_before_the_run_is_flushed_is_found() {
    is_found(Sabotage::EarlyRoot, 240);
}

#[test]
fn a_filter_that_denies_what_is_there_is_found() {
    is_found(Sabotage::BlindFilter, 40);
}

#[test]
fn a_changed_row_that_is_let_go_of_is_found() {
    is_found(Sabotage::EvictDirty, 40);
}

#[test]
#[ignore = "a minute or two: it takes a cleaner, a newer version and an end in the right order"]
fn a_move_over_a_newer_row_is_found() {
    is_found(Sabotage::MoveOverNewer, 200);
}

#[test]
#[ignore = "a minute or two: it takes a reader, a cleaner and a segment used again"]
fn a_lease_that_is_ignored_is_found() {
    is_found(Sabotage::LeaseIgnored, 200);
}
