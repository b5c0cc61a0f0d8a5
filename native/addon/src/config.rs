//! Converts the configuration from JavaScript into a plan. Types are checked by the conversion, values here; the text of an
//! error names the field.

use crate::plan::{DrivePlan, EnginePlan};
use napi_derive::napi;
use openlake_drive::{Adoption, DriveOptions, MountCheck};
use openlake_io::{EngineKind, Runtime};
use openlake_peer::{ClusterLayout, NodeAddress, PeerTls, SetLayout, SlotId, SlotPlace, TlsOptions};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// From this many cores on JavaScript's thread has one of its own.
const CORES_TO_SHARE: usize = 4;

/// A core gains nothing from keeping more.
const MOST_KEPT_BYTES: usize = 16 << 20;

/// What `startEngine` takes; the TypeScript side is `EngineConfig` of `node/engine/addon.ts`.
#[napi(object)]
pub struct EngineConfig {
    /// 32 hex digits.
    pub cluster: String,
    pub node: u32,
    pub bootstrap: bool,
    /// Hex, one or two.
    pub peer_secrets: Vec<String>,
    /// None: links without TLS.
    pub peer_tls: Option<PeerTlsConfig>,
    /// `address:port`.
    pub listen_s3: String,
    pub listen_peer: String,
    /// auto, uring or poll.
    pub engine: String,
    /// 0: chosen by the cores that there are.
    pub cores: u32,
    pub pin: bool,
    pub memory_bytes: f64,
    pub deadline_ms: u32,
    pub drives: Vec<DriveConfig>,
    pub layout: LayoutConfig,
}

/// TLS between nodes; texts are PEM.
#[napi(object)]
pub struct PeerTlsConfig {
    pub required: bool,
    pub certificate: String,
    pub key: String,
    pub authority: String,
    /// None: certificates are for addresses.
    pub name: Option<String>,
}

/// A drive of this node.
#[napi(object)]
pub struct DriveConfig {
    pub index: u32,
    pub path: String,
    pub set: u32,
    pub slot: u32,
    /// False: a plain folder will do.
    pub must_be_mount: bool,
    /// A blank drive in a slot that was filled before replaces the lost one and is healed; otherwise it is refused.
    pub adopt_blank: bool,
    /// 0: all there is.
    pub capacity_bytes: f64,
}

/// Sets and the addresses of their nodes.
#[napi(object)]
pub struct LayoutConfig {
    pub epoch: u32,
    /// At least 32 hex digits; the first 32 count.
    pub hash: String,
    pub sets: Vec<SetConfig>,
    pub nodes: Vec<NodeConfig>,
}

/// An erasure set.
#[napi(object)]
pub struct SetConfig {
    pub id: u32,
    pub data: u32,
    pub parity: u32,
    pub weight: u32,
    pub slots: Vec<SlotConfig>,
}

/// Where a slot is.
#[napi(object)]
pub struct SlotConfig {
    pub node: u32,
    pub drive: u32,
}

/// Where a node's peer port is.
#[napi(object)]
pub struct NodeConfig {
    pub id: u32,
    pub address: String,
}

/// The plan for a configuration.
pub fn plan_engine(config: EngineConfig) -> Result<EnginePlan, String> {
    let cluster = hex16("cluster", &config.cluster)?;
    let (engine, engine_reason) = choose_engine(&config.engine)?;
    let cores = match config.cores as usize {
        0 => choose_cores(),
        cores => cores,
    };
    // A fifth of the budget caches small records, a quarter is for indexes, both shared evenly by the drives.
    let per_drive_bytes = config.memory_bytes / config.drives.len().max(1) as f64;
    let (cache_bytes, index_bytes) = ((per_drive_bytes / 5.0) as u64, (per_drive_bytes / 4.0) as u64);
    let epoch = config.layout.epoch;
    let drives = config.drives.iter().map(|drive| {
        let slot = SlotId {
            set: drive.set,
            slot: byte("drives.slot", drive.slot)?,
        };
        let options = DriveOptions {
            path: drive.path.clone().into(),
            cluster,
            set: drive.set,
            slot: drive.slot,
            set_epoch: epoch,
            mount_check: if drive.must_be_mount {
                MountCheck::Strict
            } else {
                MountCheck::Directory
            },
            adoption: match (config.bootstrap, drive.adopt_blank) {
                (true, _) => Adoption::FormatNew,
                (false, true) => Adoption::Replace,
                (false, false) => Adoption::Refuse,
            },
            capacity_bytes: (drive.capacity_bytes > 0.0).then_some(drive.capacity_bytes as u64),
            cache_bytes,
            index_bytes,
            boot_at_least: 0,
        };
        Ok(DrivePlan {
            index: drive.index,
            slot,
            options,
        })
    });
    Ok(EnginePlan {
        cluster,
        node: config.node,
        bootstrap: config.bootstrap,
        secrets: decode_secrets(&config.peer_secrets)?,
        peer_tls: plan_tls(config.peer_tls)?,
        listen_s3: address("listenS3", &config.listen_s3)?,
        listen_peer: address("listenPeer", &config.listen_peer)?,
        engine,
        engine_reason,
        cores,
        pin: config.pin,
        deadline: Duration::from_millis(config.deadline_ms.into()),
        // Another quarter for what peers send, shared evenly by the cores.
        peer_budget_bytes: (config.memory_bytes / 4.0) as u64 / cores as u64,
        // A tenth for bodies on their way to and from clients.
        body_budget_bytes: (config.memory_bytes / 10.0) as u64 / cores as u64,
        // A sixteenth for buffers that wait to be used again.
        kept_buffer_bytes: ((config.memory_bytes / 16.0) as usize / cores).min(MOST_KEPT_BYTES),
        drives: drives.collect::<Result<_, String>>()?,
        layout: Arc::new(plan_layout(&config.layout)?),
    })
}

