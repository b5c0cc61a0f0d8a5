//! A node of two cores: drives of the other core are reached by posted closures, and peers need not know which core owns what.

use crate::cluster::{CLUSTER, Identity, Node, SECOND, Slot, key, layout, loopback, on_every_engine, read, slot, stop, until};
use openlake_drive::{Answer, Ballot, Request};
use openlake_io::{EngineKind, RemoteHandle, Runtime};
use openlake_peer::{CallError, Clock, Fences, LocalDrive, Mesh, MeshOptions};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Owns slot 0 of node 1 on a thread of its own until told to end.
fn owner_core() -> (RemoteHandle, mpsc::Sender<()>, std::thread::JoinHandle<()>) {
    let (tell_handle, handle) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = Runtime::new(EngineKind::Poll).expect("the poll engine runs everywhere");
        runtime.run(async {
            let server = Rc::new(Slot {
                runtime: runtime.clone(),
                seen: Rc::default(),
                held: Rc::default(),
            });
            let drive = LocalDrive {
                slot: slot(0),
                drive: Some(server),
                owner: runtime.remote(),
            };
            let options = MeshOptions {
                cluster: CLUSTER,
                node: 1,
                boot: 1,
                versions: openlake_peer::Versions::SPOKEN,
                budget_bytes: openlake_peer::DEFAULT_BUDGET_BYTES,
                secrets: vec![b"secret".to_vec()],
                tls: None,
                layout: layout(&[]),
                clock: Arc::new(Clock::default()),
                fences: Arc::new(Fences::default()),
                drives: vec![drive],
                listen: None,
            };
            let mesh = Mesh::start(&runtime, options).expect("it does not listen");
            tell_handle.send(runtime.remote()).expect("the test waits for it");
            while ended.try_recv() == Err(mpsc::TryRecvError::Empty) {
                runtime.sleep(Duration::from_millis(5)).await;
            }
            mesh.shutdown();
        });
    });
    (handle.recv().expect("the core starts"), end, thread)
}

#[test]
fn drives_of_another_core_answer_peers_and_their_own_node() {
    on_every_engine(|runtime| async move {
        let (owner, end, thread) = owner_core();
        let nodes = [1, 2].map(|id| Node::start(&runtime, Identity::node(id), loopback()));
        nodes[0].mesh.put_drive(LocalDrive {
            slot: slot(0),
            drive: None,
            owner,
        });
        crate::cluster::join(&nodes);
        until(&runtime, || nodes[1].is_linked(1)).await;
        for node in &nodes {
            assert!(matches!(node.ask(0, read()).await, Ok(Answer::State { .. })));
            let never = Request::Prepare {
                key: key(),
                ballot: Ballot::MAX,
            };
            let answer = node.mesh.call(slot(0), None, never, Duration::from_millis(30)).await;
            assert_eq!(answer, Err(CallError::Timeout));
        }
        end.send(()).expect("the core runs");
        thread.join().expect("the core ends");
        for node in &nodes {
            let answer = node.mesh.call(slot(0), None, read(), SECOND).await;
            let gone = matches!(answer, Ok(Answer::Wrong(_) | Answer::Failed(_)) | Err(CallError::Timeout));
            assert!(gone, "{answer:?}");
        }
        stop(&nodes);
    });
}
