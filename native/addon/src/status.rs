//! What the node tells about itself: drives, links, counters. Gathered from all cores, added up, handed up as one object.

use crate::data_core;
use crate::engine::Shared;
use crate::links;
use crate::queue::{Completion, Payload};
use napi_derive::napi;
use openlake_drive::{DriveMemory, DriveState, DriveStatus, LatencySnapshot, latency_bound_us};
use openlake_http::ServerCounters;
use openlake_io::{BufferMemory, DurabilityClass};
use openlake_object::HealStatus;
use openlake_peer::{PeerStatus, SlotId};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// The node's state and counters; `node/engine/primitives.ts` describes every field.
#[napi(object)]
pub struct StatusObject {
    pub engine_kind: String,
    pub engine_reason: String,
    pub cores: u32,
    pub live_cores: u32,
    pub boot: u32,
    pub loaded: bool,
    pub connections: f64,
    pub connections_total: f64,
    pub control_waiting: u32,
    pub control_refused: f64,
    pub drives: Vec<DriveStatusObject>,
    pub peers: Vec<PeerStatusObject>,
    pub operations: Vec<OperationObject>,
    /// Memory of the data plane beside its drives, by part.
    pub memory: Vec<CounterObject>,
}

/// A drive of this node.
#[napi(object)]
pub struct DriveStatusObject {
    pub index: u32,
    pub path: String,
    pub set: u32,
    pub slot: u32,
    pub core: u32,
    /// Healthy, Suspect or Failed.
    pub state: String,
    pub reason: String,
    pub generation: u32,
    pub durability_class: String,
    /// whole, blank, dirty or healing; what healing waits for.
    pub heal_state: String,
    pub heal_reason: String,
    /// Name and value, as in `openlake_drive::DriveStatus`.
    pub counters: Vec<CounterObject>,
}

/// One number and its name.
#[napi(object)]
pub struct CounterObject {
    pub name: String,
    pub value: f64,
}

/// The best link to a node over all cores.
#[napi(object)]
pub struct PeerStatusObject {
    pub node: u32,
    pub connected: bool,
    pub encrypted: bool,
    pub reason: String,
    pub round_trip_us: f64,
}

/// Counters of one operation over all cores.
#[napi(object)]
#[derive(Clone, Default)]
pub struct OperationObject {
    pub name: String,
    pub requests: f64,
    pub errors: f64,
    pub request_bytes: f64,
    pub response_bytes: f64,
    pub microseconds: f64,
}

/// What one core knows.
struct Part {
    drives: Vec<(u32, DriveStatus)>,
    peers: Vec<PeerStatus>,
    counters: ServerCounters,
    healing: BTreeMap<SlotId, HealStatus>,
    hints_held: u64,
    buffers: BufferMemory,
}

/// Collects the parts. The call ends when the last holder lets go, so a core that dies on the way only leaves its part out.
struct Gathering {
    shared: Arc<Shared>,
    parts: Mutex<Vec<Part>>,
    completion: Option<Completion>,
}

