//! Set change: a key moves from an old erasure set to a new one (protocol.md section 13). Each set is one atomic register, which is what
//! the rest of the model shows of it; here are the steps of seal, mover, writers of both epochs and readers in every order.

use std::collections::{HashSet, VecDeque};

/// What a set holds of the key, and what a reader returns (there a tombstone is [`Value::Absent`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Value {
    Absent,
    Tombstone,
    First,
    Of(Client),
}

/// A client's request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Client {
    /// A write by a coordinator that is one epoch behind.
    OldWrite,
    NewWrite,
    NewDelete,
    Read,
}

/// A rule left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    None,
    /// The new set is used before the old one is sealed.
    NoSeal,
    /// The mover overwrites what the new set has.
    MoverForce,
    /// A tombstone in the new set counts as nothing.
    TombstoneAbsent,
    /// A reader that found nothing in the old set does not look into the new one again.
    NoReread,
    /// The mover removes before it copies.
    DeleteFirst,
    /// A crashed writer's fragments in the old set stay completable while the mover works.
    NoFreeze,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
enum Progress {
    Idle,
    Begun,
    /// A reader found nothing in the new set; then nothing in the old one either.
    InOld,
    Again,
    /// A writer crashed and left fragments; somebody completed them.
    Fragments,
    Completed,
    Refused,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Request {
    progress: Progress,
    before: u8,
    result: Value,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Mover {
    Waiting,
    Read(Value),
    Copied,
    Done,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    old: Value,
    new: Value,
    sealed: bool,
    mover: Mover,
    requests: Vec<Request>,
}

/// Explores all orders; number of states, and whether all of them can be explained.
pub fn explore(bug: Bug, clients: &[Client]) -> (usize, bool) {
    let idle = Request {
        progress: Progress::Idle,
        before: 0,
        result: Value::Absent,
    };
    let first = State {
        old: Value::First,
        new: Value::Absent,
        sealed: false,
        mover: Mover::Waiting,
        requests: vec![idle; clients.len()],
    };
    let mut seen = HashSet::from([first.clone()]);
    let mut waiting = VecDeque::from([first]);
    while let Some(state) = waiting.pop_front() {
        for next in steps(&state, bug, clients) {
            if seen.insert(next.clone()) {
                let ended = |request: &Request| matches!(request.progress, Progress::Done | Progress::Refused);
                let must = next
                    .requests
                    .iter()
                    .enumerate()
                    .filter(|(_, request)| ended(request))
                    .fold(0, |set, (at, _)| set | 1 << at);
                if !explain(&next, clients, (0, must), Value::First) {
                    return (seen.len(), false);
                }
                waiting.push_back(next);
            }
        }
    }
    (seen.len(), true)
}

fn explain(state: &State, clients: &[Client], (done, must): (u8, u8), current: Value) -> bool {
    if must & !done == 0 {
        return true;
    }
    state.requests.iter().zip(clients).enumerate().any(|(at, (request, client))| {
        if done >> at & 1 == 1 || request.progress == Progress::Idle || request.before & must & !done != 0 {
            return false;
        }
        let next = match client {
            Client::Read if request.progress != Progress::Done || request.result != current => return false,
            Client::Read => current,
            _ if request.progress == Progress::Refused => current,
            Client::NewDelete => Value::Absent,
            writer => Value::Of(*writer),
        };
        explain(state, clients, (done | 1 << at, must), next)
    })
}

fn steps(state: &State, bug: Bug, clients: &[Client]) -> Vec<State> {
    let mut next = Vec::new();
    if !state.sealed {
        next.push(State {
            sealed: true,
            ..state.clone()
        });
    }
    let open = state.sealed || bug == Bug::NoSeal;
    moves(state, bug, open, &mut next);
    for (at, client) in clients.iter().enumerate() {
        for (request, old, new) in requests(state, bug, open, (at, *client)) {
            let mut after = State { old, new, ..state.clone() };
            after.requests[at] = request;
            next.push(after);
        }
    }
    next
}

fn moves(state: &State, bug: Bug, open: bool, next: &mut Vec<State>) {
    match state.mover {
        Mover::Waiting if open => next.push(State {
            mover: Mover::Read(state.old),
            ..state.clone()
        }),
        Mover::Read(Value::Absent) => next.push(State {
            mover: Mover::Done,
            ..state.clone()
        }),
        Mover::Read(value) => {
            let free = state.new == Value::Absent || bug == Bug::TombstoneAbsent && state.new == Value::Tombstone;
            let new = if free || bug == Bug::MoverForce { value } else { state.new };
            next.push(State {
                new,
                mover: Mover::Copied,
                ..state.clone()
            });
            if bug == Bug::DeleteFirst {
                next.push(State {
                    old: Value::Absent,
                    ..state.clone()
                });
            }
        }
        Mover::Copied => next.push(State {
            old: Value::Absent,
            mover: Mover::Done,
            ..state.clone()
        }),
        Mover::Waiting | Mover::Done => {}
    }
}

fn requests(state: &State, bug: Bug, open: bool, (at, client): (usize, Client)) -> Vec<(Request, Value, Value)> {
    let mine = state.requests[at];
    let (old, new) = (state.old, state.new);
    let at_step = |progress| Request { progress, ..mine };
    let returns = |value: Value| Request {
        progress: Progress::Done,
        result: if value == Value::Tombstone { Value::Absent } else { value },
        ..mine
    };
    let nothing = |value: Value| value == Value::Absent;
    match (mine.progress, client) {
        (Progress::Idle, _) => {
            let done = state
                .requests
                .iter()
                .enumerate()
                .filter(|(_, other)| matches!(other.progress, Progress::Done | Progress::Refused));
            let before = done.fold(0, |set, (other, _)| set | 1 << other);
            vec![(
                Request {
                    progress: Progress::Begun,
                    before,
                    ..mine
                },
                old,
                new,
            )]
        }
        (Progress::Fragments, _) if state.mover == Mover::Waiting || bug == Bug::NoFreeze && state.mover != Mover::Done => {
            vec![(at_step(Progress::Completed), Value::Of(client), new)]
        }
        (Progress::Begun, Client::OldWrite) if state.sealed && bug != Bug::NoSeal => vec![(at_step(Progress::Refused), old, new)],
        (Progress::Begun, Client::OldWrite) => {
            let mut all = vec![(at_step(Progress::Done), Value::Of(client), new)];
            if !state.sealed {
                all.push((at_step(Progress::Fragments), old, new));
            }
            all
        }
        (Progress::Begun, Client::NewWrite) if open => vec![(at_step(Progress::Done), old, Value::Of(client))],
        (Progress::Begun, Client::NewDelete) if open => vec![(at_step(Progress::Done), old, Value::Tombstone)],
        (Progress::Begun, Client::Read) => {
            let unseen = nothing(new) || bug == Bug::TombstoneAbsent && new == Value::Tombstone;
            vec![(if unseen { at_step(Progress::InOld) } else { returns(new) }, old, new)]
        }
        (Progress::InOld, _) if !nothing(old) => vec![(returns(old), old, new)],
        (Progress::InOld, _) if bug == Bug::NoReread => vec![(returns(Value::Absent), old, new)],
        (Progress::InOld, _) => vec![(at_step(Progress::Again), old, new)],
        (Progress::Again, _) => vec![(returns(new), old, new)],
        _ => vec![],
    }
}
