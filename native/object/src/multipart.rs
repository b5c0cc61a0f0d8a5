//! Multipart uploads: parts are objects of their own space beside the final key; completion is metadata only.

use openlake_drive::Ballot;

/// A part as the client names it in Complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletePart {
    pub number: u16,
    pub etag: [u8; 16],
}

/// A part as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    pub number: u16,
    pub size: u64,
    pub etag: [u8; 16],
    pub origin: Ballot,
}
