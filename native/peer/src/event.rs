//! What happens to links, for the log.

/// Something worth a line in the log. `Display` is that line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// This core linked to a node.
    Connected { node: u32 },
    /// A link of this core is gone, or silent; the reason says which.
    Disconnected { node: u32, reason: String },
    /// This core's attempts to link to a node fail; told once per reason.
    Unreachable { node: u32, reason: String },
    /// This node refused someone who connected; told once per reason.
    Refused { node: Option<u32>, reason: String },
}

impl std::fmt::Display for PeerEvent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PeerEvent::Connected { node } => write!(formatter, "linked to node {node}"),
            PeerEvent::Disconnected { node, reason } => write!(formatter, "link to node {node}: {reason}"),
            PeerEvent::Unreachable { node, reason } => write!(formatter, "cannot link to node {node}: {reason}"),
            PeerEvent::Refused { reason, .. } => write!(formatter, "{reason}"),
        }
    }
}
