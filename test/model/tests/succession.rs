//! Drives that are replaced at one instant see each other, one that was replaced does not come back, and each rule of that is needed.

use openlake_model::succession::{Bug, Set, explore};

const FOUR: Set = Set {
    slots: 4,
    data: 2,
    lost: 2,
    rounds: 1,
    bug: Bug::None,
};
const THREE: Set = Set { slots: 3, data: 2, ..FOUR };

#[test]
fn no_more_drives_are_adopted_than_the_set_bears() {
    assert_eq!(explore(THREE, usize::MAX), (684, true, None));
    assert_eq!(explore(FOUR, usize::MAX), (183_632, true, None));
}

#[test]
fn each_rule_of_the_succession_is_needed() {
    for bug in [
        Bug::FewWitnesses,
        Bug::NoRounds,
        Bug::NoLearning,
        Bug::OwnWordOnly,
        Bug::AnyCleanWord,
    ] {
        let (_, _, violation) = explore(Set { bug, ..FOUR }, usize::MAX);
        assert!(violation.is_some(), "{bug:?}");
    }
}
