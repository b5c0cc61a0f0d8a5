//! A core's side of the way up: bounds, deadlines, and what happens while JavaScript does not answer.
//!
//! Per core at most 256 requests wait, on the node 1,024. More stand in line, first come, first served, as long as it moves; where nothing
//! was answered for a second, or after ten, they get 503 SlowDown. JavaScript counts a heartbeat up once a second. After two seconds
//! without one, new requests are refused at once and waiting ones at their deadline, so that clients go elsewhere while hot requests here
//! go on.

use crate::queue::{Asked, Queue};
use futures_channel::oneshot;
use futures_util::future::LocalBoxFuture;
use openlake_http::{Control, ControlReply, ControlRequest, Tables};
use openlake_io::{Instant, Runtime};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Waiting requests of one core, and of the node: what JavaScript answers in well under a second.
const WAITING_PER_CORE: usize = 256;
const WAITING_PER_NODE: u32 = 1024;
/// How long a request beyond these bounds stands in a line that does not move, and in one that does; and how often it looks.
const IN_LINE_UNMOVED: Duration = Duration::from_secs(1);
const IN_LINE: Duration = Duration::from_secs(10);
const IN_LINE_LOOK: Duration = Duration::from_millis(5);
const LOOKING_CLOSELY: usize = 32;
/// Two missed heartbeats: a long garbage collection passes, a hung control plane does not.
const SILENCE: Duration = Duration::from_secs(2);
/// How long a request waits for a silent control plane.
const DEADLINE: Duration = Duration::from_secs(5);
/// Deadlines that an awake control plane may let pass: it answers a Complete of 10,000 parts within ten minutes.
const DEADLINES: u32 = 120;
/// How often the heartbeat is looked at.
const WATCH: Duration = Duration::from_millis(500);

/// What cores and JavaScript share of the way up.
#[derive(Default)]
pub struct ControlShared {
    pub heartbeat: AtomicU64,
    pub waiting: AtomicU32,
    /// Requests answered so far.
    pub answered: AtomicU64,
    pub refused: AtomicU64,
}

/// What a port is made of.
pub struct ControlOptions {
    pub core: usize,
    pub queue: Arc<Queue>,
    pub shared: Arc<ControlShared>,
    pub tables: Arc<Tables>,
}

/// One core's way up.
pub struct ControlPort {
    core: u64,
    runtime: Runtime,
    queue: Arc<Queue>,
    shared: Arc<ControlShared>,
    waiting: RefCell<HashMap<u64, oneshot::Sender<ControlReply>>>,
    /// Tickets of those who stand in line, and the next one.
    line: RefCell<BTreeSet<u64>>,
    next_ticket: Cell<u64>,
    next: Cell<u64>,
    seen: Cell<(u64, Instant)>,
    tables: RefCell<Arc<Tables>>,
}

