//! Frames: what a link carries. One header, then the head of a message, then its bulk (see `codec`).
//!
//! ```text
//!  0  magic    u16  0x4c4f
//!  2  version  u8   1 in the handshake of all versions, then the one agreed there
//!  3  kind     u8   1 request, 2 answer, 3 notice (a request without an answer), 4 node request, 5 node answer,
//!                   6 credit, 16 hello, 17 welcome, 18 confirm, 19 ready, 20 refused
//!  4  flags    u32  1: the bulk is blocks, which carry checksums of their own; the frame's leaves them out
//!  8  request  u64  chosen by the one who asks; an answer repeats it
//! 16  head     u32  bytes of head
//! 20  bulk     u32  bytes of bulk behind the head
//! 24  crc      u64  CRC-64/NVME of bytes 0..24, the head, and the bulk unless flag 1
//! 32
//! ```
//! Magic, version and kind keep their places in all versions, so that an unknown version can be refused by name.

use openlake_checksum::Crc64;
use std::fmt;

/// The version that the frames of a handshake carry, for ever: their form is how nodes of different versions come to terms.
pub const HANDSHAKE_VERSION: u8 = 1;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 32;
/// Bytes of head at most: a scan's page of 1000 rows with ordinary metadata stays far below.
pub const MAX_HEAD_BYTES: usize = 2 << 20;
/// Bytes of bulk at most: the blocks of a stripe or of a large range of one shard.
pub const MAX_BULK_BYTES: usize = 8 << 20;
/// Bytes of head, and of bulk, that a stranger may make us take in: handshake messages are short.
pub const MAX_STRANGER_BYTES: usize = 1024;