/// The layout in the peers' own types.
pub fn plan_layout(config: &LayoutConfig) -> Result<ClusterLayout, String> {
    let hash = hex16("layout.hash", config.hash.get(..32).unwrap_or(&config.hash))?;
    let sets = config.sets.iter().map(|set| {
        let slots = set
            .slots
            .iter()
            .map(|slot| SlotPlace {
                node: slot.node,
                drive: slot.drive,
            })
            .collect();
        let (data, parity) = (byte("layout.sets.data", set.data)?, byte("layout.sets.parity", set.parity)?);
        Ok(SetLayout {
            id: set.id,
            data,
            parity,
            weight: set.weight,
            slots,
        })
    });
    let nodes = config.nodes.iter().map(|node| {
        Ok(NodeAddress {
            id: node.id,
            address: address("layout.nodes.address", &node.address)?,
        })
    });
    Ok(ClusterLayout {
        epoch: config.epoch,
        hash,
        sets: sets.collect::<Result<_, String>>()?,
        nodes: nodes.collect::<Result<_, String>>()?,
    })
}

/// TLS between nodes, ready for use.
pub fn plan_tls(config: Option<PeerTlsConfig>) -> Result<Option<PeerTls>, String> {
    let Some(config) = config else { return Ok(None) };
    let options = TlsOptions {
        required: config.required,
        certificate: config.certificate,
        key: config.key,
        authority: config.authority,
        name: config.name,
    };
    PeerTls::new(&options).map(Some).map_err(|error| format!("peerTls: {error}"))
}

/// Secrets from hex.
pub fn decode_secrets(secrets: &[String]) -> Result<Vec<Vec<u8>>, String> {
    let decoded = secrets.iter().enumerate().map(|(index, text)| {
        decode_hex(text).ok_or_else(|| {
            format!(
                "peerSecrets[{index}] has {} characters, expected an even number of hex digits",
                text.len()
            )
        })
    });
    decoded.collect()
}

/// 16 bytes from 32 hex digits.
pub fn hex16(field: &str, text: &str) -> Result<[u8; 16], String> {
    let bytes = decode_hex(text).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| format!("{field} = \"{text}\": expected 32 hex digits"))
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|value| value.try_into().ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn address(field: &str, text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{field} = \"{text}\": expected address:port"))
}

fn byte(field: &str, value: u32) -> Result<u8, String> {
    u8::try_from(value).map_err(|_| format!("{field} = {value}: expected at most 255"))
}

/// Tries io_uring where that is allowed to be chosen. A container runtime's seccomp profile often forbids it.
fn choose_engine(wanted: &str) -> Result<(EngineKind, String), String> {
    match wanted {
        "uring" => Ok((EngineKind::Uring, "configured".to_owned())),
        "poll" => Ok((EngineKind::Poll, "configured".to_owned())),
        "auto" => Ok(Runtime::probe()),
        other => Err(format!("engine = \"{other}\": expected auto, uring or poll")),
    }
}

fn choose_cores() -> usize {
    let available = openlake_io::available_cores();
    if available >= CORES_TO_SHARE { available - 1 } else { available }
}
