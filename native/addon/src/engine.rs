//! All cores together: start, work for one or for every core, stop, and what happens when a core dies.
//!
//! `Shared` is reached from JavaScript's thread and from every core. Its lock is held for a few instructions at a time; whatever
//! takes longer is posted to the core that it concerns.

use crate::control::ControlShared;
use crate::data_core::{self, AssembledDrive, Assembly, Serving};
use crate::plan::EnginePlan;
use crate::queue::{Completion, Failure, Notice, Payload, Queue};
use openlake_http::{ControlReply, Tables};
use openlake_io::{RemoteHandle, Runtime};
use openlake_object::{LocalSlot, NodeState};
use openlake_peer::{Clock, Fences, SlotId};
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How opening one drive ended: what it says of itself, or the reason.
#[derive(Clone)]
pub struct OpenedDrive {
    pub index: u32,
    pub slot: SlotId,
    pub core: usize,
    pub result: Result<DriveIdentity, String>,
}

/// What the node has to know of an open drive before it serves.
#[derive(Clone, Copy)]
pub struct DriveIdentity {
    pub boot: u32,
    pub drive: [u8; 16],
    pub generation: u32,
}

#[derive(Default)]
struct State {
    /// Way in, by core; removed when the core ends.
    remotes: BTreeMap<usize, RemoteHandle>,
    drives: Vec<OpenedDrive>,
    opened: usize,
    assembled: usize,
    boot: u32,
    start: Option<Completion>,
    stop: Option<Completion>,
    stopping: bool,
    running: usize,
}

/// What JavaScript's thread and all cores share.
pub struct Shared {
    pub plan: EnginePlan,
    pub queue: Arc<Queue>,
    pub control: Arc<ControlShared>,
    pub clock: Arc<Clock>,
    pub fences: Arc<Fences>,
    pub node_state: Arc<NodeState>,
    tables: Mutex<Arc<Tables>>,
    state: Mutex<State>,
    replies: Mutex<BTreeMap<usize, Vec<(u64, ControlReply)>>>,
    next_core: AtomicUsize,
}

