//! The simulated world itself: what survives a power cut, how partitions feel, and that a seed replays exactly.

mod block_device;
mod crash;
mod device;
mod network;
mod node;
mod replay;

use bytes::Bytes;
use openlake_io::{AlignedBuffer, File, OpenOptions, Runtime, SimOptions, SimWorld};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// The address of a node.
pub(crate) fn address(node: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, node as u8))
}

pub(crate) fn world(seed: u64) -> SimWorld {
    SimWorld::new(seed, SimOptions::default())
}

/// Runs a future that is given the runtime of a freshly started node.
pub(crate) fn run<T: 'static, F: Future<Output = T> + 'static>(world: &SimWorld, node: u32, body: impl FnOnce(Runtime) -> F) -> T {
    let runtime = world.runtime(node).unwrap_or_else(|| world.start_node(node, address(node)));
    world.run(&runtime, body(runtime.clone()), MINUTE)
}

/// `count` bytes of a value, aligned.
pub(crate) fn filled(count: usize, value: u8) -> Bytes {
    let mut buffer = AlignedBuffer::with_capacity(count);
    buffer.set_len(count);
    buffer.as_mut_slice().fill(value);
    buffer.freeze()
}

/// Opens a file for writing, creating it if missing.
pub(crate) fn open(runtime: &Runtime, path: &str) -> File {
    let options = OpenOptions {
        write: true,
        create: true,
        ..OpenOptions::default()
    };
    runtime
        .open(Path::new(path), &options)
        .expect("a file can be created on a healthy disk")
}
