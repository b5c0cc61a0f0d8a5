//! The executor of one core: tasks, timers, and the engine that completes their I/O.
//!
//! A `Runtime` is a cheap handle (reference counted, `!Send`). Tasks run on the thread that calls [`Runtime::run`]. Other threads
//! reach it only through its [`RemoteHandle`].
//!
//! Tasks usually hold handles of their runtime, which so keeps itself alive: call [`Runtime::shutdown`] to drop them all.

use crate::engine::{Engine, Operation, Output};
use crate::executor::{Core, PendingOperation, ReadyQueue, Sleep, Work};
use crate::file::mismatch;
use crate::{DetachedSocket, File, FileInfo, Listener, OpenOptions, Socket, StorageFacts, poll, probe};
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Nanoseconds of a monotonic clock (simulated under `sim`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// The time `duration` later.
    pub fn after(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

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

impl std::fmt::Display for Elapsed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the deadline passed first")
    }
}

impl std::error::Error for Elapsed {}

/// Handle to the executor of one core.
///
/// A task that panics poisons it: the panic goes on through [`Runtime::run`], everything queued or posted later is dropped, and a
/// later `run` panics at once, since the state that its tasks share can no longer be trusted.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) core: Rc<Core>,
}

/// Sends work to a runtime from any thread.
#[derive(Clone)]
pub struct RemoteHandle {
    ready: Arc<ReadyQueue>,
}

impl RemoteHandle {
    /// Queues `work` to run on the runtime's thread; wakes it if it sleeps. Work posted after the runtime ended is dropped.
    pub fn post(&self, work: Box<dyn FnOnce(&Runtime) + Send>) {
        self.ready.push(Work::Post(work));
    }
}

impl Runtime {
    /// A runtime over the named engine. `Uring` fails where the kernel or its policy forbids it; `Sim` runtimes come from
    /// [`crate::SimWorld::start_node`] only.
    pub fn new(kind: EngineKind) -> io::Result<Runtime> {
        match kind {
            EngineKind::Uring => Ok(Runtime::over(probe::uring()?)),
            EngineKind::Poll => Ok(Runtime::over(Box::new(poll::PollEngine::new()?))),
            EngineKind::Sim => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a simulated runtime is started by its world",
            )),
        }
    }

    pub(crate) fn over(engine: Box<dyn Engine>) -> Runtime {
        Runtime { core: Core::new(engine) }
    }

    /// The best engine that can run here, and why it is that one, for people to read.
    pub fn probe() -> (EngineKind, String) {
        probe::probe()
    }

    /// Which engine runs beneath.
    pub fn engine(&self) -> EngineKind {
        self.core.engine.borrow().kind()
    }

    /// Starts a task; it runs until it ends or the runtime is shut down.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.core.spawn(Box::pin(task));
    }

    /// Runs tasks until `main` is done; the other tasks stay and go on in a later `run`. Not for `sim`, whose world turns its
    /// runtimes.
    pub fn run<T>(&self, main: impl Future<Output = T>) -> T {
        assert!(self.engine() != EngineKind::Sim, "a simulated runtime is turned by its world");
        self.core.run(main)
    }

    /// Ends the runtime: drops all tasks and queued work. Later tasks and posts are dropped unrun.
    pub fn shutdown(&self) {
        self.core.shut_down();
    }

    /// Ways in from other threads.
    pub fn remote(&self) -> RemoteHandle {
        RemoteHandle {
            ready: self.core.ready.clone(),
        }
    }

    /// Monotonic time.
    pub fn now(&self) -> Instant {
        self.core.engine.borrow_mut().platform().now()
    }

    /// Wall clock, milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        self.core.engine.borrow_mut().platform().wall_ms()
    }

    /// Fills `bytes` from the engine's source of chance (the kernel's; a seed under `sim`).
    pub fn fill_random(&self, bytes: &mut [u8]) {
        self.core.engine.borrow_mut().platform().fill_random(bytes);
    }

    /// 64 random bits.
    pub fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_random(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Ready after `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now().after(duration)).await;
    }

    /// Ready when `deadline` has come.
    pub async fn sleep_until(&self, deadline: Instant) {
        Sleep::new(self.core.clone(), deadline).await;
    }

    /// Lets every other ready task run once before this one goes on.
    pub async fn yield_now(&self) {
        let mut yielded = false;
        poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// `future`'s result, or `Elapsed` when `duration` passes first (the future is dropped then).
    pub async fn timeout<T>(&self, duration: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
        let mut sleep = Sleep::new(self.core.clone(), self.now().after(duration));
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(value));
            }
            Pin::new(&mut sleep).poll(context).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Connects a TCP stream (TCP_NODELAY set).
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Socket> {
        self.connect_from(None, address).await
    }

    /// Connects a TCP stream that leaves from `from`, an address of this machine (`None`, or one of the other family: the kernel's choice).
    pub async fn connect_from(&self, from: Option<IpAddr>, address: SocketAddr) -> io::Result<Socket> {
        match PendingOperation::submit(&self.core, Operation::Connect { address, from }).await? {
            Output::Connected(handle) => Ok(Socket::new(self.core.clone(), handle)),
            _ => Err(mismatch()),
        }
    }

    /// Makes a connection that was detached from another runtime a socket of this one.
    pub fn attach(&self, socket: DetachedSocket) -> io::Result<Socket> {
        Socket::attach(self.core.clone(), socket)
    }

    /// Listens on `address` (port 0: any). `shared`: SO_REUSEPORT, so that every core may listen on the same address.
    pub fn listen(&self, address: SocketAddr, shared: bool) -> io::Result<Listener> {
        let handle = self.core.engine.borrow_mut().platform().listen(address, shared)?;
        Ok(Listener::new(self.core.clone(), handle))
    }

    /// Opens or creates a file or block device.
    pub fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        let handle = self.core.engine.borrow_mut().platform().open(path, options)?;
        Ok(File::new(self.core.clone(), handle))
    }

    /// Metadata of a path; `NotFound` when it is missing.
    pub fn info(&self, path: &Path) -> io::Result<FileInfo> {
        self.core.engine.borrow_mut().platform().info(path)
    }

    /// Names in a directory, sorted.
    pub fn list_directory(&self, path: &Path) -> io::Result<Vec<String>> {
        self.core.engine.borrow_mut().platform().list_directory(path)
    }

    /// Creates one directory; fine if it exists.
    pub fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.core.engine.borrow_mut().platform().create_directory(path)
    }

    /// Renames within a directory, replacing what has the new name; durable only after `sync_directory`.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.core.engine.borrow_mut().platform().rename(from, to)
    }

    /// Removes a file.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.core.engine.borrow_mut().platform().remove(path)
    }

    /// Makes creations, renames and removals in a directory durable.
    pub fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.core.engine.borrow_mut().platform().sync_directory(path)
    }

    /// Free and total bytes of the filesystem under `path`.
    pub fn space(&self, path: &Path) -> io::Result<(u64, u64)> {
        self.core.engine.borrow_mut().platform().space(path)
    }

    /// Facts about the disk under `path` (or that it is). Reads a few small kernel files: for start-up, not for every request.
    pub fn storage(&self, path: &Path) -> io::Result<StorageFacts> {
        self.core.engine.borrow_mut().platform().storage(path)
    }
}
