//! A cluster in one thread: a simulated world with a node per machine, started, broken and mended from outside.

mod drives;

use crate::certificates::shared_certificate;
use crate::history::History;
use crate::node::{self, NodeOptions, Serving, drive_path};
use crate::places::{address, endpoint, layout};
use crate::plan::Shape;
use openlake_drive::Drive;
use openlake_io::{Instant, Runtime, SimOptions, SimWorld};
use openlake_object::{HealOptions, NodeState};
use openlake_peer::{ClusterLayout, SlotId, TlsOptions};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a coordinator tries; also bounds how long a node needs to see that others are gone.
const DEADLINE: Duration = Duration::from_secs(3);

/// Called whenever a node begins to serve: with its number, the number of its start, and what serves there.
pub type ServingListener = Rc<dyn Fn(usize, usize, &Serving)>;

/// A node seen from outside.
#[derive(Default)]
struct Machine {
    runtime: Option<Runtime>,
    serving: Rc<RefCell<Option<Serving>>>,
    drives_fail: Rc<Cell<bool>>,
    drives: Rc<RefCell<Vec<Drive>>>,
    state: Rc<RefCell<Option<Arc<NodeState>>>>,
    /// Counts its starts.
    starts: usize,
}

/// A whole cluster and its world.
pub struct Cluster {
    pub(crate) world: SimWorld,
    shape: Shape,
    cores: usize,
    layout: Arc<ClusterLayout>,
    machines: Vec<Machine>,
    history: History,
    bootstrap: bool,
    disks_err: bool,
    healing: HealOptions,
    tls: Option<TlsOptions>,
    listener: ServingListener,
}

impl Drop for Cluster {
    /// Ends all processes: their tasks hold the world, and the world holds them.
    fn drop(&mut self) {
        for node in 0..self.machines.len() {
            self.machines[node] = Machine::default();
            self.world.stop_node(node as u32);
        }
    }
}