const MAGIC: u16 = 0x4c4f;
const BLOCKS_CHECK_THEMSELVES: u32 = 1;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    Request = 1,
    Answer = 2,
    Notice = 3,
    NodeRequest = 4,
    NodeAnswer = 5,
    Credit = 6,
    Hello = 16,
    Welcome = 17,
    Confirm = 18,
    Ready = 19,
    Refused = 20,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<FrameKind> {
        use FrameKind::{Answer, Confirm, Credit, Hello, NodeAnswer, NodeRequest, Notice, Ready, Refused, Request, Welcome};
        [
            Request,
            Answer,
            Notice,
            NodeRequest,
            NodeAnswer,
            Credit,
            Hello,
            Welcome,
            Confirm,
            Ready,
            Refused,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// Why bytes are not a frame of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Not this protocol at all.
    Magic(u16),
    /// Another version of it than the one agreed, or a handshake that is not of this protocol's first form.
    Version {
        seen: u8,
        expected: u8,
    },
    Kind(u8),
    /// Larger than allowed.
    Size {
        head: usize,
        bulk: usize,
    },
    /// The checksum differs: damaged on the way.
    Damaged,
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Magic(seen) => write!(formatter, "not an OpenLake peer: frame begins with {seen:#06x}"),
            FrameError::Version { seen, expected } => write!(formatter, "unknown protocol version {seen} where {expected} was expected"),
            FrameError::Kind(seen) => write!(formatter, "unknown frame kind {seen}"),
            FrameError::Size { head, bulk } => write!(formatter, "frame too large: head of {head}, bulk of {bulk} bytes"),
            FrameError::Damaged => write!(formatter, "frame damaged: checksum differs"),
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: FrameKind,
    pub request: u64,
    pub head_bytes: usize,
    pub bulk_bytes: usize,
    bulk_unchecked: bool,
    crc: u64,
}

impl Header {
    /// Writes the header of a frame of `version` with this head and bulk.
    pub fn encode<'a>(
        version: u8,
        kind: FrameKind,
        request: u64,
        head: &[u8],
        bulk: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> [u8; HEADER_BYTES] {
        let bulk_bytes: usize = bulk.clone().map(<[u8]>::len).sum();
        let bulk_unchecked = kind == FrameKind::Answer && bulk_bytes > 0;
        let mut bytes = [0; HEADER_BYTES];
        bytes[..2].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[2] = version;
        bytes[3] = kind as u8;
        bytes[4..8].copy_from_slice(&if bulk_unchecked { BLOCKS_CHECK_THEMSELVES } else { 0 }.to_le_bytes());
        bytes[8..16].copy_from_slice(&request.to_le_bytes());
        bytes[16..20].copy_from_slice(&(head.len() as u32).to_le_bytes());
        bytes[20..24].copy_from_slice(&(bulk_bytes as u32).to_le_bytes());
        let mut crc = Crc64::new();
        crc.update(&bytes[..24]);
        crc.update(head);
        if !bulk_unchecked {
            bulk.for_each(|part| crc.update(part));
        }
        bytes[24..].copy_from_slice(&crc.finish().to_le_bytes());
        bytes
    }

    /// Reads a header of `version`; nothing of it is believed before `check`, but sizes above the limits are refused here.
    pub fn decode(bytes: &[u8; HEADER_BYTES], version: u8, max_head_bytes: usize, max_bulk_bytes: usize) -> Result<Header, FrameError> {
        let number = u128::from_le_bytes(std::array::from_fn(|index| bytes[index]));
        let tail = u128::from_le_bytes(std::array::from_fn(|index| bytes[index + 16]));
        if number as u16 != MAGIC {
            return Err(FrameError::Magic(number as u16));
        }
        if bytes[2] != version {
            return Err(FrameError::Version {
                seen: bytes[2],
                expected: version,
            });
        }
        let kind = FrameKind::from_byte(bytes[3]).ok_or(FrameError::Kind(bytes[3]))?;
        let flags = (number >> 32) as u32;
        let (head, bulk) = (tail as u32 as usize, (tail >> 32) as u32 as usize);
        if head > max_head_bytes || bulk > max_bulk_bytes {
            return Err(FrameError::Size { head, bulk });
        }
        // Only blocks have checksums of their own; anything else that claims so is damaged or hostile.
        let bulk_unchecked = flags == BLOCKS_CHECK_THEMSELVES;
        if flags > BLOCKS_CHECK_THEMSELVES || (bulk_unchecked && kind != FrameKind::Answer) {
            return Err(FrameError::Damaged);
        }
        let request = (number >> 64) as u64;
        Ok(Header {
            kind,
            request,
            head_bytes: head,
            bulk_bytes: bulk,
            bulk_unchecked,
            crc: (tail >> 64) as u64,
        })
    }

    /// Compares the checksum with that of the bytes received.
    pub fn check(&self, header: &[u8], head: &[u8], bulk: &[u8]) -> Result<(), FrameError> {
        let mut crc = Crc64::new();
        crc.update(header.get(..24).unwrap_or_default());
        crc.update(head);
        if !self.bulk_unchecked {
            crc.update(bulk);
        }
        if crc.finish() == self.crc {
            Ok(())
        } else {
            Err(FrameError::Damaged)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(kind: FrameKind, head: &[u8], bulk: &[u8]) -> [u8; HEADER_BYTES] {
        Header::encode(1, kind, 9, head, std::iter::once(bulk))
    }

    #[test]
    fn golden_bytes() {
        let bytes = header(FrameKind::Ready, b"", b"");
        assert_eq!(
            bytes[..24],
            [0x4f, 0x4c, 1, 19, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(bytes[24..], openlake_checksum::crc64(&bytes[..24]).to_le_bytes());
    }

    #[test]
    fn bulk_of_answers_alone_is_left_to_the_blocks_own_checksums() {
        for (kind, noticed) in [(FrameKind::Answer, false), (FrameKind::Request, true)] {
            let bytes = header(kind, b"head", b"bulk");
            let decoded = Header::decode(&bytes, 1, 100, 100).expect("a header");
            assert_eq!(decoded.check(&bytes, b"head", b"bulk"), Ok(()));
            assert_eq!(decoded.check(&bytes, b"head", b"bulK").is_err(), noticed);
            assert_eq!(decoded.check(&bytes, b"heaD", b"bulk"), Err(FrameError::Damaged));
        }
    }

    #[test]
    fn other_versions_and_sizes_are_named() {
        let mut bytes = header(FrameKind::Request, b"head", b"bulk");
        assert_eq!(Header::decode(&bytes, 1, 3, 100), Err(FrameError::Size { head: 4, bulk: 4 }));
        bytes[2] = 7;
        assert_eq!(
            Header::decode(&bytes, 1, 100, 100),
            Err(FrameError::Version { seen: 7, expected: 1 })
        );
        bytes[0] = b'G';
        assert!(matches!(Header::decode(&bytes, 1, 100, 100), Err(FrameError::Magic(_))));
    }

    proptest! {
        #[test]
        fn frames_survive_and_damage_is_noticed(request: u64, head: Vec<u8>, bulk: Vec<u8>, index in 0..HEADER_BYTES, flip in 1..=255u8) {
            let mut bytes = Header::encode(1, FrameKind::NodeRequest, request, &head, bulk.chunks(3));
            let decoded = Header::decode(&bytes, 1, 1 << 20, 1 << 20).expect("a header");
            prop_assert_eq!((decoded.request, decoded.head_bytes, decoded.bulk_bytes), (request, head.len(), bulk.len()));
            prop_assert_eq!(decoded.check(&bytes, &head, &bulk), Ok(()));
            bytes[index] ^= flip;
            let noticed = Header::decode(&bytes, 1, 1 << 20, 1 << 20).and_then(|header| header.check(&bytes, &head, &bulk));
            prop_assert!(noticed.is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: [u8; HEADER_BYTES]) {
            let _ = Header::decode(&bytes, 1, 100, 100).map(|header| header.check(&bytes, &[], &[]));
        }
    }
}
