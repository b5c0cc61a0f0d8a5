//! One core's view of the cluster: ask any slot, ask any node, serve what others ask.

use crate::{Clock, ClusterLayout, Fence, Fences, SlotId};
use openlake_drive::{Answer, Ballot, Drive, Request};
use openlake_io::{RemoteHandle, Runtime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A drive of this node, as one core reaches it.
#[derive(Clone)]
pub struct LocalDrive {
    pub slot: SlotId,
    /// The drive itself, on the core that owns it.
    pub drive: Option<Drive>,
    /// The owner core, for all others.
    pub owner: RemoteHandle,
}

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
}

/// One core's way to every slot and node. A cheap handle.
#[derive(Clone)]
pub struct Mesh {}

impl Mesh {
    /// Starts listening and connecting.
    pub fn start(runtime: &Runtime, options: MeshOptions) -> std::io::Result<Mesh> {
        let _ = (runtime, options);
        todo!()
    }
    /// The layout in force.
    pub fn layout(&self) -> Arc<ClusterLayout> {
        todo!()
    }
    /// Asks one slot. The answer is the drive's own word, or the reason why there is none.
    pub async fn call(&self, slot: SlotId, fence: Option<Fence>, request: Request, deadline: Duration) -> Result<Answer, CallError> {
        let _ = (slot, fence, request, deadline);
        todo!()
    }
    /// Sends without waiting for an answer (stable marks); batched with other traffic, lost if the link is down.
    pub fn send(&self, slot: SlotId, request: Request) {
        let _ = (slot, request);
        todo!()
    }
    /// Asks a node (this one included).
    pub async fn call_node(&self, node: u32, request: NodeRequest, deadline: Duration) -> Result<NodeAnswer, CallError> {
        let _ = (node, request, deadline);
        todo!()
    }
    /// Expected answer time of a slot (p95), to hedge by.
    pub fn hedge_after(&self, slot: SlotId) -> Duration {
        let _ = slot;
        todo!()
    }
    /// Called on every `Touched` that arrives (marks the table row stale).
    pub fn on_touched(&self, listener: impl Fn(&str, u64, Ballot) + 'static) {
        let _ = listener;
        todo!()
    }
    /// State of every link.
    pub fn peers(&self) -> Vec<PeerStatus> {
        todo!()
    }
    /// Live change of secrets and addresses (configuration reload).
    pub fn reload(&self, secrets: Vec<Vec<u8>>, layout: Arc<ClusterLayout>) {
        let _ = (secrets, layout);
        todo!()
    }
    /// Stops listening and closes all links.
    pub fn shutdown(&self) {
        todo!()
    }
}
