//! The links of a node to others, as one picture of what its cores say: every core has links of its own.

use openlake_peer::PeerStatus;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Adds what one core says of its link to a node.
pub fn add(links: &mut BTreeMap<u32, PeerStatus>, link: PeerStatus) {
    match links.entry(link.node) {
        Entry::Vacant(place) => {
            place.insert(link);
        }
        Entry::Occupied(mut place) => join(place.get_mut(), link),
    }
}

/// There is a link while any core has it, and it is encrypted when none of them goes without TLS.
fn join(link: &mut PeerStatus, other: PeerStatus) {
    match (link.connected, other.connected) {
        (false, true) => *link = other,
        (true, true) => link.encrypted &= other.encrypted,
        (_, false) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, PeerStatus, add};

    fn link(connected: bool, encrypted: bool) -> PeerStatus {
        PeerStatus {
            node: 1,
            connected,
            encrypted,
            reason: String::new(),
            round_trip_us: 0,
            frames: 0,
            sends: 0,
        }
    }

    #[test]
    fn a_node_reaches_another_encrypted_when_no_core_goes_without_tls() {
        let joined = |cores: &[(bool, bool)]| {
            let mut links = BTreeMap::new();
            cores
                .iter()
                .for_each(|&(connected, encrypted)| add(&mut links, link(connected, encrypted)));
            (links[&1].connected, links[&1].encrypted)
        };
        assert_eq!(joined(&[(true, true), (true, true)]), (true, true));
        assert_eq!(joined(&[(true, true), (true, false), (true, true)]), (true, false));
        assert_eq!(joined(&[(true, false), (true, true)]), (true, false));
        assert_eq!(
            joined(&[(false, false), (true, true), (false, false)]),
            (true, true),
            "a core that is connecting says nothing"
        );
        assert_eq!(joined(&[(false, false), (false, false)]), (false, false));
    }
}
