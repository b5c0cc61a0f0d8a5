//! Who may link: everyone else is refused, and both sides say why.

use crate::cluster::{Identity, Node, SECOND, cluster, join, layout, loopback, on_every_engine, read, stop, until};
use bytes::Bytes;
use openlake_io::{AlignedBuffer, Runtime};
use openlake_peer::{CallError, Versions};

/// Node 1 is ordinary, the other is not: neither links, both have a reason that contains `text` and tell the log.
async fn refused(runtime: &Runtime, other: Identity, text: &str) {
    let nodes = [
        Node::start(runtime, Identity::node(1), loopback()),
        Node::start(runtime, other.clone(), loopback()),
    ];
    join(&nodes);
    // Both connect to the other; each side's status must say why, whoever refused whom.
    until(runtime, || {
        nodes[0].peer(2).reason.contains(text) && nodes[1].peer(1).reason.contains(text)
    })
    .await;
    for (node, peer) in [(&nodes[0], 2), (&nodes[1], 1)] {
        let status = node.peer(peer);
        assert!(!status.connected);
        assert!(
            status.reason.contains("node 1") && status.reason.contains("node 2"),
            "both are named: {}",
            status.reason
        );
        assert!(
            node.events.borrow().iter().any(|event| event.contains(text)),
            "{:?}",
            node.events.borrow()
        );
    }
    assert!(matches!(nodes[0].ask(1, read()).await, Err(CallError::Unreachable(reason)) if reason.contains(text)));
    stop(&nodes);
}

#[test]
fn another_secret_is_refused() {
    on_every_engine(|runtime| async move {
        let other = Identity {
            secrets: vec![b"other".to_vec()],
            ..Identity::node(2)
        };
        refused(&runtime, other, "wrong secret").await;
    });
}

#[test]
fn another_cluster_is_refused() {
    on_every_engine(|runtime| async move {
        let other = Identity {
            cluster: [0xc2; 16],
            ..Identity::node(2)
        };
        refused(&runtime, other, "the clusters differ").await;
    });
}

#[test]
fn one_epoch_with_two_layouts_is_refused() {
    on_every_engine(|runtime| async move {
        let nodes = [1, 2].map(|id| Node::start(&runtime, Identity::node(id), loopback()));
        let addresses = [nodes[0].address(), nodes[1].address()];
        let mut other = (*layout(&addresses)).clone();
        other.hash = [9; 16];
        nodes[0].join(&layout(&addresses));
        nodes[1].join(&other.into());
        until(&runtime, || nodes[0].peer(2).reason.contains("epoch 1 has layout")).await;
        until(&runtime, || nodes[1].peer(1).reason.contains("epoch 1 has layout")).await;
        stop(&nodes);
    });
}

#[test]
fn a_second_node_of_the_same_id_is_refused() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        // It claims to be node 1 and connects to node 1, which it takes for node 2.
        let twin = Node::start(&runtime, Identity::node(1), loopback());
        twin.join(&layout(&[twin.address(), nodes[0].address()]));
        until(&runtime, || twin.peer(2).reason.contains("duplicate node id")).await;
        until(&runtime, || nodes[0].peer(1).reason.contains("duplicate node id")).await;
        // One beside the one at its address, older or newer, is refused by third parties.
        let older = Node::start(
            &runtime,
            Identity {
                boot: 0,
                ..Identity::node(1)
            },
            loopback(),
        );
        older.join(&layout(&[older.address(), nodes[1].address()]));
        until(&runtime, || {
            older
                .peer(2)
                .reason
                .contains("duplicate node id: node 1 runs at its address with boot 1, this is boot 0")
        })
        .await;
        assert!(nodes[0].is_linked(2) && nodes[1].is_linked(1));
        twin.mesh.shutdown();
        older.mesh.shutdown();
        stop(&nodes);
    });
}

#[test]
fn another_node_than_expected_is_refused() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 3).await;
        // Node 1's table has the addresses of 2 and 3 exchanged.
        nodes[0].join(&layout(&[nodes[0].address(), nodes[2].address(), nodes[1].address()]));
        until(&runtime, || {
            nodes[0]
                .peer(2)
                .reason
                .contains("it looks for node 2 at this address, which is node 3")
        })
        .await;
        until(&runtime, || !nodes[0].is_linked(3)).await;
        assert!(nodes[1].is_linked(1), "the way back is not touched");
        stop(&nodes);
    });
}

#[test]
fn a_node_outside_the_layout_is_refused() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let stranger = Node::start(&runtime, Identity::node(3), loopback());
        stranger.join(&layout(&[nodes[0].address(), nodes[1].address(), stranger.address()]));
        until(&runtime, || stranger.peer(1).reason.contains("the layout of epoch 1 has no node 3")).await;
        until(&runtime, || nodes[0].peer(3).reason.contains("the layout of epoch 1 has no node 3")).await;
        stranger.mesh.shutdown();
        stop(&nodes);
    });
}

