//! How fast to clean: in proportion to what it costs. After each step the cleaner rests a multiple of the time that the step took; a
//! drive that is busy makes steps slow, and so the cleaner rare. Where space is short it does not rest at all.

use crate::core::Core;
use openlake_io::Instant;
use std::rc::Rc;
use std::time::Duration;

/// Rest after a step on a drive that others use too, as a multiple of the step's time: a tenth of the drive is the cleaner's.
const REST_WHEN_BUSY: u32 = 9;
/// The same on a drive that nobody uses.
const REST_WHEN_IDLE: u32 = 1;
/// No single rest is longer: one slow write must not stop the cleaning.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// The clock of one cleaner.
pub(crate) struct Pace {
    began: Instant,
    records: u64,
    moved: u64,
}

impl Pace {
    pub fn new(core: &Core) -> Pace {
        Pace {
            began: core.runtime.now(),
            records: core.counters.records.get(),
            moved: core.cleaner.moved_records.get(),
        }
    }
    /// A step begins.
    pub fn begin(&mut self, core: &Core) {
        *self = Pace::new(core);
    }
    /// A step of `bytes` read is done: rests as long as it must.
    pub async fn after(&mut self, core: &Rc<Core>, _bytes: usize) {
        if core.is_space_short() {
            core.runtime.yield_now().await;
        } else {
            let took = Duration::from_nanos(core.runtime.now().0.saturating_sub(self.began.0));
            let written = core.counters.records.get() - self.records;
            let moved = core.cleaner.moved_records.get() - self.moved;
            let rest = if written > moved { REST_WHEN_BUSY } else { REST_WHEN_IDLE };
            core.pause((took * rest).min(LONGEST_REST)).await;
        }
        self.begin(core);
    }
}
