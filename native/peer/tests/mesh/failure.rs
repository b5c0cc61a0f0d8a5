//! Peers that go away, come back, or stand still.

use crate::cluster::{
    Identity, NEVER, Node, SECOND, cluster, join, key, layout, loopback, on_every_engine, read, slot, stage, stop, until,
};
use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{Answer, Ballot, Request};
use openlake_io::{EngineKind, Runtime};
use openlake_peer::{CallError, NodeRequest};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

#[test]
fn a_peer_that_dies_loses_requests_and_nothing_is_sent_again() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let never = Request::Prepare {
            key: key(),
            ballot: Ballot::MAX,
        };
        let dying = async {
            until(&runtime, || !nodes[1].seen.borrow().is_empty()).await;
            nodes[1].mesh.shutdown();
        };
        let (answer, ()) = futures_util::join!(nodes[0].ask(1, never), dying);
        assert_eq!(answer, Err(CallError::Lost));
        assert!(!nodes[0].peer(2).connected);
        assert!(matches!(nodes[0].ask(1, read()).await, Err(CallError::Unreachable(_))));
        // It comes back at the same address, with a higher boot number.
        let again = Node::start(
            &runtime,
            Identity {
                boot: 2,
                ..Identity::node(2)
            },
            nodes[1].address(),
        );
        again.join(&nodes[0].mesh.layout());
        until(&runtime, || nodes[0].is_linked(2) && again.is_linked(1)).await;
        assert_eq!(again.seen.borrow().len(), 0, "nothing is replayed");
        assert!(nodes[0].ask(1, read()).await.is_ok());
        let events = nodes[0].events.borrow().join("\n");
        assert!(events.contains("link to node 2: "), "{events}");
        again.mesh.shutdown();
        stop(&nodes[..1]);
    });
}

#[test]
fn requests_right_after_the_start_wait_for_the_first_connection() {
    on_every_engine(|runtime| async move {
        let nodes = [1, 2].map(|id| Node::start(&runtime, Identity::node(id), loopback()));
        join(&nodes);
        assert!(nodes[0].ask(1, read()).await.is_ok());
        stop(&nodes);
    });
}

#[test]
fn a_changed_address_is_followed() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        nodes[1].mesh.shutdown();
        let moved = Node::start(
            &runtime,
            Identity {
                boot: 2,
                ..Identity::node(2)
            },
            loopback(),
        );
        let layout = layout(&[nodes[0].address(), moved.address()]);
        moved.join(&layout);
        nodes[0].join(&layout);
        assert!(nodes[0].ask(1, read()).await.is_ok());
        moved.mesh.shutdown();
        stop(&nodes[..1]);
    });
}

#[test]
fn more_than_fits_in_flight_waits_its_turn() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let body = Bytes::from(vec![1; 4 << 20]);
        let answers = join_all((0..40).map(|_| nodes[0].ask(1, stage(body.clone())))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Answer::Staged { .. }))));
        assert_eq!(nodes[1].seen.borrow().len(), 40);
        stop(&nodes);
    });
}

#[test]
fn a_drive_that_stands_still_holds_up_bulk_alone() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let (bytes, ended) = (Bytes::from(vec![1; 1 << 20]), Cell::new(0));
        let never = || {
            let Request::Stage {
                key,
                write_id,
                block_shift,
                offset,
                ..
            } = stage(Bytes::new())
            else {
                unreachable!("a stage")
            };
            Request::Stage {
                key,
                write_id,
                block_shift,
                shard_length: NEVER,
                offset,
                bytes: bytes.clone(),
            }
        };
        let bulk = join_all((0..100).map(|_| async {
            let answer = nodes[0].ask(1, never()).await;
            ended.set(ended.get() + 1);
            answer
        }));
        let small = async {
            until(&runtime, || !nodes[1].seen.borrow().is_empty()).await;
            assert!(nodes[0].ask(1, read()).await.is_ok());
            assert_eq!(ended.get(), 0, "long before anyone gave up");
            nodes[1].mesh.shutdown();
        };
        futures_util::join!(bulk, small);
        stop(&nodes[..1]);
    });
}

/// A node on a thread of its own, which stands still for as long as it is told to.
fn standing_node(address_of_first: SocketAddr) -> (SocketAddr, mpsc::Sender<Duration>, std::thread::JoinHandle<()>) {
    let (tell_address, address) = mpsc::channel();
    let (stand_still, orders) = mpsc::channel::<Duration>();
    let thread = std::thread::spawn(move || {
        let runtime = Runtime::new(EngineKind::Poll).expect("the poll engine runs everywhere");
        runtime.run(async {
            let node = Node::start(&runtime, Identity::node(2), loopback());
            node.join(&layout(&[address_of_first, node.address()]));
            tell_address.send(node.address()).expect("the test waits for it");
            loop {
                match orders.try_recv() {
                    Ok(time) => std::thread::sleep(time),
                    Err(mpsc::TryRecvError::Empty) => runtime.sleep(Duration::from_millis(10)).await,
                    Err(mpsc::TryRecvError::Disconnected) => break,
                }
            }
            node.mesh.shutdown();
        });
    });
    (address.recv().expect("the node starts"), stand_still, thread)
}

#[test]
fn a_peer_that_stands_still_costs_nothing_after_a_while_and_comes_back() {
    on_every_engine(|runtime| async move {
        let first = Node::start(&runtime, Identity::node(1), loopback());
        let (address, stand_still, thread) = standing_node(first.address());
        first.join(&layout(&[first.address(), address]));
        until(&runtime, || first.is_linked(2)).await;
        assert!(first.ask(1, read()).await.is_ok());
        stand_still.send(Duration::from_secs(3)).expect("the node runs");
        runtime.sleep(Duration::from_millis(100)).await;
        let answer = first.mesh.call(slot(1), None, read(), Duration::from_millis(50)).await;
        assert_eq!(answer, Err(CallError::Timeout));
        until(&runtime, || !first.is_linked(2)).await;
        assert!(first.peer(2).reason.contains("no answer to a ping"), "{:?}", first.peer(2));
        // From now on nobody waits for it.
        let answer = first.mesh.call_node(2, NodeRequest::Ping, 60 * SECOND).await;
        assert!(matches!(answer, Err(CallError::Unreachable(_))), "{answer:?}");
        until(&runtime, || first.is_linked(2)).await;
        assert!(first.ask(1, read()).await.is_ok());
        drop(stand_still);
        first.mesh.shutdown();
        thread.join().expect("the node ends");
    });
}
