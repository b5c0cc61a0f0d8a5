//! Requests and answers: local and remote alike, small and large, batched, fenced, and by the clock.

use crate::cluster::{BLOCK_BYTES, SECOND, block, cluster, key, on_every_engine, read, slot, stage, stop, until};
use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{Answer, Ballot, Covers, KeyState, Request, Space, WriteId};
use openlake_peer::{CallError, Fence, NodeAnswer, NodeRequest};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

#[test]
fn every_slot_answers_wherever_it_is() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 3).await;
        for node in &nodes {
            for index in 0..3 {
                let answer = node.ask(index, read()).await;
                assert_eq!(
                    answer,
                    Ok(Answer::State {
                        state: KeyState::default(),
                        shard: None
                    })
                );
            }
        }
        let unknown = nodes[0].ask(7, read()).await;
        assert!(matches!(unknown, Err(CallError::Unreachable(_))), "{unknown:?}");
        stop(&nodes);
    });
}

#[test]
fn requests_of_a_tick_leave_in_one_send() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let before = nodes[0].peer(2);
        let answers = join_all((0..100).map(|_| nodes[0].ask(1, read()))).await;
        assert!(answers.iter().all(Result::is_ok));
        let after = nodes[0].peer(2);
        assert!(after.frames - before.frames >= 100);
        assert!(
            after.sends - before.sends <= 3,
            "100 requests took {} sends",
            after.sends - before.sends
        );
        stop(&nodes);
    });
}

#[test]
fn long_bytes_arrive_whole_and_aligned() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let sizes = [0, 1, 4095, 4096, 4097, 65_535, 65_536, 70_001, 1 << 20, (1 << 20) + 1, 4 << 20];
        let bodies: Vec<Bytes> = sizes
            .iter()
            .map(|size| (0..*size).map(|index| (index % 251) as u8).collect())
            .collect();
        let answers = join_all(bodies.iter().map(|body| nodes[0].ask(1, stage(body.clone())))).await;
        assert!(
            answers.iter().all(|answer| *answer == Ok(Answer::Staged { floor: Ballot::ZERO })),
            "{answers:?}"
        );
        let seen = nodes[1].seen.borrow();
        assert_eq!(seen.len(), bodies.len());
        for (request, body) in seen.iter().zip(&bodies) {
            let Request::Stage { bytes, .. } = request else {
                panic!("not a stage: {request:?}")
            };
            assert!(bytes == body, "{} bytes differ", body.len());
            assert!(bytes.len() < 4096 || bytes.as_ptr().addr() % 4096 == 0);
        }
        stop(&nodes);
    });
}

#[test]
fn blocks_and_pages_come_back() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let request = |count| Request::Blocks {
            key: key(),
            write_id: WriteId([2; 16]),
            first: 3,
            count,
        };
        let Ok(Answer::Blocks(shard)) = nodes[0].ask(1, request(16)).await else {
            panic!("no blocks")
        };
        assert_eq!(shard.blocks.len(), 16);
        for (index, seen) in (3..).zip(shard.blocks) {
            assert_eq!(seen, Some(block(index)));
        }
        // More than a frame holds is an answer too, not a broken link.
        let many = u32::try_from((16 << 20) / BLOCK_BYTES).expect("small");
        assert!(matches!(nodes[0].ask(1, request(many)).await, Ok(Answer::Failed(_))));
        // A page is cut instead.
        let scan = Request::Scan {
            bucket: 1,
            space: Space::Object,
            prefix: Bytes::new(),
            from: Bytes::new(),
            limit: 5000,
        };
        let Ok(Answer::Page { rows, covers, .. }) = nodes[0].ask(1, scan).await else {
            panic!("no page")
        };
        assert!(rows.len() > 500 && rows.len() < 5000);
        assert_eq!(rows.to_rows().last().map(|row| Covers::UpTo(row.name.clone())), Some(covers));
        assert!(nodes[0].is_linked(2));
        stop(&nodes);
    });
}

#[test]
fn marks_are_sent_without_waiting() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let mark = Request::Stable {
            key: key(),
            ballot: Ballot::ZERO,
        };
        for index in 0..2 {
            nodes[0].mesh.send(slot(index), mark.clone());
        }
        for node in &nodes {
            until(&runtime, || node.seen.borrow().contains(&mark)).await;
        }
        stop(&nodes);
    });
}

