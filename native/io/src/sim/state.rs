//! Everything a world holds, and the dispatch of its events.

use super::connection::Connection;
use super::event::{Event, EventQueue};
use super::handle::{ClosedList, OpenFile, Resource, SimulatedHandle};
use super::listening::ListenerState;
use super::node::Node;
use super::options::SimOptions;
use super::random::{SimRandom, mix};
use crate::engine::{Completion, Handle, Output, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;

/// Simulated time between a cause and the turn that sees it, and between turns of a busy node: at most this many nanoseconds.
const TURN_DELAY_NANOSECONDS: u64 = 2_000;

pub(crate) struct State {
    /// Nanoseconds since the start.
    pub(crate) now: u64,
    pub(crate) options: SimOptions,
    pub(crate) random: SimRandom,
    pub(crate) events: EventQueue,
    pub(crate) executed: u64,
    pub(crate) hash: u64,
    pub(crate) nodes: BTreeMap<u32, Node>,
    pub(crate) addresses: BTreeMap<IpAddr, u32>,
    /// (from, to): bytes on this way vanish.
    pub(crate) blocked: BTreeSet<(u32, u32)>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) listeners: BTreeMap<u64, ListenerState>,
    pub(crate) resources: BTreeMap<u64, Resource>,
    pub(crate) last_number: u64,
    closed: ClosedList,
}

impl State {
    pub(crate) fn new(seed: u64, options: SimOptions, closed: ClosedList) -> State {
        State {
            now: 0,
            options,
            random: SimRandom::new(seed),
            events: EventQueue::default(),
            executed: 0,
            hash: seed,
            nodes: BTreeMap::new(),
            addresses: BTreeMap::new(),
            blocked: BTreeSet::new(),
            connections: BTreeMap::new(),
            listeners: BTreeMap::new(),
            resources: BTreeMap::new(),
            last_number: 0,
            closed,
        }
    }

    /// A number for a resource, connection or listener.
    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn schedule(&mut self, delay: u64, event: Event) {
        self.events.push(self.now + delay, event);
    }

    /// Takes a value into the running hash.
    pub(crate) fn note(&mut self, value: u64) {
        self.hash = mix(self.hash.rotate_left(5) ^ value);
    }

    pub(crate) fn new_handle(&mut self, resource: Resource) -> Handle {
        let number = self.number();
        self.resources.insert(number, resource);
        self.handle_of(number)
    }

    /// A handle of a resource that has none.
    pub(crate) fn handle_of(&self, number: u64) -> Handle {
        Handle::Simulated(Rc::new(SimulatedHandle {
            resource: number,
            closed: self.closed.clone(),
        }))
    }

    /// What a handle stands for; an error when its node's life is over.
    pub(crate) fn resource(&self, handle: &Handle) -> io::Result<&Resource> {
        let number = match handle {
            Handle::Simulated(handle) => handle.resource,
            Handle::System(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a real handle was used in a simulation",
                ));
            }
        };
        self.resources
            .get(&number)
            .ok_or_else(|| io::Error::other("the handle belongs to a node that ended"))
    }

    /// Acts on handles dropped since the last call.
    pub(crate) fn close_dropped(&mut self) {
        loop {
            let numbers = std::mem::take(&mut *self.closed.borrow_mut());
            if numbers.is_empty() {
                return;
            }
            for number in numbers {
                match self.resources.remove(&number) {
                    Some(Resource::File(file)) => self.close_file(&file),
                    Some(Resource::Listener(listener)) => self.close_listener(listener),
                    Some(Resource::Socket(end)) => self.close_end(end),
                    None => {}
                }
            }
        }
    }

    fn close_file(&mut self, file: &OpenFile) {
        let Some(node) = self.nodes.get_mut(&file.node).filter(|node| node.life == file.life) else {
            return;
        };
        if let Some(inode) = node.files.inodes.get_mut(&file.inode) {
            inode.opened -= 1;
            if file.holds_lock {
                inode.locked = false;
            }
        }
    }

    /// Hands a result to a node; it sees it in its next turn.
    pub(crate) fn complete(&mut self, number: u32, token: Token, result: io::Result<Output>) {
        if let Some(node) = self.nodes.get_mut(&number) {
            node.completions.push(Completion { token, result });
            self.schedule_turn_soon(number);
        }
    }

    pub(crate) fn schedule_turn_soon(&mut self, number: u32) {
        let delay = 1 + self.random.below(TURN_DELAY_NANOSECONDS);
        self.schedule_turn(number, self.now + delay);
    }

    /// Lets a node have a turn at the given time, or earlier if one is scheduled.
    pub(crate) fn schedule_turn(&mut self, number: u32, at: u64) {
        let Some(node) = self.nodes.get_mut(&number).filter(|node| node.running) else {
            return;
        };
        if let Some(key) = node.turn {
            if key.0 <= at {
                return;
            }
            self.events.remove(key);
        }
        node.turn = Some(self.events.push(
            at,
            Event::Turn {
                node: number,
                life: node.life,
            },
        ));
    }

    /// Begins a node's turn; false when it is void or the node is paused.
    pub(crate) fn begin_turn(&mut self, number: u32, life: u64) -> bool {
        let Some(node) = self.nodes.get_mut(&number).filter(|node| node.running && node.life == life) else {
            return false;
        };
        node.turn = None;
        node.turn_missed = node.paused;
        !node.paused
    }

    /// Whether bytes get from one node to another.
    pub(crate) fn is_open(&self, from: u32, to: u32) -> bool {
        !self.blocked.contains(&(from, to))
    }

    /// A random delay on the way between two nodes, in nanoseconds.
    pub(crate) fn latency(&mut self, from: u32, to: u32) -> u64 {
        let delay = self.random.within(self.options.network_delay);
        if from == to { delay / 3 } else { delay }
    }

    /// Executes an event other than a turn.
    pub(crate) fn execute(&mut self, event: Event) {
        match event {
            Event::Turn { .. } => {}
            Event::Disk { node, life, token } => self.finish_disk(node, life, token),
            Event::Request { connection } => self.arrive_request(connection),
            Event::Answer { connection, accepted } => self.arrive_answer(connection, accepted),
            Event::Deliver { connection, side } => self.deliver(connection, side),
            Event::Reset { connection, side } => self.break_end(connection, side, io::ErrorKind::ConnectionReset),
        }
    }
}
