//! The other end of peers' links: authenticated sessions, each request a task of its own, answers of one tick in one send.

use crate::PeerEvent;
use crate::codec::{AnswerEnvelope, NodeEnvelope, RequestEnvelope, decode_all};
use crate::credit::{Allowance, Grants};
use crate::frame::{FrameError, FrameKind, MAX_STRANGER_BYTES};
use crate::handshake::{Credentials, KnownBoots, Peer, Refusal, respond};
use crate::home::Home;
use crate::incoming::{Incoming, Received};
use crate::link::HANDSHAKE_TIMEOUT;
use crate::local::{self, Reply};
use crate::notify::Notify;
use crate::outgoing::Outgoing;
use crate::page;
use crate::stream::Stream;
use openlake_drive::{Answer, Request};
use openlake_io::{Instant, Listener, Socket};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// Requests of one session under way at most, in bytes: above what a link has in flight, so that only a peer that ignores its own
/// bound is ever made to wait.
const MAX_RUNNING_BYTES: usize = 96 << 20;
/// And in number.
const MAX_RUNNING: usize = 16_384;
/// Answers queued at most, in bytes; above that no further request is taken in until the peer has received some.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// Connections in the handshake at most.
const MAX_STRANGERS: usize = 256;
/// A session without a byte for this long is over: many pings were due.
const VANISHED_AFTER: Duration = Duration::from_secs(15);
/// After a failed accept (no file descriptors left, mostly).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Everything that listens and serves on this core.
#[derive(Default)]
pub struct Sessions {
    open: RefCell<BTreeMap<u64, Rc<Session>>>,
    last: Cell<u64>,
    strangers: Cell<usize>,
    /// Woken by `close`.
    pub stop: Notify,
}

pub struct Session {
    pub peer: Peer,
    pub stream: Stream,
    outgoing: Outgoing,
    grants: Grants,
    home: Rc<Home>,
    /// Requests under way: how many, and their bytes.
    running: Cell<(usize, usize)>,
    /// When bytes last came; every link sends at least a ping a second.
    heard: Rc<Cell<u64>>,
    /// Whether it waits for room instead of reading.
    waiting: Cell<bool>,
    /// Woken when a request ends or bytes leave.
    room: Rc<Notify>,
}

/// A request under way, counted while it lives.
struct Running {
    session: Rc<Session>,
    bytes: usize,
    bulk_bytes: usize,
}

impl Sessions {
    /// Accepts until `close`.
    pub async fn accept(self: Rc<Self>, home: Rc<Home>, listener: Listener) {
        while !home.closed.get() {
            let stop = std::pin::pin!(self.stop.wait());
            match futures_util::future::select(std::pin::pin!(listener.accept()), stop).await {
                futures_util::future::Either::Left((Ok((socket, address)), _)) => {
                    // More strangers than this at once are not our peers; they may try again.
                    if self.strangers.get() < MAX_STRANGERS {
                        self.strangers.set(self.strangers.get() + 1);
                        home.runtime.spawn(self.clone().serve(home.clone(), socket, address));
                    }
                }
                futures_util::future::Either::Left((Err(_), _)) => home.runtime.sleep(ACCEPT_AGAIN).await,
                futures_util::future::Either::Right(_) => return,
            }
        }
    }

    /// Ends some sessions.
    pub fn close(&self, which: impl Fn(&Session) -> bool) {
        for session in self.open.borrow().values().filter(|session| which(session)) {
            session.outgoing.close();
            session.stream.shutdown();
        }
    }

    /// Closes sessions whose peer vanished without a word. `stalled`: this core itself did not run for a while.
    pub fn watch(&self, now: Instant, stalled: bool) {
        for session in self.open.borrow().values() {
            if stalled || session.waiting.get() {
                session.heard.set(now.0);
            } else if Duration::from_nanos(now.0.saturating_sub(session.heard.get())) > VANISHED_AFTER {
                session.stream.shutdown();
            }
        }
    }

    fn newest_boot(&self, node: u32) -> Option<u32> {
        self.open
            .borrow()
            .values()
            .filter(|session| session.peer.node == node)
            .map(|session| session.peer.boot)
            .max()
    }

