//! Memory: whatever is asked of a drive, and however slow its device, what it holds stays within its budget.

use super::harness::*;
use crate::open::Tuning;
use crate::{Answer, Drive, DriveMemory, Kind, Request, Want};
use openlake_io::{Runtime, SimOptions, SimWorld};
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

const INDEX_BYTES: u64 = 1 << 20;
const WRITERS: u64 = 96;
const KEYS_EACH: u64 = 120;
/// A row with its key, at most; each writer may have one decided that nobody has weighed before.
const ROW_BYTES: u64 = 2048;

/// A disk that takes milliseconds for everything.
fn slow_disk() -> SimOptions {
    SimOptions {
        disk_delay: (Duration::from_millis(5), Duration::from_millis(40)),
        flush_delay: (Duration::from_millis(5), Duration::from_millis(20)),
        ..SimOptions::default()
    }
}

fn world(seed: u64, options: SimOptions) -> (SimWorld, Runtime) {
    let world = SimWorld::new(seed, options);
    let runtime = world.start_node(1, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    runtime.create_directory(Path::new("/data")).expect("a directory");
    (world, runtime)
}

async fn open_small(runtime: &Runtime) -> Drive {
    let mut options = options(Path::new("/data"));
    (options.index_bytes, options.capacity_bytes) = (INDEX_BYTES, Some(256 << 20));
    let tuning = Tuning {
        segment_bytes: Some(1 << 20),
        ..Tuning::default()
    };
    Drive::open_tuned(runtime, options, tuning).await.expect("the drive opens")
}

/// The most that each part ever took, looked at every millisecond.
fn watch(runtime: &Runtime, drive: &Drive) -> Rc<RefCell<DriveMemory>> {
    let most = Rc::new(RefCell::new(DriveMemory::default()));
    let (seen, runtime, drive) = (most.clone(), runtime.clone(), drive.clone());
    runtime.clone().spawn(async move {
        loop {
            let now = drive.status().memory;
            {
                let mut most = seen.borrow_mut();
                most.unwritten = most.unwritten.max(now.unwritten);
                most.rows = most.rows.max(now.index_used());
                most.log = most.log.max(now.log);
                most.backlog = most.backlog.max(now.backlog);
            }
            runtime.sleep(Duration::from_millis(1)).await;
        }
    });
    most
}

/// Keys that nobody wrote before, by many writers at once; how many were acknowledged.
async fn flood(runtime: Runtime, drive: Drive, settle: bool) -> u64 {
    let told = Rc::new(Cell::new(0));
    let writers = (0..WRITERS).map(|writer| {
        let (runtime, drive, told) = (runtime.clone(), drive.clone(), told.clone());
        async move {
            for number in 0..KEYS_EACH {
                let (name, id) = (format!("flood/{writer}/{number}"), writer * KEYS_EACH + number + 1);
                let near = ballot(runtime.wall_ms(), id);
                assert_eq!(put(&drive, &name, near, id, &pattern(id, 100)).await, Answer::Ack, "{name}");
                if settle {
                    stable(&drive, &name, near).await;
                }
                told.set(told.get() + 1);
            }
        }
    });
    futures_util::future::join_all(writers).await;
    told.get()
}

#[test]
fn a_flood_of_new_keys_on_a_slow_disk_waits_and_stays_within_its_memory() {
    for seed in 0..3 {
        eprintln!("seed {seed}");
        let (world, runtime) = world(seed, slow_disk());
        let (own, hour) = (runtime.clone(), Duration::from_secs(3600));
        let drive = world.run(&runtime, async move { open_small(&own).await }, hour);
        let most = watch(&runtime, &drive);
        let flooded = world.run(&runtime, flood(runtime.clone(), drive.clone(), true), hour);
        assert_eq!(flooded, WRITERS * KEYS_EACH);
        let (most, status) = (*most.borrow(), drive.status());
        eprintln!("{most:?}, {} waits", status.memory_waits);
        assert!(status.memory_waits > 0, "nobody waited");
        let in_flight = WRITERS * ROW_BYTES;
        assert!(most.unwritten <= INDEX_BYTES / 2 + in_flight, "{} bytes unwritten", most.unwritten);
        assert!(most.rows <= INDEX_BYTES + in_flight, "the index took {} bytes", most.rows);
        let reading = drive.clone();
        let found = async move { read_all(&reading, "flood/7/11").await };
        assert_eq!(world.run(&runtime, found, hour), Some(pattern(7 * KEYS_EACH + 12, 100)));
    }
}

#[test]
fn versions_that_nobody_settles_do_not_fill_the_memory() {
    let (world, runtime) = world(1, SimOptions::default());
    let (own, hour) = (runtime.clone(), Duration::from_secs(3600));
    let drive = world.run(&runtime, async move { open_small(&own).await }, hour);
    let most = watch(&runtime, &drive);
    world.run(&runtime, flood(runtime.clone(), drive.clone(), false), hour);
    let (most, in_flight) = (*most.borrow(), WRITERS * ROW_BYTES);
    assert!(most.rows <= INDEX_BYTES + in_flight, "the index took {} bytes", most.rows);
    assert!(most.backlog <= INDEX_BYTES, "the backlog took {} bytes", most.backlog);
    // All are found, sooner or later, as each is settled.
    let settling = drive.clone();
    let own = runtime.clone();
    let settled = world.run(
        &runtime,
        async move {
            let mut settled = 0;
            for _ in 0..1000 {
                own.sleep(Duration::from_millis(500)).await;
                let found = settling.unsettled(Duration::from_secs(1), 1000);
                for (key, ballot) in found {
                    settled += 1;
                    settling.handle(Request::Stable { key, ballot }).await;
                }
                if settled >= WRITERS * KEYS_EACH {
                    break;
                }
            }
            settled
        },
        hour,
    );
    assert_eq!(settled, WRITERS * KEYS_EACH);
    let asking = drive.clone();
    let state = world.run(
        &runtime,
        async move {
            let (key, want) = (key("flood/3/3"), Want::Heads);
            asking.handle(Request::Read { key, want }).await
        },
        hour,
    );
    assert!(
        matches!(&state, Answer::State { state, .. } if state.stable == state.records.first().map(|head| head.ballot)),
        "{state:?}"
    );
}

/// Tombstones, each collected at once.
async fn collect_many(runtime: Runtime, drive: Drive, count: u64) {
    for first in (0..count).step_by(64) {
        let name = |number: u64| format!("gone/{number}");
        let now_ms = runtime.wall_ms();
        let publishing = (first..first + 64).map(|number| {
            let mut tombstone = record(ballot(now_ms, number), number, b"");
            tombstone.kind = Kind::Tombstone;
            let (key, record) = (key(&name(number)), tombstone);
            drive.handle(Request::Publish { key, record })
        });
        let published = futures_util::future::join_all(publishing).await;
        assert!(published.iter().all(|answer| *answer == Answer::Ack), "{published:?}");
        for number in first..first + 64 {
            stable(&drive, &name(number), ballot(now_ms, number)).await;
        }
        // The first one raises the floor of all keys, and the last one highest.
        for number in (first..first + 64).rev() {
            let (key, ballot) = (key(&name(number)), ballot(now_ms, number));
            // Refused where its mark waits for a checkpoint's freeze.
            while drive.handle(Request::Drop { key: key.clone(), ballot }).await != Answer::Ack {
                runtime.sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

#[test]
fn traces_of_collected_tombstones_do_not_fill_the_memory() {
    let (world, runtime) = world(2, SimOptions::default());
    let (own, hour) = (runtime.clone(), Duration::from_secs(3600));
    let drive = world.run(&runtime, async move { open_small(&own).await }, hour);
    let most = watch(&runtime, &drive);
    world.run(&runtime, collect_many(runtime.clone(), drive.clone(), 9_984), hour);
    let (most, in_flight) = (*most.borrow(), WRITERS * ROW_BYTES);
    assert!(most.rows <= INDEX_BYTES + in_flight, "the index took {} bytes", most.rows);
    assert!(most.backlog <= 2 * INDEX_BYTES, "the backlog took {} bytes", most.backlog);
    assert_eq!(drive.status().keys, 0, "a trace is no key");
    let is_kept = drive.core().index.borrow().has_unsettled_elsewhere() || !drive.core().cleaner.traces.borrow().is_empty();
    assert!(is_kept, "no trace was kept");
    // When the segments that they are kept for are gone, so are they.
    let (core, own) = (drive.core().clone(), runtime.clone());
    let gone = world.run(
        &runtime,
        async move {
            core.cleaner.eager.set(true);
            for number in 0..4000_u64 {
                own.sleep(Duration::from_millis(500)).await;
                // The log goes on, and so do segments and checkpoints.
                if number % 20 == 0 {
                    let near = ballot(own.wall_ms(), 60_000 + number);
                    put(&drive, "on", near, number + 100_000, &pattern(number, 60_000)).await;
                    stable(&drive, "on", near).await;
                }
                if core.cleaner.traces.borrow().is_empty() && !core.index.borrow().has_unsettled_elsewhere() {
                    return true;
                }
            }
            false
        },
        hour,
    );
    assert!(gone, "some traces are kept for ever");
}
