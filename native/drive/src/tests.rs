//! Tests of the drive as a whole, and of its parts where only they can be seen from inside.

mod abandoned;
mod acceptor;
mod basics;
mod cache;
mod capacity;
mod checkpoints;
mod cleaning;
mod crash;
mod damage;
mod formats;
mod fuzz;
mod harness;
mod healing;
mod identity;
mod index;
mod memory;
mod model;
#[cfg(feature = "sabotage")]
mod mutations;
mod pace;
mod protocol;
mod rebuilds;
mod resting;
mod rows;
mod runs;
mod scan_rows;
mod staging;
mod succession;
mod unreadable;
