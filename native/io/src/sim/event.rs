//! What can happen, and the queue of what will: by time, then by order of scheduling.

use super::random::mix;
use crate::engine::Token;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A node's runtime runs what is ready.
    Turn { node: u32, life: u64 },
    /// A disk operation takes effect and completes.
    Disk { node: u32, life: u64, token: Token },
    /// A connection request arrives.
    Request { connection: u64 },
    /// Its answer arrives: accepted or refused.
    Answer { connection: u64, accepted: bool },
    /// The next piece of a stream arrives at the peer of `side`.
    Deliver { connection: u64, side: usize },
    /// A reset arrives at `side`.
    Reset { connection: u64, side: usize },
}

impl Event {
    /// A number that differs where events differ.
    pub(crate) fn fingerprint(&self) -> u64 {
        let (kind, first, second) = match *self {
            Event::Turn { node, life } => (1, u64::from(node), life),
            Event::Disk { node, life, token } => (2, u64::from(node) << 32 | life, token as u64),
            Event::Request { connection } => (3, connection, 0),
            Event::Answer { connection, accepted } => (4, connection, u64::from(accepted)),
            Event::Deliver { connection, side } => (5, connection, side as u64),
            Event::Reset { connection, side } => (6, connection, side as u64),
        };
        mix(mix(mix(kind).wrapping_add(first)).wrapping_add(second))
    }
}

/// When, and the how manieth scheduled.
pub(crate) type EventKey = (u64, u64);

#[derive(Default)]
pub(crate) struct EventQueue {
    waiting: BTreeMap<EventKey, Event>,
    scheduled: u64,
}

impl EventQueue {
    pub(crate) fn push(&mut self, at: u64, event: Event) -> EventKey {
        self.scheduled += 1;
        let key = (at, self.scheduled);
        self.waiting.insert(key, event);
        key
    }

    pub(crate) fn pop(&mut self) -> Option<(EventKey, Event)> {
        self.waiting.pop_first()
    }

    pub(crate) fn remove(&mut self, key: EventKey) {
        self.waiting.remove(&key);
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(key, _)| key.0)
    }
}
