//! Proofs of knowing a secret.

use super::{Hello, Welcome};
use crate::codec::{Wire, Writer};
use crate::frame::HANDSHAKE_VERSION;
use openlake_checksum::sha256::hmac;

/// Whose proof it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Initiator,
    Responder,
}

/// Names a secret without telling it: the first 8 bytes of a keyed hash.
pub fn key_id(secret: &[u8]) -> [u8; 8] {
    let hash = hmac(secret, b"openlake peer key id");
    std::array::from_fn(|index| hash[index])
}

/// The proof of a side over a handshake; `welcome.proof` does not go into it. `binding` is that of the TLS session, if there is one: a
/// proof made in one session is worth nothing in another.
pub fn prove(secret: &[u8], side: Side, hello: &Hello, welcome: &Welcome, binding: Option<&[u8; 32]>) -> [u8; 32] {
    let label: &[u8] = match side {
        Side::Initiator => b"openlake peer initiator",
        Side::Responder => b"openlake peer responder",
    };
    let mut transcript = label.to_vec();
    let mut bulk = Vec::new();
    let mut writer = Writer::new(&mut transcript, &mut bulk);
    writer.u8(HANDSHAKE_VERSION);
    hello.encode(&mut writer);
    Welcome {
        proof: [0; 32],
        ..welcome.clone()
    }
    .encode(&mut writer);
    if let Some(binding) = binding {
        writer.raw(binding);
    }
    hmac(secret, &transcript)
}

/// Compares proofs in a time that does not depend on where they differ.
pub fn equal(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.iter()
        .zip(right)
        .fold(0, |difference, (left, right)| difference | (left ^ right))
        == 0
}
