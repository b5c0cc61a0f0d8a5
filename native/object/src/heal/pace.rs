//! Throttle: while clients use a drive, healing works only a share of the time.

use openlake_drive::Drive;
use openlake_io::{Instant, Runtime};
use std::time::Duration;

/// Reads and writes a second beyond which a drive counts as used by clients.
const BUSY_OPERATIONS: u64 = 20;
/// The load is measured over so long.
const WINDOW: Duration = Duration::from_millis(200);
/// No single rest is longer.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// One healer's pace.
pub(crate) struct Pace {
    busy_share: u32,
    began: Instant,
    measured: Instant,
    operations: u64,
    own: u64,
    busy: bool,
}

impl Pace {
    /// Full speed until load is seen. `busy_share`: percent of the time that may be worked under load.
    pub fn new(runtime: &Runtime, busy_share: u32) -> Pace {
        Pace {
            busy_share: busy_share.clamp(1, 100),
            began: runtime.now(),
            measured: runtime.now(),
            operations: 0,
            own: 0,
            busy: false,
        }
    }
    /// A step of work begins.
    pub fn begin(&mut self, runtime: &Runtime) {
        self.began = runtime.now();
    }
    /// The step made so many requests to the drive itself: they are no clients'.
    pub fn note_own(&mut self, operations: u64) {
        self.own += operations;
    }
    /// Rests as long as the load asks for.
    pub async fn rest(&mut self, runtime: &Runtime, drive: &Drive) {
        let now = runtime.now();
        let elapsed = Duration::from_nanos(now.0.saturating_sub(self.measured.0));
        if elapsed >= WINDOW {
            let status = drive.status();
            let operations = status.reads + status.batches;
            let foreign = operations.saturating_sub(self.operations).saturating_sub(self.own);
            self.busy = foreign * 1000 > BUSY_OPERATIONS * elapsed.as_millis() as u64;
            (self.operations, self.own, self.measured) = (operations, 0, now);
        }
        if !self.busy {
            return runtime.yield_now().await;
        }
        let worked = Duration::from_nanos(now.0.saturating_sub(self.began.0));
        let rest = worked * (100 - self.busy_share) / self.busy_share;
        runtime.sleep(rest.min(LONGEST_REST)).await;
    }
}
