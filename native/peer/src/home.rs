//! What all links and sessions of one core share: who this node is, what it knows, and whether a request may be served at all.

use crate::codec::RequestEnvelope;
use crate::credit::window_bytes;
use crate::fence::Passage;
use crate::handshake::{Credentials, Versions};
use crate::local::{Address, LocalDrive, register, unregister};
use crate::notify::Notify;
use crate::skew::Skew;
use crate::tls::PeerTls;
use crate::{Clock, ClusterLayout, Fences, MAX_SKEW_MS, NodeAnswer, NodeRequest, PeerEvent, SlotId};
use openlake_drive::{Answer, Ballot, Request};
use openlake_io::Runtime;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// Refusals of strangers remembered at most; an attacker can claim any number of ids.
const MAX_REFUSALS: usize = 64;

type TouchedListener = Rc<dyn Fn(&str, u64, Ballot)>;
type EventListener = Rc<dyn Fn(&PeerEvent)>;

/// This node on this core.
pub struct Home {
    pub runtime: Runtime,
    pub cluster: [u8; 16],
    pub node: u32,
    pub boot: u32,
    /// Connections to peers leave from here, where the node listens on an address of its own: so that firewalls, and whoever looks at
    /// connections, can tell the nodes of one machine or network apart.
    pub source: Option<IpAddr>,
    pub clock: Arc<Clock>,
    pub fences: Arc<Fences>,
    pub versions: Versions,
    /// Bytes of bulk that this core takes in for all peers together.
    pub budget_bytes: u64,
    /// Open sessions, which share it.
    pub sessions: Cell<usize>,
    pub secrets: RefCell<Vec<Vec<u8>>>,
    pub tls: RefCell<Option<PeerTls>>,
    pub layout: RefCell<Arc<ClusterLayout>>,
    pub drives: RefCell<HashMap<SlotId, LocalDrive>>,
    pub skew: RefCell<Skew>,
    pub closed: Cell<bool>,
    /// Why this node refused someone who claimed an id, last time.
    pub refusals: RefCell<BTreeMap<u32, String>>,
    /// The same of someone who did not come as far as claiming one.
    pub stranger_refusal: RefCell<String>,
    /// Boot numbers of the nodes that answer at their addresses right now.
    pub linked_boots: RefCell<HashMap<u32, u32>>,
    pub touched: RefCell<Vec<TouchedListener>>,
    pub events: RefCell<Vec<EventListener>>,
    /// Some peer's session began.
    pub arrived: Notify,
}

impl Home {
    /// What this side says and knows in a handshake now.
    pub fn credentials(&self) -> Credentials {
        let layout = self.layout.borrow();
        Credentials {
            cluster: self.cluster,
            node: self.node,
            boot: self.boot,
            epoch: layout.epoch,
            layout_hash: layout.hash,
            versions: self.versions,
            secrets: self.secrets.borrow().clone(),
            tls: self.tls.borrow().clone(),
            nodes: layout.nodes.clone(),
        }
    }

    /// The node at an address, where the layout has just one there.
    pub fn node_at(&self, address: IpAddr) -> Option<u32> {
        let layout = self.layout.borrow();
        let mut there = layout.nodes.iter().filter(|node| node.address.ip() == address);
        there.next().filter(|_| there.next().is_none()).map(|node| node.id)
    }

    /// Bytes of bulk that one session may have under way: its part of the budget. Every peer of the layout is counted from the start, so
    /// that those who come first are not granted what the others will need.
    pub fn window_bytes(&self) -> u64 {
        let peers = self.layout.borrow().nodes.len().saturating_sub(1);
        window_bytes(self.budget_bytes, self.sessions.get().max(peers))
    }

    /// The clock as other nodes get to see it: at least the wall clock's time, so that a wrong wall clock is noticed, and at most
    /// half the allowed skew above it, so that one ballot learned from a wrong clock does not make all of this node's requests refused.
    pub fn clock_for_peers(&self) -> u64 {
        let wall_ms = self.runtime.wall_ms();
        self.clock.current().clamp(wall_ms << 16, (wall_ms + MAX_SKEW_MS / 2) << 16)
    }

    /// Learns a peer's clock.
    pub fn merge_clock(&self, node: u32, time: u64) {
        let (wall_ms, now) = (self.runtime.wall_ms(), self.runtime.now());
        let mut skew = self.skew.borrow_mut();
        skew.note(node, time >> 16, now);
        if let Some(cluster_ms) = skew.cluster_time(wall_ms, now) {
            self.clock.learn_cluster_time(cluster_ms, now);
        }
        self.clock.merge(time, self.clock.sound_wall_ms(wall_ms, now));
    }

