//! A cluster in one thread for tests of the coordinator: drives are acceptors in memory, links lose and delay as a seed says.

#![allow(dead_code, reason = "every test file uses its own share")]

pub mod acceptor;
pub mod body;
pub mod linear;
pub mod world;

use openlake_io::{EngineKind, Runtime};
use std::future::Future;

/// Runs a test on one thread.
pub fn run<T, F: Future<Output = T>>(test: impl FnOnce(Runtime) -> F) -> T {
    let runtime = Runtime::new(EngineKind::Poll).expect("the poll engine works everywhere");
    runtime.run(test(runtime.clone()))
}
