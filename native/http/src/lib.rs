//! The S3 port: HTTP/1.1, SigV4, hot operations to their end, everything else up to the control plane.
//!
//! It renders no XML of its own: error bodies come from templates it is given.

#![forbid(unsafe_code)]

mod control;
mod server;
mod tables;

pub use control::{Control, ControlReply, ControlRequest};
pub use server::{Server, ServerCounters, ServerOptions};
pub use tables::{Identity, Limits, Tables};
