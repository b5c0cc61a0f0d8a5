//! Asking: a slot of this node is called directly, any other over the link to its node. The rules are the same for both.

use super::Mesh;
use crate::codec::{NodeEnvelope, RequestEnvelope};
use crate::frame::FrameKind;
use crate::link::{Asking, Link};
use crate::local::{self, Reply};
use crate::pending::AnyAnswer;
use crate::{CallError, Fence, NodeAnswer, NodeRequest, SlotId};
use futures_channel::oneshot;
use openlake_drive::{Answer, Request};
use std::rc::Rc;
use std::time::Duration;

/// A drive of this node is late after this: longer than a cache miss on any NVMe drive.
const LOCAL_HEDGE: Duration = Duration::from_millis(20);

impl Mesh {
    /// Asks one slot. The answer is the drive's own word, or the reason why there is none.
    pub async fn call(&self, slot: SlotId, fence: Option<Fence>, request: Request, deadline: Duration) -> Result<Answer, CallError> {
        let node = self.node_of(slot)?;
        let envelope = self.envelope(slot, fence, deadline);
        if node == self.home.node {
            return self.call_here(envelope, request, deadline).await;
        }
        let timed = matches!(request, Request::Read { .. } | Request::Blocks { .. } | Request::Scan { .. });
        let link = self.link(node)?;
        match link.ask_slot(slot, &(envelope, request), timed, deadline).await? {
            AnyAnswer::Slot(answer, generation) => self.of_newest(slot, generation, answer),
            AnyAnswer::Node(_) => Err(CallError::Unreachable(format!("node {node} answered another question"))),
        }
    }

    /// Asks a slot whose drive belongs to this core and has the answer in memory; `None`: it has to be called.
    pub fn call_in_memory(&self, slot: SlotId, fence: Option<Fence>, request: &Request) -> Option<Answer> {
        if self.node_of(slot).ok()? != self.home.node {
            return None;
        }
        let (drive, _) = self.home.admit(&self.envelope(slot, fence, Duration::ZERO), request).ok()?;
        let server = drive.drive?;
        let answer = server.answer_in_memory(request)?;
        self.of_newest(slot, server.generation(), answer).ok()
    }

    /// An answer of a drive that was replaced since is no answer (protocol.md section 3).
    fn of_newest(&self, slot: SlotId, generation: u32, answer: Answer) -> Result<Answer, CallError> {
        if generation == 0 {
            return Ok(answer);
        }
        let mut generations = self.generations.borrow_mut();
        let newest = generations.entry(slot).or_insert(generation);
        *newest = (*newest).max(generation);
        if generation < *newest {
            return Err(CallError::Unreachable(format!(
                "the drive of generation {generation} answered for {slot}, but it was replaced by generation {newest}"
            )));
        }
        Ok(answer)
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
        if let Ok((drive, _)) = self.home.admit(&envelope, &request) {
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
        let envelope = NodeEnvelope {
            clock: self.home.clock_for_peers(),
        };
        let link = self.link(node)?;
        match link
            .ask(FrameKind::NodeRequest, &(envelope, request), Asking::default(), deadline)
            .await?
        {
            AnyAnswer::Node(answer) => Ok(answer),
            AnyAnswer::Slot(..) => Err(CallError::Unreachable(format!("node {node} answered another question"))),
        }
    }

    /// Whether a request to the slot would be sent now: the slot is here, or the link to its node is up and its peer not silent.
    pub fn is_reachable(&self, slot: SlotId) -> bool {
        let Ok(node) = self.node_of(slot) else { return false };
        if node == self.home.node {
            return self.home.has_drive(slot);
        }
        self.links.borrow().get(&node).is_some_and(|link| link.is_up())
    }

    /// Expected answer time of a slot (p95), to hedge by.
    pub fn hedge_after(&self, slot: SlotId) -> Duration {
        let link = self
            .node_of(slot)
            .ok()
            .filter(|node| *node != self.home.node)
            .and_then(|node| self.link(node).ok());
        link.map_or(LOCAL_HEDGE, |link| link.hedge_after())
    }

    async fn call_here(&self, envelope: RequestEnvelope, request: Request, deadline: Duration) -> Result<Answer, CallError> {
        let home = &self.home;
        let (drive, passage) = match home.admit(&envelope, &request) {
            Ok(admitted) => admitted,
            Err(answer) => return Ok(*answer),
        };
        let (sender, mut receiver) = oneshot::channel();
        let done = move |reply: Reply| {
            drop(passage);
            // Whoever no longer waits has given up on its own.
            let _ = sender.send(reply);
        };
        local::start(
            &home.runtime,
            &drive,
            home.address(envelope.slot),
            envelope.generation,
            request,
            done,
        )
        .await;
        let slot = envelope.slot;
        if let Ok(Some(reply)) = receiver.try_recv() {
            return self.of_newest(slot, reply.generation, reply.answer);
        }
        match home.runtime.timeout(deadline, receiver).await {
            Ok(Ok(reply)) => self.of_newest(slot, reply.generation, reply.answer),
            Ok(Err(_)) => Err(CallError::Lost),
            Err(_) => Err(CallError::Timeout),
        }
    }

    fn envelope(&self, slot: SlotId, fence: Option<Fence>, deadline: Duration) -> RequestEnvelope {
        let deadline_ms = u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX);
        let epoch = self.home.layout.borrow().epoch;
        RequestEnvelope {
            slot,
            epoch,
            generation: 0,
            fence,
            deadline_ms,
            clock: self.home.clock_for_peers(),
        }
    }

    fn node_of(&self, slot: SlotId) -> Result<u32, CallError> {
        let layout = self.home.layout.borrow();
        let unknown = || CallError::Unreachable(format!("the layout of epoch {} has no {slot}", layout.epoch));
        layout.place(slot).map(|place| place.node).ok_or_else(unknown)
    }

    fn link(&self, node: u32) -> Result<Rc<Link>, CallError> {
        let unknown = || {
            CallError::Unreachable(format!(
                "the layout of epoch {} has no node {node}",
                self.home.layout.borrow().epoch
            ))
        };
        self.links.borrow().get(&node).cloned().ok_or_else(unknown)
    }
}