    /// TLS, if there is to be any, and the handshake.
    async fn greet(&self, home: &Rc<Home>, socket: Socket, address: SocketAddr) -> Result<(Stream, Incoming, Peer), Refusal> {
        let me: Credentials = home.credentials();
        let known = |node| KnownBoots {
            newest_session: self.newest_boot(node),
            at_address: home.linked_boots.borrow().get(&node).copied(),
        };
        let stream = match Stream::accept(&home.runtime, socket, &me).await {
            Ok(Some(stream)) => stream,
            Ok(None) => return Err(Refusal::of_nobody()),
            // Who it is has not been said yet; whoever is at that address by the layout, most likely.
            Err(reason) => {
                let (node, address) = (home.node_at(address.ip()), address.ip());
                let there = node.map(|node| format!(", where the layout has node {node}")).unwrap_or_default();
                return Err(Refusal {
                    node,
                    reason: format!("{reason} (from {address}{there})"),
                    is_theirs: false,
                });
            }
        };
        let mut incoming = Incoming::new(&home.runtime, &stream, MAX_STRANGER_BYTES, MAX_STRANGER_BYTES);
        let peer = respond(&home.runtime, &stream, &mut incoming, &me, home.window_bytes(), known).await?;
        Ok((stream, incoming, peer))
    }

    async fn serve(self: Rc<Self>, home: Rc<Home>, socket: Socket, address: SocketAddr) {
        let handshake = self.greet(&home, socket, address);
        let result = home.runtime.timeout(HANDSHAKE_TIMEOUT, handshake).await;
        self.strangers.set(self.strangers.get() - 1);
        let (stream, mut incoming, peer) = match result {
            Ok(Ok(greeted)) => greeted,
            Ok(Err(refusal)) => return home.refused(refusal.node, refusal.reason),
            Err(_) => return home.refused(None, format!("{address} did not finish its handshake within {HANDSHAKE_TIMEOUT:?}")),
        };
        if home.closed.get() {
            return;
        }
        home.refusals.borrow_mut().remove(&peer.node);
        home.arrived.notify();
        let room = Rc::new(Notify::default());
        let session = Rc::new(Session {
            peer,
            stream,
            outgoing: Outgoing::new(peer.version, Allowance::unbounded(), room.clone()),
            grants: Grants::new(peer.credit),
            home: home.clone(),
            running: Cell::default(),
            heard: incoming.heard(),
            waiting: Cell::new(false),
            room,
        });
        // What an earlier life of the node still has under way is nobody's any more.
        self.close(|other| other.peer.node == peer.node && other.peer.boot < peer.boot);
        self.last.set(self.last.get() + 1);
        let id = self.last.get();
        self.open.borrow_mut().insert(id, session.clone());
        home.sessions.set(self.open.borrow().len());
        let (runtime, sending) = (home.runtime.clone(), session.clone());
        home.runtime.spawn(async move {
            if sending.outgoing.run(&runtime, &sending.stream).await.is_err() {
                sending.stream.shutdown();
                sending.room.notify();
            }
        });
        if let Err(reason) = session.clone().take_requests(&home, &mut incoming).await {
            home.tell(&PeerEvent::Disconnected {
                node: peer.node,
                reason: format!("its session broke: {reason}"),
            });
        }
        self.open.borrow_mut().remove(&id);
        home.sessions.set(self.open.borrow().len());
        session.outgoing.close();
        session.stream.shutdown();
    }
}

