//! What happened: every call and reply of every client, every fault, in one order, as text for people and as a hash for replays.
//!
//! All clients and the world share one thread, so the order in which they report is the order in which things happened.

use crate::linearizability::{Action, Operation, Outcome};
use openlake_io::Instant;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;

/// An operation under way, to be ended once.
#[derive(Debug)]
#[must_use]
pub struct Ticket(usize);

struct Entry {
    key: usize,
    who: String,
    operation: Operation,
    /// Proven to have had no effect: no part of the key's history.
    dropped: bool,
    started_at: Instant,
    ended_at: Option<Instant>,
}

#[derive(Default)]
struct State {
    clock: u64,
    entries: Vec<Entry>,
    hash: u64,
    events: u64,
    verbose: bool,
    problems: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
}

/// Collects the events of one run. A cheap handle.
#[derive(Clone, Default)]
pub struct History(Rc<RefCell<State>>);

impl History {
    /// An empty history; `verbose` prints every event.
    pub fn new(verbose: bool) -> History {
        let history = History::default();
        history.0.borrow_mut().verbose = verbose;
        history
    }

    /// Notes that something happened.
    pub fn event(&self, now: Instant, text: &str) {
        let mut state = self.0.borrow_mut();
        state.events += 1;
        // FNV-1a over time and text, events told apart by their number.
        let mut hash = state.hash ^ state.events;
        for byte in now.0.to_le_bytes().iter().chain(text.as_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        state.hash = hash;
        if state.verbose {
            println!("{:>12.6} {text}", now.0 as f64 / 1e9);
        }
    }

    /// Notes something that must never happen.
    pub fn problem(&self, now: Instant, text: String) {
        self.event(now, &format!("PROBLEM {text}"));
        self.0.borrow_mut().problems.push(format!("at {:.6} s: {text}", now.0 as f64 / 1e9));
    }

    /// Counts something worth knowing, by name.
    pub fn count(&self, name: &'static str) {
        self.count_many(name, 1);
    }
    /// Counts several at once.
    pub fn count_many(&self, name: &'static str, count: usize) {
        *self.0.borrow_mut().counts.entry(name).or_default() += count as u64;
    }

    /// A client calls.
    pub fn begin(&self, now: Instant, key: usize, who: &str, action: Action, detail: &str) -> Ticket {
        self.event(now, &format!("{who} calls key {key}: {action:?} {detail}"));
        let mut state = self.0.borrow_mut();
        state.clock += 1;
        let operation = Operation {
            started: state.clock,
            ended: u64::MAX,
            action,
            outcome: Outcome::Unknown,
        };
        state.entries.push(Entry {
            key,
            who: who.to_owned(),
            operation,
            dropped: false,
            started_at: now,
            ended_at: None,
        });
        Ticket(state.entries.len() - 1)
    }

    /// The reply; `None`: it had no effect and says nothing.
    pub fn end(&self, now: Instant, ticket: Ticket, outcome: Option<Outcome>, detail: &str) {
        let text = {
            let mut state = self.0.borrow_mut();
            state.clock += 1;
            let clock = state.clock;
            let entry = &mut state.entries[ticket.0];
            entry.operation.ended = clock;
            entry.ended_at = Some(now);
            match outcome {
                Some(outcome) => entry.operation.outcome = outcome,
                None => entry.dropped = true,
            }
            format!(
                "{} ends key {}: {:?} -> {outcome:?} {detail}",
                entry.who, entry.key, entry.operation.action
            )
        };
        self.event(now, &text);
    }

    /// The history of one key, and the entry numbers that its indices stand for.
    pub fn of_key(&self, key: usize) -> (Vec<Operation>, Vec<usize>) {
        let state = self.0.borrow();
        let mine = state
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.key == key && !entry.dropped);
        mine.map(|(number, entry)| (entry.operation, number)).unzip()
    }

    /// Lines that tell entries to people.
    pub fn describe(&self, numbers: &[usize]) -> String {
        let state = self.0.borrow();
        let mut text = String::new();
        for entry in numbers.iter().filter_map(|&number| state.entries.get(number)) {
            let ended = entry
                .ended_at
                .map_or("     never".to_owned(), |at| format!("{:10.6}", at.0 as f64 / 1e9));
            let (action, outcome) = (entry.operation.action, entry.operation.outcome);
            let _ = writeln!(
                text,
                "    {:10.6}..{ended} {:14} {action:?} -> {outcome:?}",
                entry.started_at.0 as f64 / 1e9,
                entry.who
            );
        }
        text
    }

    /// Hash of all events so far.
    pub fn hash(&self) -> u64 {
        self.0.borrow().hash
    }
    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.0.borrow().events
    }
    /// What must never happen, and did.
    pub fn problems(&self) -> Vec<String> {
        self.0.borrow().problems.clone()
    }
    /// Counters by name.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.borrow().counts.clone()
    }
}
