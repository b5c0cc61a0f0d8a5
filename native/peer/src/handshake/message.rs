//! Messages of the handshake.
//!
//! ```text
//! hello    cluster 16, from u32, to u32, boot u32, epoch u32, layout hash 16, nonce 32, key id 8
//! welcome  cluster 16, node u32, boot u32, epoch u32, layout hash 16, nonce 32, proof 32
//! confirm  proof 32
//! ready    (empty)
//! refused  reason text
//! ```

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
    pub proof: [u8; 32],
}

/// The initiator's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    pub proof: [u8; 32],
}

/// Both are proven: the link is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {}

/// Why there will be no link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub reason: String,
}

impl Wire for Hello {
    const MIN_BYTES: usize = 88;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.raw(&self.cluster);
        writer.u32(self.from);
        writer.u32(self.to);
        writer.u32(self.boot);
        writer.u32(self.epoch);
        writer.raw(&self.layout_hash);
        writer.raw(&self.nonce);
        writer.raw(&self.key_id);
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
        })
    }
}

impl Wire for Welcome {
    const MIN_BYTES: usize = 108;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.raw(&self.cluster);
        writer.u32(self.node);
        writer.u32(self.boot);
        writer.u32(self.epoch);
        writer.raw(&self.layout_hash);
        writer.raw(&self.nonce);
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
    const MIN_BYTES: usize = 0;
    fn encode(&self, _writer: &mut Writer<'_>) {}
    fn decode(_cursor: &mut Cursor<'_>) -> Result<Ready, DecodeError> {
        Ok(Ready {})
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
