//! Whether the history of one key can be explained: is there one order of its operations, each between its call and its reply, in
//! which every reply is right?
//!
//! The search of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memo ("Testing for linearizability",
//! 2017): take any operation that may come next, apply it, go on; remember (set of operations taken, state), as two ways to the same
//! point have the same future. An operation of unknown outcome may take effect at any time after its call, or never.
//!
//! Three facts keep the search small. Every put writes a value of its own, so a value with readers left must not be overwritten.
//! Operations of unknown outcome whose value nobody ever saw are interchangeable, so only the first of each kind is tried. A read, or a
//! write whose condition failed, that may come next and is right now can be taken at once: it changes nothing, so in whatever order
//! explains the rest it may as well come first.

use std::collections::{BTreeMap, HashSet};

/// Names the bytes that a put wrote; no two puts share one.
pub type Value = u64;

/// When a write is to take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    Always,
    /// If-None-Match: *
    Absent,
    /// If-Match
    Holds(Value),
}

/// What a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Put { value: Value, when: When },
    Delete { when: When },
    Read,
}

/// What it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The write took effect.
    Done,
    /// The condition did not hold.
    ConditionFailed,
    /// What a read found.
    Found(Option<Value>),
    /// No reply, or one that says nothing: it may take effect at any time from the call on, or never.
    Unknown,
}

/// One operation: called at `started`, answered at `ended`, on one clock for all. `ended` is ignored for unknown outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    pub started: u64,
    pub ended: u64,
    pub action: Action,
    pub outcome: Outcome,
}

/// Why a history is wrong, or could not be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// No order explains the replies. `explained`: the most operations that one order could take, in that order (indices).
    /// `stuck`: the operations that had to come next there.
    Unexplained { explained: Vec<usize>, stuck: Vec<usize> },
    /// Two puts wrote the same value: the history cannot be checked.
    RepeatedValue(Value),
    /// The search met too many states.
    TooComplex,
}

/// States visited before the search gives up: some seconds, hundreds of megabytes.
const MAX_STATES: usize = 4_000_000;

/// What the register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Absent,
    Holds(Value),
    /// A value that no reply and no condition names.
    Unseen,
}

/// Checks the history of one key that was absent at first.
///
/// # Errors
/// The violation, with indices into `history`.
pub fn check(history: &[Operation]) -> Result<(), Violation> {
    let mut search = Search::new(history)?;
    match search.explore(State::Absent) {
        Some(true) => Ok(()),
        Some(false) => {
            let stuck = search.stuck.iter().map(|&index| search.order[index]).collect();
            let explained = search.best.iter().map(|&index| search.order[index]).collect();
            Err(Violation::Unexplained { explained, stuck })
        }
        None => Err(Violation::TooComplex),
    }
}

struct Search {
    /// In order of their calls; reads of unknown outcome are left out.
    operations: Vec<Operation>,
    /// Index of each in the caller's history.
    order: Vec<usize>,
    /// Operations of known outcome that need a value in the register, by value.
    users: BTreeMap<Value, Vec<usize>>,
    taken: Vec<bool>,
    /// Operations of known outcome not yet taken.
    left: usize,
    path: Vec<usize>,
    seen: HashSet<(Vec<u64>, State)>,
    best: Vec<usize>,
    stuck: Vec<usize>,
}

impl Search {
    fn new(history: &[Operation]) -> Result<Search, Violation> {
        let mut order: Vec<usize> = (0..history.len())
            .filter(|&index| !(history[index].action == Action::Read && history[index].outcome == Outcome::Unknown))
            .collect();
        order.sort_by_key(|&index| history[index].started);
        let operations: Vec<Operation> = order.iter().map(|&index| history[index]).collect();
        let mut users: BTreeMap<Value, Vec<usize>> = BTreeMap::new();
        let mut written = HashSet::new();
        for (index, operation) in operations.iter().enumerate() {
            if let Action::Put { value, .. } = operation.action
                && !written.insert(value)
            {
                return Err(Violation::RepeatedValue(value));
            }
            match (operation.action, operation.outcome) {
                (Action::Read, Outcome::Found(Some(value)))
                | (
                    Action::Put {
                        when: When::Holds(value), ..
                    }
                    | Action::Delete { when: When::Holds(value) },
                    Outcome::Done,
                ) => {
                    users.entry(value).or_default().push(index);
                }
                // A condition that may have held, or did not, still tells its value from others.
                (
                    Action::Put {
                        when: When::Holds(value), ..
                    }
                    | Action::Delete { when: When::Holds(value) },
                    _,
                ) => {
                    users.entry(value).or_default();
                }
                _ => {}
            }
        }
        let left = operations.iter().filter(|operation| operation.outcome != Outcome::Unknown).count();
        let taken = vec![false; operations.len()];
        let (path, seen, best, stuck) = (Vec::new(), HashSet::new(), Vec::new(), Vec::new());
        Ok(Search {
            operations,
            order,
            users,
            taken,
            left,
            path,
            seen,
            best,
            stuck,
        })
    }