impl Shared {
    /// Starts every core of the plan; `start` ends when all serve or one could not.
    pub fn start(plan: EnginePlan, tables: Tables, queue: Arc<Queue>, start: Completion) -> Arc<Shared> {
        let cores = plan.cores;
        let tables = Mutex::new(Arc::new(share_limits(tables, cores)));
        if let Err(error) = openlake_io::raise_open_files() {
            queue.push_notice(Notice {
                fatal: false,
                message: format!("cannot raise the limit of open files: {error}"),
            });
        }
        let (clock, fences) = (Arc::<Clock>::default(), Arc::<Fences>::default());
        let shared = Arc::new(Shared {
            plan,
            queue,
            control: Arc::default(),
            node_state: NodeState::new(clock.clone(), fences.clone()),
            clock,
            fences,
            tables,
            state: Mutex::new(State {
                start: Some(start),
                running: cores,
                ..State::default()
            }),
            replies: Mutex::default(),
            next_core: AtomicUsize::new(0),
        });
        for core in 0..cores {
            let on_core = shared.clone();
            let result = openlake_io::spawn_thread(&format!("openlake-core-{core}"), move || core_thread(core, &on_core));
            if let Err(error) = result {
                shared.end_core(core, Some(format!("cannot start the thread of core {core}: {error}")));
            }
        }
        shared
    }
    /// The tables in force.
    pub fn tables(&self) -> Arc<Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Swaps the tables on every core.
    pub fn set_tables(&self, tables: Tables) {
        let tables = Arc::new(share_limits(tables, self.plan.cores));
        *self.tables.lock().unwrap_or_else(PoisonError::into_inner) = tables.clone();
        self.post_all(|_core| {
            let tables = tables.clone();
            Box::new(move |_runtime| {
                if let Some(serving) = data_core::serving() {
                    serving.server.set_tables(tables.clone());
                    serving.control.set_tables(tables);
                }
            })
        });
    }
    /// How each drive's opening ended, and the node's boot number.
    pub fn drives(&self) -> (Vec<OpenedDrive>, u32) {
        let state = self.state();
        (state.drives.clone(), state.boot)
    }
    /// Which cores live.
    pub fn cores(&self) -> Vec<usize> {
        self.state().remotes.keys().copied().collect()
    }
    /// Posts work to every core that lives; returns how many there are.
    pub fn post_all(&self, work: impl Fn(usize) -> Box<dyn FnOnce(&Runtime) + Send>) -> usize {
        let remotes = self.state().remotes.clone();
        for (core, remote) in &remotes {
            remote.post(work(*core));
        }
        remotes.len()
    }
    /// Runs one call on some core and ends `completion` with its outcome; cores take turns.
    pub fn call<Work, Outcome>(&self, completion: Completion, work: Work)
    where
        Work: FnOnce(Serving) -> Outcome + Send + 'static,
        Outcome: Future<Output = Result<Payload, Failure>> + 'static,
    {
        let remotes = self.state().remotes.clone();
        let turn = self.next_core.fetch_add(1, Ordering::Relaxed);
        let Some(remote) = remotes.values().nth(turn % remotes.len().max(1)) else {
            return;
        };
        remote.post(Box::new(move |runtime| {
            let Some(serving) = data_core::serving() else { return };
            runtime.spawn(async move { completion.finish(work(serving).await) });
        }));
    }
    /// Sends a reply to the core whose connection waits for it; one wake for all replies until the core gets to them.
    pub fn reply(self: &Arc<Shared>, id: u64, reply: ControlReply) {
        let core = (id >> 32) as usize;
        let is_first = {
            let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = replies.entry(core).or_default();
            waiting.push((id, reply));
            waiting.len() == 1
        };
        if !is_first {
            return;
        }
        let Some(remote) = self.state().remotes.get(&core).cloned() else {
            return;
        };
        let shared = self.clone();
        remote.post(Box::new(move |_runtime| {
            let replies = shared
                .replies
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&core)
                .unwrap_or_default();
            let Some(serving) = data_core::serving() else { return };
            for (id, reply) in replies {
                serving.control.reply(id, reply);
            }
        }));
    }
    /// Ends every core: links down, drives closed. `stop` ends with the last of them.
    pub fn stop(&self, stop: Completion) {
        let remotes = {
            let mut state = self.state();
            state.stopping = true;
            if state.running > 0 {
                state.stop = Some(stop);
            } else {
                stop.finish(Ok(Payload::Nothing));
            }
            state.remotes.clone()
        };
        for remote in remotes.values() {
            remote.post(Box::new(|_runtime| data_core::stop()));
        }
    }
    /// A core's drives are open. The last core to say so lets all of them begin to serve.
    pub fn report_opened(self: &Arc<Shared>, core: usize, remote: RemoteHandle, drives: Vec<OpenedDrive>) {
        let (remotes, assembly) = {
            let mut state = self.state();
            state.remotes.insert(core, remote.clone());
            state.drives.extend(drives);
            state.opened += 1;
            if state.stopping {
                remote.post(Box::new(|_runtime| data_core::stop()));
                return;
            }
            if state.opened < self.plan.cores {
                return;
            }
            state.drives.sort_by_key(|drive| drive.index);
            let Some(boot) = state.drives.iter().filter_map(|drive| Some(drive.result.as_ref().ok()?.boot)).max() else {
                let reasons: Vec<_> = state.drives.iter().filter_map(|drive| drive.result.clone().err()).collect();
                drop(state);
                return self.fail_start(&format!("no drive of this node can serve: {}", reasons.join("; ")));
            };
            state.boot = boot;
            let assembled = |drive: &OpenedDrive| {
                let DriveIdentity { drive: id, generation, .. } = *drive.result.as_ref().ok()?;
                let owner = state.remotes.get(&drive.core)?.clone();
                Some(AssembledDrive {
                    slot: LocalSlot {
                        slot: drive.slot,
                        drive: id,
                        generation,
                    },
                    owner,
                })
            };
            let drives = state.drives.iter().filter_map(assembled).collect();
            (state.remotes.clone(), Assembly { boot, drives })
        };
        for (core, remote) in remotes {
            let (shared, assembly) = (self.clone(), assembly.clone());
            remote.post(Box::new(move |runtime| {
                match data_core::assemble(core, runtime, &shared, &assembly) {
                    Ok(()) => shared.report_assembled(),
                    Err(text) => shared.fail_start(&text),
                }
            }));
        }
    }
    fn report_assembled(&self) {
        let mut state = self.state();
        state.assembled += 1;
        if state.assembled == self.plan.cores
            && let Some(start) = state.start.take()
        {
            start.finish(Ok(Payload::Nothing));
        }
    }
    /// Gives the reason to whoever waits for the start, and takes down what already runs.
    fn fail_start(&self, reason: &str) {
        let (start, remotes) = {
            let mut state = self.state();
            state.stopping = true;
            (state.start.take(), state.remotes.clone())
        };
        if let Some(start) = start {
            start.finish(Err(Failure {
                code: "Start",
                message: reason.to_owned(),
            }));
        }
        for remote in remotes.values() {
            remote.post(Box::new(|_runtime| data_core::stop()));
        }
    }
    /// A core has ended, `reason` says why unless it was asked to. Its drives are lost until the process restarts.
    fn end_core(&self, core: usize, reason: Option<String>) {
        let (starting, fatal, stop) = {
            let mut state = self.state();
            state.remotes.remove(&core);
            state.running -= 1;
            let mut lives = false;
            for drive in &mut state.drives {
                if drive.core == core && drive.result.is_ok() {
                    drive.result = Err(format!("drive {} stopped with its core {core}", drive.index));
                }
                lives |= drive.result.is_ok();
            }
            let stop = if state.running == 0 { state.stop.take() } else { None };
            (state.start.is_some(), !lives, stop)
        };
        if let Some(reason) = reason {
            if starting {
                self.fail_start(&reason);
            } else {
                self.queue.push_notice(Notice { fatal, message: reason });
            }
        }
        if let Some(stop) = stop {
            stop.finish(Ok(Payload::Nothing));
        }
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A core counts only its own connections.
fn share_limits(mut tables: Tables, cores: usize) -> Tables {
    tables.limits.connections = tables.limits.connections.div_ceil(cores as u32);
    tables
}

/// A panic ends the core, never the process, and never reaches JavaScript as anything but a notice.
fn core_thread(core: usize, shared: &Arc<Shared>) {
    if shared.plan.pin
        && let Err(error) = openlake_io::pin_to_core(core)
    {
        let message = format!("core {core} runs unpinned: {error}");
        shared.queue.push_notice(Notice { fatal: false, message });
    }
    let reason = match catch_unwind(AssertUnwindSafe(|| data_core::run(core, shared))) {
        Ok(Ok(())) => None,
        Ok(Err(text)) => Some(text),
        Err(panic) => {
            // What the core held may be broken; letting go of it must not end the process either.
            let _ = catch_unwind(data_core::abandon);
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or(panic.downcast_ref::<&str>().copied());
            Some(format!("core {core} died: {}", text.unwrap_or("a panic without text")))
        }
    };
    shared.end_core(core, reason);
}
