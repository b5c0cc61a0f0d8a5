//! The checker agrees with trying every order, explains what a real register did, and sees the wrong histories that the
//! protocol's known bugs make.

use openlake_simulation::linearizability::{Action, Operation, Outcome, Violation, When, check};
use proptest::prelude::*;

fn put(value: u64) -> Action {
    Action::Put { value, when: When::Always }
}

fn put_if_absent(value: u64) -> Action {
    Action::Put { value, when: When::Absent }
}

fn put_if_match(expected: u64, value: u64) -> Action {
    Action::Put {
        value,
        when: When::Holds(expected),
    }
}

const DELETE: Action = Action::Delete { when: When::Always };

/// Operations one after the other.
fn in_turn(steps: &[(Action, Outcome)]) -> Vec<Operation> {
    (0..)
        .zip(steps)
        .map(|(time, &(action, outcome))| Operation {
            started: 2 * time,
            ended: 2 * time + 1,
            action,
            outcome,
        })
        .collect()
}

fn found(value: u64) -> Outcome {
    Outcome::Found(Some(value))
}

const ABSENT: Outcome = Outcome::Found(None);

fn is_wrong(history: &[Operation]) -> bool {
    matches!(check(history), Err(Violation::Unexplained { .. }))
}

#[test]
fn operations_one_after_the_other_are_explained() {
    let history = in_turn(&[
        (Action::Read, ABSENT),
        (put_if_absent(1), Outcome::Done),
        (put_if_absent(2), Outcome::ConditionFailed),
        (put_if_match(1, 3), Outcome::Done),
        (put_if_match(1, 4), Outcome::ConditionFailed),
        (Action::Read, found(3)),
        (DELETE, Outcome::Done),
        (Action::Delete { when: When::Holds(3) }, Outcome::ConditionFailed),
        (Action::Read, ABSENT),
    ]);
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn an_open_write_may_show_late_or_never_but_not_twice() {
    let open = (put(2), Outcome::Unknown);
    let steps = [(put(1), Outcome::Done), open, (Action::Read, found(1)), (Action::Read, found(2))];
    assert_eq!(check(&in_turn(&steps)), Ok(()));
    assert_eq!(check(&in_turn(&steps[..3])), Ok(()));
    let again = [
        &steps[..],
        &[(put(3), Outcome::Done), (Action::Read, found(3)), (Action::Read, found(2))],
    ]
    .concat();
    assert!(is_wrong(&in_turn(&again)));
}

#[test]
fn an_open_conditional_write_needs_its_condition() {
    let steps = [
        (put(1), Outcome::Done),
        (put_if_absent(2), Outcome::Unknown),
        (Action::Read, found(2)),
    ];
    assert!(is_wrong(&in_turn(&steps)));
    let deleted = [steps[0], steps[1], (DELETE, Outcome::Done), steps[2]];
    assert_eq!(check(&in_turn(&deleted)), Ok(()));
}

#[test]
fn an_unseen_open_write_explains_a_failed_condition() {
    let steps = [(put(1), Outcome::Unknown), (put_if_absent(2), Outcome::ConditionFailed)];
    assert_eq!(check(&in_turn(&steps)), Ok(()));
    assert!(is_wrong(&in_turn(&steps[1..])));
}

#[test]
fn the_traces_of_known_bugs_are_wrong() {
    // Stale read: without write-back a second reader misses what the first one saw.
    assert!(is_wrong(&in_turn(&[
        (put(1), Outcome::Done),
        (put(2), Outcome::Unknown),
        (Action::Read, found(2)),
        (Action::Read, found(1)),
    ])));
    // B, A, B: a refused write is published again with a higher clock.
    let b = Operation {
        started: 0,
        ended: 100,
        action: put(2),
        outcome: Outcome::Done,
    };
    let mut history = vec![b];
    for (time, (action, outcome)) in (0..).zip([
        (Action::Read, found(2)),
        (put(1), Outcome::Done),
        (Action::Read, found(1)),
        (Action::Read, found(2)),
    ]) {
        history.push(Operation {
            started: 10 + 2 * time,
            ended: 11 + 2 * time,
            action,
            outcome,
        });
    }
    assert!(is_wrong(&history));
    assert_eq!(check(&history[..4]), Ok(()));
    // Two If-None-Match: * both succeed.
    let race = |value| Operation {
        started: 0,
        ended: 10,
        action: put_if_absent(value),
        outcome: Outcome::Done,
    };
    assert!(is_wrong(&[race(1), race(2)]));
    // 412 because of a version that nobody wrote, or that never completes.
    assert!(is_wrong(&in_turn(&[
        (put(1), Outcome::Unknown),
        (put_if_absent(2), Outcome::ConditionFailed),
        (Action::Read, ABSENT),
    ])));
    // A lost acknowledged write, a deleted version that returns, a value out of nowhere.
    assert!(is_wrong(&in_turn(&[(put(1), Outcome::Done), (Action::Read, ABSENT)])));
    assert!(is_wrong(&in_turn(&[
        (put(1), Outcome::Done),
        (DELETE, Outcome::Done),
        (Action::Read, found(1))
    ])));
    assert!(is_wrong(&in_turn(&[(Action::Read, found(7))])));
}

#[test]
fn two_puts_of_one_value_cannot_be_judged() {
    assert_eq!(
        check(&in_turn(&[(put(1), Outcome::Done), (put(1), Outcome::Done)])),
        Err(Violation::RepeatedValue(1))
    );
}

#[test]
fn hundreds_of_operations_with_many_open_ones_stay_cheap() {
    let mut history = Vec::new();
    for round in 0..150_u64 {
        let time = round * 10;
        history.push(Operation {
            started: time,
            ended: time + 9,
            action: put(round * 2 + 1),
            outcome: Outcome::Done,
        });
        history.push(Operation {
            started: time + 1,
            ended: 0,
            action: put(round * 2 + 2),
            outcome: Outcome::Unknown,
        });
        let seen = if round % 3 == 0 { round * 2 + 2 } else { round * 2 + 1 };
        history.push(Operation {
            started: time + 2,
            ended: time + 9,
            action: Action::Read,
            outcome: found(seen),
        });
    }
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn many_readers_at_once_stay_cheap_whatever_is_tried_first() {
    let at_once = |action, outcome| Operation {
        started: 0,
        ended: 100,
        action,
        outcome,
    };
    // The value put first by its place in the history is the one that has to come last.
    let mut history = vec![at_once(put(1), Outcome::Done), at_once(put(2), Outcome::Done)];
    history.extend((0..40).map(|number| at_once(Action::Read, found(number % 2 + 1))));
    let last = |started, value| Operation {
        started,
        ended: started + 1,
        action: Action::Read,
        outcome: found(value),
    };
    history.push(last(200, 1));
    assert_eq!(check(&history), Ok(()));
    history.push(last(300, 2));
    assert!(is_wrong(&history));
}

/// Every order of every choice of open operations, without memo or pruning.
fn brute_force(history: &[Operation], taken: &mut Vec<bool>, state: Option<u64>) -> bool {
    let known = |operation: &Operation| operation.outcome != Outcome::Unknown;
    let left: Vec<usize> = (0..history.len()).filter(|&index| !taken[index]).collect();
    if left.iter().all(|&index| !known(&history[index])) {
        return true;
    }
    for &index in &left {
        let operation = &history[index];
        if left
            .iter()
            .any(|&other| known(&history[other]) && history[other].ended < operation.started)
        {
            continue;
        }
        let holds = |when| match when {
            When::Always => true,
            When::Absent => state.is_none(),
            When::Holds(value) => state == Some(value),
        };
        let next = match (operation.action, operation.outcome) {
            (Action::Read, Outcome::Found(value)) if value == state => Some(state),
            (Action::Put { when, .. } | Action::Delete { when }, Outcome::ConditionFailed) if !holds(when) => Some(state),
            (Action::Put { value, when }, Outcome::Done | Outcome::Unknown) if holds(when) => Some(Some(value)),
            (Action::Delete { when }, Outcome::Done | Outcome::Unknown) if holds(when) => Some(None),
            _ => None,
        };
        if let Some(next) = next {
            taken[index] = true;
            let explained = brute_force(history, taken, next);
            taken[index] = false;
            if explained {
                return true;
            }
        }
    }
    false
}

/// A random operation; `value` is its own.
fn operation(value: u64, kind: u8, reference: u64, result: u8, started: u64, length: u64) -> Operation {
    let when = match kind % 4 {
        0 | 1 => When::Always,
        2 => When::Absent,
        _ => When::Holds(reference),
    };
    let action = match kind / 4 {
        0 | 1 => Action::Put { value, when },
        2 => Action::Delete { when },
        _ => Action::Read,
    };
    let outcome = match (action, result) {
        (_, 0) => Outcome::Unknown,
        (Action::Read, 1 | 2) => Outcome::Found(None),
        (Action::Read, _) => Outcome::Found(Some(reference)),
        (_, 1) if when != When::Always => Outcome::ConditionFailed,
        _ => Outcome::Done,
    };
    Operation {
        started,
        ended: started + length,
        action,
        outcome,
    }
}

fn any_history() -> impl Strategy<Value = Vec<Operation>> {
    let step = (0_u8..16, 0_u64..6, 0_u8..6, 0_u64..24, 1_u64..12);
    proptest::collection::vec(step, 1..7).prop_map(|steps| {
        (0..)
            .zip(steps)
            .map(|(value, (kind, reference, result, started, length))| {
                operation(value, kind, reference, result, 2 * started, 2 * length - 1)
            })
            .collect()
    })
}

/// Histories of a real register: each operation takes effect at a chosen moment inside its interval; then some replies get lost.
fn register_history(steps: &[(u8, u64, u8, u64, u64, u64)]) -> Vec<Operation> {
    let mut moments: Vec<(u64, usize)> = Vec::new();
    let mut history: Vec<Operation> = Vec::new();
    for (index, &(kind, reference, lost, started, before, after)) in steps.iter().enumerate() {
        let mut operation = operation(index as u64, kind, reference % steps.len() as u64, 9, started, before + after);
        if lost == 0 {
            operation.outcome = Outcome::Unknown;
        }
        moments.push((started + before, index));
        history.push(operation);
    }
    moments.sort_unstable();
    let mut state = None;
    for (_, index) in moments {
        let operation = &mut history[index];
        let (when, next) = match operation.action {
            Action::Read => (When::Always, state),
            Action::Put { value, when } => (when, Some(value)),
            Action::Delete { when } => (when, None),
        };
        let holds = match when {
            When::Always => true,
            When::Absent => state.is_none(),
            When::Holds(value) => state == Some(value),
        };
        let reply = match (operation.action, holds) {
            (Action::Read, _) => Outcome::Found(state),
            (_, true) => Outcome::Done,
            (_, false) => Outcome::ConditionFailed,
        };
        if operation.outcome != Outcome::Unknown {
            operation.outcome = reply;
        }
        if holds {
            state = next;
        }
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn the_checker_agrees_with_brute_force(history in any_history()) {
        let expected = brute_force(&history, &mut vec![false; history.len()], None);
        prop_assert_eq!(check(&history).is_ok(), expected);
    }

    #[test]
    fn what_a_real_register_did_is_explained(
        steps in proptest::collection::vec((0_u8..16, 0_u64..64, 0_u8..6, 0_u64..120, 0_u64..12, 1_u64..12), 1..60),
    ) {
        prop_assert_eq!(check(&register_history(&steps)), Ok(()));
    }

    #[test]
    fn a_changed_reply_is_judged_as_brute_force_does(
        steps in proptest::collection::vec((0_u8..16, 0_u64..64, 0_u8..6, 0_u64..20, 0_u64..6, 1_u64..6), 2..7),
        changed in 0_usize..7,
        value in 0_u64..7,
    ) {
        let mut history = register_history(&steps);
        let length = history.len();
        let operation = &mut history[changed % length];
        operation.outcome = match (operation.action, operation.outcome) {
            (Action::Read, _) => Outcome::Found(Some(value)),
            (Action::Put { when: When::Always, .. } | Action::Delete { when: When::Always }, _) => Outcome::Done,
            (_, Outcome::Done) => Outcome::ConditionFailed,
            _ => Outcome::Done,
        };
        let expected = brute_force(&history, &mut vec![false; history.len()], None);
        prop_assert_eq!(check(&history).is_ok(), expected);
    }
}
