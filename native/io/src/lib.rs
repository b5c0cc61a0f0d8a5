//! Files, sockets, time and chance behind one trait, with three engines under it: `uring`, `poll` and `sim`.
//!
//! Everything above this crate is asynchronous code on a [`Runtime`]: one per core, single-threaded, never blocked. A runtime
//! drives tasks over an engine; only the engine knows whether bytes come from the kernel or from a simulated world.

mod buffer;
mod file;
mod runtime;
mod socket;

pub use buffer::AlignedBuffer;
pub use file::{Durability, File, FileInfo, OpenOptions};
pub use runtime::{Elapsed, EngineKind, Instant, RemoteHandle, Runtime};
pub use socket::{Listener, Socket};
