//! The state of an open drive, shared by the handles and tasks of one core.

use crate::ailments::Ailments;
use crate::backlog::Backlog;
use crate::cache::{Cache, RecordKey};
use crate::checkpoint::Checkpoints;
use crate::cleaner::{Cleaner, Move, TraceMove};
use crate::counters::Counters;
use crate::departed::Departed;
use crate::entry::Entry;
use crate::flush_gate::FlushGate;
use crate::format::{AcceptorState, DriveSeed};
use crate::index::Index;
use crate::lease::Leases;
use crate::log::Log;
use crate::medium::Medium;
use crate::rebuilding::Rebuilding;
use crate::roots::Roots;
use crate::sabotage::{Sabotage, is_planted};
use crate::signal::Signal;
use crate::space::{ExtentRegistry, Place, Space};
use crate::stage::StageTable;
use crate::strain::Strain;
use crate::succession::Succession;
use crate::table::Table;
use crate::turns::Turns;
use crate::{Ballot, DriveState, Identity, Key};
use openlake_io::{Instant, Runtime, StorageFacts};
use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::{Rc, Weak};

/// What a record does once it is durable.
pub(crate) enum Effect {
    /// A version may be told of.
    Accepted(Rc<Entry>),
    /// A sound copy of a version whose bytes were damaged may be read instead of it.
    Repaired(Repair),
    /// The mark lies in the log; what it dropped is not needed any more.
    Settled(Mark),
    /// This tombstone was collected.
    Dropped(Rc<Entry>),
    /// The cleaner's copy of a version may be read instead of the original.
    Moved(Move),
    /// The cleaner's copy of a mark counts instead of the original.
    MarkMoved(Move),
    /// The same for the trace of a collected tombstone.
    TraceMoved(TraceMove),
    /// Promises up to this clock need no write.
    Bound(u64),
}

/// A sound copy on its way, and the damaged version that it replaces; held, so that its row stays in memory.
pub(crate) struct Repair {
    pub entry: Rc<Entry>,
    pub damaged: Rc<Entry>,
    /// The copy says itself that it is complete.
    pub stable: bool,
}

/// A mark that is known but not in the log yet, and what it dropped.
pub(crate) struct Mark {
    /// The record known complete. Held, so that its row stays in memory until the mark's place is noted there.
    pub entry: Rc<Entry>,
    pub floor: Ballot,
    /// Held until then, so that their space stays theirs.
    #[expect(dead_code, reason = "held, not read")]
    pub dropped: Vec<Rc<Entry>>,
}

/// Marks on their way to the log.
#[derive(Default)]
pub(crate) struct Marks {
    pub queue: VecDeque<Mark>,
    /// A task will write them if no other traffic does.
    pub timer: bool,
    /// Freezes that wait for those above to be durable; until they are done no other is known.
    pub held: u32,
    /// Told meanwhile.
    pub deferred: Vec<Rc<Entry>>,
}

/// An open drive.
pub(crate) struct Core {
    pub runtime: Runtime,
    /// Its generation as it was when the drive was opened; see `generation`.
    pub identity: Identity,
    /// 0: blank, and not adopted yet.
    pub generation: Cell<u32>,
    /// Another drive took its place: it answers nothing any more. The text says which.
    pub superseded: RefCell<Option<String>>,
    /// It has yet to learn whether another drive took its place.
    pub held: Cell<bool>,
    /// Who took over the slots of its set.
    pub succession: Succession,
    pub seed: DriveSeed,
    pub counters: Rc<Counters>,
    pub medium: Medium,
    /// What the kernel said of the disk when the drive was opened.
    pub storage: StorageFacts,
    pub roots: Roots,

    pub log: RefCell<Log<Effect>>,
    /// The log has work for its pump.
    pub pump_work: Cell<bool>,
    pub pump: Signal,
    /// Room, durability or segments changed.
    pub log_changed: Signal,
    pub provision: Signal,
    pub growing: Cell<bool>,
    /// Segments with zeros written into them in this run.
    pub prewritten: RefCell<HashSet<u32>>,
    pub last_log_error: Cell<Option<Instant>>,

