//! How fast a drive works for itself: cleaning, merging, writing checkpoints. After each step it rests a multiple of the time that the
//! step took. The multiple doubles while those who wait for the drive suffer (see `strain`) and falls again when they do not; where the
//! drive needs the work done, because space or memory is short, it does not rest at all.

use crate::core::Core;
use std::rc::Rc;
use std::time::Duration;

/// Bytes read, written or moved between two rests.
const STEP_BYTES: usize = super::evacuate::STEP_BYTES;
/// Rest after a step on a drive that others use too, as a multiple of the step's time: at first, and where nobody suffers.
const REST_AT_FIRST: f64 = 9.0;
const LEAST_REST: f64 = 3.0;
/// A hundredth of the drive is left: a 99th percentile does not see more.
const MOST_REST: f64 = 99.0;
/// Of a multiple, what remains after a step that nobody suffered from.
const EASING: f64 = 0.9;
/// Fewer waits since the last step say nothing of it.
const FEW: u64 = 4;
/// No single rest is longer: one slow write must not stop the work.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// So often a rest looks whether the work has become urgent.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// More runs than this make every cold read dear.
const MANY_RUNS: usize = 16;

/// What is paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Clean,
    Merge,
    Checkpoint,
}

/// The clock of one kind of work.
pub(crate) struct Pace {
    core: Rc<Core>,
    work: Work,
    began: openlake_io::Instant,
    /// Of the foreground, when the step began.
    samples: u64,
    /// Done in this step.
    bytes: usize,
    multiple: f64,
    working: bool,
}

impl Pace {
    /// A step begins.
    pub fn new(core: &Rc<Core>, work: Work) -> Pace {
        let mut pace = Pace {
            core: core.clone(),
            work,
            began: core.runtime.now(),
            samples: 0,
            bytes: 0,
            multiple: REST_AT_FIRST,
            working: false,
        };
        pace.begin();
        pace
    }
    /// A step begins.
    pub fn begin(&mut self) {
        self.began = self.core.runtime.now();
        self.samples = self.core.strain.samples();
        self.bytes = 0;
        self.set_working(true);
    }
    /// Nothing is to be done for a while.
    pub fn stop(&mut self) {
        self.set_working(false);
    }
    /// `bytes` more were read, written or moved: rests as long as it must when that makes a step.
    pub async fn after(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes < STEP_BYTES {
            return;
        }
        let core = self.core.clone();
        if self.work == Work::Clean && !core.is_urgent(self.work) {
            // What the step appended is part of what it costs.
            core.all_durable().await.ok();
        }
        let took = core.runtime.now().since(self.began);
        self.set_working(false);
        let rest = took.mul_f64(self.multiple_after_step() * core.ease_of_space()).min(LONGEST_REST);
        let end = core.runtime.now().0 + rest.as_nanos() as u64;
        while core.runtime.now().0 < end && core.may_clean() && !core.is_urgent(self.work) {
            core.runtime.sleep(rest.min(LOOK_AGAIN)).await;
        }
        core.runtime.yield_now().await;
        self.begin();
    }
    /// How often the step's time to rest.
    fn multiple_after_step(&mut self) -> f64 {
        let is_busy = self.core.strain.samples().wrapping_sub(self.samples) >= FEW;
        if !is_busy {
            self.multiple = REST_AT_FIRST;
            // Cleaning can wait even for those who are about to come.
            return if self.work == Work::Clean { 1.0 } else { 0.0 };
        }
        self.multiple = if self.core.strain.is_high() {
            (self.multiple * 2.0).min(MOST_REST)
        } else {
            (self.multiple * EASING).max(LEAST_REST)
        };
        self.multiple
    }
    fn set_working(&mut self, working: bool) {
        match (std::mem::replace(&mut self.working, working), working) {
            (false, true) => self.core.strain.begin_work(),
            (true, false) => self.core.strain.end_work(),
            _ => {}
        }
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.set_working(false);
    }
}

impl Core {
    /// Whether work must go on without a rest.
    fn is_urgent(&self, work: Work) -> bool {
        self.closing.get()
            || match work {
                Work::Clean => self.is_space_short(),
                Work::Merge => self.index.borrow().runs().len() > MANY_RUNS,
                Work::Checkpoint => self.is_space_short() || self.is_memory_short() || self.log_overflows(),
            }
    }
    /// From 1 where space is plentiful down to 0 where it is short: the share of its rest that the drive takes.
    fn ease_of_space(&self) -> f64 {
        let supply = self.supply();
        let space = self.space.borrow();
        let short = f64::from(space.kept_from_bulk(supply).max(1) * 2);
        let free = f64::from(space.reachable_free_segments());
        ((free - short) / short).clamp(0.0, 1.0)
    }
}
