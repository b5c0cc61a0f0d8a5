//! Links over TLS: who is linked and who is refused, what can be read on the way, and how TLS and its certificates change.

use crate::authority::{Authority, EXPIRED, ready};
use crate::cluster::{BLOCK_BYTES, Identity, Node, block, join, key, layout, loopback, on_every_engine, read, stage, stop, until};
use bytes::Bytes;
use openlake_drive::{Answer, Request, WriteId};
use openlake_io::{ALIGNMENT_BYTES, AlignedBuffer, Runtime, Socket};
use openlake_peer::{PeerTls, TlsOptions};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

const HERE: &str = "127.0.0.1";

fn node(runtime: &Runtime, id: u32, tls: Option<PeerTls>) -> Node {
    Node::start(runtime, Identity { tls, ..Identity::node(id) }, loopback())
}

fn pair(runtime: &Runtime, one: Option<PeerTls>, two: Option<PeerTls>) -> [Node; 2] {
    let nodes = [node(runtime, 1, one), node(runtime, 2, two)];
    join(&nodes);
    nodes
}

async fn linked(runtime: &Runtime, nodes: &[Node; 2], encrypted: bool) {
    until(runtime, || {
        let peers = [nodes[0].peer(2), nodes[1].peer(1)];
        peers.iter().all(|peer| peer.connected && peer.encrypted == encrypted)
    })
    .await;
}

/// Neither links to the other, and each shows its text.
async fn refused(runtime: &Runtime, nodes: [Node; 2], texts: [&str; 2]) {
    until(runtime, || {
        nodes[0].peer(2).reason.contains(texts[0]) && nodes[1].peer(1).reason.contains(texts[1])
    })
    .await;
    for (node, peer) in [(&nodes[0], 2), (&nodes[1], 1)] {
        let status = node.peer(peer);
        assert!(!status.connected && !status.encrypted, "{status:?}");
        // What TLS ended after its handshake says only "the other side".
        let is_named = status.reason.contains("node 1") && status.reason.contains("node 2");
        assert!(is_named || status.reason.contains("the other side refuses"), "{status:?}");
    }
    stop(&nodes);
}

#[test]
fn nodes_of_one_authority_link_and_bodies_of_every_size_come_whole() {
    on_every_engine(|runtime| async move {
        let authority = Authority::new();
        let nodes = pair(&runtime, ready(&authority.certify(&[HERE])), ready(&authority.certify(&[HERE])));
        linked(&runtime, &nodes, true).await;
        for length in [0, 1, 4095, 4096, 16_384, 16_385, 100_000, 1 << 20, (8 << 20) - 4096] {
            let body: Vec<u8> = (0..length).map(|index: usize| (index * 7 % 251) as u8).collect();
            let request = stage(Bytes::from(body));
            assert!(matches!(nodes[0].ask(1, request.clone()).await, Ok(Answer::Staged { .. })));
            assert!(nodes[1].seen.borrow().last() == Some(&request), "{length} bytes");
        }
        let request = Request::Blocks {
            key: key(),
            write_id: WriteId([1; 16]),
            first: 0,
            count: 100,
        };
        let Ok(Answer::Blocks(answer)) = nodes[0].ask(1, request).await else {
            panic!("blocks were asked for");
        };
        assert_eq!(answer.blocks, (0..100).map(|index| Some(block(index))).collect::<Vec<_>>());
        assert_eq!(answer.blocks.len() * BLOCK_BYTES, 6_553_600);
        stop(&nodes);
    });
}

