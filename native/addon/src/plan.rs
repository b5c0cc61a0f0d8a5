//! What a core is told to be: the configuration after conversion, in the data plane's own types.

use openlake_drive::{DriveOptions, OpenError};
use openlake_io::EngineKind;
use openlake_peer::{ClusterLayout, PeerTls, SlotId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A drive of this node and the slot that it fills.
#[derive(Clone)]
pub struct DrivePlan {
    /// Its place in the node's list.
    pub index: u32,
    pub slot: SlotId,
    pub options: DriveOptions,
}

/// What `openlake-addon` was asked to run.
pub struct EnginePlan {
    pub cluster: [u8; 16],
    pub node: u32,
    pub bootstrap: bool,
    pub secrets: Vec<Vec<u8>>,
    /// None: links without TLS.
    pub peer_tls: Option<PeerTls>,
    pub layout: Arc<ClusterLayout>,
    pub listen_s3: SocketAddr,
    pub listen_peer: SocketAddr,
    pub engine: EngineKind,
    /// Which engine runs, and why.
    pub engine_reason: String,
    pub cores: usize,
    pub pin: bool,
    pub deadline: Duration,
    /// Bytes of bulk that one core takes in for its peers.
    pub peer_budget_bytes: u64,
    /// Bytes of bodies on their way through one core, beyond what each needs to go on at all.
    pub body_budget_bytes: u64,
    /// Bytes of buffers that one core keeps for the next ones.
    pub kept_buffer_bytes: usize,
    pub drives: Vec<DrivePlan>,
}

impl EnginePlan {
    /// Drive i belongs to core i modulo the number of cores.
    pub fn drives_of(&self, core: usize) -> impl Iterator<Item = &DrivePlan> {
        self.drives.iter().filter(move |drive| drive.index as usize % self.cores == core)
    }
}

/// A drive's error with the drive's name before it.
pub fn describe_open_error(drive: &DrivePlan, error: &OpenError) -> String {
    let kind = match error {
        OpenError::Unavailable(_) => "unavailable",
        OpenError::Blank(_) => "blank",
        OpenError::Foreign(_) => "foreign",
        OpenError::Busy(_) => "busy",
        OpenError::Damaged(_) => "damaged",
    };
    format!(
        "drive {} ({}) is {kind}: {}",
        drive.index,
        drive.options.path.display(),
        error.text()
    )
}