impl Drop for Gathering {
    fn drop(&mut self) {
        let parts = std::mem::take(&mut *self.parts.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(completion) = self.completion.take() {
            completion.finish(Ok(Payload::Status(Box::new(merge(&self.shared, parts)))));
        }
    }
}

/// Asks every core; `completion` ends with the whole.
pub fn gather(shared: &Arc<Shared>, completion: Completion) {
    let gathering = Arc::new(Gathering {
        shared: shared.clone(),
        parts: Mutex::default(),
        completion: Some(completion),
    });
    shared.post_all(|_core| {
        let gathering = gathering.clone();
        Box::new(move |_runtime| {
            let drives = data_core::owned_drives()
                .iter()
                .map(|owned| {
                    owned.drive.check_place();
                    (owned.index, owned.drive.status())
                })
                .collect();
            let serving = data_core::serving();
            let peers = serving.as_ref().map(|serving| serving.mesh.peers()).unwrap_or_default();
            let counters = serving.as_ref().map(|serving| serving.server.counters()).unwrap_or_default();
            let healing = serving.as_ref().map(|serving| serving.store.heal_status()).unwrap_or_default();
            let hints_held = serving.map_or(0, |serving| serving.store.hints_held() as u64);
            gathering.parts.lock().unwrap_or_else(PoisonError::into_inner).push(Part {
                drives,
                peers,
                counters,
                healing,
                hints_held,
                buffers: openlake_io::buffer_memory(),
            });
        })
    });
}

fn merge(shared: &Shared, parts: Vec<Part>) -> StatusObject {
    let mut peers: BTreeMap<u32, PeerStatus> = BTreeMap::new();
    let mut operations: BTreeMap<String, OperationObject> = BTreeMap::new();
    let mut known: BTreeMap<u32, DriveStatus> = BTreeMap::new();
    let mut healing: BTreeMap<SlotId, HealStatus> = BTreeMap::new();
    let mut hints_held = 0;
    let mut buffers = BufferMemory::default();
    let (mut connections, mut connections_total) = (0, 0);
    for part in parts {
        connections += part.counters.connections;
        connections_total += part.counters.connections_total;
        known.extend(part.drives);
        healing.extend(part.healing);
        hints_held += part.hints_held;
        buffers.in_use += part.buffers.in_use;
        buffers.kept += part.buffers.kept;
        for peer in part.peers {
            links::add(&mut peers, peer);
        }
        for (name, [requests, errors, request_bytes, response_bytes, microseconds]) in part.counters.operations {
            let sum = operations.entry(name).or_default();
            sum.requests += requests as f64;
            sum.errors += errors as f64;
            sum.request_bytes += request_bytes as f64;
            sum.response_bytes += response_bytes as f64;
            sum.microseconds += microseconds as f64;
        }
    }
    let (opened, boot) = shared.drives();
    let first = opened.iter().map(|drive| drive.index).min();
    StatusObject {
        engine_kind: format!("{:?}", shared.plan.engine).to_lowercase(),
        engine_reason: shared.plan.engine_reason.clone(),
        cores: shared.plan.cores as u32,
        live_cores: shared.cores().len() as u32,
        boot,
        loaded: shared.fences.is_loaded(),
        connections: connections as f64,
        connections_total: connections_total as f64,
        control_waiting: shared.control.waiting.load(Ordering::Relaxed),
        control_refused: shared.control.refused.load(Ordering::Relaxed) as f64,
        drives: opened
            .iter()
            .map(|drive| {
                let plan = shared.plan.drives.iter().find(|plan| plan.index == drive.index);
                let path = plan.map(|plan| plan.options.path.display().to_string()).unwrap_or_default();
                let status = known.get(&drive.index);
                let healed = healing.get(&drive.slot);
                // One drive tells of the hints that the node holds for others.
                let held = if Some(drive.index) == first { hints_held } else { 0 };
                let (state, reason) = match (&drive.result, status.map(|status| &status.state)) {
                    (Err(reason), _) => ("Failed", reason.clone()),
                    (Ok(_), Some(DriveState::Healthy)) => ("Healthy", String::new()),
                    (Ok(_), Some(DriveState::Suspect(reason))) => ("Suspect", reason.clone()),
                    (Ok(_), Some(DriveState::Rebuilding(reason))) => ("Rebuilding", reason.clone()),
                    (Ok(_), Some(DriveState::Failed(reason))) => ("Failed", reason.clone()),
                    (Ok(_), None) => ("Failed", format!("core {} does not answer", drive.core)),
                };
                DriveStatusObject {
                    index: drive.index,
                    path,
                    set: drive.slot.set,
                    slot: u32::from(drive.slot.slot),
                    core: drive.core as u32,
                    state: state.to_owned(),
                    reason,
                    generation: status.map_or(0, |status| status.identity.generation),
                    heal_state: healed.map_or("", HealStatus::state).to_owned(),
                    heal_reason: healed.map(|healed| healed.reason.clone()).unwrap_or_default(),
                    durability_class: status.map_or("", |status| durability_name(status.durability_class)).to_owned(),
                    counters: status
                        .map(drive_counters)
                        .into_iter()
                        .flatten()
                        .chain(healed.map(|healed| heal_counters(healed, held)).into_iter().flatten())
                        .collect(),
                }
            })
            .collect(),
        peers: peers
            .into_values()
            .map(|peer| PeerStatusObject {
                node: peer.node,
                connected: peer.connected,
                encrypted: peer.encrypted,
                reason: peer.reason,
                round_trip_us: peer.round_trip_us as f64,
            })
            .collect(),
        operations: operations
            .into_iter()
            .map(|(name, counters)| OperationObject { name, ..counters })
            .collect(),
        memory: [("buffers", buffers.in_use.max(0) as u64), ("kept", buffers.kept)]
            .map(counter_object)
            .into(),
    }
}

/// As the documents call it.
fn durability_name(class: DurabilityClass) -> &'static str {
    match class {
        DurabilityClass::Through => "through",
        DurabilityClass::ForceUnitAccess => "fua",
        DurabilityClass::Flush => "flush",
    }
}

