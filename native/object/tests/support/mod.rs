//! A cluster in one thread for tests of the coordinator: drives are acceptors in memory, links lose and delay as a seed says.

#![allow(dead_code, reason = "every test file uses its own share")]

pub mod acceptor;
pub mod body;
pub mod linear;
pub mod upload;
pub mod world;

use openlake_io::{Runtime, SimOptions, SimWorld};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Simulated time after which a test counts as hanging.
const LONGEST: Duration = Duration::from_secs(3600);

/// Runs a test in simulated time: the same seed gives the same run.
pub fn run_seeded<T: 'static, F: Future<Output = T> + 'static>(seed: u64, test: impl FnOnce(Runtime) -> F) -> T {
    let world = SimWorld::new(seed, SimOptions::default());
    let runtime = world.start_node(0, IpAddr::V4(Ipv4Addr::LOCALHOST));
    world.run(&runtime, test(runtime.clone()), LONGEST)
}

/// As `run_seeded`, where chance plays no part.
pub fn run<T: 'static, F: Future<Output = T> + 'static>(test: impl FnOnce(Runtime) -> F) -> T {
    run_seeded(1, test)
}
