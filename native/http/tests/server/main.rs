//! The whole port over real sockets on 127.0.0.1, with objects kept in memory, under both engines.

#![forbid(unsafe_code)]

mod client;
mod conditions;
mod connections;
mod control;
mod heads;
mod memory;
mod objects;
mod streaming;
mod uploads;
mod world;
