//! Small sets of operations of which every interleaving is seen. The numbers of states are known: a rule that is changed without intent
//! moves them.

use openlake_model::config::Config;
use openlake_model::explore::Limits;
use std::time::Duration;

fn explore(config: &Config) -> usize {
    let limits = Limits {
        states: 10_000_000,
        time: Duration::from_secs(600),
        traces: false,
    };
    let report = config.explore(limits);
    assert!(report.violation.is_none(), "{:#?}", report.violation);
    assert!(report.exhausted, "{} states and not exhausted", report.states);
    report.states
}

fn config(drives: usize, operations: &str, flags: &str) -> Config {
    let mut config = Config::new(drives, 2, operations).expect("operations");
    assert!(flags.chars().all(|flag| config.flag(flag)));
    config
}

#[test]
fn unversioned_keys_behave_as_the_protocol_says() {
    assert_eq!(explore(&config(3, "II", "")), 917);
    assert_eq!(explore(&config(3, "IIG", "s")), 24_068);
    let mut restarted = config(4, "PG", "iv");
    (restarted.clocks, restarted.rounds) = (vec![1, 2], 2);
    assert_eq!(explore(&restarted), 11_154);
}

#[test]
fn versions_stay_until_they_are_removed() {
    explore(&config(3, "VX", "j"));
    explore(&config(3, "VK", "j"));
    explore(&config(4, "VG", "j"));
    let mut collected = config(3, "YCG", "l");
    collected.rounds = 2;
    explore(&collected);
}