    /// True: everything can be explained from here; false: it cannot; `None`: gave up.
    fn explore(&mut self, state: State) -> Option<bool> {
        if self.left == 0 {
            return Some(true);
        }
        if !self.seen.insert((self.packed(), state)) {
            return Some(false);
        }
        if self.seen.len() > MAX_STATES {
            return None;
        }
        let candidates = self.candidates();
        if self.path.len() >= self.best.len() {
            self.best.clone_from(&self.path);
            self.stuck = candidates
                .iter()
                .copied()
                .filter(|&index| self.operations[index].outcome != Outcome::Unknown)
                .collect();
        }
        let changes_nothing = |index: &&usize| matches!(self.operations[**index].outcome, Outcome::Found(_) | Outcome::ConditionFailed);
        if let Some(&index) = candidates
            .iter()
            .filter(changes_nothing)
            .find(|&&index| self.apply(index, state).is_some())
        {
            return self.explore_with(index, state);
        }
        for index in candidates {
            let Some(next) = self.apply(index, state) else { continue };
            let explained = self.explore_with(index, next);
            if explained != Some(false) {
                return explained;
            }
        }
        Some(false)
    }

    /// The same after one more operation, which led to `state`.
    fn explore_with(&mut self, index: usize, state: State) -> Option<bool> {
        let known = usize::from(self.operations[index].outcome != Outcome::Unknown);
        self.taken[index] = true;
        self.left -= known;
        self.path.push(index);
        let explained = self.explore(state);
        self.path.pop();
        self.left += known;
        self.taken[index] = false;
        explained
    }

    fn packed(&self) -> Vec<u64> {
        let mut words = vec![0_u64; self.taken.len().div_ceil(64)];
        for (index, _) in self.taken.iter().enumerate().filter(|(_, taken)| **taken) {
            words[index / 64] |= 1 << (index % 64);
        }
        words
    }

    /// Operations that may come next: called before the first reply of those that are left. Known outcomes first.
    fn candidates(&self) -> Vec<usize> {
        let mut first_reply = u64::MAX;
        for (index, operation) in self.operations.iter().enumerate() {
            if operation.started > first_reply {
                break;
            }
            if !self.taken[index] && operation.outcome != Outcome::Unknown {
                first_reply = first_reply.min(operation.ended);
            }
        }
        let mut known = Vec::new();
        let mut open = Vec::new();
        let mut kinds = Vec::new();
        for (index, operation) in self.operations.iter().enumerate() {
            if operation.started > first_reply {
                break;
            }
            if self.taken[index] {
                continue;
            }
            if operation.outcome != Outcome::Unknown {
                known.push(index);
                continue;
            }
            let kind = match operation.action {
                Action::Put { value, .. } if self.users.contains_key(&value) => None,
                Action::Put { when, .. } => Some((true, when)),
                Action::Delete { when } => Some((false, when)),
                Action::Read => None,
            };
            if kind.is_none_or(|kind| !kinds.contains(&kind)) {
                open.push(index);
                kinds.extend(kind);
            }
        }
        known.append(&mut open);
        known
    }

    /// The state after an operation, or `None` if its reply is wrong in this state or it would make another one wrong.
    fn apply(&self, index: usize, state: State) -> Option<State> {
        let operation = &self.operations[index];
        let (when, written) = match operation.action {
            Action::Read => {
                let found = match state {
                    State::Absent => Outcome::Found(None),
                    State::Holds(value) => Outcome::Found(Some(value)),
                    State::Unseen => return None,
                };
                return (operation.outcome == found).then_some(state);
            }
            Action::Put { value, when } if self.users.contains_key(&value) => (when, State::Holds(value)),
            Action::Put { when, .. } => (when, State::Unseen),
            Action::Delete { when } => (when, State::Absent),
        };
        let holds = match when {
            When::Always => true,
            When::Absent => state == State::Absent,
            When::Holds(value) => state == State::Holds(value),
        };
        match operation.outcome {
            Outcome::ConditionFailed => return (!holds).then_some(state),
            Outcome::Done | Outcome::Unknown if !holds => return None,
            Outcome::Done | Outcome::Unknown => {}
            Outcome::Found(_) => return None,
        }
        if let State::Holds(value) = state {
            let users = self.users.get(&value).map_or(&[][..], Vec::as_slice);
            if users.iter().any(|&user| user != index && !self.taken[user]) {
                return None;
            }
        }
        Some(written)
    }
}