/// `<operation>_latency_le_<bound>us` (cumulative; the last bucket `le_inf`) and `<operation>_latency_us` (the sum).
fn latency_counters<'name>(operation: &'name str, latency: &LatencySnapshot) -> impl Iterator<Item = (String, u64)> + use<'name> {
    let mut sum = 0;
    let buckets: Vec<_> = latency
        .buckets
        .iter()
        .enumerate()
        .map(|(bucket, count)| {
            sum += count;
            let bound = latency_bound_us(bucket).map_or("inf".to_owned(), |bound| format!("{bound}us"));
            (format!("{operation}_latency_le_{bound}"), sum)
        })
        .collect();
    buckets.into_iter().chain([(format!("{operation}_latency_us"), latency.total_us)])
}

/// `memory_<part>_bytes` and `memory_limit_<pool>_bytes`. Unwritten rows are told apart from the others, so that the parts add up.
fn memory_counters(memory: &DriveMemory) -> impl Iterator<Item = (String, u64)> + use<> {
    [
        ("memory_limit_index_bytes", memory.index_limit),
        ("memory_limit_cache_bytes", memory.cache_limit),
        ("memory_rows_bytes", memory.rows.saturating_sub(memory.unwritten)),
        ("memory_unwritten_bytes", memory.unwritten),
        ("memory_filters_bytes", memory.filters),
        ("memory_fences_bytes", memory.fences),
        ("memory_blocks_bytes", memory.blocks),
        ("memory_cache_bytes", memory.cache),
        ("memory_log_bytes", memory.log),
        ("memory_staging_bytes", memory.staging),
        ("memory_backlog_bytes", memory.backlog),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
}

fn heal_counters(status: &HealStatus, hints_held: u64) -> Vec<CounterObject> {
    let counters = [
        ("heal_dirty", u64::from(status.blank || status.dirty)),
        ("heal_objects_total", status.objects),
        ("heal_bytes_total", status.bytes),
        ("heal_failed_total", status.failed),
        ("heal_objects_left", status.objects_left),
        ("heal_bytes_left", status.bytes_left),
        ("heal_hints_waiting", status.hints_waiting),
        ("heal_damaged_waiting", status.damaged_waiting),
        ("heal_shards_least", status.shards_least),
        ("heal_shards_all", status.shards_all),
        ("scrub_objects_total", status.scrub_objects),
        ("scrub_bytes_total", status.scrub_bytes),
        ("scrub_damaged_total", status.scrub_damaged),
        ("scrub_differences_total", status.scrub_differences),
        ("scrub_passes_total", status.scrub_passes),
        ("tombstones_collected_total", status.collected),
        ("hints_held", hints_held),
    ];
    counters.map(counter_object).into()
}

fn counter_object((name, value): (&str, u64)) -> CounterObject {
    CounterObject {
        name: name.to_owned(),
        value: value as f64,
    }
}

fn drive_counters(status: &DriveStatus) -> Vec<CounterObject> {
    let plain = [
        ("keys", status.keys),
        ("capacity_bytes", status.capacity_bytes),
        ("used_bytes", status.used_bytes),
        ("reads", status.reads),
        ("read_bytes", status.read_bytes),
        ("writes", status.writes),
        ("written_bytes", status.written_bytes),
        ("flushes", status.flushes),
        ("batches", status.batches),
        ("records", status.records),
        ("errors", status.errors),
        ("corrupt_blocks", status.corrupt_blocks),
        ("cache_hits", status.cache_hits),
        ("cache_misses", status.cache_misses),
        ("memory_waits", status.memory_waits),
        (
            "rebuild_segments_left",
            status
                .rebuild
                .map_or(0, |rebuild| rebuild.segments.saturating_sub(rebuild.read_segments)),
        ),
    ];
    let wear = status
        .storage
        .wear_percent
        .map(|percent| ("wear_percent".to_owned(), u64::from(percent)));
    plain
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .chain(wear)
        .chain(memory_counters(&status.memory))
        .chain(latency_counters("read", &status.read_latency))
        .chain(latency_counters("write", &status.write_latency))
        .chain(latency_counters("flush", &status.flush_latency))
        .map(|(name, value)| CounterObject { name, value: value as f64 })
        .collect()
}
