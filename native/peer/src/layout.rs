//! The layout as the data plane needs it: explicit slot assignments, computed elsewhere, never here.

use std::net::SocketAddr;

/// A slot of an erasure set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId {
    pub set: u32,
    pub slot: u8,
}

/// Where a slot is: a drive of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotPlace {
    pub node: u32,
    pub drive: u32,
}

/// An erasure set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetLayout {
    pub id: u32,
    pub data: u8,
    pub parity: u8,
    pub weight: u32,
    pub slots: Vec<SlotPlace>,
}

/// Where a node's peer port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    pub id: u32,
    pub address: SocketAddr,
}

/// All sets and nodes of a cluster at one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterLayout {
    pub epoch: u32,
    pub hash: [u8; 16],
    pub sets: Vec<SetLayout>,
    pub nodes: Vec<NodeAddress>,
}

impl std::fmt::Display for SlotId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "slot {} of set {}", self.slot, self.set)
    }
}

impl ClusterLayout {
    /// Where a slot is.
    pub fn place(&self, slot: SlotId) -> Option<SlotPlace> {
        // Sets are mostly numbered in order; a gap costs a search.
        let by_index = self.sets.get(slot.set as usize).filter(|set| set.id == slot.set);
        let set = by_index.or_else(|| self.sets.iter().find(|set| set.id == slot.set))?;
        set.slots.get(usize::from(slot.slot)).copied()
    }
}
