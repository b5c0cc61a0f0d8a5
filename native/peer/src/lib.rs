//! How a coordinator reaches the slots of an erasure set, wherever they are: drives of this core, of another core, of another node.
//!
//! Links are TCP, over TLS where that is configured, with mutual authentication by a shared secret; one framed binary protocol; a message is
//! sent at most once per link and never replayed. Whatever goes wrong on the way is "no answer", never a refusal.

#![forbid(unsafe_code)]

mod backoff;
mod call;
mod clock;
mod codec;
mod credit;
mod estimate;
mod event;
mod fence;
mod frame;
mod handshake;
mod home;
mod incoming;
mod lane;
mod layout;
mod link;
mod local;
mod mesh;
mod notify;
mod outgoing;
mod page;
mod pending;
mod serve;
mod skew;
mod stream;
mod tls;

pub use call::{CallError, NodeAnswer, NodeRequest, PeerStatus};
pub use clock::{Clock, MAX_SKEW_MS};
pub use credit::DEFAULT_BUDGET_BYTES;
pub use event::PeerEvent;
pub use fence::{Fence, Fences};
pub use handshake::Versions;
pub use layout::{ClusterLayout, NodeAddress, SetLayout, SlotId, SlotPlace};
pub use local::{Answering, LocalDrive, SlotServer};
pub use mesh::{Mesh, MeshOptions};
pub use tls::{PeerTls, TlsOptions};