impl Session {
    async fn take_requests(self: Rc<Self>, home: &Rc<Home>, incoming: &mut Incoming) -> Result<(), String> {
        loop {
            loop {
                let room = self.room.wait();
                let (running, bytes) = self.running.get();
                if running < MAX_RUNNING && bytes < MAX_RUNNING_BYTES && self.outgoing.unsent_bytes() < MAX_ANSWER_BYTES {
                    break;
                }
                self.waiting.set(true);
                room.await;
                self.waiting.set(false);
            }
            let received = match incoming.next().await {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            self.take(home, &received, incoming.head(&received)).await?;
        }
    }

    /// Begins one request. An error means that the peer does not speak this protocol.
    async fn take(self: &Rc<Self>, home: &Rc<Home>, received: &Received, head: &[u8]) -> Result<(), String> {
        let id = received.header.request;
        let bulk = received.bulk.clone();
        self.grants
            .take(bulk.len())
            .map_err(|error| format!("node {}: {error}", self.peer.node))?;
        let unreadable = |error| format!("request of node {} cannot be read: {error}", self.peer.node);
        match received.header.kind {
            FrameKind::Request | FrameKind::Notice => {
                let (envelope, request): (RequestEnvelope, Request) = decode_all(head, bulk).map_err(unreadable)?;
                let running = self.clone().running(head.len() + received.bulk.len(), received.bulk.len());
                self.slot_request(
                    home,
                    (received.header.kind == FrameKind::Request).then_some(id),
                    envelope,
                    request,
                    running,
                )
                .await;
                Ok(())
            }
            FrameKind::NodeRequest => {
                let (envelope, request): (NodeEnvelope, crate::NodeRequest) = decode_all(head, bulk).map_err(unreadable)?;
                home.merge_clock(self.peer.node, envelope.clock);
                let answer = home.answer(&request);
                let envelope = NodeEnvelope {
                    clock: home.clock_for_peers(),
                };
                let pushed = self.outgoing.push(FrameKind::NodeAnswer, id, &(envelope, answer));
                pushed.map(|_| ()).map_err(|error| error.to_string())
            }
            other => Err(format!("node {} sent {other:?} where a request was due", self.peer.node)),
        }
    }

    /// `id`: to be answered under it; a notice has none.
    async fn slot_request(
        self: &Rc<Self>,
        home: &Rc<Home>,
        id: Option<u64>,
        envelope: RequestEnvelope,
        request: Request,
        running: Running,
    ) {
        home.merge_clock(self.peer.node, envelope.clock);
        let (drive, passage) = match home.admit(&envelope, &request) {
            Ok(admitted) => admitted,
            Err(answer) => {
                return self.answer(
                    home,
                    id,
                    Reply {
                        generation: 0,
                        answer: *answer,
                    },
                );
            }
        };
        let (answering, since) = (home.clone(), home.runtime.now());
        let done = move |reply: Reply| {
            drop(passage);
            // After the deadline nobody waits for it.
            let elapsed_ms = answering.runtime.now().0.saturating_sub(since.0) / 1_000_000;
            if elapsed_ms <= u64::from(envelope.deadline_ms) {
                running.session.answer(&answering, id, reply);
            }
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
    }

    fn answer(&self, home: &Home, id: Option<u64>, reply: Reply) {
        let Some(id) = id else { return };
        let envelope = AnswerEnvelope {
            generation: reply.generation,
            clock: home.clock_for_peers(),
        };
        let mut message = (envelope, reply.answer);
        while let Err(error) = self.outgoing.push(FrameKind::Answer, id, &message) {
            message.1 = match (message.1, error) {
                (Answer::Page { rows, dirty, .. }, FrameError::Size { .. }) if rows.len() > 1 => page::first_half(&rows, dirty),
                (_, error) => Answer::Failed(format!("the answer does not fit in a frame: {error}")),
            };
        }
    }

    /// A request with so much bulk ended: its room is the peer's again.
    fn give_credit(&self, bulk_bytes: usize) {
        if bulk_bytes == 0 {
            return;
        }
        if let Some(credit) = self.grants.finish(bulk_bytes, self.home.window_bytes()) {
            // A few bytes always fit in a frame.
            let _ = self.outgoing.push(FrameKind::Credit, 0, &credit);
        }
    }

    fn running(self: Rc<Self>, bytes: usize, bulk_bytes: usize) -> Running {
        let (count, sum) = self.running.get();
        self.running.set((count + 1, sum + bytes));
        Running {
            session: self,
            bytes,
            bulk_bytes,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (count, sum) = self.session.running.get();
        self.session.running.set((count - 1, sum - self.bytes));
        self.session.room.notify();
        self.session.give_credit(self.bulk_bytes);
    }
}
