//! The world from outside: nodes to start and end, faults to inject, and time to move.

use super::engine::{SimEngine, WokenList};
use super::event::Event;
use super::file_system::FileSystem;
use super::handle::{ClosedList, End};
use super::node::Node;
use super::options::SimOptions;
use super::random::{SimRandom, mix};
use super::state::State;
use crate::{Instant, Runtime};
use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// A simulated world; clones are the same world. Everything happens inside [`SimWorld::step`], on one thread. When the last clone
/// goes, all nodes are shut down (so a task that holds one keeps its world in memory).
#[derive(Clone)]
pub struct SimWorld {
    pub(super) shared: Rc<Shared>,
    _owner: Rc<Owner>,
}

/// Breaks the circle of a world, its runtimes and their engines.
struct Owner(Rc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        let runtimes = self.0.runtimes.take();
        runtimes.values().for_each(Runtime::shutdown);
    }
}

/// What the world and its engines share.
pub(crate) struct Shared {
    state: RefCell<State>,
    pub(crate) woken: WokenList,
    /// The runtimes of running nodes.
    runtimes: RefCell<BTreeMap<u32, Runtime>>,
}

impl Shared {
    /// The state, with dropped handles closed.
    pub(crate) fn enter(&self) -> RefMut<'_, State> {
        let mut state = self.state.borrow_mut();
        state.close_dropped();
        state
    }
}

impl SimWorld {
    /// A world without nodes. The same seed, options and calls give the same events.
    pub fn new(seed: u64, options: SimOptions) -> SimWorld {
        let shared = Rc::new(Shared {
            state: RefCell::new(State::new(seed, options, ClosedList::default())),
            woken: WokenList::default(),
            runtimes: RefCell::default(),
        });
        SimWorld {
            _owner: Rc::new(Owner(shared.clone())),
            shared,
        }
    }

    /// Starts a process on a node; its files are those of its earlier lives. Panics when the node runs already.
    pub fn start_node(&self, node: u32, address: IpAddr) -> Runtime {
        let mut state = self.shared.enter();
        let (sector_bytes, capacity) = (state.options.sector_bytes, state.options.disk_capacity_bytes);
        let seed = state.random.next();
        let entry = state
            .nodes
            .entry(node)
            .or_insert_with(|| Node::new(address, FileSystem::new(sector_bytes), capacity));
        assert!(!entry.running, "node {node} runs already");
        entry.life += 1;
        entry.running = true;
        entry.powered = true;
        entry.paused = false;
        entry.random = SimRandom::new(seed);
        let life = entry.life;
        let earlier = std::mem::replace(&mut entry.address, address);
        state.addresses.remove(&earlier);
        let other = state.addresses.insert(address, node);
        assert!(
            other.is_none_or(|other| other == node),
            "the address {address} of node {node} belongs to node {other:?}"
        );
        state.note(mix(u64::from(node)) ^ life);
        drop(state);
        let runtime = Runtime::over(Box::new(SimEngine {
            shared: self.shared.clone(),
            node,
            life,
        }));
        self.shared.runtimes.borrow_mut().insert(node, runtime.clone());
        runtime
    }

    /// The runtime of a running node.
    pub fn runtime(&self, node: u32) -> Option<Runtime> {
        self.shared.runtimes.borrow().get(&node).cloned()
    }

    /// Whether a process runs on the node (paused or not).
    pub fn is_running(&self, node: u32) -> bool {
        self.shared.enter().nodes.get(&node).is_some_and(|node| node.running)
    }

    /// Cuts a node's power: its tasks are dropped, its peers hear nothing, every sector of unflushed and in-flight writes is old or
    /// new, and directories keep a random number of their first unflushed changes. Nothing happens when it does not run.
    pub fn crash_node(&self, node: u32) {
        self.end_node(node, |state| {
            state.crash_disk(node);
            for connection in state.connections.values_mut() {
                for end in connection.ends.iter_mut().filter(|end| end.node == Some(node)) {
                    end.alive = false;
                    end.open = false;
                }
            }
            if let Some(node) = state.nodes.get_mut(&node) {
                node.powered = false;
            }
        });
    }

    /// Ends a node's process (SIGKILL): its tasks are dropped, its peers see its sockets close, and all completed writes stay.
    /// Nothing happens when it does not run.
    pub fn stop_node(&self, node: u32) {
        self.end_node(node, |state| {
            state.abandon_disk(node);
            let owned = |end: &super::connection::EndState| end.node == Some(node) && end.alive;
            let ends: Vec<End> = state
                .connections
                .iter()
                .flat_map(|(number, connection)| {
                    (0..2)
                        .filter(|side| owned(&connection.ends[*side]))
                        .map(|side| End { connection: *number, side })
                })
                .collect();
            for end in ends {
                state.close_end(end);
            }
        });
    }

