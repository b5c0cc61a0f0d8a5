//! Nodes of a test: meshes with a stand-in for drives that shows what reached it.

use bytes::Bytes;
use openlake_drive::{
    Answer, Ballot, Block, Coding, Covers, Key, KeyState, Kind, Record, Request, ScanRow, Shard, ShardBytes, Space, Want, WriteId,
};
use openlake_io::{EngineKind, Runtime};
use openlake_peer::{
    Answering, CallError, Clock, ClusterLayout, DEFAULT_BUDGET_BYTES, Fences, LocalDrive, Mesh, MeshOptions, NodeAddress, PeerStatus,
    PeerTls, SetLayout, SlotId, SlotPlace, SlotServer, Versions,
};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub const CLUSTER: [u8; 16] = [0xc1; 16];
pub const SECOND: Duration = Duration::from_secs(1);
pub const BLOCK_BYTES: usize = 65536;

/// A shard of this length is taken by a drive that stands still.
pub const NEVER: u64 = u64::MAX;

/// Answers by what is asked: reads and scans at once, stages at once and remembered, prepares never, publishes a moment later.
pub struct Slot {
    pub runtime: Runtime,
    pub seen: Rc<RefCell<Vec<Request>>>,
    /// Bytes of publishes under way now, and at most so far.
    pub held: Rc<Cell<(usize, usize)>>,
}

impl SlotServer for Slot {
    fn handle(&self, request: Request) -> Answering {
        self.seen.borrow_mut().push(request.clone());
        let (runtime, held) = (self.runtime.clone(), self.held.clone());
        Box::pin(async move {
            match request {
                Request::Read { .. } => Answer::State {
                    state: KeyState::default(),
                    shard: None,
                },
                Request::Blocks {
                    write_id, first, count, ..
                } => {
                    let blocks = (first..first + count).map(|index| Some(block(index))).collect();
                    Answer::Blocks(ShardBytes { write_id, first, blocks })
                }
                Request::Stage { shard_length: NEVER, .. } => std::future::pending().await,
                Request::Stage { .. } => Answer::Staged { floor: Ballot::ZERO },
                Request::Unstage { .. } | Request::Stable { .. } => Answer::Nothing,
                Request::Prepare { .. } => std::future::pending().await,
                Request::Publish { record, .. } => {
                    let bytes = record.size as usize;
                    let (now, most) = held.get();
                    held.set((now + bytes, most.max(now + bytes)));
                    runtime.sleep(Duration::from_millis(5)).await;
                    held.set((held.get().0 - bytes, held.get().1));
                    Answer::Ack
                }
                Request::Drop { .. } | Request::Missed { .. } => Answer::Ack,
                Request::Barrier { .. } | Request::NextSpace { .. } | Request::Digest { .. } | Request::Succession { .. } => {
                    Answer::Failed("not played here".to_owned())
                }
                Request::Scan { limit, .. } | Request::HealScan { limit, .. } => {
                    let row = |index: u32| ScanRow {
                        name: Bytes::from(format!("{index:0>1000}")),
                        state: KeyState::default(),
                    };
                    Answer::Page {
                        rows: (0..limit).map(row).collect(),
                        covers: Covers::End,
                        dirty: false,
                    }
                }
            }
        })
    }
    fn generation(&self) -> u32 {
        1
    }
}

/// The block that every slot has at `index`; its checksum is the index, so that tests need not compute one.
pub fn block(index: u32) -> Block {
    Block {
        bytes: Bytes::from(vec![index as u8; BLOCK_BYTES]),
        checksum: index.into(),
        verified: false,
    }
}

pub fn key() -> Key {
    Key {
        bucket: 1,
        space: Space::Object,
        name: Bytes::from_static(b"key"),
    }
}

pub fn read() -> Request {
    Request::Read {
        key: key(),
        want: Want::Heads,
    }
}

pub fn stage(bytes: Bytes) -> Request {
    Request::Stage {
        key: key(),
        write_id: WriteId([1; 16]),
        block_shift: 16,
        shard_length: 0,
        offset: 0,
        bytes,
    }
}

/// Small, and answered a moment later.
pub fn publish() -> Request {
    publish_inline(Bytes::from_static(b"small"))
}

/// Answered a moment later, so that its bytes are held until then.
pub fn publish_inline(bytes: Bytes) -> Request {
    let record = Record {
        ballot: Ballot::ZERO,
        write_id: WriteId([1; 16]),
        origin: Ballot::ZERO,
        base: None,
        kind: Kind::Data,
        unconditional: true,
        size: bytes.len() as u64,
        etag: [0; 16],
        etag_parts: 0,
        metadata: Bytes::new(),
        coding: Coding::default(),
        slot: 0,
        payload_size: bytes.len() as u64,
        shard: Shard::Inline(bytes),
    };
    Request::Publish { key: key(), record }
}

pub fn slot(slot: u8) -> SlotId {
    SlotId { set: 0, slot }
}

/// A node of a test.
pub struct Node {
    pub mesh: Mesh,
    pub seen: Rc<RefCell<Vec<Request>>>,
    pub held: Rc<Cell<(usize, usize)>>,
    pub clock: Arc<Clock>,
    pub fences: Arc<Fences>,
    pub events: Rc<RefCell<Vec<String>>>,
    pub secrets: Vec<Vec<u8>>,
    id: u32,
}

