//! Nodes, sets, links and faults, driven by a seed.

use super::acceptor::Acceptor;
use futures_channel::oneshot;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use openlake_drive::{Answer, Ballot, Key, Request};
use openlake_io::Runtime;
use openlake_object::{LocalSlot, NodeState, Slots, Store, StoreOptions, TouchedListener};
use openlake_peer::{CallError, Clock, ClusterLayout, Fence, Fences, NodeAddress, NodeAnswer, NodeRequest, SetLayout, SlotId, SlotPlace};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What links do to messages, in thousandths and microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub lose_request: u64,
    pub lose_answer: u64,
    pub lose_mark: u64,
    /// Most delay of a message, each way.
    pub delay_us: u64,
    /// A message in a thousand so delayed that its sender has given up.
    pub very_late: u64,
}

struct Node {
    clock: Arc<Clock>,
    state: Arc<NodeState>,
    fences: Arc<Fences>,
    listeners: RefCell<Vec<TouchedListener>>,
}

/// The cluster: one slot of each set on each node.
pub struct World {
    pub runtime: Runtime,
    layout: Arc<ClusterLayout>,
    drives: HashMap<SlotId, RefCell<Acceptor>>,
    nodes: Vec<Node>,
    pub faults: Cell<Faults>,
    down: RefCell<HashSet<SlotId>>,
    deaf: RefCell<Vec<u32>>,
    slow: RefCell<HashMap<u8, Duration>>,
    told_late: RefCell<HashMap<u32, Duration>>,
    chance: Cell<u64>,
    pub calls: Cell<u64>,
    boots: Cell<u32>,
    pub deadline: Cell<Duration>,
    pub body_bytes: Cell<usize>,
    /// Whether links say at once that a slot is down; otherwise only asking shows it.
    pub links_tell: Cell<bool>,
    /// What drives were asked and said, if somebody wants to know.
    pub log: RefCell<Option<Vec<String>>>,
}

/// One node's way to the others.
pub struct Link {
    world: Rc<World>,
    node: u32,
}