    fn end_node(&self, number: u32, end: impl FnOnce(&mut State)) {
        let Some(runtime) = self.shared.runtimes.borrow_mut().remove(&number) else {
            return;
        };
        let mut state = self.shared.enter();
        state.note(mix(u64::from(number)).rotate_left(7));
        let listeners: Vec<u64> = state
            .listeners
            .iter()
            .filter(|(_, listener)| listener.node == number)
            .map(|(number, _)| *number)
            .collect();
        for listener in listeners {
            state.listeners.remove(&listener);
        }
        // Operations die with their life: a token means another operation in the next.
        for connection in state.connections.values_mut() {
            for end in connection.ends.iter_mut().filter(|end| end.node == Some(number)) {
                (end.connect, end.receive, end.send) = (None, None, None);
            }
        }
        end(&mut state);
        let mut remains = None;
        if let Some(node) = state.nodes.get_mut(&number) {
            node.running = false;
            // From here on nothing that the dying tasks do has an effect.
            node.life += 1;
            remains = Some((std::mem::take(&mut node.pending), std::mem::take(&mut node.completions)));
            if let Some(key) = node.turn.take() {
                state.events.remove(key);
            }
        }
        drop(state);
        drop(remains);
        runtime.shutdown();
    }

    /// Executes the next event; false when there is none.
    pub fn step(&self) -> bool {
        let woken = std::mem::take(&mut *self.shared.woken.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let mut state = self.shared.enter();
        for (node, life) in woken {
            if state.nodes.get(&node).is_some_and(|node| node.life == life) {
                state.schedule_turn_soon(node);
            }
        }
        let Some((key, event)) = state.events.pop() else { return false };
        state.now = state.now.max(key.0);
        state.executed += 1;
        let now = state.now;
        state.note(now ^ event.fingerprint());
        let Event::Turn { node, life } = event else {
            state.execute(event);
            return true;
        };
        let runs = state.begin_turn(node, life);
        drop(state);
        if runs {
            self.turn(node);
        }
        true
    }

    fn turn(&self, node: u32) {
        let Some(runtime) = self.runtime(node) else { return };
        let is_busy = runtime.core.turn_once();
        let next_timer = runtime.core.next_timer();
        // The node may have ended in its own turn, by a task that holds the world.
        let mut state = self.shared.enter();
        if is_busy {
            state.schedule_turn_soon(node);
        } else if let Some(Instant(deadline)) = next_timer {
            let at = deadline.max(state.now + 1);
            state.schedule_turn(node, at);
        }
    }

    /// Steps until the condition holds, then true; false when the time has passed or nothing can happen any more.
    pub fn run_until(&self, mut condition: impl FnMut() -> bool, max_simulated_time: Duration) -> bool {
        let end = self.now().after(max_simulated_time);
        while !condition() {
            let next = self.shared.enter().events.next_at();
            let woken = !self.shared.woken.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).is_empty();
            if (!woken && next.is_none_or(|at| at > end.0)) || !self.step() {
                return false;
            }
        }
        true
    }

    /// Lets simulated time pass.
    pub fn run_for(&self, simulated_time: Duration) {
        let end = self.now().after(simulated_time);
        self.run_until(|| false, simulated_time);
        let mut state = self.shared.enter();
        state.now = state.now.max(end.0);
    }

    /// Runs a future on a node until it is done. Panics when it is not within the time.
    pub fn run<T: 'static>(&self, runtime: &Runtime, future: impl Future<Output = T> + 'static, max_simulated_time: Duration) -> T {
        let result = Rc::new(RefCell::new(None));
        let target = result.clone();
        runtime.spawn(async move {
            let value = future.await;
            *target.borrow_mut() = Some(value);
        });
        let is_done = self.run_until(|| result.borrow().is_some(), max_simulated_time);
        assert!(is_done, "the future was not done within {max_simulated_time:?} of simulated time");
        result.take().expect("the condition above said so")
    }

    /// Simulated time since the start.
    pub fn now(&self) -> Instant {
        Instant(self.shared.enter().now)
    }

    /// 64 random bits of the world's seed, for choices of a test.
    pub fn random(&self) -> u64 {
        self.shared.enter().random.next()
    }

    /// A running hash over all events: equal for equal runs.
    pub fn event_hash(&self) -> u64 {
        self.shared.enter().hash
    }

    /// How many writes of a node's devices were completed, so that a run can end at any of them.
    pub fn writes_completed(&self, node: u32) -> u64 {
        self.shared.enter().nodes.get(&node).map_or(0, |node| node.writes_completed)
    }

    /// How many events were executed.
    pub fn events(&self) -> u64 {
        self.shared.enter().executed
    }
}