/// Nodes 1 and 2 with these versions; whether they link, or the reasons that both show.
async fn versions_meet(runtime: &Runtime, one: Versions, two: Versions) -> Result<(), [String; 2]> {
    let node = |id, versions| {
        let identity = Identity {
            versions,
            ..Identity::node(id)
        };
        Node::start(runtime, identity, loopback())
    };
    let nodes = [node(1, one), node(2, two)];
    join(&nodes);
    let refused = |node: &Node, peer| node.peer(peer).reason.contains("protocol version");
    until(runtime, || {
        (nodes[0].is_linked(2) && nodes[1].is_linked(1)) || (refused(&nodes[0], 2) && refused(&nodes[1], 1))
    })
    .await;
    let outcome = match nodes[0].ask(1, read()).await {
        Ok(_) => nodes[1]
            .ask(0, read())
            .await
            .map(|_| ())
            .map_err(|error| [format!("{error:?}"), String::new()]),
        Err(_) => Err([nodes[0].peer(2).reason, nodes[1].peer(1).reason]),
    };
    stop(&nodes);
    outcome
}

#[test]
fn nodes_of_neighbouring_versions_speak_the_newest_that_both_know() {
    on_every_engine(|runtime| async move {
        for (one, two) in [((1, 1), (1, 2)), ((1, 2), (2, 3)), ((3, 3), (1, 3))] {
            let [one, two] = [one, two].map(|(oldest, newest)| Versions { oldest, newest });
            assert_eq!(versions_meet(&runtime, one, two).await, Ok(()), "{one} and {two}");
        }
    });
}

#[test]
fn nodes_without_a_common_version_are_refused_and_told_which_to_upgrade() {
    on_every_engine(|runtime| async move {
        let (old, new) = (Versions { oldest: 1, newest: 1 }, Versions { oldest: 2, newest: 3 });
        let reasons = versions_meet(&runtime, old, new).await.expect_err("nothing in common");
        for reason in reasons {
            assert!(
                reason.contains("node 1 speaks 1") && reason.contains("node 2 speaks 2 to 3"),
                "{reason}"
            );
            assert!(reason.contains("upgrade node 1 to a release that speaks version 2"), "{reason}");
        }
    });
}

#[test]
fn a_removed_secret_keeps_no_session_alive() {
    on_every_engine(|runtime| async move {
        let identity = |id| Identity {
            secrets: vec![b"stolen".to_vec()],
            ..Identity::node(id)
        };
        let nodes = [1, 2].map(|id| Node::start(&runtime, identity(id), loopback()));
        join(&nodes);
        until(&runtime, || nodes[0].is_linked(2) && nodes[1].is_linked(1)).await;
        nodes[1].mesh.reload(vec![b"fresh".to_vec()], nodes[1].mesh.layout());
        until(&runtime, || nodes[0].peer(2).reason.contains("wrong secret")).await;
        assert!(!nodes[0].is_linked(2));
        nodes[0].mesh.reload(vec![b"fresh".to_vec()], nodes[0].mesh.layout());
        until(&runtime, || nodes[0].is_linked(2) && nodes[1].is_linked(1)).await;
        stop(&nodes);
    });
}

#[test]
fn secrets_rotate_without_a_gap() {
    on_every_engine(|runtime| async move {
        let (old, new) = (b"old secret".to_vec(), b"new secret".to_vec());
        let identity = |id| Identity {
            secrets: vec![old.clone()],
            ..Identity::node(id)
        };
        let nodes = [1, 2].map(|id| Node::start(&runtime, identity(id), loopback()));
        join(&nodes);
        let layout = nodes[0].mesh.layout();
        // The new one first and the old one still accepted, then the old one goes; one node at a time, relinked at each step.
        let steps = [vec![new.clone(), old.clone()], vec![new.clone()]];
        for secrets in steps {
            for node in &nodes {
                node.mesh.reload(secrets.clone(), crate::cluster::layout(&[]));
                node.mesh.reload(secrets.clone(), layout.clone());
                until(&runtime, || nodes[0].is_linked(2) && nodes[1].is_linked(1)).await;
                assert!(nodes[0].ask(1, read()).await.is_ok());
                assert!(nodes[1].ask(0, read()).await.is_ok());
            }
        }
        stop(&nodes);
    });
}

#[test]
fn garbage_on_the_port_is_closed_and_harms_nobody() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let mut random = vec![0; 4096];
        runtime.fill_random(&mut random);
        // A header of version 7 that is otherwise right, a web browser, chance, and a frame that promises gigabytes.
        let mut version = vec![0x4f, 0x4c, 7, 16];
        version.resize(64, 0);
        let mut huge = vec![0x4f, 0x4c, 1, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        huge.resize(64, 0xff);
        for bytes in [version, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), random, huge] {
            let socket = runtime.connect(nodes[1].address()).await.expect("it listens");
            socket.send(vec![Bytes::from(bytes)]).await.expect("it receives");
            let mut closed = false;
            while !closed {
                let received = runtime
                    .timeout(10 * SECOND, socket.receive(AlignedBuffer::with_capacity(4096)))
                    .await;
                closed = matches!(received.expect("it closes"), Err(_) | Ok((_, 0)));
            }
        }
        let events = nodes[1].events.borrow().join("\n");
        assert!(events.contains("unknown protocol version 7"), "{events}");
        assert!(events.contains("not an OpenLake peer"), "{events}");
        assert!(events.contains("frame too large"), "{events}");
        assert!(nodes[0].ask(1, read()).await.is_ok());
        stop(&nodes);
    });
}