impl World {
    pub fn new(runtime: &Runtime, seed: u64, sets: u32, data: u8, parity: u8) -> Rc<World> {
        let slots = data + parity;
        let set = |id: u32| SetLayout {
            id,
            data,
            parity,
            weight: 100,
            slots: (0..slots)
                .map(|slot| SlotPlace {
                    node: u32::from(slot),
                    drive: id,
                })
                .collect(),
        };
        let address = "127.0.0.1:1".parse().expect("address");
        let nodes = (0..u32::from(slots)).map(|id| NodeAddress { id, address }).collect();
        let layout = ClusterLayout {
            epoch: 1,
            hash: [0; 16],
            sets: (0..sets).map(set).collect(),
            nodes,
        };
        let ids = (0..sets).flat_map(|set| (0..slots).map(move |slot| SlotId { set, slot }));
        let node = || {
            let fences = Arc::new(Fences::default());
            fences.set_loaded();
            let clock: Arc<Clock> = Arc::default();
            Node {
                state: NodeState::new(clock.clone(), fences.clone()),
                clock,
                fences,
                listeners: RefCell::default(),
            }
        };
        Rc::new(World {
            runtime: runtime.clone(),
            layout: Arc::new(layout),
            drives: ids.map(|id| (id, RefCell::default())).collect(),
            nodes: (0..slots).map(|_| node()).collect(),
            faults: Cell::default(),
            down: RefCell::default(),
            deaf: RefCell::default(),
            slow: RefCell::default(),
            told_late: RefCell::default(),
            chance: Cell::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1),
            calls: Cell::new(0),
            boots: Cell::new(1),
            deadline: Cell::new(Duration::from_secs(2)),
            body_bytes: Cell::new(64 << 20),
            links_tell: Cell::new(false),
            log: RefCell::default(),
        })
    }
    /// A coordinator on a node; every call is a new boot of it as far as ballots are concerned.
    pub fn store(self: &Rc<Self>, node: u32) -> Store {
        self.boots.set(self.boots.get() + 1);
        let options = StoreOptions {
            node,
            boot: self.boots.get(),
            deadline: self.deadline.get(),
            body_bytes: self.body_bytes.get(),
            state: self.nodes[node as usize].state.clone(),
            slots: self.slots_of(node),
            drives: Vec::new(),
        };
        Store::over(&self.runtime, Rc::new(Link { world: self.clone(), node }), options)
    }
    /// Puts a node's clock ahead of the wall.
    pub fn advance_clock(&self, node: u32, ahead_ms: u64) {
        let wall_ms = self.runtime.wall_ms();
        self.nodes[node as usize].clock.merge((wall_ms + ahead_ms) << 16, wall_ms);
    }
    fn slots_of(&self, node: u32) -> Vec<LocalSlot> {
        let mut slots: Vec<LocalSlot> = Vec::new();
        for set in &self.layout.sets {
            let slot = SlotId {
                set: set.id,
                slot: node as u8,
            };
            slots.push(LocalSlot {
                slot,
                drive: [node as u8 + 1; 16],
                generation: 1,
            });
        }
        slots
    }
    pub fn random(&self, below: u64) -> u64 {
        let mut state = self.chance.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.chance.set(state);
        (state >> 16) % below.max(1)
    }
    fn happens(&self, in_thousand: u64) -> bool {
        in_thousand > 0 && self.random(1000) < in_thousand
    }
    pub fn set_down(&self, slot: u8, down: bool) {
        for set in &self.layout.sets {
            let id = SlotId { set: set.id, slot };
            if down {
                self.down.borrow_mut().insert(id)
            } else {
                self.down.borrow_mut().remove(&id)
            };
        }
    }
    /// From now on the slot, of all sets, takes so long for whatever it is asked.
    pub fn slow_down(&self, slot: u8, by: Duration) {
        self.slow.borrow_mut().insert(slot, by);
    }
    /// From now on answers reach this node so late; what it asks for happens at once.
    pub fn tell_late(&self, node: u32, by: Duration) {
        self.told_late.borrow_mut().insert(node, by);
    }
    /// These nodes give no answers for themselves; all others do. Their drives are not meant.
    pub fn deafen(&self, nodes: &[u32]) {
        self.deaf.replace(nodes.to_vec());
    }
    /// These slots, of all sets, fail to publish objects; no others do.
    pub fn refuse_objects(&self, slots: &[u8]) {
        for (id, drive) in &self.drives {
            drive.borrow_mut().refuses_objects = slots.contains(&id.slot);
        }
    }
    pub fn drive<T>(&self, slot: u8, look: impl FnOnce(&mut Acceptor) -> T) -> T {
        look(&mut self.drives[&SlotId { set: 0, slot }].borrow_mut())
    }
    pub fn drive_of<T>(&self, set: u32, slot: u8, look: impl FnOnce(&mut Acceptor) -> T) -> T {
        look(&mut self.drives[&SlotId { set, slot }].borrow_mut())
    }
    /// Newest ballot and mark of each slot of set 0.
    pub fn newest(&self, key: &Key) -> Vec<Option<(Ballot, bool)>> {
        let slots = self.layout.sets[0].slots.len() as u8;
        (0..slots).map(|slot| self.drive(slot, |drive| drive.newest(key))).collect()
    }
    fn is_down(&self, slot: SlotId) -> bool {
        self.down.borrow().contains(&slot)
    }
    fn delay(&self) -> Duration {
        let faults = self.faults.get();
        let late = if self.happens(faults.very_late) {
            self.deadline.get() * 3 / 2
        } else {
            Duration::ZERO
        };
        Duration::from_micros(self.random(faults.delay_us + 1)) + late
    }
    fn handle(&self, slot: SlotId, fence: Option<Fence>, request: Request) -> Answer {
        let node = self.layout.sets[slot.set as usize].slots[usize::from(slot.slot)].node;
        if fence.is_some_and(|fence| !self.nodes[node as usize].fences.admits(fence)) {
            return Answer::Behind;
        }
        let asked = self.log.borrow().is_some().then(|| describe_request(&request));
        let answer = self.drives[&slot].borrow_mut().handle(request);
        if let Some(asked) = asked {
            self.note(|| format!("  slot {}: {asked} -> {}", slot.slot, describe_answer(&answer)));
        }
        answer
    }
    /// Adds a line to the log.
    pub fn note(&self, line: impl FnOnce() -> String) {
        if let Some(log) = self.log.borrow_mut().as_mut() {
            log.push(line());
        }
    }
}

