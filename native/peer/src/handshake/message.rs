//! Messages of the handshake.
//!
//! ```text
//! hello    cluster 16, from u32, to u32, boot u32, epoch u32, layout hash 16, nonce 32, key id 8,
//!          oldest version u8, newest version u8, later bytes
//! welcome  cluster 16, node u32, boot u32, epoch u32, layout hash 16, nonce 32, version u8, proof 32
//! confirm  proof 32
//! ready    credit u64
//! refused  reason text
//! ```
//! Hello and refused have this form in all versions; what later versions have to say in a hello goes into `later`, which others ignore.

use super::Versions;
use crate::codec::{Cursor, DecodeError, Wire, Writer};

/// The initiator: who it is, whom it wants, and by which secret it will prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    pub cluster: [u8; 16],
    pub from: u32,
    pub to: u32,
    pub boot: u32,
    pub epoch: u32,
    pub layout_hash: [u8; 16],
    pub nonce: [u8; 32],
    pub key_id: [u8; 8],
    pub versions: Versions,
    /// Empty in this version.
    pub later: Vec<u8>,
}

/// The responder: who it is, and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    pub cluster: [u8; 16],
    pub node: u32,
    pub boot: u32,
    pub epoch: u32,
    pub layout_hash: [u8; 16],
    pub nonce: [u8; 32],
    /// What the link will speak.
    pub version: u8,
    pub proof: [u8; 32],
}

/// The initiator's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    pub proof: [u8; 32],
}

/// Both are proven: the link is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Bytes of bulk that the initiator may send before it gets more credit.
    pub credit: u64,
}

/// Why there will be no link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub reason: String,
}

impl Wire for Hello {
    const MIN_BYTES: usize = 94;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.raw(&self.cluster);
        writer.u32(self.from);
        writer.u32(self.to);
        writer.u32(self.boot);
        writer.u32(self.epoch);
        writer.raw(&self.layout_hash);
        writer.raw(&self.nonce);
        writer.raw(&self.key_id);
        writer.u8(self.versions.oldest);
        writer.u8(self.versions.newest);
        writer.bytes(&self.later);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Hello, DecodeError> {
        Ok(Hello {
            cluster: cursor.array()?,
            from: cursor.u32()?,
            to: cursor.u32()?,
            boot: cursor.u32()?,
            epoch: cursor.u32()?,
            layout_hash: cursor.array()?,
            nonce: cursor.array()?,
            key_id: cursor.array()?,
            versions: Versions {
                oldest: cursor.u8()?,
                newest: cursor.u8()?,
            },
            later: cursor.bytes()?.to_vec(),
        })
    }
}

impl Wire for Welcome {
    const MIN_BYTES: usize = 109;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.raw(&self.cluster);
        writer.u32(self.node);
        writer.u32(self.boot);
        writer.u32(self.epoch);
        writer.raw(&self.layout_hash);
        writer.raw(&self.nonce);
        writer.u8(self.version);
        writer.raw(&self.proof);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Welcome, DecodeError> {
        Ok(Welcome {
            cluster: cursor.array()?,
            node: cursor.u32()?,
            boot: cursor.u32()?,
            epoch: cursor.u32()?,
            layout_hash: cursor.array()?,
            nonce: cursor.array()?,
            version: cursor.u8()?,
            proof: cursor.array()?,
        })
    }
}

impl Wire for Confirm {
    const MIN_BYTES: usize = 32;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.raw(&self.proof);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Confirm, DecodeError> {
        Ok(Confirm { proof: cursor.array()? })
    }
}

impl Wire for Ready {
    const MIN_BYTES: usize = 8;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.credit);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Ready, DecodeError> {
        Ok(Ready { credit: cursor.u64()? })
    }
}

impl Wire for Refused {
    const MIN_BYTES: usize = 4;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.bytes(self.reason.as_bytes());
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Refused, DecodeError> {
        Ok(Refused { reason: cursor.text()? })
    }
}
