//! Load generator for any S3 endpoint over plain HTTP: native threads, keep-alive connections, a SigV4 signature per request; and,
//! without any of that, for a single drive.
//!
//! It is the measuring and the smoke-testing end of `openlake bench`: with `verify`, every body is made from its key, version and
//! seed, and checked byte by byte when it is read back.

#![forbid(unsafe_code)]

mod client;
mod content;
mod drive;
mod histogram;
mod options;
mod plan;
mod report;
mod responder;
mod run;
mod sign;
mod worker;

pub use drive::{DriveBenchOptions, DrivePhase, DriveReport, run_drive};
pub use options::{BenchOptions, Endpoint, OperationMix};
pub use report::{OperationReport, Report};
pub use responder::respond;
pub use run::{Progress, run};
