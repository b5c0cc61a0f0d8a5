//! The checksums of S3's API behind one streaming type, chosen by the name that a request gives.

use crate::crc32::{Crc32, Crc32c};
use crate::crc64::Crc64;
use crate::sha1::Sha1;
use crate::sha256::Sha256;

/// A checksum that S3 can ask for, store and return (`x-amz-checksum-*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// CRC-32 of IEEE 802.3.
    Crc32,
    /// CRC-32 of Castagnoli.
    Crc32c,
    /// CRC-64/NVME, what S3 computes when nobody asks.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// The prefix of the headers and trailers that carry a checksum's value.
const HEADER_PREFIX: &str = "x-amz-checksum-";

impl Algorithm {
    /// All algorithms, in S3's own order.
    pub const ALL: [Algorithm; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The algorithm named by a header's value (`CRC32C`) or by a value header's own name (`x-amz-checksum-crc32c`), in any case.
    /// `None` for any other text.
    pub fn from_header(text: &str) -> Option<Self> {
        let name = match text.split_at_checked(HEADER_PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(HEADER_PREFIX) => rest,
            _ => text,
        };
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The name as S3 writes it in `x-amz-checksum-algorithm` and in XML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header or trailer that carries the value, in lower case.
    pub const fn header_name(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The length of a value in bytes, before base64.
    pub const fn length_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// One checksum over bytes that arrive in pieces.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    /// The checksum of no bytes yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Crc32 => State::Crc32(Crc32::new()),
            Algorithm::Crc32c => State::Crc32c(Crc32c::new()),
            Algorithm::Crc64Nvme => State::Crc64Nvme(Crc64::new()),
            Algorithm::Sha1 => State::Sha1(Sha1::new()),
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
        })
    }

    /// Appends `bytes` to what was seen so far.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Crc32(crc) => crc.update(bytes),
            State::Crc32c(crc) => crc.update(bytes),
            State::Crc64Nvme(crc) => crc.update(bytes),
            State::Sha1(hash) => hash.update(bytes),
            State::Sha256(hash) => hash.update(bytes),
        }
    }

    /// The checksum of all bytes seen, as S3 puts it into base64: CRCs with their highest byte first.
    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            State::Crc32(crc) => crc.finish().to_be_bytes().to_vec(),
            State::Crc32c(crc) => crc.finish().to_be_bytes().to_vec(),
            State::Crc64Nvme(crc) => crc.finish().to_be_bytes().to_vec(),
            State::Sha1(hash) => hash.finish().to_vec(),
            State::Sha256(hash) => hash.finish().to_vec(),
        }
    }
}
