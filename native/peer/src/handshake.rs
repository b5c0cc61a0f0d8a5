//! How two nodes prove to each other who they are, before either believes anything else the other says.
//!
//! ```text
//! initiator                                 responder
//!   hello  who I am, whom I want, nonce,  ->  known cluster, ids, version, secret?
//!          which secret, which versions
//!   known cluster, id, and proof right?   <-  welcome  who I am, nonce, version, proof
//!   confirm  proof                        ->  proof right?
//!   linked                                <-  ready  credit
//! ```
//! Instead of the next message either side may send `refused` with a reason that names both, and close. A proof is
//! HMAC-SHA-256(secret, label, 1, hello, welcome without its proof, TLS session); the label differs by side, so that no proof can be
//! reflected. It covers both nonces, node ids, boot numbers, the cluster id and the layouts, and with TLS the session and both
//! certificates, so that no proof can be passed on into another session.

mod judge;
mod message;
mod proof;
#[cfg(test)]
mod tests;
mod versions;

pub use judge::describe_stranger;
pub use message::{Confirm, Hello, Ready, Refused, Welcome};
pub use proof::{key_id, prove};
pub use versions::Versions;

use crate::NodeAddress;
use crate::codec::{Wire, Writer, decode_all};
use crate::frame::{FrameError, FrameKind, HANDSHAKE_VERSION, HEADER_BYTES, Header, MAX_STRANGER_BYTES};
use crate::incoming::{Incoming, ReceiveError, Received};
use crate::stream::Stream;
use crate::tls::{Channel, PeerTls};
use bytes::Bytes;
use openlake_io::Runtime;
use proof::Side;

/// Longest reason shown of those that a peer sends, in characters.
const MAX_REASON_CHARS: usize = 400;

/// The other side went away between two messages. Without any message it was just a probe of the port, and no news.
const CLOSED_SILENTLY: &str = "closed during the handshake";

/// What a side says of itself, and what it knows.
#[derive(Clone)]
pub struct Credentials {
    pub cluster: [u8; 16],
    pub node: u32,
    pub boot: u32,
    pub epoch: u32,
    pub layout_hash: [u8; 16],
    pub versions: Versions,
    /// The first signs as initiator, each is accepted as responder.
    pub secrets: Vec<Vec<u8>>,
    /// Links are made and taken by it; none: without TLS.
    pub tls: Option<PeerTls>,
    /// All nodes of the layout.
    pub nodes: Vec<NodeAddress>,
}

/// Who the other side has proven to be, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub node: u32,
    pub boot: u32,
    /// Names the secret by which both proved themselves.
    pub key_id: [u8; 8],
    /// What the link speaks.
    pub version: u8,
    /// Bytes of bulk that the initiator may send at first.
    pub credit: u64,
}

/// A handshake that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The id that the other side claimed, if it came that far.
    pub node: Option<u32>,
    pub reason: String,
    /// It is the other side that refused.
    pub is_theirs: bool,
}

impl Refusal {
    /// Someone only looked whether the port is open: no news.
    pub fn of_nobody() -> Refusal {
        Refusal {
            node: None,
            reason: String::new(),
            is_theirs: true,
        }
    }
}

/// Why a message of the handshake did not come.
enum NoMessage {
    /// The other side sent a refusal instead.
    Refused(String),
    Failed(String),
}

impl NoMessage {
    fn from(self, node: u32) -> Refusal {
        let (reason, is_theirs) = match self {
            NoMessage::Refused(reason) => (reason, true),
            NoMessage::Failed(reason) => (reason, false),
        };
        Refusal {
            node: Some(node),
            reason,
            is_theirs,
        }
    }
}

/// Connects as initiator: links to node `wanted` by `secret`, or says why not. The caller bounds the time.
pub async fn initiate(
    runtime: &Runtime,
    stream: &Stream,
    incoming: &mut Incoming,
    me: &Credentials,
    secret: &[u8],
    wanted: u32,
) -> Result<Peer, Refusal> {
    let binding = stream.channel().map(Channel::binding);
    let mut nonce = [0; 32];
    runtime.fill_random(&mut nonce);
    let hello = Hello {
        cluster: me.cluster,
        from: me.node,
        to: wanted,
        boot: me.boot,
        epoch: me.epoch,
        layout_hash: me.layout_hash,
        nonce,
        key_id: key_id(secret),
        versions: me.versions,
        later: Vec::new(),
    };
    send(stream, FrameKind::Hello, &hello)
        .await
        .map_err(|error| refusal(wanted, error))?;
    let welcome: Welcome = expect(incoming, FrameKind::Welcome).await.map_err(|error| error.from(wanted))?;
    if let Err(reason) = judge::welcome(me, &hello, &welcome, secret, binding) {
        // Best effort: it lets the other side's operator see the reason too.
        let _ = send(stream, FrameKind::Refused, &Refused { reason: reason.clone() }).await;
        return Err(refusal(wanted, reason));
    }
    let proof = prove(secret, Side::Initiator, &hello, &welcome, binding);
    send(stream, FrameKind::Confirm, &Confirm { proof })
        .await
        .map_err(|error| refusal(wanted, error))?;
    let ready = expect::<Ready>(incoming, FrameKind::Ready)
        .await
        .map_err(|error| error.from(wanted))?;
    incoming.trust(welcome.version);
    Ok(Peer {
        node: wanted,
        boot: welcome.boot,
        key_id: hello.key_id,
        version: welcome.version,
        credit: ready.credit,
    })
}

