//! One core's view of the cluster: ask any slot, ask any node, serve what others ask.

use crate::codec::{NodeEnvelope, RequestEnvelope};
use crate::frame::FrameKind;
use crate::home::Home;
use crate::link::Link;
use crate::local::{self, LocalDrive, Reply};
use crate::pending::AnyAnswer;
use crate::serve::Sessions;
use crate::{Clock, ClusterLayout, Fence, Fences, PeerEvent, SlotId};
use futures_channel::oneshot;
use openlake_drive::{Answer, Ballot, Request};
use openlake_io::Runtime;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often links are looked at; a fraction of the shortest of their time limits.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// A look that comes this late says that this core stood still, not the peers.
const STALL: Duration = Duration::from_secs(1);
/// A drive of this node is late after this: longer than a cache miss on any NVMe drive.
const LOCAL_HEDGE: Duration = Duration::from_millis(20);

/// What a core's mesh is made of. Everything in an `Arc` is shared by the node's cores.
#[derive(Clone)]
pub struct MeshOptions {
    pub cluster: [u8; 16],
    pub node: u32,
    pub boot: u32,
    /// One or two secrets: the first signs, either is accepted.
    pub secrets: Vec<Vec<u8>>,
    pub layout: Arc<ClusterLayout>,
    pub clock: Arc<Clock>,
    pub fences: Arc<Fences>,
    pub drives: Vec<LocalDrive>,
    /// Where to listen for peers; `None`: this core does not.
    pub listen: Option<SocketAddr>,
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// No link to the node; the text says why.
    Unreachable(String),
    /// The deadline passed.
    Timeout,
    /// The link broke after the request was handed to it: it may or may not have arrived.
    Lost,
}

/// A request to a node rather than a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeRequest {
    /// A bucket's record changed: requests under an older revision are to be refused from now on.
    Touched { bucket: u64, revision: Ballot, name: String },
    Ping,
}

/// A node's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeAnswer {
    Done,
    /// Clock of the node, milliseconds.
    Pong { wall_ms: u64, loaded: bool },
}

/// A link as status shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    pub node: u32,
    pub connected: bool,
    /// Why not, or the last refusal.
    pub reason: String,
    pub round_trip_us: u64,
    /// Frames queued for the peer by this core's link, and in how many sends they left.
    pub frames: u64,
    pub sends: u64,
}

/// One core's way to every slot and node. A cheap handle.
#[derive(Clone)]
pub struct Mesh {
    home: Rc<Home>,
    links: Rc<RefCell<BTreeMap<u32, Rc<Link>>>>,
    sessions: Rc<Sessions>,
    local_address: Rc<Cell<Option<SocketAddr>>>,
}

impl Mesh {
    /// Starts listening and connecting. Fails when the address to listen on cannot be had.
    pub fn start(runtime: &Runtime, options: MeshOptions) -> std::io::Result<Mesh> {
        let home = Rc::new(Home {
            runtime: runtime.clone(),
            cluster: options.cluster,
            node: options.node,
            boot: options.boot,
            clock: options.clock,
            fences: options.fences,
            secrets: RefCell::new(options.secrets),
            layout: RefCell::new(options.layout),
            drives: RefCell::default(),
            closed: Cell::new(false),
            refusals: RefCell::default(),
            touched: RefCell::default(),
            events: RefCell::default(),
        });
        options.drives.into_iter().for_each(|drive| home.put_drive(drive));
        let sessions = Rc::new(Sessions::default());
        let local_address = Rc::new(Cell::new(None));
        if let Some(address) = options.listen {
            let listener = runtime.listen(address, true)?;
            local_address.set(Some(listener.local_address()?));
            runtime.spawn(sessions.clone().accept(home.clone(), listener));
        }
        let mesh = Mesh { home, links: Rc::default(), sessions, local_address };
        mesh.relink("");
        runtime.spawn(mesh.clone().watch());
        Ok(mesh)
    }