    /// Whether a request may go to a drive of this node: the drive, or the answer that says why not. The same for all callers. A write's
    /// passage is to be kept until it is answered.
    pub fn admit(&self, envelope: &RequestEnvelope, request: &Request) -> Result<(LocalDrive, Option<Passage>), Box<Answer>> {
        // A clock far ahead of most others does not count here either; a small lead is nobody's fault.
        let now_ms = self.clock.sound_wall_ms(self.runtime.wall_ms(), self.runtime.now());
        if envelope.clock >> 16 > now_ms + MAX_SKEW_MS {
            return Err(Box::new(Answer::Clock { now_ms }));
        }
        let epoch = self.layout.borrow().epoch;
        if envelope.epoch != epoch {
            let right = format!("node {} serves epoch {epoch}, not {}", self.node, envelope.epoch);
            return Err(Box::new(Answer::Wrong(right)));
        }
        let passage = match (envelope.fence, request) {
            (Some(fence), Request::Publish { .. }) => match self.fences.pass(fence) {
                Some(passage) => Some(passage),
                None => return Err(Box::new(Answer::Behind)),
            },
            (Some(fence), _) if !self.fences.admits(fence) => return Err(Box::new(Answer::Behind)),
            _ => None,
        };
        let drive = self.drives.borrow().get(&envelope.slot).cloned();
        drive.map(|drive| (drive, passage)).ok_or_else(|| {
            let mut slots: Vec<String> = self.drives.borrow().keys().map(SlotId::to_string).collect();
            slots.sort();
            let right = format!(
                "node {} does not serve {}; it serves {}",
                self.node,
                envelope.slot,
                slots.join(", ")
            );
            Box::new(Answer::Wrong(right))
        })
    }

    /// A drive's address in the register.
    pub fn address(&self, slot: SlotId) -> Address {
        (self.cluster, self.node, slot)
    }

    /// Adds a drive, or puts it in the place of the slot's earlier one.
    pub fn put_drive(&self, drive: LocalDrive) {
        self.remove_drive(drive.slot);
        if let Some(server) = &drive.drive {
            register(self.address(drive.slot), server);
        }
        self.drives.borrow_mut().insert(drive.slot, drive);
    }

    /// Takes a slot's drive out: requests for it get `Wrong` from now on.
    pub fn remove_drive(&self, slot: SlotId) {
        let removed = self.drives.borrow_mut().remove(&slot);
        if let Some(server) = removed.and_then(|drive| drive.drive) {
            unregister(&self.address(slot), &server);
        }
    }

    /// Whether a slot is served here.
    pub fn has_drive(&self, slot: SlotId) -> bool {
        self.drives.borrow().contains_key(&slot)
    }

    /// Answers a request to this node.
    pub fn answer(&self, request: &NodeRequest) -> NodeAnswer {
        match request {
            NodeRequest::Touched { bucket, revision, name } => {
                // First the fence, then the listeners: from the answer on, no request under an older revision is served.
                self.fences.learn(*bucket, *revision);
                let listeners = self.touched.borrow().clone();
                listeners.iter().for_each(|listener| listener(name, *bucket, *revision));
                // A write that passed before may not be durable yet, and nobody could see it in a list made now.
                if self.fences.is_passed_by_older(*bucket, *revision) {
                    return NodeAnswer::Passing;
                }
                NodeAnswer::Done
            }
            NodeRequest::Ping => NodeAnswer::Pong {
                wall_ms: self.runtime.wall_ms(),
                loaded: self.fences.is_loaded(),
            },
        }
    }

    /// Tells the log.
    pub fn tell(&self, event: &PeerEvent) {
        let listeners = self.events.borrow().clone();
        listeners.iter().for_each(|listener| listener(event));
    }

    /// Remembers and tells why someone was refused; the same reason twice in a row is told once.
    pub fn refused(&self, node: Option<u32>, reason: String) {
        // A probe that only looks whether the port is open.
        if reason.is_empty() {
            return;
        }
        if node.is_none() && self.stranger_refusal.replace(reason.clone()) == reason {
            return;
        }
        if let Some(node) = node {
            let mut refusals = self.refusals.borrow_mut();
            if refusals.get(&node) == Some(&reason) {
                return;
            }
            if refusals.len() < MAX_REFUSALS || refusals.contains_key(&node) {
                refusals.insert(node, reason.clone());
            }
        }
        self.tell(&PeerEvent::Refused { node, reason });
    }
}
