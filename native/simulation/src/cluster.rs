//! A cluster in one thread: a simulated world with a node per machine, started, broken and mended from outside.

use crate::history::History;
use crate::node::{self, NodeOptions, Serving};
use crate::plan::Shape;
use openlake_io::{Instant, Runtime, SimOptions, SimWorld};
use openlake_peer::{ClusterLayout, NodeAddress, SetLayout, SlotId, SlotPlace};
use std::cell::RefCell;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const PEER_PORT: u16 = 9001;
/// How long a coordinator tries; also bounds how long a node needs to see that others are gone.
const DEADLINE: Duration = Duration::from_secs(3);

/// Called whenever a node begins to serve: with its number, the number of its start, and what serves there.
pub type ServingListener = Rc<dyn Fn(usize, usize, &Serving)>;

/// A node seen from outside.
#[derive(Default)]
struct Machine {
    runtime: Option<Runtime>,
    serving: Rc<RefCell<Option<Serving>>>,
    /// Counts its starts.
    starts: usize,
}

/// A whole cluster and its world.
pub struct Cluster {
    world: SimWorld,
    shape: Shape,
    layout: Arc<ClusterLayout>,
    machines: Vec<Machine>,
    history: History,
    bootstrap: bool,
    listener: ServingListener,
}

fn address(node: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, node as u8 + 1))
}

fn layout(shape: Shape) -> ClusterLayout {
    let place = |set: usize, slot: usize| {
        let earlier = (0..set * shape.slots() + slot).filter(|&position| position % shape.nodes == shape.node_of(set, slot)).count();
        SlotPlace { node: shape.node_of(set, slot) as u32, drive: earlier as u32 }
    };
    let sets = (0..shape.sets).map(|set| SetLayout {
        id: set as u32,
        data: shape.data,
        parity: shape.parity,
        weight: 1,
        slots: (0..shape.slots()).map(|slot| place(set, slot)).collect(),
    });
    let nodes = (0..shape.nodes).map(|node| NodeAddress { id: node as u32, address: SocketAddr::new(address(node), PEER_PORT) });
    ClusterLayout { epoch: 1, hash: [7; 16], sets: sets.collect(), nodes: nodes.collect() }
}

