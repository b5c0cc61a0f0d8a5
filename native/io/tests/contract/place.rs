//! Where a contract test runs: a fresh runtime of the wanted engine, with a folder and an address of its own.

use openlake_io::{EngineKind, Runtime, SimOptions, SimWorld};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a test gets.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) runtime: Runtime,
    pub(crate) folder: PathBuf,
    /// Port 0: any.
    pub(crate) address: SocketAddr,
}

/// Runs `test` over an engine; says so and passes when this machine refuses io_uring.
pub(crate) fn check<F: Future<Output = ()> + 'static>(engine: EngineKind, test: fn(Place) -> F) {
    if engine == EngineKind::Sim {
        return (0..10).for_each(|seed| simulate(seed, test));
    }
    let runtime = match Runtime::new(engine) {
        Err(error) if engine == EngineKind::Uring => return eprintln!("skipped: io_uring is refused here: {error}"),
        result => result.expect("the engine starts"),
    };
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!("contract-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
    let place = Place {
        runtime: runtime.clone(),
        folder: folder.clone(),
        address: (Ipv4Addr::LOCALHOST, 0).into(),
    };
    let outcome = runtime.run(runtime.timeout(Duration::from_secs(60), test(place)));
    runtime.shutdown();
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    outcome.expect("the test ends within a minute");
}

fn simulate<F: Future<Output = ()> + 'static>(seed: u64, test: fn(Place) -> F) {
    eprintln!("seed {seed}");
    let world = SimWorld::new(seed, SimOptions::default());
    let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let runtime = world.start_node(1, ip);
    let folder = PathBuf::from("/data");
    runtime.create_directory(&folder).expect("a simulated disk is empty and writable");
    let place = Place {
        runtime: runtime.clone(),
        folder,
        address: (ip, 0).into(),
    };
    world.run(&runtime, test(place), Duration::from_secs(60));
}
