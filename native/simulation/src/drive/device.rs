//! The machine of one drive: a simulated world with a single node, whose process comes and goes.

use super::plan::DrivePlan;
use openlake_drive::{Adoption, Drive, DriveOptions, MountCheck, OpenError};
use openlake_io::{Instant, Runtime, SimWorld};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// The one node.
pub const NODE: u32 = 1;
/// Where its drive is.
pub const PATH: &str = "/drive";

/// Bytes of a block device in front of the drive's data.
const DATA_OFFSET: u64 = 1 << 20;
/// So many events in one wait are a loop that waits for nothing.
const BUSY_EVENTS: u64 = 300_000;

/// The machine.
pub struct Device {
    pub world: SimWorld,
    options: DriveOptions,
    plan: DrivePlan,
    /// It was started before.
    has_begun: Cell<bool>,
}

impl Device {
    /// A machine with an empty device.
    pub fn new(plan: &DrivePlan) -> Device {
        let world = SimWorld::new(plan.seed, plan.world.clone());
        Device {
            world,
            options: DriveOptions {
                path: PATH.into(),
                cluster: [7; 16],
                set: 3,
                slot: 2,
                set_epoch: 1,
                mount_check: MountCheck::Strict,
                adoption: Adoption::FormatNew,
                capacity_bytes: Some(plan.capacity_bytes),
                cache_bytes: plan.cache_bytes,
                index_bytes: plan.index_bytes,
                boot_at_least: 0,
            },
            plan: plan.clone(),
            has_begun: Cell::new(false),
        }
    }
    /// Starts the machine's process. The first start makes the mount or the device.
    pub fn start(&self) -> Runtime {
        let runtime = self.world.start_node(NODE, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        if !self.has_begun.replace(true) {
            let path = Path::new(PATH);
            let made = if self.plan.is_raw {
                let size = DATA_OFFSET + self.plan.capacity_bytes;
                self.world.add_block_device(NODE, path, size)
            } else {
                self.world.mount(NODE, path)
            };
            made.expect("a place for the drive");
        }
        runtime
    }
    /// Where the drive is.
    pub fn path(&self) -> PathBuf {
        self.options.path.clone()
    }
    /// Opens the drive in a running process.
    pub fn open(&self, runtime: &Runtime) -> impl Future<Output = Result<Drive, OpenError>> + use<> {
        let (runtime, options, tuning) = (runtime.clone(), self.options.clone(), self.plan.tuning);
        async move { Drive::open_tuned(&runtime, options, tuning).await }
    }
    /// Runs a future until it is done; `None` when it is not within `patience` of simulated time.
    pub fn run<T: 'static>(&self, runtime: &Runtime, future: impl Future<Output = T> + 'static, patience: Duration) -> Option<T> {
        let result = Rc::new(RefCell::new(None));
        let target = result.clone();
        runtime.spawn(async move {
            let value = future.await;
            *target.borrow_mut() = Some(value);
        });
        self.run_until(|| result.borrow().is_some(), patience);
        result.take()
    }
    /// Steps until the condition holds, then true; false when the time has passed, or when events come without end and no time passes.
    pub fn run_until(&self, mut condition: impl FnMut() -> bool, patience: Duration) -> bool {
        let last = self.world.events() + BUSY_EVENTS;
        self.world.run_until(|| condition() || self.world.events() > last, patience) && self.world.events() <= last
    }
    /// Whether events come one upon the other just now.
    pub fn is_busy(&self) -> bool {
        // A world in which nothing happens any more, as around a failed drive, stands still and is not busy.
        let (from, events) = (self.now(), self.world.events());
        self.step(1_000);
        self.world.events() >= events + 1_000 && self.now().0 - from.0 < 10_000_000
    }
    /// Lets so many events happen.
    pub fn step(&self, count: u64) {
        let end = self.world.events() + count;
        while self.world.events() < end && self.world.step() {}
    }
    /// How many writes the device completed.
    pub fn writes(&self) -> u64 {
        self.world.writes_completed(NODE)
    }
    /// Lets the device complete so many writes, unless that takes more than so many events.
    pub fn step_writes(&self, count: u64, most_events: u64) {
        let (end, last) = (self.writes() + count, self.world.events() + most_events);
        while self.writes() < end && self.world.events() < last && self.world.step() {}
    }
    /// Simulated time.
    pub fn now(&self) -> Instant {
        self.world.now()
    }
    /// Reads stall, where the plan says so, or not: a start that reads all there is would take for ever.
    pub fn set_read_stalls(&self, on: bool) {
        let chance = if on { self.plan.world.read_stall_chance } else { 0.0 };
        self.world.change_options(|options| options.read_stall_chance = chance);
    }
    /// Device errors by chance, from now on.
    pub fn set_error_chance(&self, chance: f64) {
        self.world.change_options(|options| options.disk_error_chance = chance);
    }
}
