//! Throttle: while clients use a drive or this core, healing works only a share of the time, and on so many keys at once as those who wait
//! for the drive do not suffer from.

use crate::core::Core;
use openlake_drive::Drive;
use openlake_io::Instant;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Requests a second beyond which clients count as being there.
const BUSY_REQUESTS: u64 = 20;
/// The load is measured over so long.
const WINDOW: Duration = Duration::from_millis(200);
/// More at once gains nothing.
pub(crate) const MOST_AT_ONCE: usize = 16;
/// No single rest is longer.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// One healer's pace.
pub(crate) struct Pace {
    core: Rc<Core>,
    drive: Drive,
    busy_share: u32,
    measured: Cell<Instant>,
    /// Requests to the drive and of this core's clients, when the window began.
    requests: Cell<u64>,
    /// Requests to the drive that healing made since.
    own: Cell<u64>,
    busy: Cell<bool>,
    /// What may be done at once while it is.
    crowd: Cell<usize>,
}

impl Pace {
    /// Full speed until load is seen. `busy_share`: percent of the time that may be worked under load.
    pub fn new(core: &Rc<Core>, drive: &Drive, busy_share: u32) -> Pace {
        Pace {
            busy_share: busy_share.clamp(1, 100),
            measured: Cell::new(core.runtime.now()),
            requests: Cell::new(drive.requests() + core.client_requests.get()),
            own: Cell::default(),
            busy: Cell::default(),
            crowd: Cell::new(1),
            core: core.clone(),
            drive: drive.clone(),
        }
    }
    /// How much may be done at once where `most` are worth it.
    pub fn at_once(&self, most: usize) -> usize {
        if self.busy.get() { self.crowd.get().min(most) } else { most }
    }
    /// Healing makes so many requests to the drive itself: they are no clients'.
    pub fn note_own(&self, requests: u64) {
        self.own.set(self.own.get() + requests);
    }
    /// Does a step of work, and rests as long as the load asks for.
    pub async fn step<T>(&self, work: impl Future<Output = T>) -> T {
        let began = self.core.runtime.now();
        let beside = self.drive.work_beside();
        let result = work.await;
        drop(beside);
        self.rest(began).await;
        result
    }
    async fn rest(&self, began: Instant) {
        let runtime = &self.core.runtime;
        let now = runtime.now();
        self.measure(now);
        if !self.busy.get() {
            return runtime.yield_now().await;
        }
        let rest = now.since(began) * (100 - self.busy_share) / self.busy_share;
        runtime.sleep(rest.min(LONGEST_REST)).await;
    }
    fn measure(&self, now: Instant) {
        let elapsed = now.since(self.measured.get());
        if elapsed < WINDOW {
            return;
        }
        let requests = self.drive.requests() + self.core.client_requests.get();
        let foreign = requests.saturating_sub(self.requests.get()).saturating_sub(self.own.take());
        self.busy.set(foreign * 1000 > BUSY_REQUESTS * elapsed.as_millis() as u64);
        let crowd = self.crowd.get();
        self.crowd.set(match (self.busy.get(), self.drive.is_strained()) {
            (true, false) => (crowd + 1).min(MOST_AT_ONCE),
            (true, true) => (crowd / 2).max(1),
            (false, _) => 1,
        });
        self.requests.set(requests);
        self.measured.set(now);
    }
}
