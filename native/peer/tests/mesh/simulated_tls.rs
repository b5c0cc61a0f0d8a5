//! Links over TLS in a simulated world: they replay, survive what breaks connections, and lose nothing when certificates change.

use crate::authority::{Authority, ready};
use crate::cluster::{SECOND, publish, publish_inline, read, slot, stage};
use crate::simulated::{World, on_seeds};
use bytes::Bytes;
use openlake_drive::Answer;
use openlake_peer::{CallError, DEFAULT_BUDGET_BYTES, TlsOptions};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// The addresses of simulated nodes.
const NODES: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

fn world(seed: u64, tls: &TlsOptions) -> World {
    World::with(seed, 3, DEFAULT_BUDGET_BYTES, Some(tls.clone()))
}

#[test]
fn a_seed_replays_with_tls() {
    let tls = Authority::new().certify(&NODES);
    let story = |seed| {
        let world = world(seed, &tls);
        for id in [2, 3, 2] {
            world.works(id);
        }
        world.world.change_options(|options| options.reset_chance = 0.05);
        world.world.run_for(10 * SECOND);
        let events: Vec<Vec<String>> = world.nodes.iter().map(|node| node.events.borrow().clone()).collect();
        (world.world.event_hash(), events, world.nodes[0].mesh.peers())
    };
    on_seeds(|seed| assert_eq!(story(seed), story(seed)));
}

#[test]
fn sessions_break_and_come_back() {
    let tls = Authority::new().certify(&NODES);
    on_seeds(|seed| {
        let world = world(seed, &tls);
        world.world.change_options(|options| options.reset_chance = 0.02);
        let body = Bytes::from(vec![1; 300_000]);
        let mut answered = 0;
        for _ in 0..60 {
            match world.ask(2, publish_inline(body.clone()), 10 * SECOND) {
                Ok(answer) => {
                    assert_eq!(answer, Answer::Ack);
                    answered += 1;
                }
                Err(CallError::Lost) => {}
                Err(CallError::Unreachable(_)) => world.world.run_for(Duration::from_millis(50)),
                Err(CallError::Timeout) => panic!("nothing is slow here"),
            }
        }
        assert!(answered > 10, "only {answered} of 60");
        world.world.change_options(|options| options.reset_chance = 0.0);
        world.until(|world| world.nodes[0].peer(2).encrypted);
        for (from, to) in [(1, 2), (2, 1)] {
            world.world.block(from, to);
            world.until(|world| !world.nodes[0].is_linked(2));
            world.world.unblock(from, to);
            world.until(|world| world.nodes[0].is_linked(2) && world.nodes[1].is_linked(1));
        }
        world.works(2);
    });
}

#[test]
fn certificates_and_authorities_change_under_load_without_losing_a_request() {
    let (old, new) = (Authority::new(), Authority::new());
    let both = old.pem() + &new.pem();
    let certify = |authority: &Authority, trusted: &String| TlsOptions {
        authority: trusted.clone(),
        ..authority.certify(&NODES)
    };
    // Renewed, then a new authority in three steps: trust it, use it, trust the old one no longer.
    let steps = [
        old.certify(&NODES),
        certify(&old, &both),
        certify(&new, &both),
        certify(&new, &new.pem()),
    ];
    let first = old.certify(&NODES);
    on_seeds(|seed| {
        let world = world(seed, &first);
        let stopped = Rc::new(Cell::new(false));
        let outcomes = Rc::new(RefCell::new(Vec::new()));
        for (runtime, node) in world.runtimes.iter().zip(&world.nodes) {
            for index in 0..3_u8 {
                let (mesh, clock) = (node.mesh.clone(), runtime.clone());
                let (stopped, outcomes) = (stopped.clone(), outcomes.clone());
                let random = runtime.random_u64();
                runtime.spawn(async move {
                    for step in 0.. {
                        let request = match (random + step) % 3 {
                            0 => stage(Bytes::from(vec![1; 40_000])),
                            1 => publish(),
                            _ => read(),
                        };
                        let outcome = mesh.call(slot(index), None, request, 30 * SECOND).await;
                        outcomes.borrow_mut().push(outcome.map(|_| ()));
                        if stopped.get() {
                            return;
                        }
                        clock.sleep(Duration::from_millis(20 + random % 30)).await;
                    }
                });
            }
        }
        let mut order = [0, 1, 2];
        order.rotate_left(seed as usize % 3);
        for step in &steps {
            for index in order {
                world.world.run_for(Duration::from_millis(100 * (1 + seed % 40)));
                world.nodes[index].mesh.set_tls(ready(step));
            }
            // All links are made anew some seconds after the last node has it.
            world.world.run_for(5 * SECOND);
        }
        stopped.set(true);
        world.world.run_for(SECOND);
        let outcomes = outcomes.borrow();
        assert!(outcomes.len() > 300, "only {} requests", outcomes.len());
        let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_err()).collect();
        assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), outcomes.len(), failed[0]);
        for id in [2, 3] {
            world.works(id);
        }
    });
}

#[test]
fn certificates_are_judged_by_the_simulated_clock() {
    let tls = Authority::new().certify_for(&NODES, (1975, 2100));
    on_seeds(|seed| {
        let mut world = world(seed, &tls);
        // Node 1's clock stands at 2200: to it the others' certificates have expired; a link that it has goes on.
        const CENTURIES_MS: i64 = 250 * 365 * 86_400_000;
        world.world.set_clock_offset(1, CENTURIES_MS);
        world.world.run_for(2 * SECOND);
        assert!(world.nodes[0].is_linked(2));
        world.world.stop_node(2);
        let (runtime, node) = world.start(2, 2);
        world.runtimes[1] = runtime;
        world.nodes[1] = node;
        world.until(|world| world.nodes[0].peer(2).reason.contains("days ago by the clock of this node"));
        world.until(|world| world.nodes[1].peer(1).reason.contains("it has expired"));
        assert!(
            world.nodes[1].is_linked(3) || {
                world.world.run_for(5 * SECOND);
                world.nodes[1].is_linked(3)
            }
        );
    });
}