#[test]
fn many_requests_at_once_share_a_session() {
    on_every_engine(|runtime| async move {
        let authority = Authority::new();
        let nodes = pair(&runtime, ready(&authority.certify(&[HERE])), ready(&authority.certify(&[HERE])));
        linked(&runtime, &nodes, true).await;
        for _ in 0..20 {
            let bodies = (0..20).map(|size| nodes[0].ask(1, stage(Bytes::from(vec![size; usize::from(size) * 5000]))));
            let reads = (0..100).map(|_| nodes[1].ask(0, read()));
            let (bodies, reads) =
                futures_util::future::join(futures_util::future::join_all(bodies), futures_util::future::join_all(reads)).await;
            assert!(bodies.iter().chain(&reads).all(Result::is_ok));
        }
        stop(&nodes);
    });
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    on_every_engine(|runtime| async move {
        let (ours, other) = (Authority::new(), Authority::new());
        let nodes = pair(&runtime, ready(&ours.certify(&[HERE])), ready(&other.certify(&[HERE])));
        let text = "ca_file";
        refused(&runtime, nodes, [text, text]).await;
        // It trusts ours, but shows its own.
        let options = TlsOptions {
            authority: ours.pem(),
            ..other.certify(&[HERE])
        };
        let nodes = pair(&runtime, ready(&ours.certify(&[HERE])), ready(&options));
        let texts = [
            "it was not issued by an authority of this node's ca_file",
            "the other side refuses the certificate of this node: it was not issued by an authority of the other side's ca_file",
        ];
        refused(&runtime, nodes, texts).await;
    });
}

#[test]
fn an_expired_certificate_is_refused() {
    on_every_engine(|runtime| async move {
        let authority = Authority::new();
        let nodes = pair(
            &runtime,
            ready(&authority.certify(&[HERE])),
            ready(&authority.certify_for(&[HERE], EXPIRED)),
        );
        let texts = [
            "days ago by the clock of this node; renew it",
            "the other side refuses the certificate of this node: it has expired",
        ];
        refused(&runtime, nodes, texts).await;
    });
}

#[test]
fn a_certificate_for_another_address_is_refused() {
    on_every_engine(|runtime| async move {
        let authority = Authority::new();
        let nodes = pair(
            &runtime,
            ready(&authority.certify(&[HERE])),
            ready(&authority.certify(&["127.0.0.9", "store.example"])),
        );
        let texts = ["is only valid for", "certificate"];
        refused(&runtime, nodes, texts).await;
    });
}

#[test]
fn a_name_binds_a_certificate_to_its_node() {
    on_every_engine(|runtime| async move {
        let authority = Authority::new();
        let named = |names: &[&str]| {
            ready(&TlsOptions {
                name: Some("node-{id}.store.example".to_owned()),
                ..authority.certify(names)
            })
        };
        let nodes = pair(&runtime, named(&["node-1.store.example"]), named(&["*.store.example"]));
        linked(&runtime, &nodes, true).await;
        stop(&nodes);
        // Node 2 shows a certificate of node 3.
        let nodes = pair(&runtime, named(&["node-1.store.example"]), named(&["node-3.store.example"]));
        refused(&runtime, nodes, ["node-2.store.example", "certificate"]).await;
    });
}

#[test]
fn tls_on_one_side_only_is_refused_and_both_sides_say_what_to_do() {
    on_every_engine(|runtime| async move {
        let authority = Authority::new();
        let nodes = pair(&runtime, ready(&authority.certify(&[HERE])), None);
        refused(
            &runtime,
            nodes,
            [
                "give this node a [peer_tls] table too",
                "comes without TLS, which node 1 requires: give node 2 a [peer_tls] table too",
            ],
        )
        .await;
    });
}

#[test]
fn tls_comes_and_goes_node_by_node() {
    on_every_engine(|runtime| async move {
        let authority = Authority::new();
        let accept = |_| TlsOptions {
            required: false,
            ..authority.certify(&[HERE])
        };
        let options = [0, 1].map(accept);
        let nodes = pair(&runtime, None, None);
        linked(&runtime, &nodes, false).await;
        let works = async || {
            for (from, to) in [(0, 1), (1, 0)] {
                assert!(nodes[from].ask(to, read()).await.is_ok());
            }
        };
        // One by one: accept, both over TLS, require.
        nodes[0].mesh.set_tls(ready(&options[0]));
        works().await;
        linked(&runtime, &nodes, false).await;
        nodes[1].mesh.set_tls(ready(&options[1]));
        works().await;
        linked(&runtime, &nodes, true).await;
        for (node, options) in nodes.iter().zip(&options) {
            let required = TlsOptions {
                required: true,
                ..options.clone()
            };
            node.mesh.set_tls(ready(&required));
            works().await;
            assert!(
                nodes[0].peer(2).encrypted && nodes[1].peer(1).encrypted,
                "nothing had to be made anew"
            );
        }
        // And back.
        for (node, options) in nodes.iter().zip(&options) {
            node.mesh.set_tls(ready(options));
            works().await;
        }
        for node in &nodes {
            node.mesh.set_tls(None);
            works().await;
        }
        linked(&runtime, &nodes, false).await;
        works().await;
        stop(&nodes);
    });
}

