//! Each rule that is left out must be missed: from the seed given, a random walk finds the violation within a few hundred walks. A change
//! of the model moves the seeds; `model ... r BUG SECONDS` of README.md finds new ones.

use openlake_model::config::Config;
use openlake_model::explore::Limits;
use std::time::Duration;

/// Walks allowed from the given seed on.
const WALKS: u64 = 400;
const NO_LIMIT: Duration = Duration::from_secs(600);

/// (drives, data, operations, clocks, rounds, flags, bug, order, first seed)
type Case = (
    usize,
    usize,
    &'static str,
    &'static [u8],
    u8,
    &'static str,
    &'static str,
    &'static [(usize, usize)],
    u64,
);

fn config(case: &Case) -> Config {
    let (drives, data, operations, clocks, rounds, flags, bug, order, _) = *case;
    let mut config = Config::new(drives, data, operations).expect("operations");
    config.clocks = clocks.to_vec();
    config.rounds = rounds;
    config.order = order.to_vec();
    assert!(flags.chars().all(|flag| config.flag(flag)), "flags {flags}");
    assert!(bug == "none" || config.plant(bug), "bug {bug}");
    config
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    (4, 2, "PG", &[1], 1, "i", "w_small", &[], 1),
    (4, 2, "PP", &[1], 1, "i", "early_discard", &[], 1),
    (4, 2, "PPG", &[1, 2], 1, "i", "accept_older", &[], 1),
    (4, 2, "PGG", &[1], 1, "i", "skip_undecodable", &[], 1),
    (4, 2, "PG", &[1], 1, "i", "stable_early", &[], 1),
    (4, 2, "PPGGG", &[1, 2], 2, "i", "blind_retry", &[(2, 3), (3, 4)], 1),
    (4, 2, "IIG", &[1, 2], 3, "", "no_supersede_check", &[], 1),
    (3, 2, "II", &[1, 2], 1, "", "cond_read", &[], 1),
    (3, 2, "II", &[1, 2], 1, "", "cond_few", &[], 1),
    (3, 2, "II", &[1, 2], 2, "v", "volatile_promise", &[], 200),
    (3, 2, "PGG", &[1], 1, "ib", "blank_counts", &[], 500),
    (3, 2, "PPG", &[1, 2], 1, "b", "blank_nofloor", &[], 400),
    (3, 2, "PHGG", &[1], 1, "ib", "heal_force", &[], 2200),
    (3, 2, "PHGG", &[1], 1, "ib", "heal_early", &[], 2400),
    (4, 2, "PHGG", &[1], 1, "ib", "heal_nobarrier", &[], 7000),
    (3, 2, "DCGG", &[1], 1, "i", "gc_w", &[], 1),
    (3, 2, "PDCGG", &[1], 1, "i", "gc_nofloor", &[], 1),
    (3, 2, "PRPGG", &[1, 2], 3, "i", "retry_knows_nothing", &[], 1),
    (3, 2, "VGG", &[1, 2], 2, "j", "stable_drops_versions", &[], 1),
    (3, 2, "VKGG", &[1], 1, "j", "marker_skipped", &[], 1),
    (3, 2, "VXGG", &[1, 2], 2, "j", "removal_forgets", &[], 1),
    (3, 2, "VVXGG", &[1, 2], 2, "j", "removal_unprepared", &[], 1),
    (3, 2, "VVXGG", &[1, 2], 3, "k", "pointer_unsettled", &[], 1),
    (3, 2, "VVXGG", &[1, 2], 3, "k", "top_unsettled", &[], 200),
    (3, 2, "VYGG", &[1, 2], 2, "k", "walk_instead_of_pointer", &[], 200),
    (3, 2, "VDGX", &[1, 2], 2, "i", "tombstone_over_versions", &[], 1000),
    (3, 2, "VXCGG", &[1, 2], 3, "k", "gc_w", &[], 500),
    (3, 2, "VXCGG", &[1, 2], 3, "k", "gc_nofloor", &[], 1),
    (3, 2, "YCG", &[1, 2], 2, "l", "gc_dangling", &[], 1),
    (4, 2, "KJXGG", &[1, 2], 3, "j", "fragment_unfrozen", &[(2, 3), (0, 1)], 1300),
    (4, 2, "VVgG", &[1, 2], 2, "j", "republished_is_newest", &[(2, 3)], 1),
    (4, 2, "VVGGg", &[1, 2], 3, "j", "absent_is_dead", &[], 1),
    (3, 1, "VVXGG", &[1, 2], 3, "k", "own_older_succeeds", &[], 100),
    (3, 2, "VVXGG", &[1, 2], 3, "j", "blind_retry", &[], 1),
    (3, 2, "VRXGG", &[1, 2], 3, "j", "retry_knows_nothing", &[], 1),
    (3, 2, "VVYGg", &[1, 2], 3, "k", "shards_of_any_version", &[], 1200),
];

/// Found breadth first, with their shortest traces.
#[rustfmt::skip]
const SHORT: &[Case] = &[
    (4, 2, "PGG", &[1], 1, "is", "no_writeback", &[(1, 2)], 0),
    (4, 2, "PGG", &[1], 1, "is", "r_equal", &[(1, 2)], 0),
    (3, 1, "PIG", &[1], 1, "s", "fail_unsettled", &[(1, 2)], 0),
];

#[test]
fn the_shortest_way_to_a_violation_is_shown() {
    for case in SHORT {
        let limits = Limits {
            states: 100_000,
            time: NO_LIMIT,
            traces: true,
        };
        let violation = config(case).explore(limits).violation;
        let trace = violation.unwrap_or_else(|| panic!("{case:?} not found")).trace;
        assert!((5..40).contains(&trace.len()), "{trace:#?}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    let missed: Vec<String> = CASES
        .iter()
        .filter(|case| config(case).walk(case.8, WALKS, NO_LIMIT).violation.is_none())
        .map(|case| format!("{case:?}"))
        .collect();
    assert!(missed.is_empty(), "not found within {WALKS} walks:\n{}", missed.join("\n"));
}

#[test]
fn without_a_bug_the_same_walks_find_nothing() {
    for case in CASES {
        let healthy = (case.0, case.1, case.2, case.3, case.4, case.5, "none", case.7, case.8);
        let walks = config(&healthy).walk(case.8, WALKS / 4, NO_LIMIT);
        assert!(walks.violation.is_none(), "{healthy:?} seed {}: {:#?}", walks.seed, walks.violation);
    }
}