/// One slot per node, slot i on node i + 1, at these addresses.
pub fn layout(addresses: &[SocketAddr]) -> Arc<ClusterLayout> {
    let ids = || (1..).zip(addresses);
    let slots = ids().map(|(node, _)| SlotPlace { node, drive: 0 }).collect();
    let nodes = ids().map(|(id, address)| NodeAddress { id, address: *address }).collect();
    let sets = vec![SetLayout {
        id: 0,
        data: 1,
        parity: 1,
        weight: 1,
        slots,
    }];
    Arc::new(ClusterLayout {
        epoch: 1,
        hash: [1; 16],
        sets,
        nodes,
    })
}

/// How a node differs from the ordinary.
#[derive(Clone)]
pub struct Identity {
    pub id: u32,
    pub cluster: [u8; 16],
    pub secrets: Vec<Vec<u8>>,
    pub boot: u32,
    pub tls: Option<PeerTls>,
    pub versions: Versions,
    pub budget_bytes: u64,
}

impl Identity {
    pub fn node(id: u32) -> Identity {
        Identity {
            id,
            cluster: CLUSTER,
            secrets: vec![b"secret".to_vec()],
            boot: 1,
            tls: None,
            versions: Versions::SPOKEN,
            budget_bytes: DEFAULT_BUDGET_BYTES,
        }
    }
}

impl Node {
    /// Listens at `listen`; knows no other node yet.
    pub fn start(runtime: &Runtime, identity: Identity, listen: SocketAddr) -> Node {
        let (clock, fences) = (Arc::new(Clock::default()), Arc::new(Fences::default()));
        let seen = Rc::new(RefCell::new(Vec::new()));
        let held = Rc::new(Cell::new((0, 0)));
        let server = Rc::new(Slot {
            runtime: runtime.clone(),
            seen: seen.clone(),
            held: held.clone(),
        });
        let own = LocalDrive {
            slot: slot(identity.id as u8 - 1),
            drive: Some(server),
            owner: runtime.remote(),
        };
        let options = MeshOptions {
            cluster: identity.cluster,
            node: identity.id,
            boot: identity.boot,
            versions: identity.versions,
            budget_bytes: identity.budget_bytes,
            secrets: identity.secrets.clone(),
            tls: identity.tls.clone(),
            layout: layout(&[]),
            clock: clock.clone(),
            fences: fences.clone(),
            drives: vec![own],
            listen: Some(listen),
        };
        let mesh = Mesh::start(runtime, options).expect("the address is free");
        let events = Rc::new(RefCell::new(Vec::new()));
        let log = events.clone();
        mesh.on_event(move |event| log.borrow_mut().push(event.to_string()));
        Node {
            mesh,
            seen,
            held,
            clock,
            fences,
            events,
            secrets: identity.secrets,
            id: identity.id,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.mesh.local_address().expect("it listens")
    }

    pub fn join(&self, layout: &Arc<ClusterLayout>) {
        self.mesh.reload(self.secrets.clone(), layout.clone());
    }

    pub fn peer(&self, node: u32) -> PeerStatus {
        let peers = self.mesh.peers();
        peers
            .iter()
            .find(|peer| peer.node == node)
            .cloned()
            .unwrap_or_else(|| panic!("node {} knows {peers:?}, not {node}", self.id))
    }

    pub fn is_linked(&self, node: u32) -> bool {
        self.mesh.peers().iter().any(|peer| peer.node == node && peer.connected)
    }

    pub async fn ask(&self, index: u8, request: Request) -> Result<Answer, CallError> {
        self.mesh.call(slot(index), None, request, 5 * SECOND).await
    }
}

/// Ordinary nodes 1 to `count`, linked.
pub async fn cluster(runtime: &Runtime, count: u32) -> Vec<Node> {
    let nodes: Vec<Node> = (1..=count).map(|id| Node::start(runtime, Identity::node(id), loopback())).collect();
    join(&nodes);
    for node in &nodes {
        for other in nodes.iter().filter(|other| other.id != node.id) {
            until(runtime, || node.is_linked(other.id)).await;
        }
    }
    nodes
}

pub fn join(nodes: &[Node]) {
    let addresses: Vec<SocketAddr> = nodes.iter().map(Node::address).collect();
    nodes.iter().for_each(|node| node.join(&layout(&addresses)));
}

pub fn stop(nodes: &[Node]) {
    nodes.iter().for_each(|node| node.mesh.shutdown());
}

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Waits for something to become true; generous, since machines are busy.
pub async fn until(runtime: &Runtime, mut condition: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        runtime.sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 30 s");
}

/// Runs a test once per engine that this machine has.
pub fn on_every_engine<F: Future<Output = ()>>(test: impl Fn(Runtime) -> F) {
    for kind in [EngineKind::Poll, EngineKind::Uring] {
        match Runtime::new(kind) {
            Ok(runtime) => runtime.run(test(runtime.clone())),
            Err(error) => println!("without {kind:?}: {error}"),
        }
    }
}
