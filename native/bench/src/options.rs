//! What to run: operations, sizes, concurrency, how long, against whom.

use std::net::SocketAddr;
use std::time::Duration;

/// One server to talk to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub address: SocketAddr,
    /// Value of the Host header, as the server expects it.
    pub host: String,
}

/// Which operations a run consists of, as weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationMix {
    pub put: u32,
    pub get: u32,
    pub head: u32,
    pub delete: u32,
    pub list: u32,
}

impl OperationMix {
    /// The mix of a name: `put`, `get`, `head`, `delete`, `list`, `prepare` (writes every object once and ends), or `mixed` (45 % get, 30 % put, 15 % head, 5 % delete, 5 % list).
    pub fn named(name: &str) -> Option<OperationMix> {
        let mix = |put, get, head, delete, list| {
            Some(OperationMix {
                put,
                get,
                head,
                delete,
                list,
            })
        };
        match name {
            "put" => mix(1, 0, 0, 0, 0),
            "get" => mix(0, 1, 0, 0, 0),
            "head" => mix(0, 0, 1, 0, 0),
            "delete" => mix(0, 0, 0, 1, 0),
            "list" => mix(0, 0, 0, 0, 1),
            "prepare" => mix(0, 0, 0, 0, 0),
            "mixed" => mix(30, 45, 15, 5, 5),
            _ => None,
        }
    }
    /// Whether objects must be there before the run starts.
    pub fn needs_objects(&self) -> bool {
        self.put == 0 || self.is_mixed()
    }
    /// Whether anything follows the preparation.
    pub fn is_measured(&self) -> bool {
        self.put + self.get + self.head + self.delete + self.list > 0
    }
    fn is_mixed(&self) -> bool {
        self.get + self.head + self.delete + self.list > 0
    }
}

/// A run.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    pub endpoints: Vec<Endpoint>,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
    /// Created if missing.
    pub bucket: String,
    /// Keys are `prefix` and a number.
    pub prefix: String,
    pub mix: OperationMix,
    /// Body size of every object, in bytes.
    pub size_bytes: u64,
    /// Distinct objects.
    pub objects: u64,
    /// Connections, spread over threads and endpoints.
    pub concurrency: u32,
    pub threads: u32,
    /// Ends the run; absent: `count` does.
    pub duration: Option<Duration>,
    /// Operations in all; absent: `duration` ends the run.
    pub count: Option<u64>,
    /// The objects are there already, at version 1 (left by a run of the same prefix, sizes, concurrency and seed).
    pub prepared: bool,
    /// Check every byte read against what was written.
    pub verify: bool,
    pub seed: u64,
    /// Retries of a request that failed by 5xx or a broken connection.
    pub retries: u32,
    /// Delete the objects when done.
    pub cleanup: bool,
}
