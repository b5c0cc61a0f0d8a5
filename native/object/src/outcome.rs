//! How the two rounds of the protocol end.

use openlake_drive::Ballot;

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// W drives hold it.
    Complete,
    /// Refused somewhere, and W is not likely any more.
    Refused,
    /// Fewer than W answers and no refusal.
    Silent,
    /// Meanwhile enough acknowledgements of an own earlier ballot arrived.
    OwnComplete(Ballot),
}

/// How a prepare ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prepared {
    /// W promises at this ballot; see `Proposer::answers`.
    Promised(Ballot),
    /// Refused; a higher ballot may do better.
    Refused,
    /// Too few drives answered.
    TooFew,
    /// Meanwhile enough acknowledgements of an own earlier ballot arrived.
    OwnComplete(Ballot),
}
