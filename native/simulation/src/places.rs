//! Where everything is: addresses of simulated nodes, and which of their drives fill which slots.

use crate::plan::Shape;
use openlake_peer::{ClusterLayout, NodeAddress, SetLayout, SlotPlace};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const PEER_PORT: u16 = 9001;

/// The address of a node.
pub fn address(node: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, node as u8 + 1))
}

/// Where its peers find it.
pub fn endpoint(node: usize) -> SocketAddr {
    SocketAddr::new(address(node), PEER_PORT)
}

/// Sets and nodes of a cluster of this shape.
pub fn layout(shape: Shape) -> ClusterLayout {
    let place = |set: usize, slot: usize| {
        let earlier = (0..set * shape.slots() + slot)
            .filter(|&position| position % shape.nodes == shape.node_of(set, slot))
            .count();
        SlotPlace {
            node: shape.node_of(set, slot) as u32,
            drive: earlier as u32,
        }
    };
    let sets = (0..shape.sets).map(|set| SetLayout {
        id: set as u32,
        data: shape.data,
        parity: shape.parity,
        weight: 1,
        slots: (0..shape.slots()).map(|slot| place(set, slot)).collect(),
    });
    let nodes = (0..shape.nodes).map(|node| NodeAddress {
        id: node as u32,
        address: endpoint(node),
    });
    ClusterLayout {
        epoch: 1,
        hash: [7; 16],
        sets: sets.collect(),
        nodes: nodes.collect(),
    }
}
