//! The S3 port: HTTP/1.1, SigV4, hot operations to their end, everything else up to the control plane.
//!
//! It renders no XML of its own: error bodies come from templates it is given. A request walks through `connection`, `head`, `request`
//! (with `sigv4`), `route` and `operate` to one file per operation, and back through `reply` and `output`.

#![forbid(unsafe_code)]

mod attributes;
mod canonical;
mod chunk_signature;
mod chunked;
mod conditions;
mod connection;
mod control;
mod core;
mod counters;
mod credential;
mod date;
mod delete;
mod encoding;
mod errors;
mod fields;
mod forward;
mod get;
mod head;
#[cfg(test)]
mod head_tests;
mod held;
mod input;
mod integrity;
mod keys;
mod objects;
mod operate;
mod output;
mod part;
mod part_read;
mod payload;
mod put;
mod range;
mod reply;
mod request;
mod route;
mod server;
mod sigv4;
#[cfg(test)]
mod sigv4_tests;
mod tables;
mod uri;
mod watch;

pub use control::{Control, ControlReply, ControlRequest};
pub use errors::{default_errors, error_codes};
pub use objects::{ObjectReader, Objects};
pub use server::{Server, ServerCounters, ServerOptions};
pub use tables::{Identity, Limits, Tables};
