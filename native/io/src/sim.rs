//! The simulated engine: any number of nodes with disks and a network between them, in one thread, from one seed.
//!
//! A world is a queue of events in simulated time: a node's turn, the end of a disk operation, the arrival of bytes. Every delay,
//! fault and choice comes from the seed, nothing from real clocks, addresses or hashing; so a seed replays exactly, which
//! [`SimWorld::event_hash`] proves.

mod closing;
mod connection;
mod delivery;
mod device_faults;
mod engine;
mod event;
mod faults;
mod file_system;
mod handle;
mod inode;
mod listening;
mod node;
mod options;
mod platform;
mod random;
mod state;
mod storage;
mod stream;
mod world;

pub use device_faults::DeviceFaults;
pub(crate) use handle::SimulatedHandle;
pub use options::{DurabilityClass, SimOptions};
pub use world::SimWorld;
