//! One data core: its thread, its drives, its way to the peers, its S3 listener.
//!
//! A core starts in two steps, because a mesh must know every drive of the node, wherever it lives: first all cores open their
//! drives and report (`open`), then each is told about all of them and begins to serve (`assemble`). What belongs to the core
//! is reachable from work that is posted to it through one thread-local handle.

use crate::control::{ControlOptions, ControlPort};
use crate::engine::{DriveIdentity, OpenedDrive, Shared};
use crate::plan::{DrivePlan, describe_open_error};
use crate::queue::Notice;
use futures_channel::oneshot;
use futures_util::future::join_all;
use openlake_drive::{Drive, DriveState};
use openlake_http::{Server, ServerOptions};
use openlake_io::{RemoteHandle, Runtime};
use openlake_object::{HealOptions, LocalSlot, Store, StoreOptions};
use openlake_peer::{LocalDrive, Mesh, MeshOptions, SlotId, SlotServer, Versions};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often a rebuild tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// What serves on this core once it is assembled. A cheap handle.
#[derive(Clone)]
pub struct Serving {
    pub mesh: Mesh,
    pub store: Store,
    pub server: Server,
    pub control: Rc<ControlPort>,
}

/// A drive that this core owns.
#[derive(Clone)]
pub struct OwnedDrive {
    pub index: u32,
    pub slot: SlotId,
    pub drive: Drive,
}

struct Core {
    drives: Vec<OwnedDrive>,
    serving: Option<Serving>,
    stop: Option<oneshot::Sender<()>>,
}

thread_local! {
    static CORE: RefCell<Option<Core>> = const { RefCell::new(None) };
}

/// What serves on the calling thread; `None` before `assemble` and on threads that are no data core.
pub fn serving() -> Option<Serving> {
    CORE.with_borrow(|core| core.as_ref().and_then(|core| core.serving.clone()))
}

/// The drives that the calling thread's core owns.
pub fn owned_drives() -> Vec<OwnedDrive> {
    CORE.with_borrow(|core| core.as_ref().map(|core| core.drives.clone()).unwrap_or_default())
}

/// Lets the core's `run` go on to its end.
pub fn stop() {
    let stop = CORE.with_borrow_mut(|core| core.as_mut().and_then(|core| core.stop.take()));
    if let Some(stop) = stop {
        let _ = stop.send(());
    }
}

/// Drops whatever the calling thread's core holds, after a panic.
pub fn abandon() {
    drop(CORE.take());
}

/// The life of core `core` on its own thread, until `stop`.
pub fn run(core: usize, shared: &Arc<Shared>) -> Result<(), String> {
    openlake_io::keep_at_most(shared.plan.kept_buffer_bytes);
    let kind = shared.plan.engine;
    let runtime = Runtime::new(kind).map_err(|error| format!("cannot start the {kind:?} engine of core {core}: {error}"))?;
    let main = live(core, runtime.clone(), shared.clone());
    runtime.run(main);
    CORE.take();
    Ok(())
}

async fn live(core: usize, runtime: Runtime, shared: Arc<Shared>) {
    let (sender, stopped) = oneshot::channel();
    let (drives, reports) = open(core, &runtime, &shared).await;
    CORE.set(Some(Core {
        drives: drives.clone(),
        serving: None,
        stop: Some(sender),
    }));
    shared.report_opened(core, runtime.remote(), reports);
    let _ = stopped.await;
    if let Some(serving) = serving() {
        serving.mesh.shutdown();
    }
    join_all(drives.iter().map(|owned| owned.drive.close())).await;
}

/// Opens the core's drives side by side. A drive that cannot be opened is reported and left out; its set counts it as away. One whose
/// index has to be rebuilt is given out at once and joins when that is done, so that it holds up neither the node nor its other drives.
async fn open(core: usize, runtime: &Runtime, shared: &Shared) -> (Vec<OwnedDrive>, Vec<OpenedDrive>) {
    let boot_at_least = u32::try_from(runtime.wall_ms() / 1000).unwrap_or(u32::MAX);
    let plans: Vec<_> = shared.plan.drives_of(core).cloned().collect();
    let opened = join_all(plans.iter().map(|plan| {
        let mut options = plan.options.clone();
        options.boot_at_least = boot_at_least;
        Drive::open_early(runtime, options)
    }));
    let mut drives = Vec::new();
    let mut reports = Vec::new();
    for (plan, result) in plans.iter().zip(opened.await) {
        let identity = match &result {
            Ok(drive) => {
                let identity = drive.identity();
                Ok(DriveIdentity {
                    boot: drive.boot(),
                    drive: identity.drive,
                    generation: identity.generation,
                })
            }
            Err(error) => Err(describe_open_error(plan, error)),
        };
        reports.push(OpenedDrive {
            index: plan.index,
            slot: plan.slot,
            core,
            result: identity,
        });
        if let Ok(drive) = result {
            // Until the healer has heard that no other one took its place.
            drive.hold();
            watch_rebuild(runtime, shared, plan, &drive);
            drives.push(OwnedDrive {
                index: plan.index,
                slot: plan.slot,
                drive,
            });
        }
    }
    (drives, reports)
}

