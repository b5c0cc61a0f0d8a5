//! What else can be asked of a node, how asking fails, and how links look from outside.

use openlake_drive::Ballot;

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// No link to the node; the text says why.
    Unreachable(String),
    /// The deadline passed.
    Timeout,
    /// The link broke after the request was handed to it: it may or may not have arrived.
    Lost,
}

/// A request to a node rather than a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeRequest {
    /// A bucket's record changed: requests under an older revision are to be refused from now on.
    Touched {
        bucket: u64,
        revision: Ballot,
        name: String,
    },
    Ping,
}

/// A node's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeAnswer {
    Done,
    /// Known from now on, but a write under an older revision is still under way: ask again.
    Passing,
    /// Clock of the node, milliseconds.
    Pong {
        wall_ms: u64,
        loaded: bool,
    },
}

/// A link as status shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    pub node: u32,
    pub connected: bool,
    /// The connection runs over TLS.
    pub encrypted: bool,
    /// Why not, or the last refusal.
    pub reason: String,
    pub round_trip_us: u64,
    /// Frames queued for the peer by this core's link, and in how many sends they left.
    pub frames: u64,
    pub sends: u64,
}
