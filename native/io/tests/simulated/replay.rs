//! Determinism: one seed, one history.

use crate::{MINUTE, address, filled, open};
use openlake_io::{AlignedBuffer, Durability, Runtime, SimOptions, SimWorld};
use std::time::Duration;

/// Nodes that write, flush and talk to each other for ever, ignoring all errors.
fn live(runtime: &Runtime, own: u32, nodes: u32) {
    let listener = runtime.listen((address(own), 1000).into(), false).unwrap();
    let handle = runtime.clone();
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let file = open(&handle, "/log");
            handle.spawn(async move {
                let mut offset = 0;
                while let Ok((_, 1..)) = socket.receive(AlignedBuffer::with_capacity(65536)).await {
                    let durability = if offset % 8192 == 0 { Durability::Sync } else { Durability::None };
                    let _ = file.write(offset, vec![filled(4096, offset as u8)], durability).await;
                    offset += 4096;
                    if socket.send(vec![filled(100, 1)]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let handle = runtime.clone();
    runtime.spawn(async move {
        loop {
            let peer = (handle.random_u64() % u64::from(nodes)) as u32 + 1;
            if let Ok(socket) = handle.connect((address(peer), 1000).into()).await {
                for _ in 0..handle.random_u64() % 20 {
                    let length = 1 + (handle.random_u64() % 50_000) as usize;
                    if socket.send(vec![filled(length, 2)]).await.is_err() {
                        break;
                    }
                    let receive = socket.receive(AlignedBuffer::with_capacity(4096));
                    let _ = handle.timeout(Duration::from_millis(2), receive).await;
                }
            }
            handle.sleep(Duration::from_micros(handle.random_u64() % 1000)).await;
        }
    });
}

/// A history of `rounds` random faults; returns its hash and the number of its events.
fn history(seed: u64, rounds: usize) -> (u64, u64) {
    let options = SimOptions {
        reset_chance: 0.002,
        disk_error_chance: 0.01,
        disk_stall_chance: 0.02,
        ..SimOptions::default()
    };
    let world = SimWorld::new(seed, options);
    let nodes = 3;
    for _ in 0..rounds {
        for node in 1..=nodes {
            if !world.is_running(node) {
                live(&world.start_node(node, address(node)), node, nodes);
            }
        }
        world.run_for(Duration::from_millis(10 + world.random() % 100));
        let (node, other) = ((world.random() % 3) as u32 + 1, (world.random() % 3) as u32 + 1);
        match world.random() % 7 {
            0 => world.crash_node(node),
            1 => world.stop_node(node),
            2 => world.block(node, other),
            3 => world.unblock_all(),
            4 => world.pause_node(node),
            _ => (1..=nodes).for_each(|node| world.resume_node(node)),
        }
    }
    (world.event_hash(), world.events())
}

#[test]
fn equal_seeds_replay_equally_and_others_differ() {
    let mut hashes = std::collections::BTreeSet::new();
    // Any other range of seeds: SEEDS=100..200.
    let range = std::env::var("SEEDS").unwrap_or("0..15".to_owned());
    let (first, end) = range.split_once("..").expect("SEEDS is a range");
    for seed in first.parse().expect("a number")..end.parse().expect("a number") {
        eprintln!("seed {seed}");
        let first = history(seed, 20);
        assert_eq!(first, history(seed, 20), "seed {seed}");
        assert!(first.1 > 1000);
        assert!(hashes.insert(first.0));
    }
}

/// A figure to look at, not a gate: `cargo test --release -- --nocapture speed`.
#[test]
fn speed() {
    let start = std::time::Instant::now();
    let (_, events) = history(99, 200);
    let per_second = events as f64 / start.elapsed().as_secs_f64();
    println!("{events} events, {per_second:.0} per second");
    assert!(events > 10_000);
}

#[test]
fn a_world_without_work_stands_still() {
    let world = SimWorld::new(1, SimOptions::default());
    assert!(!world.step());
    let runtime = world.start_node(1, address(1));
    let handle = runtime.clone();
    world.run(&runtime, async move { handle.sleep(Duration::from_secs(5)).await }, MINUTE);
    assert!(world.now().0 >= 5_000_000_000);
    assert!(!world.run_until(|| false, MINUTE), "nothing is left to happen");
}
