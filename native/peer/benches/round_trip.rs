//! CPU per remote request, without and with TLS: both ends in one process, whose CPU time is measured, so that a busy machine matters little.
//!
//! `cargo bench -p openlake-peer --bench round_trip`

#[path = "../tests/mesh/authority.rs"]
#[allow(dead_code)]
mod authority;

use authority::{Authority, ready};
use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{Answer, Ballot, Key, KeyState, Request, Space, Want, WriteId};
use openlake_io::{EngineKind, Runtime, process_time};
use openlake_peer::{
    Answering, Clock, ClusterLayout, Fences, LocalDrive, Mesh, MeshOptions, NodeAddress, PeerTls, SetLayout, SlotId, SlotPlace, SlotServer,
};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A drive that costs nothing.
struct Instant;

impl SlotServer for Instant {
    fn handle(&self, request: Request) -> Answering {
        Box::pin(std::future::ready(match request {
            Request::Read { .. } => Answer::State {
                state: KeyState::default(),
                shard: None,
            },
            _ => Answer::Staged { floor: Ballot::ZERO },
        }))
    }
    fn generation(&self) -> u32 {
        1
    }
}

fn slot(slot: u8) -> SlotId {
    SlotId { set: 0, slot }
}

fn layout(addresses: &[SocketAddr]) -> Arc<ClusterLayout> {
    let nodes: Vec<NodeAddress> = (1..)
        .zip(addresses)
        .map(|(id, address)| NodeAddress { id, address: *address })
        .collect();
    let slots = nodes.iter().map(|node| SlotPlace { node: node.id, drive: 0 }).collect();
    let sets = vec![SetLayout {
        id: 0,
        data: 1,
        parity: 1,
        weight: 1,
        slots,
    }];
    Arc::new(ClusterLayout {
        epoch: 1,
        hash: [0; 16],
        sets,
        nodes,
    })
}

fn node(runtime: &Runtime, id: u32, tls: Option<PeerTls>) -> Mesh {
    let options = MeshOptions {
        cluster: [0; 16],
        node: id,
        boot: 1,
        versions: openlake_peer::Versions::SPOKEN,
        budget_bytes: openlake_peer::DEFAULT_BUDGET_BYTES,
        secrets: vec![b"secret".to_vec()],
        tls,
        layout: layout(&[]),
        clock: Arc::new(Clock::default()),
        fences: Arc::new(Fences::default()),
        drives: vec![LocalDrive {
            slot: slot(id as u8 - 1),
            drive: Some(Rc::new(Instant)),
            owner: runtime.remote(),
        }],
        listen: Some(([127, 0, 0, 1], 0).into()),
    };
    Mesh::start(runtime, options).expect("loopback has free ports")
}

fn main() {
    for kind in [EngineKind::Poll, EngineKind::Uring] {
        let Ok(runtime) = Runtime::new(kind) else { continue };
        let tls = ready(&Authority::new().certify(&["127.0.0.1"]));
        // In turns, so that both see the same machine.
        for _ in 0..2 {
            runtime.run(measure(&runtime, &format!("{kind:?}"), None));
            runtime.run(measure(&runtime, &format!("{kind:?} with TLS"), tls.clone()));
        }
    }
}

async fn measure(runtime: &Runtime, kind: &str, tls: Option<PeerTls>) {
    let meshes = [1, 2].map(|id| node(runtime, id, tls.clone()));
    let addresses: Vec<SocketAddr> = meshes.iter().filter_map(Mesh::local_address).collect();
    meshes
        .iter()
        .for_each(|mesh| mesh.reload(vec![b"secret".to_vec()], layout(&addresses)));
    let key = Key {
        bucket: 1,
        space: Space::Object,
        name: Bytes::from_static(b"datasets/images/000000017.jpg"),
    };
    let read = Request::Read {
        key: key.clone(),
        want: Want::Heads,
    };
    for (name, target) in [("local", 0), ("remote", 1)] {
        for together in [1, 16, 128] {
            let rounds = 64_000 / together;
            let start = process_time();
            for _ in 0..rounds {
                let calls = (0..together).map(|_| meshes[0].call(slot(target), None, read.clone(), Duration::from_secs(5)));
                assert!(join_all(calls).await.iter().all(Result::is_ok));
            }
            let each = (process_time() - start).as_secs_f64() * 1e6 / (rounds * together) as f64;
            println!("{kind}: {name} read, {together} at a time: {each:.2} us each");
        }
    }
    let bytes = Bytes::from(vec![7; 1 << 20]);
    let stage = Request::Stage {
        key,
        write_id: WriteId([0; 16]),
        block_shift: 16,
        shard_length: 0,
        offset: 0,
        bytes,
    };
    let start = process_time();
    for _ in 0..100 {
        let calls = (0..4).map(|_| meshes[0].call(slot(1), None, stage.clone(), Duration::from_secs(5)));
        assert!(join_all(calls).await.iter().all(Result::is_ok));
    }
    let each = (process_time() - start).as_secs_f64() * 1e6 / 400.0;
    println!("{kind}: stage of 1 MiB, 4 at a time: {each:.1} us each");
    meshes.iter().for_each(Mesh::shutdown);
}