impl Cluster {
    /// A world with blank drives; no node runs yet.
    pub fn new(seed: u64, shape: Shape, history: History) -> Cluster {
        let world = SimWorld::new(seed, SimOptions::default());
        let machines = (0..shape.nodes).map(|_| Machine::default()).collect();
        Cluster { world, shape, layout: Arc::new(layout(shape)), machines, history, bootstrap: true, listener: Rc::new(|_, _, _| ()) }
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.machines.len()
    }
    /// Simulated time.
    pub fn now(&self) -> Instant {
        self.world.now()
    }
    /// Simulated time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now().0 / 1_000_000
    }
    /// Where its events go.
    pub fn history(&self) -> &History {
        &self.history
    }
    fn event(&self, text: &str) {
        self.history.event(self.now(), text);
    }

    /// From now on blank drives are refused, as once the cluster was bootstrapped.
    pub fn end_bootstrap(&mut self) {
        self.bootstrap = false;
    }
    /// Whom to tell when a node begins to serve from now on.
    pub fn on_serving(&mut self, listener: ServingListener) {
        self.listener = listener;
    }
    /// Starts a node that does not run.
    pub fn start(&mut self, node: usize) {
        if self.machines[node].runtime.is_some() {
            return;
        }
        self.event(&format!("node {node} starts"));
        let mut slots = Vec::new();
        for set in &self.layout.sets {
            let own = set.slots.iter().enumerate().filter(|(_, place)| place.node as usize == node);
            slots.extend(own.map(|(slot, _)| SlotId { set: set.id, slot: slot as u8 }));
        }
        let options = NodeOptions {
            cluster: [3; 16],
            node: node as u32,
            listen: SocketAddr::new(address(node), PEER_PORT),
            layout: self.layout.clone(),
            slots,
            bootstrap: self.bootstrap,
            deadline: DEADLINE,
        };
        let runtime = self.world.start_node(node as u32, address(node));
        let machine = &mut self.machines[node];
        machine.serving = Rc::default();
        machine.starts += 1;
        let (serving, starts, listener) = (machine.serving.clone(), machine.starts, self.listener.clone());
        let starting = node::start(runtime.clone(), options, self.history.clone());
        runtime.spawn(async move {
            if let Some(started) = starting.await {
                listener(node, starts, &started);
                *serving.borrow_mut() = Some(started);
            }
        });
        machine.runtime = Some(runtime);
    }
    /// Starts all nodes that do not run.
    pub fn start_all(&mut self) {
        (0..self.nodes()).for_each(|node| self.start(node));
    }
    /// What serves on a node, if it does.
    pub fn serving(&self, node: usize) -> Option<Serving> {
        self.machines[node].serving.borrow().clone()
    }
    /// Lets time pass until all nodes that run serve; false when `limit` was not enough.
    pub fn wait_until_serving(&mut self, limit: Duration) -> bool {
        let until = self.now().0 + limit.as_nanos() as u64;
        while self.now().0 < until {
            if self.machines.iter().all(|machine| machine.runtime.is_none() || machine.serving.borrow().is_some()) {
                return true;
            }
            self.run_for(Duration::from_millis(20));
        }
        false
    }
    /// Ends a node's process and its machine's power: what was not flushed is lost or torn.
    pub fn cut_power(&mut self, node: usize) {
        self.event(&format!("node {node} loses its power"));
        self.forget(node);
        self.world.power_off(node as u32);
    }
    /// Ends a node's process; what it has written stays.
    pub fn kill(&mut self, node: usize) {
        self.event(&format!("node {node} is killed"));
        self.forget(node);
        self.world.kill(node as u32);
    }
    fn forget(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        machine.serving.take();
        machine.runtime = None;
    }
    /// Lets a node stand still.
    pub fn pause(&mut self, node: usize) {
        self.event(&format!("node {node} stands still"));
        self.world.pause(node as u32);
    }
    /// Lets a node that stands still go on.
    pub fn resume(&mut self, node: usize) {
        self.event(&format!("node {node} goes on"));
        self.world.resume(node as u32);
    }
    /// Opens or closes the way from one node to another, in this direction only.
    pub fn set_connected(&mut self, from: usize, to: usize, connected: bool) {
        self.event(&format!("the way from node {from} to node {to} is {}", if connected { "open" } else { "closed" }));
        self.world.set_connected(from as u32, to as u32, connected);
    }
    /// Breaks all connections of a node.
    pub fn reset_connections(&mut self, node: usize) {
        self.event(&format!("all connections of node {node} break"));
        self.world.reset_connections(node as u32);
    }
    /// Sets how far a node's wall clock is from the true time.
    pub fn set_clock_offset_ms(&mut self, node: usize, offset_ms: i64) {
        self.event(&format!("the clock of node {node} is {offset_ms} ms ahead"));
        self.world.set_wall_offset_ms(node as u32, offset_ms);
    }
    /// Lets simulated time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.world.run_for(duration);
    }
    /// Runs a task on a node until it is done; `None` when `limit` was not enough.
    pub fn run_on<T: 'static>(&mut self, runtime: &Runtime, limit: Duration, task: impl Future<Output = T> + 'static) -> Option<T> {
        let result = Rc::new(RefCell::new(None));
        let filled = result.clone();
        runtime.spawn(async move {
            let value = task.await;
            *filled.borrow_mut() = Some(value);
        });
        let until = self.now().0 + limit.as_nanos() as u64;
        while result.borrow().is_none() && self.now().0 < until {
            self.run_for(Duration::from_millis(1));
        }
        result.take()
    }
    /// The shape it was made with.
    pub fn shape(&self) -> Shape {
        self.shape
    }
}
