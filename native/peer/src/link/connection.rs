//! The life of a link: connect, prove who we are, carry answers until the connection ends, wait a little, connect again.

use super::{Line, Link};
use crate::PeerEvent;
use crate::backoff::Backoff;
use crate::codec::{AnswerEnvelope, NodeEnvelope, decode_all};
use crate::frame::{FrameKind, MAX_STRANGER_BYTES};
use crate::handshake::initiate;
use crate::incoming::Incoming;
use crate::outgoing::Outgoing;
use crate::pending::AnyAnswer;
use futures_util::future::{Either, select};
use openlake_io::Socket;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// Connecting and the handshake together: many round trips even across continents.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

impl Link {
    /// Connects again and again until closed.
    pub(super) async fn run(self: Rc<Link>) {
        let runtime = self.home.runtime.clone();
        let mut backoff = Backoff::default();
        while !self.closed.get() {
            match self.connect().await {
                Ok((socket, incoming, boot)) => {
                    backoff = Backoff::default();
                    let reason = self.serve(socket, incoming, boot).await;
                    self.disconnected(reason);
                }
                Err(reason) => self.failed(reason),
            }
            self.attempted.set(true);
            self.change.notify();
            if !self.closed.get() {
                // A peer that connects to us is there again: no reason to wait any longer for it.
                let (stop, arrived) = (pin!(self.stop.wait()), pin!(self.home.arrived.wait()));
                let _ = runtime.timeout(backoff.next(runtime.random_u64()), select(stop, arrived)).await;
            }
        }
    }

    async fn connect(&self) -> Result<(Socket, Incoming, u32), String> {
        let runtime = &self.home.runtime;
        let attempt = async {
            let socket = runtime
                .connect_from(self.home.source, self.address)
                .await
                .map_err(|error| format!("connecting to {}: {error}", self.address))?;
            let mut incoming = Incoming::new(runtime, &socket, MAX_STRANGER_BYTES, MAX_STRANGER_BYTES);
            let me = self.home.credentials();
            let linked = initiate(runtime, &socket, &mut incoming, &me, self.node).await;
            linked.map(|peer| (socket, incoming, peer.boot)).map_err(|refusal| refusal.reason)
        };
        let stop = self.stop.wait();
        match select(pin!(runtime.timeout(HANDSHAKE_TIMEOUT, attempt)), pin!(stop)).await {
            Either::Left((Ok(result), _)) => result,
            Either::Left((Err(_), _)) => Err(format!("no answer from {} within {HANDSHAKE_TIMEOUT:?}", self.address)),
            Either::Right(_) => Err("closed".to_owned()),
        }
    }

    /// Carries answers of the peer's boot number `boot` until the connection ends; returns why it did.
    async fn serve(self: &Rc<Link>, socket: Socket, mut incoming: Incoming, boot: u32) -> String {
        if self.closed.get() {
            return "closed".to_owned();
        }
        let outgoing = Outgoing::new(self.change.clone());
        let line = Rc::new(Line {
            outgoing,
            socket,
            heard: incoming.heard(),
            pinged: Cell::new(None),
            verdict: RefCell::default(),
        });
        self.line.replace(Some(line.clone()));
        self.home.linked_boots.borrow_mut().insert(self.node, boot);
        self.silent.set(false);
        self.attempted.set(true);
        self.reason.replace(String::new());
        self.change.notify();
        self.home.tell(&PeerEvent::Connected { node: self.node });
        let (runtime, sending) = (self.home.runtime.clone(), line.clone());
        self.home.runtime.spawn(async move {
            // A connection that cannot send is of no use: its other half ends too.
            if sending.outgoing.run(&runtime, &sending.socket).await.is_err() {
                sending.socket.shutdown();
            }
        });
        let reason = loop {
            let received = match incoming.next().await {
                Ok(Some(received)) => received,
                Ok(None) => break "the peer closed the connection".to_owned(),
                Err(error) => break error.to_string(),
            };
            if self.silent.replace(false) {
                self.reason.replace(String::new());
                self.home.linked_boots.borrow_mut().insert(self.node, boot);
                self.home.tell(&PeerEvent::Connected { node: self.node });
            }
            let (id, kind) = (received.header.request, received.header.kind);
            // Late answers are not even decoded.
            if self.pending.is_waiting(id)
                && let Err(error) = self.answered(id, kind, incoming.head(&received), received.bulk.clone())
            {
                break error;
            }
        };
        let (frames, sends) = line.outgoing.counts();
        self.counted.set((self.counted.get().0 + frames, self.counted.get().1 + sends));
        line.outgoing.close();
        line.socket.shutdown();
        line.verdict.take().unwrap_or(reason)
    }

    fn answered(&self, id: u64, kind: FrameKind, head: &[u8], bulk: bytes::Bytes) -> Result<(), String> {
        let unreadable = |error| format!("answer of node {} cannot be read: {error}", self.node);
        let (clock, answer) = match kind {
            FrameKind::Answer => {
                let (envelope, answer): (AnswerEnvelope, _) = decode_all(head, bulk).map_err(unreadable)?;
                (envelope.clock, AnyAnswer::Slot(answer))
            }
            FrameKind::NodeAnswer => {
                let (envelope, answer): (NodeEnvelope, _) = decode_all(head, bulk).map_err(unreadable)?;
                (envelope.clock, AnyAnswer::Node(answer))
            }
            other => return Err(format!("node {} sent {other:?} where an answer was due", self.node)),
        };
        self.home.merge_clock(self.node, clock);
        if let Some(since) = self.pending.end(id, Some(Ok(answer))) {
            let mut estimate = self.estimate.get();
            estimate.add(Duration::from_nanos(self.home.runtime.now().0.saturating_sub(since.0)));
            self.estimate.set(estimate);
        }
        Ok(())
    }

    fn disconnected(&self, reason: String) {
        self.line.take();
        self.home.linked_boots.borrow_mut().remove(&self.node);
        self.silent.set(false);
        self.pending.end_all();
        if !self.closed.get() {
            self.reason.replace(reason.clone());
            self.home.tell(&PeerEvent::Disconnected { node: self.node, reason });
        }
    }

    fn failed(&self, reason: String) {
        if !self.closed.get() && self.reason.replace(reason.clone()) != reason {
            self.home.tell(&PeerEvent::Unreachable { node: self.node, reason });
        }
    }
}