    pub index: RefCell<Index>,
    /// Bytes of the index's runs.
    pub index_bytes: Cell<u64>,
    /// A part of the index is lost: it has to be rebuilt from the log.
    pub index_damaged: Cell<bool>,
    /// Wakes the merges.
    pub runs_changed: Signal,
    /// Rows were written out, or never will be.
    pub memory_changed: Signal,
    pub space: RefCell<Space>,
    pub extents: Rc<ExtentRegistry>,
    pub checkpoints: Checkpoints,
    pub departed: RefCell<Departed>,
    pub staged: RefCell<StageTable>,
    pub flush_gate: FlushGate,
    pub cache: RefCell<Cache>,
    pub leases: Rc<Leases>,
    pub cleaner: Cleaner,
    pub strain: Strain,
    pub marks: RefCell<Marks>,
    /// Records by the time they became durable here; those settled meanwhile are skipped.
    pub unsettled: RefCell<VecDeque<Weak<Entry>>>,
    pub sweep_at: Cell<usize>,
    pub backlog: Backlog,

    /// Drive floor and boot as they hold now; the bound as last appended.
    pub acceptor: Cell<AcceptorState>,
    /// The bound's clock as it is durable.
    pub durable_bound: Cell<u64>,
    /// Promises for keys without a row.
    pub promises: RefCell<Table<Key, Ballot>>,
    pub highest_promise: Cell<Ballot>,
    /// Whose turn it is on contended keys.
    pub turns: Turns,
    /// Of the records accepted or replayed in this run.
    pub highest_record: Cell<Ballot>,
    /// What waits to be healed, and how far a dirty drive is.
    pub ailments: Ailments,
    pub last_prepare_ms: Cell<u64>,

    /// Whether the drive serves yet.
    pub rebuilding: Rebuilding,
    pub health: RefCell<DriveState>,
    /// Takes no more requests, but still writes its last records.
    pub closing: Cell<bool>,
    pub closed: Cell<bool>,
}

impl Core {
    /// Why the drive takes no requests, if so.
    pub fn failure(&self) -> Option<String> {
        if self.closed.get() {
            return Some("the drive is closed".to_owned());
        }
        match &*self.health.borrow() {
            DriveState::Failed(text) => Some(text.clone()),
            DriveState::Healthy | DriveState::Suspect(_) | DriveState::Rebuilding(_) => None,
        }
    }
    /// How it is.
    pub fn state(&self) -> DriveState {
        match (&*self.health.borrow(), self.rebuilding.progress()) {
            (DriveState::Failed(text), _) => DriveState::Failed(text.clone()),
            (_, Some(_)) => DriveState::Rebuilding(self.rebuilding.reason().unwrap_or_default()),
            (other, None) => other.clone(),
        }
    }
    /// The drive is read-only from now on.
    pub fn fail(&self, text: String) {
        self.counters.errors.add(1);
        *self.health.borrow_mut() = DriveState::Failed(text);
        self.log.borrow_mut().fail();
        self.log_changed.notify();
        self.runs_changed.notify();
        self.memory_changed.notify();
        self.end_backlog();
    }
    /// Fails where the files that are open are not the drive's any more: removed, moved, or hidden by another mount.
    pub fn check_place(&self) {
        let gone = self.failure().is_none().then(|| self.medium.home().what_is_gone()).flatten();
        if let Some(gone) = gone {
            self.fail(format!(
                "{}: {gone}: it was removed, moved or its mount is gone; what was written before can be read until the process ends",
                self.medium.home().path().display()
            ));
        }
    }
    /// The drive works on, but somebody should look at it.
    pub fn suspect(&self, text: String) {
        let mut health = self.health.borrow_mut();
        if !matches!(&*health, DriveState::Failed(_)) {
            *health = DriveState::Suspect(text);
        }
    }
    /// What the cache knows a record at `place` by, while a record lives there or a lease keeps it.
    pub fn cache_key(&self, place: Place) -> RecordKey {
        if is_planted(Sabotage::StaleGeneration) {
            return (u64::from(place.segment()), place.offset());
        }
        (self.space.borrow().generation(place.segment()), place.offset())
    }
    /// The floor of a key: promised or accepted, for it or for the drive.
    pub fn floor(&self, key: &Key) -> Ballot {
        let drive = self.acceptor.get().drive_floor;
        let row = self.index.borrow().get(key).map_or(Ballot::ZERO, |row| row.floor());
        let promised = self.promises.borrow().get(key).copied().unwrap_or(Ballot::ZERO);
        drive.max(row).max(promised)
    }
}