/// What is known of the boot numbers of a node when it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownBoots {
    /// The newest of those with a session here.
    pub newest_session: Option<u32>,
    /// The one that answers right now at the address that the layout gives the node.
    pub at_address: Option<u32>,
}

/// Answers an initiator, who gets `credit` to begin with. `known` says what is known of a node right now. The caller bounds the time.
pub async fn respond(
    runtime: &Runtime,
    stream: &Stream,
    incoming: &mut Incoming,
    me: &Credentials,
    credit: u64,
    known: impl Fn(u32) -> KnownBoots,
) -> Result<Peer, Refusal> {
    let hello = match expect::<Hello>(incoming, FrameKind::Hello).await {
        Ok(hello) => hello,
        Err(NoMessage::Refused(error) | NoMessage::Failed(error)) => {
            if error == CLOSED_SILENTLY {
                return Err(Refusal::of_nobody());
            }
            let reason = format!("node {} refuses a connection: {error}", me.node);
            return Err(refuse(stream, None, reason).await);
        }
    };
    let node = Some(hello.from);
    let (secret, version) = match judge::hello(me, &hello, stream.channel()) {
        Ok(accepted) => accepted,
        Err(reason) => return Err(refuse(stream, node, reason).await),
    };
    let mut nonce = [0; 32];
    runtime.fill_random(&mut nonce);
    let mut welcome = Welcome {
        cluster: me.cluster,
        node: me.node,
        boot: me.boot,
        epoch: me.epoch,
        layout_hash: me.layout_hash,
        nonce,
        version,
        proof: [0; 32],
    };
    let binding = stream.channel().map(Channel::binding);
    welcome.proof = prove(secret, Side::Responder, &hello, &welcome, binding);
    let failed = |reason| refusal(hello.from, reason);
    send(stream, FrameKind::Welcome, &welcome).await.map_err(failed)?;
    let confirm: Confirm = expect(incoming, FrameKind::Confirm).await.map_err(|error| error.from(hello.from))?;
    if let Err(reason) = judge::confirm(me, &hello, &welcome, &confirm, secret, binding, known(hello.from)) {
        return Err(refuse(stream, node, reason).await);
    }
    send(stream, FrameKind::Ready, &Ready { credit }).await.map_err(failed)?;
    incoming.trust(version);
    Ok(Peer {
        node: hello.from,
        boot: hello.boot,
        key_id: hello.key_id,
        version,
        credit,
    })
}

fn refusal(node: u32, reason: String) -> Refusal {
    Refusal {
        node: Some(node),
        reason,
        is_theirs: false,
    }
}

/// Refuses someone of whom nothing is known yet; returns the reason.
pub async fn refuse_stranger(stream: &Stream, me: &Credentials, why: &str) -> String {
    let reason = judge::describe_stranger(me, why);
    refuse(stream, None, reason).await.reason
}

/// What a side that was spoken to in TLS said in frames: a refusal, most likely.
pub async fn said_instead(runtime: &Runtime, stream: &Stream) -> String {
    let mut incoming = Incoming::new(runtime, stream, MAX_STRANGER_BYTES, MAX_STRANGER_BYTES);
    match expect::<Welcome>(&mut incoming, FrameKind::Welcome).await {
        Err(NoMessage::Refused(reason)) => reason,
        _ => "the other side does not speak TLS, or is no OpenLake peer".to_owned(),
    }
}

async fn refuse(stream: &Stream, node: Option<u32>, reason: String) -> Refusal {
    let _ = send(stream, FrameKind::Refused, &Refused { reason: reason.clone() }).await;
    Refusal {
        node,
        reason,
        is_theirs: false,
    }
}

async fn send(stream: &Stream, kind: FrameKind, message: &impl Wire) -> Result<(), String> {
    let (mut head, mut bulk) = (Vec::new(), Vec::new());
    message.encode(&mut Writer::new(&mut head, &mut bulk));
    let mut frame = Vec::with_capacity(HEADER_BYTES + head.len());
    frame.extend_from_slice(&Header::encode(HANDSHAKE_VERSION, kind, 0, &head, std::iter::empty()));
    frame.append(&mut head);
    stream
        .send(vec![Bytes::from(frame)])
        .await
        .map_err(|error| format!("connection broke during the handshake: {error}"))
}

/// The next message of the handshake, or why it did not come; a `refused` is its reason.
async fn expect<T: Wire>(incoming: &mut Incoming, kind: FrameKind) -> Result<T, NoMessage> {
    use NoMessage::{Failed, Refused};
    let received = match incoming.next().await {
        Ok(Some(received)) => received,
        Ok(None) => return Err(Failed(CLOSED_SILENTLY.to_owned())),
        Err(ReceiveError::Frame(error @ FrameError::Version { .. })) => return Err(Failed(error.to_string())),
        Err(error) => return Err(Failed(format!("the handshake failed: {error}"))),
    };
    let Received { header, bulk, .. } = &received;
    if header.kind == FrameKind::Refused {
        let refused: message::Refused = decode_all(incoming.head(&received), bulk.clone()).map_err(|error| Failed(error.to_string()))?;
        return Err(Refused(printable(&refused.reason)));
    }
    if header.kind != kind {
        return Err(Failed(format!("expected {kind:?} in the handshake, saw {:?}", header.kind)));
    }
    decode_all(incoming.head(&received), bulk.clone()).map_err(|error| Failed(format!("{kind:?} cannot be read: {error}")))
}

/// A stranger's text goes to logs and status: only what prints, and not too much of it.
fn printable(text: &str) -> String {
    text.chars()
        .take(MAX_REASON_CHARS)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}
