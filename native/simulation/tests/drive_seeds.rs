//! A slice of what `npm run simulate -- --drive` does for hours: some hundred drives, each through several lives.

use openlake_simulation::drive::plan::DrivePlan;
use openlake_simulation::drive::simulation::run;

/// Runs a plan; a failure names the seed and how to replay it.
fn hold(plan: &DrivePlan) {
    let report = run(plan, false);
    let cut = plan
        .cut_after_writes
        .map(|writes| format!(" --cut-after {writes}"))
        .unwrap_or_default();
    assert!(
        report.problems.is_empty(),
        "{}\nreplay: npm run simulate -- --drive --seed {} --seeds 1{cut} --verbose",
        report.problems.join("\n"),
        plan.seed
    );
}

#[test]
fn drives_keep_what_they_said_through_all_ends() {
    (1..=60).for_each(|seed| hold(&DrivePlan::from_seed(seed)));
}

#[test]
fn seeds_that_found_faults_find_them_no_more() {
    for seed in [1628, 3633, 7477, 16557, 23334] {
        hold(&DrivePlan::from_seed(seed));
    }
}

#[test]
fn nearly_full_drives_with_large_rows_find_space_for_their_checkpoints() {
    for seed in [82, 100, 129, 177] {
        hold(&DrivePlan::from_seed(seed).with_large_rows());
    }
}

#[test]
fn a_power_cut_at_every_write_boundary_costs_nothing_acknowledged() {
    for seed in 1_000..1_002 {
        for writes in 0..25 {
            hold(&DrivePlan::from_seed(seed).cut_after(writes));
        }
    }
}

#[test]
fn a_seed_replays_to_the_same_events() {
    for seed in 1..10 {
        let plan = DrivePlan::from_seed(seed);
        assert_eq!(run(&plan, false).hash, run(&plan, false).hash, "seed {seed}");
    }
}