#[test]
fn deadlines_end_requests() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let never = Request::Prepare {
            key: key(),
            ballot: Ballot::MAX,
        };
        for index in 0..2 {
            let answer = nodes[0]
                .mesh
                .call(slot(index), None, never.clone(), Duration::from_millis(30))
                .await;
            assert_eq!(answer, Err(CallError::Timeout));
        }
        assert!(nodes[0].ask(1, read()).await.is_ok());
        stop(&nodes);
    });
}

#[test]
fn requests_under_an_old_revision_are_behind_everywhere() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let revision = |clock| Ballot { clock, node: 1, boot: 1 };
        let ask = |index, clock| {
            let fence = Some(Fence {
                bucket: 7,
                revision: revision(clock),
            });
            nodes[0].mesh.call(slot(index), fence, read(), SECOND)
        };
        for index in 0..2 {
            assert_eq!(ask(index, 5).await, Ok(Answer::Behind), "nothing is loaded yet");
        }
        nodes.iter().for_each(|node| node.fences.set_loaded());
        let heard = Rc::new(Cell::new(0));
        for node in &nodes {
            let heard = heard.clone();
            node.mesh
                .on_touched(move |name, bucket, _| heard.set(heard.get() + u64::from(name == "photos" && bucket == 7)));
        }
        for node in 1..=2 {
            let touched = NodeRequest::Touched {
                bucket: 7,
                revision: revision(5),
                name: "photos".to_owned(),
            };
            assert_eq!(nodes[0].mesh.call_node(node, touched, SECOND).await, Ok(NodeAnswer::Done));
        }
        assert_eq!(heard.get(), 2);
        for index in 0..2 {
            assert_eq!(ask(index, 4).await, Ok(Answer::Behind));
            assert!(matches!(ask(index, 5).await, Ok(Answer::State { .. })));
            assert!(
                matches!(nodes[0].ask(index, read()).await, Ok(Answer::State { .. })),
                "no fence, no check"
            );
        }
        stop(&nodes);
    });
}

#[test]
fn another_epoch_is_refused_with_the_right_one() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let mut newer = (*nodes[1].mesh.layout()).clone();
        newer.epoch = 2;
        newer.hash = [2; 16];
        nodes[1].mesh.reload(nodes[1].secrets.clone(), newer.into());
        let answer = nodes[0].ask(1, read()).await;
        assert!(
            matches!(&answer, Ok(Answer::Wrong(text)) if text.contains("epoch 2, not 1")),
            "{answer:?}"
        );
        nodes[1].mesh.remove_drive(slot(1));
        let answer = nodes[1].ask(1, read()).await;
        assert!(
            matches!(&answer, Ok(Answer::Wrong(text)) if text.contains("does not serve slot 1 of set 0")),
            "{answer:?}"
        );
        stop(&nodes);
    });
}

#[test]
fn clocks_are_learned_from_requests_and_answers() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        let ahead = (runtime.wall_ms() + 1000) << 16;
        nodes[0].clock.merge(ahead, runtime.wall_ms());
        assert!(nodes[0].ask(1, read()).await.is_ok());
        assert!(nodes[1].clock.current() >= ahead);
        let further = (runtime.wall_ms() + 2000) << 16;
        nodes[1].clock.merge(further, runtime.wall_ms());
        let pong = nodes[0].mesh.call_node(2, NodeRequest::Ping, SECOND).await;
        assert!(matches!(pong, Ok(NodeAnswer::Pong { loaded: false, .. })), "{pong:?}");
        assert!(nodes[0].clock.current() >= further);
        stop(&nodes);
    });
}

#[test]
fn hedges_follow_the_round_trip() {
    on_every_engine(|runtime| async move {
        let nodes = cluster(&runtime, 2).await;
        assert_eq!(nodes[0].mesh.hedge_after(slot(0)), Duration::from_millis(20));
        for _ in 0..50 {
            assert!(nodes[0].ask(1, read()).await.is_ok());
        }
        let hedge = nodes[0].mesh.hedge_after(slot(1));
        assert!(
            hedge >= Duration::from_millis(2) && hedge <= Duration::from_millis(200),
            "{hedge:?}"
        );
        assert!(nodes[0].peer(2).round_trip_us > 0);
        stop(&nodes);
    });
}
