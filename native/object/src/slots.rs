//! The way to the slots of a cluster, as a coordinator needs it: the border that tests and the simulation replace.

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use openlake_drive::{Answer, Ballot, Request};
use openlake_peer::{CallError, ClusterLayout, Fence, Mesh, NodeAnswer, NodeRequest, SlotId};
use std::sync::Arc;
use std::time::Duration;

/// Hears of every bucket whose record changed: name, id, revision.
pub type TouchedListener = Box<dyn Fn(&str, u64, Ballot)>;

/// Reaches slots and nodes. A message arrives at most once; whatever goes wrong is "no answer".
pub trait Slots {
    /// The layout in force.
    fn layout(&self) -> Arc<ClusterLayout>;
    /// Asks one slot.
    fn call(
        &self,
        slot: SlotId,
        fence: Option<Fence>,
        request: Request,
        deadline: Duration,
    ) -> LocalBoxFuture<'static, Result<Answer, CallError>>;
    /// Asks a slot that can answer at once; `None`: it has to be called.
    fn call_in_memory(&self, _slot: SlotId, _fence: Option<Fence>, _request: &Request) -> Option<Answer> {
        None
    }
    /// Sends without waiting for an answer.
    fn send(&self, slot: SlotId, request: Request);
    /// Whether a request to the slot has a way to go right now; costs no message. What cannot know says yes.
    fn is_reachable(&self, slot: SlotId) -> bool;
    /// Expected answer time of a slot, to hedge by.
    fn hedge_after(&self, slot: SlotId) -> Duration;
    /// Asks a node.
    fn call_node(&self, node: u32, request: NodeRequest, deadline: Duration) -> LocalBoxFuture<'static, Result<NodeAnswer, CallError>>;
    /// Hears of changed buckets.
    fn on_touched(&self, listener: TouchedListener);
}

impl Slots for Mesh {
    fn layout(&self) -> Arc<ClusterLayout> {
        Mesh::layout(self)
    }
    fn call(
        &self,
        slot: SlotId,
        fence: Option<Fence>,
        request: Request,
        deadline: Duration,
    ) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        let mesh = self.clone();
        async move { mesh.call(slot, fence, request, deadline).await }.boxed_local()
    }
    fn call_in_memory(&self, slot: SlotId, fence: Option<Fence>, request: &Request) -> Option<Answer> {
        Mesh::call_in_memory(self, slot, fence, request)
    }
    fn send(&self, slot: SlotId, request: Request) {
        Mesh::send(self, slot, request);
    }
    fn is_reachable(&self, slot: SlotId) -> bool {
        Mesh::is_reachable(self, slot)
    }
    fn hedge_after(&self, slot: SlotId) -> Duration {
        Mesh::hedge_after(self, slot)
    }
    fn call_node(&self, node: u32, request: NodeRequest, deadline: Duration) -> LocalBoxFuture<'static, Result<NodeAnswer, CallError>> {
        let mesh = self.clone();
        async move { mesh.call_node(node, request, deadline).await }.boxed_local()
    }
    fn on_touched(&self, listener: TouchedListener) {
        Mesh::on_touched(self, listener);
    }
}
