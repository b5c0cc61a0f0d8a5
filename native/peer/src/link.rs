//! One core's connection to one peer: kept up, watched, and shared by all requests to that peer.
//!
//! A request is handed to a connection once. When the connection breaks it ends as `Lost`; nothing is ever sent again on another
//! one. While there is no connection, or the peer is silent, requests fail at once as `Unreachable`. A connection that was made by an
//! older secret or certificate is replaced while it works: new requests take the new one, and the old one ends when its last answer came.

mod connection;
mod watch;

use crate::codec::{RequestEnvelope, Wire};
use crate::estimate::Estimate;
use crate::frame::FrameKind;
use crate::handshake::key_id;
use crate::home::Home;
use crate::lane::{Lanes, bulk_bytes};
use crate::notify::Notify;
use crate::outgoing::Outgoing;
use crate::pending::{AnyAnswer, Pending};
use crate::stream::Stream;
use crate::{CallError, PeerTls, SlotId};
pub use connection::HANDSHAKE_TIMEOUT;
use openlake_drive::Request;
use openlake_io::Instant;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// Bytes of requests that wait for answers, or to be sent: what a fast link carries in some tens of milliseconds.
const MAX_IN_FLIGHT_BYTES: usize = 64 << 20;
/// A new link's first attempt is waited for, at most this long: a coordinator that just started is not to fail its first requests.
const FIRST_ATTEMPT: Duration = Duration::from_millis(500);

/// What a request is like.
#[derive(Clone, Copy, Default)]
pub struct Asking {
    /// It brings bytes of objects.
    pub bulk: bool,
    /// Its round trip is one of a read, and teaches how fast the peer is.
    pub timed: bool,
}

/// A live connection.
struct Line {
    /// The boot number of the process at the other end.
    boot: u32,
    /// Names the secret that it was made by, and the certificates, if it runs over TLS.
    key_id: [u8; 8],
    tls_id: Option<[u8; 8]>,
    outgoing: Outgoing,
    pending: Rc<Pending>,
    stream: Stream,
    /// When bytes last came.
    heard: Rc<Cell<u64>>,
    pinged: Cell<Option<Instant>>,
    /// Why this side gave the connection up.
    verdict: RefCell<Option<String>>,
}

/// A link as seen from outside.
pub struct LinkState {
    pub connected: bool,
    pub encrypted: bool,
    pub reason: String,
    pub round_trip_us: u64,
    pub frames: u64,
    pub sends: u64,
}

/// The way to one peer.
pub struct Link {
    home: Rc<Home>,
    node: u32,
    pub address: SocketAddr,
    since: Instant,
    line: RefCell<Option<Rc<Line>>>,
    /// The peer does not answer pings.
    silent: Cell<bool>,
    attempted: Cell<bool>,
    closed: Cell<bool>,
    reason: RefCell<String>,
    /// Woken when bytes left, requests ended, or the connection changed.
    change: Rc<Notify>,
    lanes: Rc<Lanes>,
    stop: Notify,
    /// Woken when the connection ended, or should be replaced.
    turn: Notify,
    estimate: Cell<Estimate>,
    /// Frames and sends of earlier connections.
    counted: Cell<(u64, u64)>,
}

impl Link {
    /// Starts connecting to a node.
    pub fn start(home: &Rc<Home>, node: u32, address: SocketAddr) -> Rc<Link> {
        let change = Rc::new(Notify::default());
        let link = Rc::new(Link {
            home: home.clone(),
            node,
            address,
            since: home.runtime.now(),
            line: RefCell::default(),
            silent: Cell::new(false),
            attempted: Cell::new(false),
            closed: Cell::new(false),
            reason: RefCell::new("not connected yet".to_owned()),
            change,
            lanes: Rc::default(),
            stop: Notify::default(),
            turn: Notify::default(),
            estimate: Cell::default(),
            counted: Cell::default(),
        });
        home.runtime.spawn(link.clone().run());
        link
    }

    /// Ends the link: requests that wait end as `Lost`.
    pub fn close(&self, reason: &str) {
        self.closed.set(true);
        self.home.linked_boots.borrow_mut().remove(&self.node);
        self.reason.replace(reason.to_owned());
        if let Some(line) = self.line.take() {
            line.outgoing.close();
            line.stream.shutdown();
            line.pending.end_all();
        }
        self.stop.notify();
        self.turn.notify();
        self.change.notify();
    }

    /// Replaces the connection if it was made by another secret than the one that signs now, or by other certificates, or without.
    pub fn renew(&self) {
        if self.is_outdated() {
            self.turn.notify();
        }
    }

