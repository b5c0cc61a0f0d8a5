//! Files, sockets, time and chance behind one trait, with three engines under it: `uring`, `poll` and `sim`.
//!
//! Everything above this crate is asynchronous code on a [`Runtime`]: one per core, single-threaded, never blocked. A runtime
//! drives tasks over an engine; only the engine knows whether bytes come from the kernel or from a simulated world.

mod buffer;
mod detached;
mod engine;
mod executor;
mod file;
mod limits;
mod poll;
mod probe;
mod processor;
mod recycling;
mod runtime;
mod sim;
mod socket;
mod storage;
mod system;
#[cfg(target_os = "linux")]
mod uring;

pub use buffer::{ALIGNMENT_BYTES, AlignedBuffer};
pub use detached::DetachedSocket;
pub use file::{Durability, File, FileInfo, OpenOptions};
pub use limits::raise_open_files;
pub use processor::{available_cores, pin_to_core, process_time, spawn_thread};
pub use recycling::{BufferMemory, buffer_memory, keep_at_most};
pub use runtime::{Elapsed, EngineKind, Instant, RemoteHandle, Runtime};
pub use sim::{DeviceFaults, DurabilityClass, SimOptions, SimWorld};
pub use socket::{Listener, Socket};
pub use storage::StorageFacts;
