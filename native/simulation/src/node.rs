//! One node of a simulated cluster: what its process does from start to service.
//!
//! The same steps as the real node's: open the drives, learn the boot number, start mesh and coordinator, join, serve clients.

use crate::history::History;
use openlake_drive::{Adoption, Drive, DriveOptions, MountCheck};
use openlake_io::Runtime;
use openlake_object::{HealOptions, LocalSlot, NodeState, Store, StoreOptions};
use openlake_peer::{
    Clock, ClusterLayout, DEFAULT_BUDGET_BYTES, Fences, LocalDrive, Mesh, MeshOptions, PeerTls, SlotId, TlsOptions, Versions,
};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What a node is told by its configuration.
#[derive(Clone)]
pub struct NodeOptions {
    pub cluster: [u8; 16],
    pub node: u32,
    pub listen: SocketAddr,
    pub layout: Arc<ClusterLayout>,
    pub slots: Vec<SlotId>,
    /// Coordinators, as many as cores.
    pub cores: usize,
    /// Blank drives may be formatted.
    pub bootstrap: bool,
    pub deadline: Duration,
    /// The drives are made to fail just now, so that some may not open.
    pub drives_fail: Rc<Cell<bool>>,
    /// Disks err now and then, so that some may not open.
    pub disks_err: bool,
    /// Filled with the drives once they are open.
    pub drives: Rc<RefCell<Vec<Drive>>>,
    /// Filled with what tells how far joining has come.
    pub state: Rc<RefCell<Option<Arc<NodeState>>>>,
    pub healing: HealOptions,
    /// Links run over TLS by it; none: without.
    pub tls: Option<TlsOptions>,
}

/// What serves once a node has joined. Ends with the node's process.
#[derive(Clone)]
pub struct Serving {
    pub runtime: Runtime,
    /// The coordinator of the first core.
    pub store: Store,
    /// Those of all cores.
    pub stores: Vec<Store>,
    pub drives: Vec<Drive>,
    pub mesh: Mesh,
}

/// Where a slot's drive is mounted.
pub fn drive_path(slot: SlotId) -> PathBuf {
    PathBuf::from(format!("/set-{}-slot-{}", slot.set, slot.slot))
}

/// The life of a node's process until it serves; `None` when it never will.
pub async fn start(runtime: Runtime, options: NodeOptions, history: History) -> Option<Serving> {
    let mut drives = Vec::new();
    let mut boot = u32::try_from(runtime.wall_ms() / 1000).unwrap_or(u32::MAX);
    for &slot in &options.slots {
        match open(&runtime, &options, slot, boot).await {
            Ok(drive) => {
                boot = boot.max(drive.boot());
                // Until the healer has heard that no other one took its place.
                drive.hold();
                drives.push((slot, drive));
            }
            Err(_) if options.disks_err || options.drives_fail.get() => {}
            Err(error) => {
                history.problem(
                    runtime.now(),
                    format!("node {} cannot open its drive of {slot}: {error}", options.node),
                );
            }
        }
    }
    *options.drives.borrow_mut() = drives.iter().map(|(_, drive)| drive.clone()).collect();
    let clock: Arc<Clock> = Arc::default();
    let fences: Arc<Fences> = Arc::default();
    let local = |(slot, drive): &(SlotId, Drive)| LocalDrive {
        slot: *slot,
        drive: Some(Rc::new(drive.clone())),
        owner: runtime.remote(),
    };
    let tls = options.tls.as_ref().map(PeerTls::new).transpose();
    let tls = tls.unwrap_or_else(|error| {
        history.problem(runtime.now(), format!("node {} cannot use its certificate: {error}", options.node));
        None
    });
    let mesh = Mesh::start(
        &runtime,
        MeshOptions {
            cluster: options.cluster,
            node: options.node,
            boot,
            versions: Versions::SPOKEN,
            budget_bytes: DEFAULT_BUDGET_BYTES,
            secrets: vec![b"the secret of a simulated cluster".to_vec()],
            tls,
            layout: options.layout.clone(),
            clock: clock.clone(),
            fences: fences.clone(),
            drives: drives.iter().map(local).collect(),
            listen: Some(options.listen),
        },
    );
    let mesh = match mesh {
        Ok(mesh) => mesh,
        Err(error) => {
            history.problem(runtime.now(), format!("node {} cannot listen: {error}", options.node));
            return None;
        }
    };
    let state = NodeState::new(clock, fences);
    *options.state.borrow_mut() = Some(state.clone());
    let registered = |(slot, drive): &(SlotId, Drive)| {
        let identity = drive.identity();
        LocalSlot {
            slot: *slot,
            drive: identity.drive,
            generation: identity.generation,
        }
    };
    let slots = drives.iter().map(registered).collect();
    let drives: Vec<Drive> = drives.into_iter().map(|(_, drive)| drive).collect();
    let options_of_store = StoreOptions {
        node: options.node,
        boot,
        deadline: options.deadline,
        // Little, so that bodies meet its end.
        body_bytes: 1 << 20,
        state,
        slots,
        drives: drives.clone(),
    };
    // Drives are looked after by one core.
    let others = (1..options.cores).map(|_| {
        let drives = Vec::new();
        Store::new(
            &runtime,
            &mesh,
            StoreOptions {
                drives,
                ..options_of_store.clone()
            },
        )
    });
    let others: Vec<Store> = others.collect();
    let store = Store::new(&runtime, &mesh, options_of_store);
    let stores: Vec<Store> = std::iter::once(store.clone()).chain(others).collect();
    let settling = store.clone();
    runtime.spawn(async move { settling.settle_loop().await });
    for store in stores.clone() {
        let healing = options.healing.clone();
        runtime.spawn(async move { store.heal_loop(healing).await });
    }
    if let Err(error) = store.join(options.cluster, options.bootstrap).await {
        history.problem(runtime.now(), format!("node {} cannot join: {error:?}", options.node));
        return None;
    }
    history.event(runtime.now(), &format!("node {} serves with boot number {boot}", options.node));
    Some(Serving {
        runtime,
        store,
        stores,
        drives,
        mesh,
    })
}

/// Everything soon, but for the grace of tombstones, which is longer than any request lives.
pub fn usual_healing() -> HealOptions {
    HealOptions {
        pause: Duration::from_millis(200),
        compare_every: Duration::from_secs(2),
        scrub_every: Duration::from_secs(3),
        collect_every: Duration::from_secs(600),
        grace: Duration::from_secs(3600),
        busy_share: 50,
    }
}

async fn open(runtime: &Runtime, options: &NodeOptions, slot: SlotId, boot_at_least: u32) -> Result<Drive, String> {
    let drive = DriveOptions {
        path: drive_path(slot),
        cluster: options.cluster,
        set: slot.set,
        slot: u32::from(slot.slot),
        set_epoch: options.layout.epoch,
        mount_check: MountCheck::Strict,
        adoption: if options.bootstrap {
            Adoption::FormatNew
        } else {
            Adoption::Replace
        },
        // Small, so that a run soon uses space again.
        capacity_bytes: Some(1 << 30),
        cache_bytes: 1 << 20,
        // Less than the rows of a run, so that rows are let go and read again.
        index_bytes: 256 << 10,
        boot_at_least,
    };
    Drive::open_early(runtime, drive).await.map_err(|error| format!("{error:?}"))
}