/// Tells how the rebuild of a drive's index goes on and ends, if there is one.
fn watch_rebuild(runtime: &Runtime, shared: &Shared, plan: &DrivePlan, drive: &Drive) {
    let DriveState::Rebuilding(begun) = drive.status().state else {
        return;
    };
    let name = format!("drive {} ({})", plan.index, plan.options.path.display());
    let (queue, sleeper, drive) = (shared.queue.clone(), runtime.clone(), drive.clone());
    let tell = move |text: String| {
        let message = format!("{name}: {text}");
        queue.push_notice(Notice { fatal: false, message });
    };
    tell(begun);
    let began = runtime.now();
    runtime.spawn(async move {
        loop {
            match sleeper.timeout(TELL_EVERY, drive.serving()).await {
                Ok(Ok(())) => {
                    let took = sleeper.now().since(began).as_secs_f64();
                    return tell(format!("its index was rebuilt in {took:.1} s; it serves"));
                }
                Ok(Err(error)) => return tell(error.text().to_owned()),
                Err(_) => {
                    if let DriveState::Rebuilding(reason) = drive.status().state {
                        tell(reason);
                    }
                }
            }
        }
    });
}

/// What a core needs to know of the others.
#[derive(Clone)]
pub struct Assembly {
    pub boot: u32,
    /// Every open drive of the node.
    pub drives: Vec<AssembledDrive>,
}

/// A drive as all cores have to know it: what it registers as, and the core that owns it.
#[derive(Clone)]
pub struct AssembledDrive {
    pub slot: LocalSlot,
    pub owner: RemoteHandle,
}

/// The second step, on the core's own thread: mesh, coordinator, listener.
pub fn assemble(core: usize, runtime: &Runtime, shared: &Shared, assembly: &Assembly) -> Result<(), String> {
    let plan = &shared.plan;
    let own = owned_drives();
    let local = |AssembledDrive { slot, owner }: &AssembledDrive| LocalDrive {
        slot: slot.slot,
        drive: own
            .iter()
            .find(|owned| owned.slot == slot.slot)
            .map(|owned| Rc::new(owned.drive.clone()) as Rc<dyn SlotServer>),
        owner: owner.clone(),
    };
    let options = MeshOptions {
        cluster: plan.cluster,
        node: plan.node,
        boot: assembly.boot,
        versions: Versions::SPOKEN,
        budget_bytes: plan.peer_budget_bytes,
        secrets: plan.secrets.clone(),
        tls: plan.peer_tls.clone(),
        layout: plan.layout.clone(),
        clock: shared.clock.clone(),
        fences: shared.fences.clone(),
        drives: assembly.drives.iter().map(local).collect(),
        listen: Some(plan.listen_peer),
    };
    let mesh = Mesh::start(runtime, options).map_err(|error| format!("cannot serve peers on {}: {error}", plan.listen_peer))?;
    let queue = shared.queue.clone();
    mesh.on_event(move |event| {
        queue.push_notice(Notice {
            fatal: false,
            message: event.to_string(),
        })
    });
    let options = StoreOptions {
        node: plan.node,
        boot: assembly.boot,
        deadline: plan.deadline,
        body_bytes: usize::try_from(plan.body_budget_bytes).unwrap_or(usize::MAX),
        state: shared.node_state.clone(),
        slots: assembly.drives.iter().map(|drive| drive.slot).collect(),
        drives: own.iter().map(|owned| owned.drive.clone()).collect(),
    };
    let store = Store::new(runtime, &mesh, options);
    let tables = shared.tables();
    let control = ControlPort::start(
        runtime,
        ControlOptions {
            core,
            queue: shared.queue.clone(),
            shared: shared.control.clone(),
            tables: tables.clone(),
        },
    );
    let server = Server::start(
        runtime,
        &store,
        control.clone(),
        ServerOptions {
            listen: plan.listen_s3,
            tables,
        },
    )
    .map_err(|error| format!("cannot serve S3 on {}: {error}", plan.listen_s3))?;
    let settling = store.clone();
    runtime.spawn(async move { settling.settle_loop().await });
    let healing = store.clone();
    runtime.spawn(async move { healing.heal_loop(HealOptions::default()).await });
    let serving = Serving {
        mesh,
        store,
        server,
        control,
    };
    CORE.with_borrow_mut(|core| {
        if let Some(core) = core.as_mut() {
            core.serving = Some(serving);
        }
    });
    Ok(())
}
