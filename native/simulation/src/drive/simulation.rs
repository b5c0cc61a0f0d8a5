//! One run: a drive lives several lives on one device, and must keep in each what it said in those before.

use super::audit::{Contents, audit, read_all};
use super::device::Device;
use super::device::NODE;
use super::examine;
use super::model::Model;
use super::plan::{DrivePlan, Trouble};
use super::shift::Shift;
use super::worker::Worker;
use crate::history::History;
use crate::random::Random;
use crate::simulation::Report;
use openlake_drive::{Drive, DriveState, OpenError};
use openlake_io::{Instant, Runtime};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Marks older than this are durable (protocol.md section 2 allows a second, the device's delays come on top).
const MARKS_DURABLE: Duration = Duration::from_secs(2);

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    PowerCut,
    Kill,
    /// Closed while requests are under way.
    Close,
    /// Closed when all is quiet.
    Peace,
}

/// Whether a drive may be in this state when nothing was damaged: its device failed, or the filesystem has no space.
pub fn is_excused(state: &DriveState, plan: &DrivePlan) -> bool {
    match (state, plan.trouble) {
        (DriveState::Healthy, _) | (_, Trouble::Damage(_)) => true,
        (DriveState::Suspect(text) | DriveState::Failed(text), Trouble::Errors(_)) => !text.contains("damages found in the log"),
        (DriveState::Suspect(text), Trouble::NoSpace) => text.contains("cannot grow"),
        _ => false,
    }
}

/// Runs a plan to its end.
pub fn run(plan: &DrivePlan, verbose: bool) -> Report {
    openlake_drive::sabotage::plant(plan.sabotage);
    let history = History::new(verbose);
    let device = Device::new(plan);
    let mut run = Run {
        plan,
        history: history.clone(),
        random: Random::new(plan.seed ^ 0xd21e),
        model: Rc::new(RefCell::new(Model::new(plan.is_doubtful()))),
        boot: 0,
        contents: None,
        gave_up: false,
        was_full: false,
        was_cut: false,
    };
    history.event(device.now(), &format!("{plan:?}"));
    if run.live(&device).is_none() && !run.gave_up {
        history.problem(device.now(), "the run stopped early".to_owned());
    }
    openlake_drive::sabotage::plant(None);
    Report {
        seed: plan.seed,
        hash: history.hash() ^ device.world.event_hash(),
        events: history.events(),
        simulated: Duration::from_nanos(device.now().0),
        counts: history.counts(),
        problems: history.problems(),
    }
}

struct Run<'plan> {
    plan: &'plan DrivePlan,
    history: History,
    random: Random,
    model: Rc<RefCell<Model>>,
    /// The last boot number.
    boot: u32,
    /// What the drive held when it was closed in peace.
    contents: Option<Contents>,
    /// The device makes further lives impossible, which is no problem.
    gave_up: bool,
    /// The drive was full in one of its lives.
    was_full: bool,
    /// The power was cut in one of its lives.
    was_cut: bool,
}