#[test]
fn a_certificate_that_others_refuse_leaves_working_links_alone() {
    on_every_engine(|runtime| async move {
        let (ours, other) = (Authority::new(), Authority::new());
        let nodes = pair(&runtime, ready(&ours.certify(&[HERE])), ready(&ours.certify(&[HERE])));
        linked(&runtime, &nodes, true).await;
        let wrong = TlsOptions {
            authority: ours.pem(),
            ..other.certify(&[HERE])
        };
        nodes[1].mesh.set_tls(ready(&wrong));
        until(&runtime, || {
            nodes[1].peer(1).reason.contains("the link stays as it was made before")
        })
        .await;
        assert!(nodes[1].is_linked(1) && nodes[0].is_linked(2));
        assert!(nodes[1].ask(0, read()).await.is_ok() && nodes[0].ask(1, read()).await.is_ok());
        stop(&nodes);
    });
}

#[test]
fn an_authority_that_is_taken_away_ends_the_sessions_of_its_certificates() {
    on_every_engine(|runtime| async move {
        let (old, new) = (Authority::new(), Authority::new());
        let nodes = pair(&runtime, ready(&old.certify(&[HERE])), ready(&old.certify(&[HERE])));
        linked(&runtime, &nodes, true).await;
        nodes[0].mesh.set_tls(ready(&new.certify(&[HERE])));
        until(&runtime, || !nodes[1].is_linked(1)).await;
        stop(&nodes);
    });
}

/// Passes connections on to `target` and keeps everything that goes by.
fn tap(runtime: &Runtime, target: SocketAddr) -> (SocketAddr, Rc<RefCell<Vec<u8>>>) {
    let listener = runtime.listen(loopback(), false).expect("a free port");
    let address = listener.local_address().expect("it listens");
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (kept, spawner) = (seen.clone(), runtime.clone());
    runtime.spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = spawner.connect(target).await else { return };
            spawner.spawn(pump(near.clone(), far.clone(), kept.clone()));
            spawner.spawn(pump(far, near, kept.clone()));
        }
    });
    (address, seen)
}

async fn pump(from: Socket, to: Socket, kept: Rc<RefCell<Vec<u8>>>) {
    while let Ok((buffer, count)) = from.receive(AlignedBuffer::with_capacity(16 * ALIGNMENT_BYTES)).await {
        let bytes = buffer.freeze();
        kept.borrow_mut().extend_from_slice(&bytes);
        if count == 0 || to.send(vec![bytes]).await.is_err() {
            break;
        }
    }
    to.shutdown();
}

#[test]
fn what_passes_between_nodes_cannot_be_read() {
    on_every_engine(|runtime| async move {
        let authority = Authority::new();
        for encrypted in [false, true] {
            let tls = || encrypted.then(|| ready(&authority.certify(&[HERE]))).flatten();
            let nodes = [node(&runtime, 1, tls()), node(&runtime, 2, tls())];
            let (address, seen) = tap(&runtime, nodes[1].address());
            nodes[0].join(&layout(&[nodes[0].address(), address]));
            nodes[1].join(&layout(&[nodes[0].address(), address]));
            linked(&runtime, &nodes, encrypted).await;
            let body = b"words that nobody else is to read ".repeat(1000);
            assert!(nodes[0].ask(1, stage(Bytes::from(body))).await.is_ok());
            let seen = seen.borrow();
            let readable = |text: &[u8]| seen.windows(text.len()).any(|window| window == text);
            assert!(seen.len() > 34_000, "{} bytes went by", seen.len());
            assert_eq!(readable(b"nobody else"), !encrypted);
            assert_eq!(readable(&[0xc1; 16]), !encrypted, "the cluster's id in the handshake");
            assert_eq!(readable(b"\x4f\x4c\x01"), !encrypted, "headers of frames");
            stop(&nodes);
        }
    });
}
