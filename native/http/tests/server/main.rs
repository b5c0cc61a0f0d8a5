//! The whole port over real sockets on 127.0.0.1, with objects kept in memory, under both engines.

#![forbid(unsafe_code)]

mod client;
mod control;
mod memory;
mod objects;
mod protocol;
mod uploads;
mod world;