impl Run<'_> {
    /// All lives and a last look. `None`: what follows makes no sense after the problem just noted.
    fn live(&mut self, device: &Device) -> Option<()> {
        for life in 0..self.plan.lives {
            self.history.event(device.now(), &format!("life {life} begins"));
            let runtime = device.start();
            device.set_read_stalls(false);
            if let Trouble::Damage(damage) = self.plan.trouble {
                let chance = if self.random.percent(50) { 0.01 } else { 0.1 };
                // A drive is formatted once, and everybody would notice if that failed.
                let chance = if life == 0 { 0.0 } else { chance };
                device.world.change_options(|options| damage.set(options, chance));
            }
            if let Some(writes) = self.plan.cut_after_writes {
                self.cut_life(device, &runtime, writes)?;
                continue;
            }
            if self.random.percent(12) {
                self.end_while_opening(device, &runtime);
                continue;
            }
            self.examine(device, &runtime);
            let drive = self.open(device, &runtime)?;
            let shift = self.shift(&runtime, drive);
            self.audit(device, &shift)?;
            if let Trouble::Errors(chance) = self.plan.trouble {
                device.set_error_chance(chance);
            }
            device.set_read_stalls(true);
            self.work(device, &shift);
            device.set_read_stalls(false);
            let end = self.choose_end();
            self.end(device, &shift, end)?;
            device.set_error_chance(0.0);
        }
        let runtime = device.start();
        self.examine(device, &runtime);
        let drive = self.open(device, &runtime)?;
        let shift = self.shift(&runtime, drive);
        self.audit(device, &shift)
    }

    /// Looks at what the life before left behind, sometimes; nothing is there before the drive was opened for the first time.
    fn examine(&mut self, device: &Device, runtime: &Runtime) {
        if self.boot == 0 {
            return;
        }
        if self.random.percent(self.plan.verify_percent) {
            examine::verify(device, runtime, self.plan, &self.history);
        }
        // A full drive may have no room for a second index.
        if self.random.percent(self.plan.rebuild_percent) && !self.was_full {
            examine::rebuild(device, runtime, self.plan, &self.history);
        }
    }

    fn shift(&self, runtime: &Runtime, drive: Drive) -> Rc<Shift> {
        Rc::new(Shift {
            runtime: runtime.clone(),
            drive,
            model: self.model.clone(),
            history: self.history.clone(),
            plan: self.plan.clone(),
            fills: self.plan.load.is_filled && self.model.borrow().keys().next().is_none(),
            stop: Cell::new(false),
            closing: Cell::new(false),
            was_full: Cell::new(false),
            working: Cell::new(0),
        })
    }

    fn open(&mut self, device: &Device, runtime: &Runtime) -> Option<Drive> {
        let opened = device.run(runtime, device.open(runtime), PATIENCE);
        let drive = match opened {
            Some(Ok(drive)) => drive,
            Some(Err(OpenError::Unavailable(_))) if self.plan.trouble == Trouble::NoSpace && self.boot == 0 => {
                self.history.count("drives that found no space");
                self.gave_up = true;
                return None;
            }
            Some(Err(_)) if self.plan.is_doubtful() => {
                self.history.count("drives too damaged to open");
                self.gave_up = true;
                return None;
            }
            other => {
                let text = other.map_or("is not done in time".to_owned(), |result| format!("{:?}", result.err()));
                self.history.problem(device.now(), format!("opening the drive: {text}"));
                return None;
            }
        };
        let state = drive.status().state;
        self.history
            .event(device.now(), &format!("opened, boot {}, {state:?}", drive.boot()));
        if drive.boot() <= self.boot && !self.plan.is_doubtful() {
            let text = format!("boot number {} after {}", drive.boot(), self.boot);
            self.history.problem(device.now(), text);
        }
        self.boot = drive.boot();
        Some(drive)
    }

    /// The process ends while it opens the drive.
    fn end_while_opening(&mut self, device: &Device, runtime: &Runtime) {
        let (opening, keeper) = (device.open(runtime), runtime.clone());
        runtime.spawn(async move {
            let drive = opening.await;
            keeper.sleep(PATIENCE).await;
            drop(drive);
        });
        device.step(self.random.below(400));
        if self.random.percent(70) {
            self.was_cut = true;
            device.world.crash_node(NODE);
        } else {
            device.world.stop_node(NODE);
        }
        self.contents = None;
        self.history.count("ends while opening");
    }

    /// A life with nothing but load, cut after so many writes of the device, those of opening the drive included.
    fn cut_life(&mut self, device: &Device, runtime: &Runtime, writes: u64) -> Option<()> {
        let last = device.writes() + writes;
        let opened: Rc<RefCell<Option<Drive>>> = Rc::default();
        let (opening, found, history) = (device.open(runtime), opened.clone(), self.history.clone());
        let clock = runtime.clone();
        runtime.spawn(async move {
            match opening.await {
                Ok(drive) => *found.borrow_mut() = Some(drive),
                Err(error) => history.problem(clock.now(), format!("opening the drive: {error:?}")),
            }
        });
        device
            .world
            .run_until(|| opened.borrow().is_some() || device.writes() >= last, PATIENCE);
        if let Some(drive) = opened.take() {
            let shift = self.shift(runtime, drive);
            self.audit(device, &shift)?;
            self.employ(&shift);
            device.step_writes(last.saturating_sub(device.writes()), self.plan.life_events * 10);
        }
        self.history.event(device.now(), "PowerCut");
        self.was_cut = true;
        device.world.crash_node(NODE);
        self.history.count("power cuts");
        self.model.borrow_mut().keys_mut().for_each(|key| key.end_life(None));
        Some(())
    }

    fn audit(&mut self, device: &Device, shift: &Rc<Shift>) -> Option<()> {
        if self.was_cut {
            self.model.borrow_mut().begin_after_cut(shift.runtime.wall_ms());
        }
        let expected = self.contents.take();
        let done = device.run(&shift.runtime, audit(shift.clone(), expected), PATIENCE);
        if done.is_none() {
            self.history
                .problem(device.now(), "looking at everything is not done in time".to_owned());
        }
        done
    }

    /// Starts the workers of a life.
    fn employ(&mut self, shift: &Rc<Shift>) {
        let workers = self.plan.load.workers;
        shift.working.set(workers);
        for number in 0..workers {
            let worker = Worker {
                shift: shift.clone(),
                random: self.random.split(),
                number,
            };
            shift.runtime.spawn(worker.work());
        }
    }

    /// Lets workers work for a while.
    fn work(&mut self, device: &Device, shift: &Rc<Shift>) {
        self.employ(shift);
        // Early ends find what is not durable yet, late ones what is long forgotten.
        if self.random.percent(30) {
            device.step_writes(self.random.below(200), self.plan.life_events);
        } else {
            device.step(self.random.below(self.plan.life_events));
        }
    }

    fn choose_end(&mut self) -> End {
        let ends = [(5, End::PowerCut), (2, End::Kill), (1, End::Close), (2, End::Peace)];
        self.random.weighted(&ends).unwrap_or(End::PowerCut)
    }

    fn end(&mut self, device: &Device, shift: &Rc<Shift>, end: End) -> Option<()> {
        let is_idle_first = end == End::Peace || self.random.percent(25);
        if is_idle_first {
            self.calm(device, shift)?;
        }
        self.history.event(device.now(), &format!("{end:?}"));
        let state = shift.drive.status().state;
        if !is_excused(&state, self.plan) {
            let text = format!("a drive whose device never failed: {state:?}");
            self.history.problem(device.now(), text);
        }
        if end == End::Peace && self.plan.is_sound() && !shift.was_full.get() {
            let reading = shift.clone();
            self.contents = device.run(&shift.runtime, async move { read_all(&reading).await }, PATIENCE);
        }
        if matches!(end, End::Close | End::Peace) {
            shift.closing.set(true);
            let drive = shift.drive.clone();
            let closed = device.run(&shift.runtime, async move { drive.close().await }, PATIENCE);
            if closed.is_none() {
                self.history
                    .problem(device.now(), "closing the drive is not done in time".to_owned());
            }
        }
        let now = device.now();
        self.was_full |= shift.was_full.get();
        self.was_cut |= end == End::PowerCut;
        if end == End::PowerCut {
            device.world.crash_node(NODE);
            self.history.count("power cuts");
        } else {
            device.world.stop_node(NODE);
            self.history.count(if end == End::Kill { "kills" } else { "closes" });
        }
        let limit = Instant(now.0.saturating_sub(MARKS_DURABLE.as_nanos() as u64));
        let sure = self.plan.is_sound() && self.plan.world.disk_stall_chance == 0.0 && !shift.was_full.get();
        self.model
            .borrow_mut()
            .keys_mut()
            .for_each(|key| key.end_life(sure.then_some(limit)));
        Some(())
    }

    /// All requests end; then time passes.
    fn calm(&mut self, device: &Device, shift: &Rc<Shift>) -> Option<()> {
        shift.stop.set(true);
        if !device.run_until(|| shift.working.get() == 0, PATIENCE) {
            let text = format!("{} requests never end", shift.working.get());
            self.history.problem(device.now(), text);
            return None;
        }
        let idle_ms = if self.random.percent(50) {
            self.random.below(30)
        } else {
            self.random.below(20_000)
        };
        let (idle, from) = (Duration::from_millis(idle_ms), device.now().0);
        device.run_until(|| false, idle);
        if device.now().0 - from < idle.as_nanos() as u64 / 2 && device.is_busy() {
            let text = "the drive is busy without end while nothing is asked of it".to_owned();
            self.history.problem(device.now(), text);
            return None;
        }
        Some(())
    }
}
