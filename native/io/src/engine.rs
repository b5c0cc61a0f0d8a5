//! The border between the executor and what completes its I/O: the kernel (two ways) or a simulated world.
//!
//! An engine takes operations with the buffers they use, owns them until the operation is over, and hands back completions.
//! Cancelling only asks: every submitted token completes exactly once, cancelled or not. Metadata operations are synchronous, as
//! they are rare and the kernel has no useful asynchronous form for most of them.

use crate::detached::DetachedHandle;
use crate::{AlignedBuffer, Durability, EngineKind, FileInfo, Instant, OpenOptions, StorageFacts};
use bytes::Bytes;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Names an operation between its submission and its completion: a small dense number, reused afterwards.
pub(crate) type Token = usize;

/// An open file, listener or stream of either kind; closed when the last clone goes.
#[derive(Clone)]
pub(crate) enum Handle {
    System(Arc<crate::system::SystemHandle>),
    Simulated(Rc<crate::sim::SimulatedHandle>),
}

/// What to do. Lengths and offsets are in bytes.
pub(crate) enum Operation {
    Read {
        file: Handle,
        offset: u64,
        buffer: AlignedBuffer,
        length: usize,
    },
    Write {
        file: Handle,
        offset: u64,
        buffers: Vec<Bytes>,
        durability: Durability,
    },
    Flush {
        file: Handle,
    },
    Allocate {
        file: Handle,
        offset: u64,
        length: u64,
    },
    Accept {
        listener: Handle,
    },
    Connect {
        address: SocketAddr,
        /// The address to leave from; the kernel chooses otherwise.
        from: Option<IpAddr>,
    },
    Receive {
        socket: Handle,
        buffer: AlignedBuffer,
    },
    Send {
        socket: Handle,
        buffers: Vec<Bytes>,
    },
}

/// What came of it.
pub(crate) enum Output {
    /// Of `Write`, `Flush`, `Allocate` and `Send`.
    Done,
    /// Of `Read`.
    Read(AlignedBuffer),
    /// Of `Receive`: the buffer and the number of new bytes in it.
    Received(AlignedBuffer, usize),
    /// Of `Accept`.
    Accepted(Handle, SocketAddr),
    /// Of `Connect`.
    Connected(Handle),
}

/// The end of an operation.
pub(crate) struct Completion {
    pub token: Token,
    pub result: io::Result<Output>,
}

/// Ends the sleep of an engine from any thread.
pub(crate) trait WakeUp: Send + Sync {
    fn wake_up(&self);
}

/// One engine, driven by one runtime on one thread.
pub(crate) trait Engine {
    fn kind(&self) -> EngineKind;
    /// Starts an operation; its completion comes out of a later `wait`, never from here.
    fn submit(&mut self, token: Token, operation: Operation);
    /// Asks for an early end of a submitted operation; it completes with `Interrupted` or `TimedOut`-like errors, or as if not asked.
    fn cancel(&mut self, token: Token);
    /// Submits what is queued and appends completions. Sleeps until there is one, the wake handle is used, or `until` (`None`: no
    /// limit) has come; does not sleep when `until` has passed already.
    fn wait(&mut self, until: Option<Instant>, completions: &mut Vec<Completion>);
    /// The handle that ends a sleep.
    fn wake_handle(&self) -> Arc<dyn WakeUp>;

    /// Clock, chance, names and everything else that takes effect at once.
    fn platform(&mut self) -> &mut dyn Platform;
}

/// What an engine offers synchronously.
pub(crate) trait Platform {
    fn now(&mut self) -> Instant;
    fn wall_ms(&mut self) -> u64;
    fn fill_random(&mut self, bytes: &mut [u8]);

    fn listen(&mut self, address: SocketAddr, shared: bool) -> io::Result<Handle>;
    fn local_address(&mut self, handle: &Handle) -> io::Result<SocketAddr>;
    fn peer_address(&mut self, handle: &Handle) -> io::Result<SocketAddr>;
    fn shutdown(&mut self, handle: &Handle);
    /// Makes a connection of another runtime one of this.
    fn attach(&mut self, connection: DetachedHandle) -> io::Result<Handle>;

    fn open(&mut self, path: &Path, options: &OpenOptions) -> io::Result<Handle>;
    fn size_bytes(&mut self, handle: &Handle) -> io::Result<u64>;
    fn info(&mut self, path: &Path) -> io::Result<FileInfo>;
    fn list_directory(&mut self, path: &Path) -> io::Result<Vec<String>>;
    fn create_directory(&mut self, path: &Path) -> io::Result<()>;
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    fn sync_directory(&mut self, path: &Path) -> io::Result<()>;
    fn space(&mut self, path: &Path) -> io::Result<(u64, u64)>;
    /// Facts about the disk; none where there is no such thing.
    fn storage(&mut self, _path: &Path) -> io::Result<StorageFacts> {
        Ok(StorageFacts::default())
    }
}

/// The error of an operation that was cancelled before it took effect.
pub(crate) fn cancelled() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "the operation was cancelled before it ended")
}