impl Slots for Link {
    fn layout(&self) -> Arc<ClusterLayout> {
        self.world.layout.clone()
    }
    fn call(
        &self,
        slot: SlotId,
        fence: Option<Fence>,
        request: Request,
        deadline: Duration,
    ) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        let world = self.world.clone();
        world.calls.set(world.calls.get() + 1);
        let (sender, receiver) = oneshot::channel();
        let faults = world.faults.get();
        let slow = world.slow.borrow().get(&slot.slot).copied().unwrap_or_default();
        let told_late = world.told_late.borrow().get(&self.node).copied().unwrap_or_default();
        let (there, back) = (world.delay() + slow, world.delay() + told_late);
        let (lose_request, lose_answer) = (world.happens(faults.lose_request), world.happens(faults.lose_answer));
        let far = world.clone();
        // Delivery does not depend on the caller: it may have given up long before.
        self.world.runtime.spawn(async move {
            if !there.is_zero() {
                far.runtime.sleep(there).await;
            }
            if far.is_down(slot) {
                let _ = sender.send(Err(CallError::Unreachable("connection refused".to_owned())));
                return;
            }
            // It answers so late that nobody listens any more.
            if matches!(request, Request::Prepare { .. }) && far.drives[&slot].borrow().is_anothers_turn {
                far.runtime.sleep(far.deadline.get() * 2).await;
            }
            let answer = if lose_request {
                Err(CallError::Lost)
            } else {
                Ok(far.handle(slot, fence, request))
            };
            if !back.is_zero() {
                far.runtime.sleep(back).await;
            }
            let _ = sender.send(if lose_answer { Err(CallError::Lost) } else { answer });
        });
        async move {
            match world.runtime.timeout(deadline, receiver).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(CallError::Lost),
                Err(_) => Err(CallError::Timeout),
            }
        }
        .boxed_local()
    }
    fn send(&self, slot: SlotId, request: Request) {
        let world = self.world.clone();
        let lost = world.happens(world.faults.get().lose_mark);
        let delay = world.delay();
        self.world.runtime.spawn(async move {
            world.runtime.sleep(delay).await;
            if !lost && !world.is_down(slot) {
                let _ = world.handle(slot, None, request);
            }
        });
    }
    fn is_reachable(&self, slot: SlotId) -> bool {
        !(self.world.links_tell.get() && self.world.is_down(slot))
    }
    fn hedge_after(&self, _: SlotId) -> Duration {
        Duration::from_millis(10)
    }
    fn call_node(&self, node: u32, request: NodeRequest, _: Duration) -> LocalBoxFuture<'static, Result<NodeAnswer, CallError>> {
        let world = self.world.clone();
        async move {
            if world.deaf.borrow().contains(&node) || world.is_down(SlotId { set: 0, slot: node as u8 }) {
                return Err(CallError::Unreachable("connection refused".to_owned()));
            }
            if let NodeRequest::Touched { bucket, revision, name } = request {
                let node = &world.nodes[node as usize];
                node.fences.learn(bucket, revision);
                node.listeners
                    .borrow()
                    .iter()
                    .for_each(|listener| listener(&name, bucket, revision));
            }
            Ok(NodeAnswer::Done)
        }
        .boxed_local()
    }
    fn on_touched(&self, listener: TouchedListener) {
        self.world.nodes[self.node as usize].listeners.borrow_mut().push(listener);
    }
}

fn describe_request(request: &Request) -> String {
    match request {
        Request::Publish { record, .. } => {
            format!(
                "publish {} id {:02x} origin {} base {:?}",
                record.ballot,
                record.write_id.0[0],
                record.origin,
                record.base.map(|b| b.to_string())
            )
        }
        Request::Prepare { ballot, .. } => format!("prepare {ballot}"),
        Request::Stable { ballot, .. } => format!("stable {ballot}"),
        Request::Drop { ballot, .. } => format!("drop {ballot}"),
        Request::Read { .. } => "read".to_owned(),
        Request::Blocks { write_id, .. } => format!("blocks of {:02x}", write_id.0[0]),
        Request::Stage { write_id, .. } => format!("stage {:02x}", write_id.0[0]),
        Request::Unstage { write_id } => format!("unstage {:02x}", write_id.0[0]),
        Request::Scan { .. } => "scan".to_owned(),
        other => format!("{other:?}"),
    }
}

fn describe_answer(answer: &Answer) -> String {
    let state = |state: &openlake_drive::KeyState| {
        let records: Vec<String> = state
            .records
            .iter()
            .map(|head| format!("{} id {:02x}", head.ballot, head.write_id.0[0]))
            .collect();
        format!(
            "[{}] stable {:?} floor {}",
            records.join(", "),
            state.stable.map(|b| b.to_string()),
            state.floor
        )
    };
    match answer {
        Answer::State { state: known, .. } => state(known),
        Answer::Promise(known) => format!("promise {}", state(known)),
        Answer::Refuse { floor, stable, .. } => format!("REFUSE floor {floor} stable {:?}", stable.map(|b| b.to_string())),
        Answer::Ack => "ack".to_owned(),
        Answer::NotStaged => "not staged".to_owned(),
        Answer::SettleFirst => "settle first".to_owned(),
        Answer::Gone => "gone".to_owned(),
        _ => "...".to_owned(),
    }
}