impl ControlPort {
    /// The port of a core; also starts its watch over the heartbeat.
    pub fn start(runtime: &Runtime, options: ControlOptions) -> Rc<ControlPort> {
        let ControlOptions {
            core,
            queue,
            shared,
            tables,
        } = options;
        let port = Rc::new(ControlPort {
            core: core as u64,
            runtime: runtime.clone(),
            queue,
            waiting: RefCell::default(),
            line: RefCell::default(),
            next_ticket: Cell::new(0),
            next: Cell::new(0),
            seen: Cell::new((shared.heartbeat.load(Ordering::Relaxed), runtime.now())),
            shared,
            tables: RefCell::new(tables),
        });
        let watched = Rc::downgrade(&port);
        let sleeper = runtime.clone();
        runtime.spawn(async move {
            while let Some(port) = watched.upgrade() {
                port.look();
                drop(port);
                sleeper.sleep(WATCH).await;
            }
        });
        port
    }
    /// Takes the error texts of new tables.
    pub fn set_tables(&self, tables: Arc<Tables>) {
        self.tables.replace(tables);
    }
    /// Gives a waiting request its reply; one that is not waited for any more is dropped.
    pub fn reply(&self, id: u64, reply: ControlReply) {
        if let Some(sender) = self.waiting.borrow_mut().remove(&id) {
            self.shared.answered.fetch_add(1, Ordering::Relaxed);
            let _ = sender.send(reply);
        }
    }
    fn look(&self) {
        let count = self.shared.heartbeat.load(Ordering::Relaxed);
        if count != self.seen.get().0 {
            self.seen.set((count, self.runtime.now()));
        }
    }
    fn is_awake(&self) -> bool {
        self.look();
        let silent = self.runtime.now().0.saturating_sub(self.seen.get().1.0);
        Duration::from_nanos(silent) < SILENCE
    }
    /// Places that are free.
    fn room(&self) -> usize {
        let node = WAITING_PER_NODE.saturating_sub(self.shared.waiting.load(Ordering::Relaxed));
        WAITING_PER_CORE.saturating_sub(self.waiting.borrow().len()).min(node as usize)
    }
    /// Waits for a place; whether there is one.
    async fn stand_in_line(&self) -> bool {
        let ticket = Ticket::take(self);
        let (mut stood, mut unmoved) = (Duration::ZERO, Duration::ZERO);
        let mut answered = self.shared.answered.load(Ordering::Relaxed);
        loop {
            let (ahead, room) = (ticket.ahead(), self.room());
            if ahead < room || !self.is_awake() || stood >= IN_LINE || unmoved >= IN_LINE_UNMOVED {
                return ahead < room && self.is_awake();
            }
            // Who stands far back need not look often.
            let look = IN_LINE_LOOK * (1 + ahead / LOOKING_CLOSELY) as u32;
            let look = look.min(IN_LINE_UNMOVED / 2);
            self.runtime.sleep(look).await;
            stood += look;
            let now = self.shared.answered.load(Ordering::Relaxed);
            unmoved = if now == answered { unmoved + look } else { Duration::ZERO };
            answered = now;
        }
    }
    async fn ask_within_bounds(&self, request: ControlRequest) -> ControlReply {
        let (request_id, resource) = (request.request_id.clone(), resource_of(&request));
        let refuse = || {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            slow_down(&self.tables.borrow(), &request_id, &resource)
        };
        if !self.stand_in_line().await {
            return refuse();
        }
        // The core in the upper bits tells the JavaScript thread where the reply belongs; 2^32 requests later an id may return.
        let sequence = self.next.get();
        self.next.set((sequence + 1) & 0xffff_ffff);
        let id = (self.core << 32) | sequence;
        let (sender, mut receiver) = oneshot::channel();
        let _place = Place::take(self, id, sender);
        self.queue.push_request(Asked { id, request });
        for _ in 0..DEADLINES {
            match self.runtime.timeout(DEADLINE, &mut receiver).await {
                Ok(Ok(reply)) => return reply,
                Ok(Err(_)) => break,
                Err(_) if !self.is_awake() => break,
                Err(_) => {}
            }
        }
        refuse()
    }
}

impl Control for ControlPort {
    fn ask(&self, request: ControlRequest) -> LocalBoxFuture<'_, ControlReply> {
        Box::pin(self.ask_within_bounds(request))
    }
}

/// A place in the line, left when dropped.
struct Ticket<'port> {
    port: &'port ControlPort,
    number: u64,
}

impl<'port> Ticket<'port> {
    fn take(port: &'port ControlPort) -> Ticket<'port> {
        let number = port.next_ticket.get();
        port.next_ticket.set(number + 1);
        port.line.borrow_mut().insert(number);
        Ticket { port, number }
    }
    /// How many stand before it.
    fn ahead(&self) -> usize {
        self.port.line.borrow().range(..self.number).count()
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.port.line.borrow_mut().remove(&self.number);
    }
}

/// A request's place in the queue, given back when its connection no longer waits, for whatever reason.
struct Place<'port> {
    port: &'port ControlPort,
    id: u64,
}

impl<'port> Place<'port> {
    fn take(port: &'port ControlPort, id: u64, sender: oneshot::Sender<ControlReply>) -> Place<'port> {
        port.waiting.borrow_mut().insert(id, sender);
        port.shared.waiting.fetch_add(1, Ordering::Relaxed);
        Place { port, id }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.port.waiting.borrow_mut().remove(&self.id);
        self.port.shared.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// 503 SlowDown after the tables' error template: the one reply that this crate makes itself.
fn slow_down(tables: &Tables, request_id: &str, resource: &str) -> ControlReply {
    let message = tables
        .errors
        .iter()
        .find(|(code, _, _)| code == "SlowDown")
        .map_or("", |(_, _, message)| message);
    let body = tables
        .error_template
        .replace("{code}", "SlowDown")
        .replace("{message}", &escape(message))
        .replace("{request_id}", &escape(request_id))
        .replace("{resource}", &escape(resource));
    ControlReply {
        status: 503,
        headers: vec![
            ("content-type".to_owned(), "application/xml".to_owned()),
            ("retry-after".to_owned(), "1".to_owned()),
        ],
        body: body.into(),
    }
}

/// Text inside an XML element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The path as an error names it.
fn resource_of(request: &ControlRequest) -> String {
    match (&request.bucket, &request.key) {
        (Some(bucket), Some(key)) => format!("/{bucket}/{key}"),
        (Some(bucket), None) => format!("/{bucket}"),
        (None, _) => "/".to_owned(),
    }
}
