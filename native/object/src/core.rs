//! What all operations of one core share.

use crate::StoreError;
use crate::body_budget::BodyBudget;
use crate::bucket_reads::BucketReads;
use crate::heal::{HealBook, Hints};
use crate::key_queue::KeyQueue;
use crate::slots::Slots;
use crate::store::StoreOptions;
use openlake_drive::{Ballot, WriteId};
use openlake_erasure::Code;
use openlake_io::{Instant, Runtime};
use openlake_peer::SlotId;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// How long a slot that gave no answer is asked last.
const DOWN_FOR: Duration = Duration::from_secs(2);

/// How long a drive that said that something it lacks is unknown is asked after those that lack nothing.
const DIRTY_FOR: Duration = Duration::from_secs(2);

/// How long a slot that had no room for a record gets no more of them, where too many of a set are so: each try would leave the others
/// with records that cannot become complete.
const FULL_FOR: Duration = Duration::from_secs(1);

/// One core's coordinator, behind [`crate::Store`].
pub(crate) struct Core {
    pub runtime: Runtime,
    pub slots: Rc<dyn Slots>,
    pub options: StoreOptions,
    pub key_queue: KeyQueue,
    pub bucket_reads: BucketReads,
    pub hints: Hints,
    pub body_budget: Rc<BodyBudget>,
    pub heal_book: HealBook,
    /// Requests of clients for bytes, so far.
    pub client_requests: Cell<u64>,
    codes: RefCell<HashMap<(u8, u8), Rc<Code>>>,
    down: RefCell<HashMap<SlotId, Instant>>,
    full: RefCell<HashMap<SlotId, Instant>>,
    dirty: RefCell<HashMap<SlotId, Instant>>,
}

impl Core {
    pub fn new(runtime: &Runtime, slots: Rc<dyn Slots>, options: StoreOptions) -> Rc<Core> {
        let body_budget = BodyBudget::new(options.body_bytes);
        Rc::new(Core {
            runtime: runtime.clone(),
            slots,
            options,
            key_queue: KeyQueue::default(),
            bucket_reads: BucketReads::default(),
            hints: Hints::default(),
            body_budget,
            heal_book: HealBook::default(),
            client_requests: Cell::default(),
            codes: RefCell::default(),
            down: RefCell::default(),
            full: RefCell::default(),
            dirty: RefCell::default(),
        })
    }
    pub fn after(&self, duration: Duration) -> Instant {
        Instant(self.runtime.now().0.saturating_add(duration.as_nanos() as u64))
    }
    /// The time of day as far as it can be trusted, in milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        self.options.state.sound_wall_ms(self.runtime.wall_ms(), self.runtime.now())
    }
    /// A client wants bytes, or brings some.
    pub fn note_client(&self) {
        self.client_requests.set(self.client_requests.get() + 1);
    }
    /// A ballot never used before, above `floor`.
    pub fn next_ballot(&self, floor: Ballot) -> Ballot {
        self.options
            .state
            .next_ballot(self.wall_ms(), floor, self.options.node, self.options.boot)
    }
    /// A drive refused because of `floor`.
    pub fn learn_floor(&self, floor: Ballot) {
        self.options.state.learn_floor(self.wall_ms(), floor);
    }
    /// 128 random bits.
    pub fn new_write_id(&self) -> WriteId {
        let mut bytes = [0; 16];
        self.runtime.fill_random(&mut bytes);
        WriteId(bytes)
    }
    /// A random wait that doubles with each round, to part racers: up to 4 ms at first, or what a round takes where that is more, up to half
    /// a second.
    pub async fn back_off(&self, round: u32, usual: Duration) {
        let first_us = (usual.as_micros() as u64).max(4_000);
        let most_us = (first_us << round.min(7)).min(500_000);
        self.runtime
            .sleep(Duration::from_micros(self.runtime.random_u64() % most_us + 200))
            .await;
    }
    /// The code of k data and m parity shards; tables are built once a core.
    pub fn code(&self, data: u8, parity: u8) -> Result<Rc<Code>, StoreError> {
        if let Some(code) = self.codes.borrow().get(&(data, parity)) {
            return Ok(code.clone());
        }
        let code = Code::new(data, parity).map_err(|error| StoreError::Unavailable(format!("no code for {data}+{parity}: {error:?}")))?;
        let code = Rc::new(code);
        self.codes.borrow_mut().insert((data, parity), code.clone());
        Ok(code)
    }
    pub fn mark_up(&self, slot: SlotId) {
        if self.any_down() {
            self.down.borrow_mut().remove(&slot);
        }
    }
    pub fn mark_down(&self, slot: SlotId) {
        self.down.borrow_mut().insert(slot, self.after(DOWN_FOR));
    }
    pub fn any_down(&self) -> bool {
        !self.down.borrow().is_empty()
    }
    /// The drive of the slot is being filled: its answers leave more open than others'.
    pub fn mark_dirty(&self, slot: SlotId) {
        self.dirty.borrow_mut().insert(slot, self.after(DIRTY_FOR));
    }
    /// How late a slot is asked: 0 with the first, 1 after those that lack nothing, 2 after all that answer.
    pub fn lateness(&self, slot: SlotId) -> u8 {
        if self.is_down(slot) {
            return 2;
        }
        let dirty = self.dirty.borrow();
        u8::from(dirty.get(&slot).is_some_and(|until| *until > self.runtime.now()))
    }
    /// Whether some slot is asked later than others.
    pub fn any_late(&self) -> bool {
        let mut dirty = self.dirty.borrow_mut();
        if !dirty.is_empty() {
            let now = self.runtime.now();
            dirty.retain(|_, until| *until > now);
        }
        self.any_down() || !dirty.is_empty()
    }
    /// The slot refused a record for want of room.
    pub fn mark_full(&self, slot: SlotId) {
        self.full.borrow_mut().insert(slot, self.after(FULL_FOR));
    }
    /// Whether the slot had no room for a record lately.
    pub fn is_full(&self, slot: SlotId) -> bool {
        let full = self.full.borrow();
        !full.is_empty() && full.get(&slot).is_some_and(|until| *until > self.runtime.now())
    }
    /// Whether the slot gave no answer lately.
    pub fn is_down(&self, slot: SlotId) -> bool {
        self.down.borrow().get(&slot).is_some_and(|until| *until > self.runtime.now())
    }
}
