//! Requests of a link that wait for their answers.

use crate::CallError;
use crate::notify::Notify;
use futures_channel::oneshot;
use openlake_drive::Answer;
use openlake_io::Instant;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// An answer of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyAnswer {
    /// With the generation of the drive that gave it; 0: no drive did.
    Slot(Answer, u32),
    Node(crate::NodeAnswer),
}

/// How a waiting request ends.
pub type Outcome = Result<AnyAnswer, CallError>;

struct Waiting {
    sender: Option<oneshot::Sender<Outcome>>,
    since: Instant,
    bytes: usize,
    /// Whether its round trip says how fast the peer reads.
    timed: bool,
}

/// The table of a link.
pub struct Pending {
    waiting: RefCell<HashMap<u64, Waiting>>,
    last: Cell<u64>,
    bytes: Cell<usize>,
    /// Woken when a request ends.
    room: Rc<Notify>,
}

impl Pending {
    /// An empty table that wakes `room` when it shrinks.
    pub fn new(room: Rc<Notify>) -> Pending {
        Pending {
            waiting: RefCell::default(),
            last: Cell::new(0),
            bytes: Cell::new(0),
            room,
        }
    }

    /// A request id that was not used before on this link.
    pub fn next_id(&self) -> u64 {
        self.last.set(self.last.get() + 1);
        self.last.get()
    }

    /// Bytes of all requests that wait.
    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Enters a request of `bytes` bytes that was just queued. The ticket takes it out again when dropped.
    pub fn enter(self: &Rc<Pending>, id: u64, bytes: usize, since: Instant, timed: bool) -> (Ticket, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        self.insert(
            id,
            Waiting {
                sender: Some(sender),
                since,
                bytes,
                timed,
            },
        );
        (Ticket { pending: self.clone(), id }, receiver)
    }

    /// Enters a request whose answer only shows that the peer lives.
    pub fn enter_ping(&self, id: u64, since: Instant) {
        self.insert(
            id,
            Waiting {
                sender: None,
                since,
                bytes: 0,
                timed: true,
            },
        );
    }

    fn insert(&self, id: u64, waiting: Waiting) {
        self.bytes.set(self.bytes.get() + waiting.bytes);
        self.waiting.borrow_mut().insert(id, waiting);
    }

    /// Whether an answer to `id` is still waited for.
    pub fn is_waiting(&self, id: u64) -> bool {
        self.waiting.borrow().contains_key(&id)
    }

    /// Ends one request. Returns when it was sent, if its round trip counts.
    pub fn end(&self, id: u64, outcome: Option<Outcome>) -> Option<Instant> {
        let waiting = self.waiting.borrow_mut().remove(&id)?;
        self.bytes.set(self.bytes.get() - waiting.bytes);
        self.room.notify();
        if let (Some(sender), Some(outcome)) = (waiting.sender, outcome) {
            // Whoever no longer listens has its own reason.
            let _ = sender.send(outcome);
        }
        waiting.timed.then_some(waiting.since)
    }

    /// Ends all requests: the connection is gone, and whether they arrived is not known.
    pub fn end_all(&self) {
        let mut ids: Vec<u64> = self.waiting.borrow().keys().copied().collect();
        // In order, so that a simulation replays.
        ids.sort_unstable();
        for id in ids {
            self.end(id, Some(Err(CallError::Lost)));
        }
    }
}

/// A request's place in the table.
pub struct Ticket {
    pending: Rc<Pending>,
    id: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pending.end(self.id, None);
    }
}
