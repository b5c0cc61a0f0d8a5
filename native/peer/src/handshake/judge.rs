//! Whether to believe the other side: pure decisions, each with a reason that names both.

use super::proof::{Side, equal};
use super::versions::advice;
use super::{Confirm, Credentials, Hello, KnownBoots, Welcome, key_id, prove};
use crate::tls::{Channel, PeerTls};

const WRONG_PROOF: &str = "wrong secret: its proof is wrong";

/// The other side as it presents itself.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub cluster: [u8; 16],
    pub node: u32,
}

/// `node 2 of cluster 0102… refuses node 1 of cluster 0304…: why`.
pub fn describe(me: &Credentials, other: Claim, why: &str) -> String {
    let (mine, theirs) = (hex(&me.cluster), hex(&other.cluster));
    format!(
        "node {} of cluster {mine} refuses node {} of cluster {theirs}: {why}",
        me.node, other.node
    )
}

/// As `describe`, of someone who has not said who it is.
pub fn describe_stranger(me: &Credentials, why: &str) -> String {
    format!("node {} of cluster {} refuses a connection: {why}", me.node, hex(&me.cluster))
}

/// The responder's first look: the secret to prove things by and the version to speak, or why not. Nothing is proven yet but that the
/// other side holds a certificate, where there is TLS.
pub fn hello<'a>(me: &'a Credentials, hello: &Hello, channel: Option<&Channel>) -> Result<(&'a [u8], u8), String> {
    let claim = Claim {
        cluster: hello.cluster,
        node: hello.from,
    };
    let refuse = |why: String| Err(describe(me, claim, &why));
    if hello.cluster != me.cluster {
        return refuse("the clusters differ".to_owned());
    }
    if hello.from == me.node {
        return refuse(format!("duplicate node id: both claim to be node {}", me.node));
    }
    if hello.to != me.node {
        return refuse(format!("it looks for node {} at this address, which is node {}", hello.to, me.node));
    }
    let Some(node) = me.nodes.iter().find(|node| node.id == hello.from) else {
        return refuse(format!("the layout of epoch {} has no node {}", me.epoch, hello.from));
    };
    match channel {
        Some(channel) => {
            if let Err(why) = channel.is_for(node.id, node.address.ip()) {
                return refuse(why);
            }
        }
        None if me.tls.as_ref().is_some_and(PeerTls::is_required) => {
            return refuse(format!(
                "node {} comes without TLS, which node {} requires: give node {} a [peer_tls] table too",
                hello.from, me.node, hello.from
            ));
        }
        None => {}
    }
    let Some(version) = me.versions.agree(hello.versions) else {
        return refuse(advice((me.node, me.versions), (hello.from, hello.versions)));
    };
    match me.secrets.iter().find(|secret| key_id(secret) == hello.key_id) {
        Some(secret) => Ok((secret, version)),
        None => refuse(format!("wrong secret: no secret with the id {} is known here", hex(&hello.key_id))),
    }
}

/// The initiator's judgement of the answer to its `hello`.
pub fn welcome(me: &Credentials, hello: &Hello, welcome: &Welcome, secret: &[u8], binding: Option<&[u8; 32]>) -> Result<(), String> {
    let claim = Claim {
        cluster: welcome.cluster,
        node: welcome.node,
    };
    let refuse = |why: String| Err(describe(me, claim, &why));
    if welcome.cluster != me.cluster {
        return refuse("the clusters differ".to_owned());
    }
    if welcome.node == me.node {
        return refuse(format!("duplicate node id: both claim to be node {}", me.node));
    }
    if welcome.node != hello.to {
        return refuse(format!("expected node {} at this address", hello.to));
    }
    if !equal(&welcome.proof, &prove(secret, Side::Responder, hello, welcome, binding)) {
        return refuse(WRONG_PROOF.to_owned());
    }
    if !(me.versions.oldest..=me.versions.newest).contains(&welcome.version) {
        return refuse(format!(
            "it chose protocol version {}, this side speaks {}",
            welcome.version, me.versions
        ));
    }
    same_layout(me, claim, welcome.epoch, &welcome.layout_hash)
}

/// The responder's judgement of the initiator's proof. `known`: of nodes by that id that are linked now. The one at the address that the
/// layout names is believed: a copy of its drives started elsewhere would count as a slot that it is not.
pub fn confirm(
    me: &Credentials,
    hello: &Hello,
    welcome: &Welcome,
    confirm: &Confirm,
    secret: &[u8],
    binding: Option<&[u8; 32]>,
    known: KnownBoots,
) -> Result<(), String> {
    let claim = Claim {
        cluster: hello.cluster,
        node: hello.from,
    };
    if !equal(&confirm.proof, &prove(secret, Side::Initiator, hello, welcome, binding)) {
        return Err(describe(me, claim, WRONG_PROOF));
    }
    if let Some(there) = known.at_address.filter(|there| *there != hello.boot) {
        let why = format!(
            "duplicate node id: node {} runs at its address with boot {there}, this is boot {}; stop one of the two",
            hello.from, hello.boot
        );
        return Err(describe(me, claim, &why));
    }
    if let Some(newest) = known.newest_session.filter(|newest| *newest > hello.boot) {
        let why = format!(
            "duplicate node id: boot {} of node {} is linked already, this is boot {}",
            newest, hello.from, hello.boot
        );
        return Err(describe(me, claim, &why));
    }
    same_layout(me, claim, hello.epoch, &hello.layout_hash)
}

/// Epochs may differ for a while; one epoch with two layouts may not.
fn same_layout(me: &Credentials, claim: Claim, epoch: u32, hash: &[u8; 16]) -> Result<(), String> {
    if epoch == me.epoch && *hash != me.layout_hash {
        let why = format!("epoch {epoch} has layout {} here, {} there", hex(&me.layout_hash), hex(hash));
        return Err(describe(me, claim, &why));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