    /// The address it listens on, if it does.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.local_address.get()
    }

    /// The layout in force.
    pub fn layout(&self) -> Arc<ClusterLayout> {
        self.home.layout.borrow().clone()
    }

    /// Asks one slot. The answer is the drive's own word, or the reason why there is none.
    pub async fn call(&self, slot: SlotId, fence: Option<Fence>, request: Request, deadline: Duration) -> Result<Answer, CallError> {
        let node = self.node_of(slot)?;
        let envelope = self.envelope(slot, fence, deadline);
        if node == self.home.node {
            return self.call_here(envelope, request, deadline).await;
        }
        let timed = matches!(request, Request::Read { .. } | Request::Blocks { .. } | Request::Scan { .. });
        let link = self.link(node)?;
        match link.ask(FrameKind::Request, &(envelope, request), timed, deadline).await? {
            AnyAnswer::Slot(answer) => Ok(answer),
            AnyAnswer::Node(_) => Err(CallError::Unreachable(format!("node {node} answered another question"))),
        }
    }

    /// Sends without waiting for an answer (stable marks); batched with other traffic, lost if the link is down.
    pub fn send(&self, slot: SlotId, request: Request) {
        let Ok(node) = self.node_of(slot) else { return };
        let envelope = self.envelope(slot, None, Duration::MAX);
        if node != self.home.node {
            if let Ok(link) = self.link(node) {
                link.notice(&(envelope, request));
            }
            return;
        }
        if let Ok(drive) = self.home.admit(&envelope) {
            let home = self.home.clone();
            self.home.runtime.spawn(async move {
                local::start(&home.runtime, &drive, home.address(slot), 0, request, |_| ()).await;
            });
        }
    }

    /// Asks a node (this one included).
    pub async fn call_node(&self, node: u32, request: NodeRequest, deadline: Duration) -> Result<NodeAnswer, CallError> {
        if node == self.home.node {
            return Ok(self.home.answer(&request));
        }
        let envelope = NodeEnvelope { clock: self.home.clock_for_peers() };
        let link = self.link(node)?;
        match link.ask(FrameKind::NodeRequest, &(envelope, request), false, deadline).await? {
            AnyAnswer::Node(answer) => Ok(answer),
            AnyAnswer::Slot(_) => Err(CallError::Unreachable(format!("node {node} answered another question"))),
        }
    }

    /// Expected answer time of a slot (p95), to hedge by.
    pub fn hedge_after(&self, slot: SlotId) -> Duration {
        let link = self.node_of(slot).ok().filter(|node| *node != self.home.node).and_then(|node| self.link(node).ok());
        link.map_or(LOCAL_HEDGE, |link| link.hedge_after())
    }

    /// Called on every `Touched` that arrives (marks the table row stale).
    pub fn on_touched(&self, listener: impl Fn(&str, u64, Ballot) + 'static) {
        self.home.touched.borrow_mut().push(Rc::new(listener));
    }

    /// Called on everything about links that is worth a line in the log.
    pub fn on_event(&self, listener: impl Fn(&PeerEvent) + 'static) {
        self.home.events.borrow_mut().push(Rc::new(listener));
    }

    /// State of every link, and of those who were refused.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let refusals = self.home.refusals.borrow();
        let links = self.links.borrow();
        let linked = links.iter().map(|(node, link)| {
            let state = link.state();
            let refusal = refusals.get(node).cloned().unwrap_or_default();
            let reason = if state.reason.is_empty() { refusal } else { state.reason };
            let (frames, sends) = (state.frames, state.sends);
            PeerStatus { node: *node, connected: state.connected, reason, round_trip_us: state.round_trip_us, frames, sends }
        });
        let strangers = refusals.iter().filter(|(node, _)| !links.contains_key(node)).map(|(node, reason)| {
            let reason = reason.clone();
            PeerStatus { node: *node, connected: false, reason, round_trip_us: 0, frames: 0, sends: 0 }
        });
        linked.chain(strangers).collect()
    }

    /// Live change of secrets and addresses (configuration reload). Links to nodes whose address changed connect anew; secrets count
    /// from the next handshake on.
    pub fn reload(&self, secrets: Vec<Vec<u8>>, layout: Arc<ClusterLayout>) {
        self.home.secrets.replace(secrets);
        let known: Vec<u32> = layout.nodes.iter().map(|node| node.id).collect();
        self.home.layout.replace(layout);
        self.sessions.close(|node| !known.contains(&node));
        self.relink("the layout changed its address");
    }

    /// Adds a drive of this node, or replaces the one of the same slot.
    pub fn put_drive(&self, drive: LocalDrive) {
        self.home.put_drive(drive);
    }

    /// Takes a drive out: requests for its slot are answered `Wrong` from now on.
    pub fn remove_drive(&self, slot: SlotId) {
        self.home.remove_drive(slot);
    }

    /// Stops listening and closes all links.
    pub fn shutdown(&self) {
        self.home.closed.set(true);
        self.sessions.stop.notify();
        self.sessions.close(|_| true);
        let links = std::mem::take(&mut *self.links.borrow_mut());
        links.values().for_each(|link| link.close("this node is shutting down"));
        let slots: Vec<SlotId> = self.home.drives.borrow().keys().copied().collect();
        slots.into_iter().for_each(|slot| self.home.remove_drive(slot));
    }

    async fn call_here(&self, envelope: RequestEnvelope, request: Request, deadline: Duration) -> Result<Answer, CallError> {
        let home = &self.home;
        let drive = match home.admit(&envelope) {
            Ok(drive) => drive,
            Err(answer) => return Ok(answer),
        };
        let (sender, mut receiver) = oneshot::channel();
        let done = move |reply: Reply| {
            // Whoever no longer waits has given up on its own.
            let _ = sender.send(reply.answer);
        };
        local::start(&home.runtime, &drive, home.address(envelope.slot), envelope.generation, request, done).await;
        if let Ok(Some(answer)) = receiver.try_recv() {
            return Ok(answer);
        }
        match home.runtime.timeout(deadline, receiver).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(CallError::Lost),
            Err(_) => Err(CallError::Timeout),
        }
    }

    fn envelope(&self, slot: SlotId, fence: Option<Fence>, deadline: Duration) -> RequestEnvelope {
        let deadline_ms = u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX);
        let epoch = self.home.layout.borrow().epoch;
        RequestEnvelope { slot, epoch, generation: 0, fence, deadline_ms, clock: self.home.clock_for_peers() }
    }

    fn node_of(&self, slot: SlotId) -> Result<u32, CallError> {
        let layout = self.home.layout.borrow();
        let unknown = || CallError::Unreachable(format!("the layout of epoch {} has no {slot}", layout.epoch));
        layout.place(slot).map(|place| place.node).ok_or_else(unknown)
    }

    fn link(&self, node: u32) -> Result<Rc<Link>, CallError> {
        let unknown = || CallError::Unreachable(format!("the layout of epoch {} has no node {node}", self.home.layout.borrow().epoch));
        self.links.borrow().get(&node).cloned().ok_or_else(unknown)
    }

    /// Makes links fit the layout.
    fn relink(&self, reason: &str) {
        let layout = self.layout();
        let mut links = self.links.borrow_mut();
        links.retain(|id, link| {
            let keep = layout.nodes.iter().any(|node| node.id == *id && node.address == link.address);
            if !keep {
                link.close(reason);
            }
            keep
        });
        for node in layout.nodes.iter().filter(|node| node.id != self.home.node) {
            links.entry(node.id).or_insert_with(|| Link::start(&self.home, node.id, node.address));
        }
    }

    async fn watch(self) {
        let runtime = self.home.runtime.clone();
        let mut last = runtime.now();
        loop {
            runtime.sleep(WATCH_EVERY).await;
            if self.home.closed.get() {
                return;
            }
            let now = runtime.now();
            let stalled = Duration::from_nanos(now.0 - last.0) > STALL;
            last = now;
            self.links.borrow().values().for_each(|link| link.watch(stalled));
        }
    }
}
