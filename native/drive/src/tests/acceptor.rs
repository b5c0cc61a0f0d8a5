//! The whole public interface against a small acceptor written down from protocol.md sections 2, 3, 9 and 10: requests one at a time,
//! so every answer is known in advance, to the reason of a refusal. Between lives, which end in peace, by a kill or by a power cut, only
//! two things are open: floors may rise up to the bound of promises, and marks of the last second may be lost.
//!
//! What runs at the same time is the business of the simulation. A failure names its seed; `OPENLAKE_SEED` replays it.

mod expected;
mod ranges;
mod requests;

use super::crash::Dice;
use super::harness::{TINY, options};
use crate::{Drive, DriveOptions};
use expected::Acceptor;
use openlake_io::{Runtime, SimOptions, SimWorld};
use requests::Caller;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

const SEEDS: u64 = 60;
const LIVES: u64 = 4;
const REQUESTS: u64 = 250;
/// No life takes longer.
const PATIENCE: Duration = Duration::from_secs(600);

async fn open(runtime: &Runtime, forgetful: bool) -> Drive {
    let options = DriveOptions {
        index_bytes: if forgetful { 0 } else { 1 << 20 },
        ..options(Path::new("/data"))
    };
    Drive::open_tuned(runtime, options, TINY).await.expect("the drive opens")
}

/// One drive through several lives; how many answers were as foreseen.
fn run(seed: u64) -> u64 {
    let dice = Dice::new(seed);
    let world = SimWorld::new(seed, SimOptions::default());
    let acceptor = Rc::new(RefCell::new(Acceptor::default()));
    let forgetful = dice.below(3) == 0;
    for life in 0..LIVES {
        let runtime = world.start_node(1, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        if life == 0 {
            runtime.create_directory(Path::new("/data")).expect("a directory");
            runtime.sync_directory(Path::new("/")).expect("a durable directory");
        }
        let in_peace = dice.below(3) == 0;
        let (runtime_of_life, dice, model) = (runtime.clone(), dice.clone(), acceptor.clone());
        let lived = async move {
            let drive = open(&runtime_of_life, forgetful).await;
            let mut caller = Caller::new(runtime_of_life, drive, dice, model.take());
            caller.begin_life().await;
            for _ in 0..REQUESTS {
                caller.ask().await;
            }
            caller.acceptor.ends_in_peace = in_peace;
            if in_peace {
                caller.close().await;
            }
            model.replace(caller.acceptor);
        };
        world.run(&runtime, lived, PATIENCE);
        match seed % 2 {
            _ if in_peace => world.stop_node(1),
            0 => world.stop_node(1),
            _ => world.crash_node(1),
        }
    }
    acceptor.take().answers
}

#[test]
fn every_answer_is_the_one_that_the_protocol_foresees() {
    let seeds = match std::env::var("OPENLAKE_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    };
    let mut seen = std::collections::BTreeSet::new();
    for seed in seeds.clone() {
        eprintln!("seed {seed}");
        assert!(run(seed) >= LIVES * REQUESTS / 2);
        seen.extend(expected::take_kinds());
    }
    // The test itself: every kind of answer was met.
    let all = [
        "ack",
        "blocks",
        "clock",
        "done",
        "duplicate",
        "failed",
        "filled",
        "gone",
        "nothing",
        "not staged",
        "page",
        "promise",
        "refuse",
        "refuse drop",
        "settle first",
        "staged",
        "state",
    ];
    let missing: Vec<_> = all.iter().filter(|kind| !seen.contains(**kind)).collect();
    assert!(seeds.end - seeds.start == 1 || missing.is_empty(), "never met: {missing:?}");
}
