//! A slice of what `npm run simulate` does for hours: some dozens of seeds on the common shapes.

use openlake_simulation::plan::{Plan, Shape};
use openlake_simulation::simulation::run;
use openlake_simulation::theme::Theme;

/// Runs seeds on a shape; a failure names the seed and how to replay it.
fn hold(shape: Shape, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let report = run(&Plan::from_seed(seed, Some(shape)), false);
        let Shape { data, parity, nodes, sets } = shape;
        assert!(
            report.problems.is_empty(),
            "{}\nreplay: npm run simulate -- --seed {seed} --seeds 1 --shape {data}+{parity}@{nodes}x{sets} --verbose",
            report.problems.join("\n")
        );
    }
}

#[test]
fn four_nodes_two_and_two() {
    hold(
        Shape {
            data: 2,
            parity: 2,
            nodes: 4,
            sets: 1,
        },
        1..13,
    );
}

#[test]
fn three_nodes_two_and_one() {
    hold(
        Shape {
            data: 2,
            parity: 1,
            nodes: 3,
            sets: 1,
        },
        101..113,
    );
}

#[test]
fn six_nodes_four_and_two() {
    hold(
        Shape {
            data: 4,
            parity: 2,
            nodes: 6,
            sets: 1,
        },
        201..207,
    );
}

#[test]
fn four_nodes_three_sets() {
    hold(
        Shape {
            data: 2,
            parity: 2,
            nodes: 4,
            sets: 3,
        },
        301..305,
    );
}

#[test]
fn links_over_tls() {
    let shape = Shape {
        data: 2,
        parity: 2,
        nodes: 4,
        sets: 1,
    };
    for seed in 501..507 {
        let plan = || Plan {
            encrypted: true,
            ..Plan::from_seed(seed, Some(shape))
        };
        let report = run(&plan(), false);
        assert!(
            report.problems.is_empty(),
            "{}\nreplay: npm run simulate -- --tls --seed {seed} --seeds 1 --shape 2+2@4 --verbose",
            report.problems.join("\n")
        );
        if seed == 501 {
            assert_eq!(run(&plan(), false).hash, report.hash, "seed {seed} does not replay");
        }
    }
}

#[test]
fn drives_replaced_all_the_time() {
    for seed in 401..405 {
        let shape = Shape {
            data: 2,
            parity: 2,
            nodes: 4,
            sets: 1,
        };
        let report = run(&Plan::of_theme(Theme::Replacing, seed, Some(shape)), false);
        assert!(
            report.problems.is_empty(),
            "{}\nreplay: npm run simulate -- --theme Replacing --seed {seed} --seeds 1 --shape 2+2@4 --verbose",
            report.problems.join("\n")
        );
    }
}

#[test]
fn a_seed_replays_to_the_same_events() {
    for seed in 1..5 {
        let plan = Plan::from_seed(
            seed,
            Some(Shape {
                data: 2,
                parity: 2,
                nodes: 4,
                sets: 1,
            }),
        );
        assert_eq!(run(&plan, false).hash, run(&plan, false).hash, "seed {seed}");
    }
}

/// Seed 1008: connections that were gone before a paused node accepted them must not keep it from accepting others.
#[test]
fn twelve_nodes_with_rivals_that_stand_still() {
    let report = run(&Plan::of_theme(Theme::Rivals, 1008, None), false);
    assert!(report.problems.is_empty(), "{}", report.problems.join("\n"));
}

/// Seed 3198: the shards of two tries of a write, each taken by too few drives, made a version together that its writer took for dead.
#[test]
fn three_nodes_with_rivals_on_one_key() {
    let report = run(&Plan::from_seed(3198, None), false);
    assert!(report.problems.is_empty(), "{}", report.problems.join("\n"));
}
