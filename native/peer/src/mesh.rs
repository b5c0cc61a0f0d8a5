//! One core's view of the cluster: ask any slot, ask any node (`ask`), serve what others ask.

mod ask;

use crate::handshake::key_id;
use crate::home::Home;
use crate::link::Link;
use crate::local::LocalDrive;
use crate::notify::Notify;
use crate::serve::Sessions;
use crate::{Clock, ClusterLayout, Fences, PeerEvent, PeerStatus, PeerTls, SlotId, Versions};
use openlake_drive::Ballot;
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
/// What a core's mesh is made of. Everything in an `Arc` is shared by the node's cores.
#[derive(Clone)]
pub struct MeshOptions {
    pub cluster: [u8; 16],
    pub node: u32,
    pub boot: u32,
    /// Versions of the protocol that it speaks; [`Versions::SPOKEN`] but for tests.
    pub versions: Versions,
    /// Bytes of bulk that this core takes in for all peers together.
    pub budget_bytes: u64,
    /// One or two secrets: the first signs, either is accepted.
    pub secrets: Vec<Vec<u8>>,
    /// Links are made and taken by it; none: without TLS.
    pub tls: Option<PeerTls>,
    pub layout: Arc<ClusterLayout>,
    pub clock: Arc<Clock>,
    pub fences: Arc<Fences>,
    pub drives: Vec<LocalDrive>,
    /// Where to listen for peers; `None`: this core does not.
    pub listen: Option<SocketAddr>,
}

/// One core's way to every slot and node. A cheap handle.
#[derive(Clone)]
pub struct Mesh {
    home: Rc<Home>,
    links: Rc<RefCell<BTreeMap<u32, Rc<Link>>>>,
    sessions: Rc<Sessions>,
    local_address: Rc<Cell<Option<SocketAddr>>>,
    /// The highest generation that answered for a slot: what an earlier one says does not count any more.
    generations: Rc<RefCell<BTreeMap<SlotId, u32>>>,
}

impl Mesh {
    /// Starts listening and connecting. Fails when the address to listen on cannot be had.
    pub fn start(runtime: &Runtime, options: MeshOptions) -> std::io::Result<Mesh> {
        let home = Rc::new(Home {
            runtime: runtime.clone(),
            cluster: options.cluster,
            node: options.node,
            boot: options.boot,
            source: options
                .listen
                .map(|address| address.ip())
                .filter(|address| !address.is_unspecified()),
            clock: options.clock,
            fences: options.fences,
            versions: options.versions,
            budget_bytes: options.budget_bytes,
            sessions: Cell::default(),
            secrets: RefCell::new(options.secrets),
            tls: RefCell::new(options.tls),
            layout: RefCell::new(options.layout),
            drives: RefCell::default(),
            skew: RefCell::default(),
            closed: Cell::new(false),
            refusals: RefCell::default(),
            stranger_refusal: RefCell::default(),
            linked_boots: RefCell::default(),
            touched: RefCell::default(),
            events: RefCell::default(),
            arrived: Notify::default(),
        });
        options.drives.into_iter().for_each(|drive| home.put_drive(drive));
        let sessions = Rc::new(Sessions::default());
        let local_address = Rc::new(Cell::new(None));
        if let Some(address) = options.listen {
            let listener = runtime.listen(address, true)?;
            local_address.set(Some(listener.local_address()?));
            runtime.spawn(sessions.clone().accept(home.clone(), listener));
        }
        let mesh = Mesh {
            home,
            links: Rc::default(),
            sessions,
            local_address,
            generations: Rc::default(),
        };
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
            PeerStatus {
                node: *node,
                connected: state.connected,
                reason,
                encrypted: state.encrypted,
                round_trip_us: state.round_trip_us,
                frames,
                sends,
            }
        });
        let strangers = refusals.iter().filter(|(node, _)| !links.contains_key(node)).map(|(node, reason)| {
            let reason = reason.clone();
            PeerStatus {
                node: *node,
                connected: false,
                encrypted: false,
                reason,
                round_trip_us: 0,
                frames: 0,
                sends: 0,
            }
        });
        linked.chain(strangers).collect()
    }

    /// Live change of secrets and addresses (configuration reload). Links to nodes whose address changed connect anew. Links that were
    /// made by another secret than the one that signs now are replaced by new ones, without losing a request; sessions by a secret that
    /// is accepted no longer end at once.
    pub fn reload(&self, secrets: Vec<Vec<u8>>, layout: Arc<ClusterLayout>) {
        let accepted: Vec<[u8; 8]> = secrets.iter().map(|secret| key_id(secret)).collect();
        self.home.secrets.replace(secrets);
        let known: Vec<u32> = layout.nodes.iter().map(|node| node.id).collect();
        self.home.layout.replace(layout);
        // Those who are still refused will be refused again.
        self.home.refusals.borrow_mut().clear();
        self.sessions
            .close(|session| !known.contains(&session.peer.node) || !accepted.contains(&session.peer.key_id));
        self.relink("the layout changed its address");
        self.links.borrow().values().for_each(|link| link.renew());
    }

    /// Live change of TLS. Links that were made in another way than this are replaced, without losing a request, as far as their peers
    /// take the new way; until then the old connection goes on. Sessions that would be refused now end at once.
    pub fn set_tls(&self, tls: Option<PeerTls>) {
        if let Some(tls) = &tls {
            self.sessions.close(|session| match session.stream.channel() {
                Some(channel) => !tls.still_believes(channel),
                None => tls.is_required(),
            });
        }
        self.home.tls.replace(tls);
        self.home.refusals.borrow_mut().clear();
        self.links.borrow().values().for_each(|link| link.renew());
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
            links
                .entry(node.id)
                .or_insert_with(|| Link::start(&self.home, node.id, node.address));
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
            // Taken out first: listeners that hear of it may change the links.
            let links: Vec<Rc<Link>> = self.links.borrow().values().cloned().collect();
            links.iter().for_each(|link| link.watch(stalled));
            self.sessions.watch(now, stalled);
        }
    }
}