impl Cluster {
    /// A world with blank drives; no node runs yet. `cores`: coordinators of each node.
    pub fn new(seed: u64, (shape, cores): (Shape, usize), options: SimOptions, history: History) -> Cluster {
        let world = SimWorld::new(seed, options);
        let machines = (0..shape.nodes).map(|_| Machine::default()).collect();
        Cluster {
            world,
            shape,
            cores,
            layout: Arc::new(layout(shape)),
            machines,
            history,
            bootstrap: true,
            disks_err: false,
            healing: node::usual_healing(),
            tls: None,
            listener: Rc::new(|_, _, _| ()),
        }
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
    pub(crate) fn event(&self, text: &str) {
        self.history.event(self.now(), text);
    }

    /// From now on blank drives are refused, as once the cluster was bootstrapped.
    pub fn end_bootstrap(&mut self) {
        self.bootstrap = false;
    }
    /// From now on nodes start with a certificate, and take no links without TLS.
    pub fn encrypt(&mut self) {
        self.tls = Some(shared_certificate());
    }
    /// How nodes that start from now on heal.
    pub fn set_healing(&mut self, healing: HealOptions) {
        self.healing = healing;
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
        let options = NodeOptions {
            cluster: [3; 16],
            node: node as u32,
            listen: endpoint(node),
            layout: self.layout.clone(),
            slots: self.slots_of(node),
            cores: self.cores,
            bootstrap: self.bootstrap,
            deadline: DEADLINE,
            drives_fail: self.machines[node].drives_fail.clone(),
            disks_err: self.disks_err,
            drives: self.machines[node].drives.clone(),
            state: self.machines[node].state.clone(),
            healing: self.healing.clone(),
            tls: self.tls.clone(),
        };
        let runtime = self.world.start_node(node as u32, address(node));
        for slot in &options.slots {
            if let Err(error) = self.world.mount(node as u32, &drive_path(*slot)) {
                self.history
                    .problem(self.now(), format!("the harness cannot mount a drive on node {node}: {error}"));
            }
        }
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
    /// Which nodes run but do not serve, and what they wait for.
    pub fn joining(&self) -> Vec<(usize, String)> {
        let waits = |machine: &Machine| machine.runtime.is_some() && machine.serving.borrow().is_none();
        let status = |machine: &Machine| {
            machine
                .state
                .borrow()
                .as_ref()
                .map_or_else(|| "opening its drives".to_owned(), |state| state.join_status())
        };
        self.machines
            .iter()
            .enumerate()
            .filter(|(_, machine)| waits(machine))
            .map(|(node, machine)| (node, status(machine)))
            .collect()
    }
    /// Lets time pass until all nodes that run serve; false when `limit` was not enough.
    pub fn wait_until_serving(&mut self, limit: Duration) -> bool {
        let until = self.now().0 + limit.as_nanos() as u64;
        while self.now().0 < until {
            if self
                .machines
                .iter()
                .all(|machine| machine.runtime.is_none() || machine.serving.borrow().is_some())
            {
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
        self.world.crash_node(node as u32);
    }
    /// Ends a node's process; what it has written stays.
    pub fn kill(&mut self, node: usize) {
        self.event(&format!("node {node} is killed"));
        self.forget(node);
        self.world.stop_node(node as u32);
    }
    fn forget(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        machine.serving.take();
        // What is still under way of the process holds on to the old list.
        machine.drives = Rc::default();
        (machine.runtime, machine.state) = (None, Rc::default());
    }
    /// Lets a node stand still.
    pub fn pause(&mut self, node: usize) {
        self.event(&format!("node {node} stands still"));
        self.world.pause_node(node as u32);
    }
    /// Lets a node that stands still go on.
    pub fn resume(&mut self, node: usize) {
        self.event(&format!("node {node} goes on"));
        self.world.resume_node(node as u32);
    }
    /// Opens or closes the way from one node to another, in this direction only.
    pub fn set_connected(&mut self, from: usize, to: usize, connected: bool) {
        self.event(&format!(
            "the way from node {from} to node {to} is {}",
            if connected { "open" } else { "closed" }
        ));
        if connected {
            self.world.unblock(from as u32, to as u32);
        } else {
            self.world.block(from as u32, to as u32);
        }
    }
    /// Sets how often a piece of a stream breaks its connection instead of arriving.
    pub fn set_reset_chance(&mut self, chance: f64) {
        self.event(&format!("connections break with a chance of {chance}"));
        self.world.change_options(|options| options.reset_chance = chance);
    }
    pub(crate) fn slots_of(&self, node: usize) -> Vec<SlotId> {
        let mut slots = Vec::new();
        for set in &self.layout.sets {
            let own = set.slots.iter().enumerate().filter(|(_, place)| place.node as usize == node);
            slots.extend(own.map(|(slot, _)| SlotId {
                set: set.id,
                slot: slot as u8,
            }));
        }
        slots
    }
    /// Ends a node's process in order, as a rolling restart does, and starts it anew.
    pub fn restart(&mut self, node: usize) {
        self.event(&format!("node {node} is restarted in order"));
        if let (Some(serving), false) = (self.serving(node), self.machines[node].drives_fail.get()) {
            let runtime = serving.runtime.clone();
            let closed = self.run_on(&runtime, Duration::from_secs(10), async move {
                serving.mesh.shutdown();
                for drive in &serving.drives {
                    drive.close().await;
                }
            });
            if closed.is_none() && self.machines[node].runtime.is_some() {
                self.history.problem(self.now(), format!("the drives of node {node} do not close"));
            }
        }
        self.forget(node);
        self.world.stop_node(node as u32);
        self.start(node);
    }
    /// Sets how far a node's wall clock is from the true time.
    pub fn set_clock_offset_ms(&mut self, node: usize, offset_ms: i64) {
        self.event(&format!("the clock of node {node} is {offset_ms} ms ahead"));
        self.world.set_clock_offset(node as u32, offset_ms);
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
        self.world.run_until(|| result.borrow().is_some(), limit);
        result.take()
    }
    /// A hash over all that happened in the world.
    pub fn event_hash(&self) -> u64 {
        self.world.event_hash()
    }
    /// The shape it was made with.
    pub fn shape(&self) -> Shape {
        self.shape
    }
}
