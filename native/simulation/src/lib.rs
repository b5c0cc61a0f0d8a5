//! Whole clusters in one thread: real drives, links and coordinators over a simulated world, with faults and checkers.
//!
//! A seed decides everything: shape, load, faults, and the order in which things happen. The same seed gives the same events, so
//! whatever is found can be replayed.

#![forbid(unsafe_code)]

pub mod bucket;
mod certificates;
pub mod checkers;
pub mod client;
pub mod cluster;
pub mod completion;
pub mod drive;
pub mod faults;
pub mod history;
pub mod linearizability;
pub mod listing;
mod lost_index;
pub mod multipart;
pub mod mutants;
pub mod node;
mod places;
pub mod plan;
pub mod random;
pub mod redundancy;
pub mod simulation;
pub mod theme;
pub mod value;
pub mod values;
pub mod workload;
