//! Is a history of operations on one key explained by some order of them? (Wing and Gong, with memory after Lowe.)

use std::collections::HashSet;

/// What an operation was and, if it ended, what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Writes value `id`. `Some(true)`: 200; `None`: unknown.
    Put {
        id: u32,
        done: Option<bool>,
    },
    Delete {
        done: Option<bool>,
    },
    /// Requires absence: `Some(true)` 200, `Some(false)` 412.
    PutIfAbsent {
        id: u32,
        done: Option<bool>,
    },
    /// Requires value `expected`.
    PutIfMatch {
        id: u32,
        expected: u32,
        done: Option<bool>,
    },
    /// Saw this value.
    Get {
        saw: Option<u32>,
    },
}

/// An operation in a history: it took effect, if at all, between `start` and `end`.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub start: u64,
    /// `u64::MAX` if unknown.
    pub end: u64,
    pub event: Event,
}

impl Event {
    fn is_optional(self) -> bool {
        match self {
            Event::Put { done, .. } | Event::Delete { done } | Event::PutIfAbsent { done, .. } | Event::PutIfMatch { done, .. } => {
                done.is_none()
            }
            Event::Get { .. } => false,
        }
    }
    /// The state after it, if it fits the state before.
    fn apply(self, state: Option<u32>) -> Option<Option<u32>> {
        let conditional = |holds: bool, id: u32, done: Option<bool>| match done {
            Some(done) if done != holds => None,
            _ => Some(if holds { Some(id) } else { state }),
        };
        match self {
            Event::Put { id, .. } => Some(Some(id)),
            Event::Delete { .. } => Some(None),
            Event::PutIfAbsent { id, done } => conditional(state.is_none(), id, done),
            Event::PutIfMatch { id, expected, done } => conditional(state == Some(expected), id, done),
            Event::Get { saw } => (saw == state).then_some(state),
        }
    }
}

/// Whether the history, starting from absence, is linearizable.
pub fn is_linearizable(history: &[Entry]) -> bool {
    assert!(history.len() <= 64, "at most 64 operations");
    search(history, 0, None, &mut HashSet::new())
}

fn search(history: &[Entry], done: u64, state: Option<u32>, seen: &mut HashSet<(u64, Option<u32>)>) -> bool {
    let open = |n: usize| done >> n & 1 == 0;
    if (0..history.len()).all(|n| !open(n) || history[n].event.is_optional()) {
        return true;
    }
    if !seen.insert((done, state)) {
        return false;
    }
    // Only an operation that began before every other open one ended may be next.
    let first_end = (0..history.len())
        .filter(|n| open(*n))
        .map(|n| history[n].end)
        .min()
        .unwrap_or(u64::MAX);
    (0..history.len()).filter(|n| open(*n) && history[*n].start <= first_end).any(|n| {
        history[n]
            .event
            .apply(state)
            .is_some_and(|next| search(history, done | 1 << n, next, seen))
    })
}
