//! Which version of frames and messages a link speaks: the newest that both sides know.
//!
//! Each release speaks a range of versions, its own and that of the release before at least, so that nodes can be upgraded one by one.
//! Only the handshake has the same form in all versions; it finds out what the rest is to be.

use std::fmt;

/// The versions that a node speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub oldest: u8,
    pub newest: u8,
}

impl Versions {
    /// What this code speaks.
    pub const SPOKEN: Versions = Versions { oldest: 1, newest: 1 };

    /// The version of a link between two nodes, if there is one that both speak.
    pub fn agree(self, other: Versions) -> Option<u8> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.oldest == self.newest {
            return write!(formatter, "{}", self.newest);
        }
        write!(formatter, "{} to {}", self.oldest, self.newest)
    }
}

/// What to do where two nodes, by id and versions, have no version in common.
pub fn advice(one: (u32, Versions), other: (u32, Versions)) -> String {
    let (behind, ahead) = if one.1.newest < other.1.newest {
        (one, other)
    } else {
        (other, one)
    };
    format!(
        "no protocol version in common: node {} speaks {}, node {} speaks {}; upgrade node {} to a release that speaks version {}, \
         through the releases in between",
        one.0, one.1, other.0, other.1, behind.0, ahead.1.oldest
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(oldest: u8, newest: u8) -> Versions {
        Versions { oldest, newest }
    }

    #[test]
    fn the_newest_version_that_both_speak_is_agreed() {
        for (one, other, agreed) in [
            (versions(1, 1), versions(1, 1), Some(1)),
            (versions(1, 2), versions(1, 1), Some(1)),
            (versions(1, 2), versions(2, 3), Some(2)),
            (versions(1, 4), versions(2, 3), Some(3)),
            (versions(1, 1), versions(2, 3), None),
        ] {
            assert_eq!(one.agree(other), agreed, "{one} and {other}");
            assert_eq!(other.agree(one), agreed, "{other} and {one}");
        }
    }

    #[test]
    fn the_older_side_is_told_to_upgrade_whoever_asks() {
        let (old, new) = ((4, versions(1, 1)), (7, versions(2, 3)));
        for text in [advice(old, new), advice(new, old)] {
            assert!(text.contains("node 4 speaks 1") && text.contains("node 7 speaks 2 to 3"), "{text}");
            assert!(text.contains("upgrade node 4 to a release that speaks version 2"), "{text}");
        }
    }
}
