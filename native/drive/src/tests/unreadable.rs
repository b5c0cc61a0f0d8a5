//! Sectors that cannot be read, and a device that answers nothing for a while: what the log says elsewhere is kept, no promise is
//! forgotten, and what is lost is called unknown wherever anything tells that it was there.

use super::harness::*;
use crate::{Answer, Ballot, Drive, DriveState, OpenError, Request, offline};
use openlake_io::{OpenOptions, Runtime, SimOptions, SimWorld};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

const NODE: u32 = 1;
const HOME: &str = "/data";
const CONTAINER: &str = "/data/data.0000";
const PAGE: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(60);

fn world() -> SimWorld {
    let options = SimOptions {
        // Only the test makes sectors unreadable.
        unreadable_sector_chance: 0.0,
        ..SimOptions::default()
    };
    let world = SimWorld::new(7, options);
    let runtime = start(&world);
    runtime.create_directory(Path::new(HOME)).expect("a directory");
    runtime.sync_directory(Path::new("/")).expect("a durable directory");
    world.stop_node(NODE);
    world
}

fn start(world: &SimWorld) -> Runtime {
    world.start_node(NODE, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)))
}

/// Starts the node again and opens its drive.
fn reopen(world: &SimWorld) -> (Runtime, Result<Drive, OpenError>) {
    let runtime = start(world);
    let own = runtime.clone();
    let drive = world.run(&runtime, async move { open_with(&own, options(Path::new(HOME))).await }, PATIENCE);
    (runtime, drive)
}

fn life(world: &SimWorld) -> (Runtime, Drive) {
    let (runtime, drive) = reopen(world);
    (runtime, drive.expect("the drive opens"))
}

/// Publishes keys of one life, each in a batch of its own.
fn fill(world: &SimWorld, runtime: &Runtime, drive: &Drive, numbers: std::ops::Range<u64>) {
    let (own, drive) = (runtime.clone(), drive.clone());
    let filled = async move {
        for number in numbers {
            let near = ballot(own.wall_ms(), number);
            assert_eq!(
                put(&drive, &format!("k{number}"), near, number, &pattern(number, 3000)).await,
                Answer::Ack
            );
        }
    };
    world.run(runtime, filled, PATIENCE);
}

fn missing(world: &SimWorld, runtime: &Runtime, drive: &Drive, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let drive = drive.clone();
    let looked = async move {
        let mut missing = Vec::new();
        for number in numbers {
            match read_all(&drive, &format!("k{number}")).await {
                Some(payload) => assert_eq!(payload, pattern(number, 3000)),
                None => missing.push(number),
            }
        }
        missing
    };
    world.run(runtime, looked, PATIENCE)
}

fn state_of(world: &SimWorld, runtime: &Runtime, drive: &Drive, name: &'static str) -> crate::KeyState {
    let drive = drive.clone();
    world.run(runtime, async move { heads(&drive, name).await }, PATIENCE)
}

/// Places of batches in the first container, in the order of their sequences.
fn batches(world: &SimWorld) -> Vec<u64> {
    let bytes = world.read_file(NODE, Path::new(CONTAINER)).expect("the container");
    in_order(
        bytes
            .chunks(PAGE)
            .enumerate()
            .map(|(page, bytes)| ((page * PAGE) as u64, bytes.to_vec())),
    )
}

/// The same, where some pages cannot be read.
fn batches_beside_spoilt_ones(world: &SimWorld, runtime: &Runtime) -> Vec<u64> {
    let file = runtime.open(Path::new(CONTAINER), &OpenOptions::default()).expect("the container");
    let read = async move {
        let mut pages = Vec::new();
        for page in 0_u64.. {
            let place = page * PAGE as u64;
            match file.read(place, PAGE).await {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => pages.push((place, bytes.as_slice().to_vec())),
                Err(_) => {}
            }
        }
        pages
    };
    in_order(world.run(runtime, read, PATIENCE).into_iter())
}

/// Places of those pages that begin a batch, in the order of the batches' sequences.
fn in_order(pages: impl Iterator<Item = (u64, Vec<u8>)>) -> Vec<u64> {
    let sequence = |bytes: &[u8]| u64::from_le_bytes(bytes[24..32].try_into().expect("8 bytes"));
    let opening = pages.filter(|(_, bytes)| bytes.starts_with(b"OLBT"));
    let mut found: Vec<(u64, u64)> = opening.map(|(place, bytes)| (sequence(&bytes), place)).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, place)| place).collect()
}

fn spoil(world: &SimWorld, place: u64) {
    world.make_unreadable(NODE, Path::new(CONTAINER), place).expect("a sector");
}

#[test]
fn an_unreadable_sector_inside_the_log_is_damage() {
    let world = world();
    let (runtime, drive) = life(&world);
    fill(&world, &runtime, &drive, 0..10);
    world.crash_node(NODE);
    // The opening, then one batch a key.
    let fifth = batches(&world)[5];
    spoil(&world, fifth);
    let (runtime, drive) = life(&world);
    assert!(matches!(drive.status().state, DriveState::Suspect(_)), "{:?}", drive.status().state);
    assert_eq!(
        missing(&world, &runtime, &drive, 0..10).len(),
        1,
        "all but the record in that sector"
    );
    assert!(state_of(&world, &runtime, &drive, "k4").dirty.is_some(), "unknown, not absent");
}

