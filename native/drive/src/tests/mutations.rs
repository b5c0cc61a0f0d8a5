//! The tests prove themselves: with a known bug planted, the simulated crashes must find it. Only with the feature `sabotage`.

use super::abandoned::come_back_behind_an_end;
use super::crash::{Way, run_case};
use super::healing::fill_beside_newer_versions;
use super::rebuilds::compare_spilled_with_held;
use crate::sabotage::{Sabotage, plant};
use std::panic::catch_unwind;

const SEEDS: u64 = 150;

/// The first seed that finds the bug, if any does.
fn found_by(bug: Sabotage, forgetful: bool) -> Option<u64> {
    let found = (0..SEEDS).find(|seed| {
        plant(Some(bug));
        let seed = *seed;
        let way = Way {
            forgetful,
            ..Way::default()
        };
        let failed = catch_unwind(move || run_case(seed, way)).is_err();
        plant(None);
        failed
    });
    eprintln!("{bug:?}: {found:?}");
    found
}

#[test]
fn a_filter_that_denies_what_its_run_holds_is_found() {
    assert!(found_by(Sabotage::BlindFilter, true).is_some());
}

#[test]
fn a_dirty_row_let_go_is_found() {
    assert!(found_by(Sabotage::EvictDirty, true).is_some());
}

#[test]
fn a_frozen_row_written_as_it_became_is_found() {
    assert!(found_by(Sabotage::FreezeWithoutCopy, true).is_some());
}

#[test]
fn a_root_before_its_run_is_found() {
    assert!(found_by(Sabotage::EarlyRoot, true).is_some());
}

#[test]
fn bulk_published_before_its_flush_is_found() {
    assert!(found_by(Sabotage::PublishBeforeFlush, false).is_some());
}

#[test]
fn a_rebuild_that_does_not_find_what_it_wrote_out_is_found() {
    let failed = catch_unwind(|| compare_spilled_with_held(|| plant(Some(Sabotage::BlindFilter)))).is_err();
    plant(None);
    assert!(failed);
}

#[test]
fn a_fill_by_force_is_found() {
    plant(Some(Sabotage::HealByForce));
    let failed = catch_unwind(fill_beside_newer_versions).is_err();
    plant(None);
    assert!(failed);
}

#[test]
fn an_end_that_nobody_names_any_more_is_found() {
    plant(Some(Sabotage::EndForgotten));
    let failed = catch_unwind(come_back_behind_an_end).is_err();
    plant(None);
    assert!(failed);
}