    fn is_outdated(&self) -> bool {
        let secrets = self.home.secrets.borrow();
        let tls_id = self.home.tls.borrow().as_ref().map(PeerTls::id);
        let line = self.line.borrow();
        line.as_ref()
            .zip(secrets.first())
            .is_some_and(|(line, secret)| line.key_id != key_id(secret) || line.tls_id != tls_id)
    }

    /// State for status and metrics.
    pub fn state(&self) -> LinkState {
        let line = self.line.borrow();
        let (frames, sends) = line.as_ref().map_or((0, 0), |line| line.outgoing.counts());
        let (old_frames, old_sends) = self.counted.get();
        LinkState {
            connected: self.is_up(),
            encrypted: line.as_ref().is_some_and(|line| line.tls_id.is_some()),
            reason: self.reason.borrow().clone(),
            round_trip_us: self.estimate.get().mean_us(),
            frames: old_frames + frames,
            sends: old_sends + sends,
        }
    }

    /// Whether there is a connection whose peer answers.
    pub fn is_up(&self) -> bool {
        !self.silent.get() && self.line.borrow().is_some()
    }

    /// When an answer of this peer is late.
    pub fn hedge_after(&self) -> Duration {
        self.estimate.get().hedge_after()
    }

    /// Asks a slot once; requests with bulk wait behind those of the same slot. `timed`: the round trip is one of a read, and teaches how
    /// fast the peer is.
    pub async fn ask_slot(
        &self,
        slot: SlotId,
        message: &(RequestEnvelope, Request),
        timed: bool,
        deadline: Duration,
    ) -> Result<AnyAnswer, CallError> {
        let runtime = &self.home.runtime;
        let (bytes, began) = (bulk_bytes(&message.1), runtime.now());
        let Ok(_place) = runtime.timeout(deadline, self.lanes.enter(slot, bytes)).await else {
            return Err(CallError::Timeout);
        };
        let waited = Duration::from_nanos(runtime.now().0 - began.0);
        let asking = Asking { bulk: bytes > 0, timed };
        self.ask(FrameKind::Request, message, asking, deadline.saturating_sub(waited)).await
    }

    /// Asks once.
    pub async fn ask(&self, kind: FrameKind, message: &impl Wire, asking: Asking, deadline: Duration) -> Result<AnyAnswer, CallError> {
        let runtime = &self.home.runtime;
        let end = Instant(
            runtime
                .now()
                .0
                .saturating_add(u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX)),
        );
        let line = self.line_with_room(end, asking.bulk).await?;
        let id = line.pending.next_id();
        let bytes = line
            .outgoing
            .push(kind, id, message)
            .map_err(|error| CallError::Unreachable(error.to_string()))?;
        let (_ticket, receiver) = line.pending.enter(id, bytes, runtime.now(), asking.timed);
        match runtime.timeout(self.left(end), receiver).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(CallError::Lost),
            Err(_) => Err(CallError::Timeout),
        }
    }

    /// Queues a message that gets no answer; false when there is no way for it now.
    pub fn notice(&self, message: &impl Wire) -> bool {
        let line = self.line.borrow();
        let open = line
            .as_ref()
            .filter(|line| !self.silent.get() && line.outgoing.unsent_bytes() < MAX_IN_FLIGHT_BYTES);
        open.is_some_and(|line| line.outgoing.push(FrameKind::Notice, 0, message).is_ok())
    }

    fn left(&self, end: Instant) -> Duration {
        Duration::from_nanos(end.0.saturating_sub(self.home.runtime.now().0))
    }

    /// The connection, once it may take another request. One without bulk is let in beyond the bound: it takes next to nothing, and must
    /// not wait for what a slow drive holds up.
    async fn line_with_room(&self, end: Instant, bulk: bool) -> Result<Rc<Line>, CallError> {
        loop {
            let change = self.change.wait();
            let line = self.line.borrow().clone().filter(|_| !self.silent.get());
            let mut wait = self.left(end);
            match line {
                Some(line) => {
                    let most = if bulk { MAX_IN_FLIGHT_BYTES } else { 2 * MAX_IN_FLIGHT_BYTES };
                    if line.pending.bytes() < most && line.outgoing.unsent_bytes() < most {
                        return Ok(line);
                    }
                }
                None => {
                    let first = FIRST_ATTEMPT.saturating_sub(Duration::from_nanos(self.home.runtime.now().0 - self.since.0));
                    if self.attempted.get() || self.closed.get() || first.is_zero() {
                        return Err(CallError::Unreachable(self.reason.borrow().clone()));
                    }
                    wait = wait.min(first);
                }
            }
            if self.left(end).is_zero() {
                return Err(CallError::Timeout);
            }
            let _ = self.home.runtime.timeout(wait, change).await;
        }
    }
}