#[test]
fn a_promise_behind_an_unreadable_end_is_not_forgotten_and_nothing_becomes_unknown() {
    let world = world();
    let (runtime, drive) = life(&world);
    fill(&world, &runtime, &drive, 0..3);
    let promised = ballot(runtime.wall_ms() + 4_000, 1);
    let asked = drive.clone();
    let answer = world.run(
        &runtime,
        async move {
            asked
                .handle(Request::Prepare {
                    key: key("k0"),
                    ballot: promised,
                })
                .await
        },
        PATIENCE,
    );
    assert!(matches!(answer, Answer::Promise(_)), "{answer:?}");
    world.crash_node(NODE);
    // The bound of the promise came last.
    let last = *batches(&world).last().expect("batches");
    spoil(&world, last);
    let (runtime, drive) = life(&world);
    assert_eq!(
        drive.status().state,
        DriveState::Healthy,
        "as a sector that was under way at the cut looks the same"
    );
    let state = state_of(&world, &runtime, &drive, "k0");
    assert!(state.floor >= promised, "the floor is {}, but {promised} was promised", state.floor);
    assert_eq!((state.dirty, state.records.len()), (None, 1));
    assert_eq!(missing(&world, &runtime, &drive, 0..3), [0_u64; 0]);
    // Whoever minds its floor is served at once.
    let (own, writer) = (runtime.clone(), drive.clone());
    let above = Ballot {
        clock: state.floor.clock + 1,
        node: 1,
        boot: 2,
    };
    let taken = async move {
        own.sleep(Duration::from_millis(2)).await;
        put(&writer, "k0", above, 10, b"next").await
    };
    assert_eq!(world.run(&runtime, taken, PATIENCE), Answer::Ack);
}

#[test]
fn after_an_orderly_end_the_last_batch_is_not_missed_and_once_a_root_knows_it_it_is_damage() {
    let world = world();
    let (runtime, drive) = life(&world);
    fill(&world, &runtime, &drive, 0..3);
    let promised = ballot(runtime.wall_ms() + 4_000, 1);
    let asked = drive.clone();
    let answer = async move {
        asked
            .handle(Request::Prepare {
                key: key("k0"),
                ballot: promised,
            })
            .await
    };
    assert!(matches!(world.run(&runtime, answer, PATIENCE), Answer::Promise(_)));
    let closing = drive.clone();
    world.run(&runtime, async move { closing.close().await }, PATIENCE);
    world.stop_node(NODE);
    let last = *batches(&world).last().expect("batches");
    spoil(&world, last);
    let (runtime, drive) = life(&world);
    assert_eq!(drive.status().state, DriveState::Healthy, "all that it said is in the checkpoint");
    let state = state_of(&world, &runtime, &drive, "k0");
    assert!(state.floor >= promised && state.dirty.is_none(), "{state:?}");
    assert!(
        state.floor.time_ms() < runtime.wall_ms() + 5_000,
        "no higher than what was promised"
    );
    // This start wrote one batch, and a root that names it.
    let last = *batches_beside_spoilt_ones(&world, &runtime).last().expect("batches");
    world.crash_node(NODE);
    spoil(&world, last);
    let (runtime, drive) = life(&world);
    assert!(matches!(drive.status().state, DriveState::Suspect(_)), "{:?}", drive.status().state);
    let state = state_of(&world, &runtime, &drive, "k0");
    assert!(state.dirty.is_some() && state.floor >= promised, "{state:?}");
    assert_eq!(missing(&world, &runtime, &drive, 0..3), [0_u64; 0]);
}

#[test]
fn a_rebuild_finds_the_newest_segment_though_its_opening_is_unreadable() {
    let world = world();
    let (runtime, drive) = life(&world);
    fill(&world, &runtime, &drive, 0..3);
    world.crash_node(NODE);
    let before = batches(&world).len();
    let (runtime, drive) = life(&world);
    fill(&world, &runtime, &drive, 3..6);
    world.crash_node(NODE);
    let opening = batches(&world)[before];
    spoil(&world, opening);
    let runtime = start(&world);
    let own = runtime.clone();
    let rebuilt = async move { offline::rebuild_index(&own, Path::new(HOME)).await.map(|rebuilt| rebuilt.keys) };
    assert_eq!(world.run(&runtime, rebuilt, PATIENCE).ok(), Some(6));
    world.stop_node(NODE);
    let (runtime, drive) = life(&world);
    assert_eq!(missing(&world, &runtime, &drive, 0..6), [0_u64; 0]);
}

#[test]
fn a_device_that_is_silent_for_a_while_during_a_start_costs_nothing() {
    let mut refused = 0;
    for began in (0..60).step_by(3) {
        for lasts in [1, 4, 16, 1_000] {
            let world = world();
            let (runtime, drive) = life(&world);
            fill(&world, &runtime, &drive, 0..4);
            world.crash_node(NODE);
            let runtime = start(&world);
            let own = runtime.clone();
            runtime.spawn(async move {
                let drive = open_with(&own, options(Path::new(HOME))).await;
                own.sleep(PATIENCE).await;
                drop(drive);
            });
            step(&world, began);
            world.fail_path(NODE, Path::new(HOME));
            step(&world, lasts);
            world.mend_path(NODE, Path::new(HOME));
            step(&world, 300);
            world.crash_node(NODE);
            let (runtime, drive) = reopen(&world);
            let Ok(drive) = drive else {
                refused += 1;
                continue;
            };
            let lost = missing(&world, &runtime, &drive, 0..4);
            assert_eq!(lost, [0_u64; 0], "silent from event {began} on, for {lasts} events");
            assert_eq!(state_of(&world, &runtime, &drive, "k9").dirty, None);
        }
    }
    assert_eq!(refused, 0, "starts that were refused once the device answered again");
}

fn step(world: &SimWorld, count: u64) {
    let end = world.events() + count;
    while world.events() < end && world.step() {}
}
