//! The executor of one core: tasks, timers, and the engine that completes their I/O.
//!
//! A `Runtime` is a cheap handle (reference counted, `!Send`). Tasks run on the thread that calls [`Runtime::run`]. Other threads
//! reach it only through its [`RemoteHandle`].

use crate::{File, FileInfo, Listener, OpenOptions, Socket};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Nanoseconds of a monotonic clock (simulated under `sim`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

/// Which engine drives a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    Uring,
    Poll,
    Sim,
}

/// A deadline passed before the awaited future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

/// Handle to the executor of one core.
#[derive(Clone)]
pub struct Runtime {}

/// Sends work to a runtime from any thread.
#[derive(Clone)]
pub struct RemoteHandle {}

impl RemoteHandle {
    /// Queues `work` to run on the runtime's thread; wakes it if it sleeps. Work posted after the runtime ended is dropped.
    pub fn post(&self, work: Box<dyn FnOnce(&Runtime) + Send>) {
        let _ = work;
        todo!()
    }
}

impl Runtime {
    /// A runtime over the named engine. `Uring` fails where the kernel or its policy forbids it.
    pub fn new(kind: EngineKind) -> io::Result<Runtime> {
        let _ = kind;
        todo!()
    }
    /// Which engine runs beneath.
    pub fn engine(&self) -> EngineKind {
        todo!()
    }
    /// Starts a task; it runs until it ends or the runtime is dropped.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let _ = task;
        todo!()
    }
    /// Runs tasks until `main` is done. Not for `sim`, whose world turns its runtimes.
    pub fn run<T>(&self, main: impl Future<Output = T>) -> T {
        let _ = main;
        todo!()
    }
    /// Ways in from other threads.
    pub fn remote(&self) -> RemoteHandle {
        todo!()
    }
    /// Monotonic time.
    pub fn now(&self) -> Instant {
        todo!()
    }
    /// Wall clock, milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        todo!()
    }
    /// Fills `bytes` from the engine's source of chance (the kernel's; a seed under `sim`).
    pub fn fill_random(&self, bytes: &mut [u8]) {
        let _ = bytes;
        todo!()
    }
    /// 64 random bits.
    pub fn random_u64(&self) -> u64 {
        todo!()
    }
    /// Ready after `duration`.
    pub async fn sleep(&self, duration: Duration) {
        let _ = duration;
        todo!()
    }
    /// Lets every other ready task run once before this one goes on.
    pub async fn yield_now(&self) {
        todo!()
    }
    /// `future`'s result, or `Elapsed` when `duration` passes first (the future is dropped then).
    pub async fn timeout<T>(&self, duration: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
        let _ = (duration, future);
        todo!()
    }
    /// Connects a TCP stream (TCP_NODELAY set).
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Socket> {
        let _ = address;
        todo!()
    }
    /// Listens on `address` (port 0: any). `shared`: SO_REUSEPORT, so that every core may listen on the same address.
    pub fn listen(&self, address: SocketAddr, shared: bool) -> io::Result<Listener> {
        let _ = (address, shared);
        todo!()
    }
    /// Opens or creates a file or block device.
    pub fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        let _ = (path, options);
        todo!()
    }
    /// Metadata of a path; `NotFound` when it is missing.
    pub fn info(&self, path: &Path) -> io::Result<FileInfo> {
        let _ = path;
        todo!()
    }
    /// Names in a directory, sorted.
    pub fn list_directory(&self, path: &Path) -> io::Result<Vec<String>> {
        let _ = path;
        todo!()
    }
    /// Creates one directory; fine if it exists.
    pub fn create_directory(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        todo!()
    }
    /// Renames within a directory; durable only after `sync_directory`.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _ = (from, to);
        todo!()
    }
    /// Removes a file.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        todo!()
    }
    /// Makes creations, renames and removals in a directory durable.
    pub fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        todo!()
    }
    /// Free and total bytes of the filesystem under `path`.
    pub fn space(&self, path: &Path) -> io::Result<(u64, u64)> {
        let _ = path;
        todo!()
    }
}
