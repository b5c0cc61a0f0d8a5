//! The cleaner comes to rest: where nobody writes it stops as soon as it gains nothing any more.

use super::cleaning::describe;
use super::harness::*;
use crate::open::Tuning;
use crate::verify::verify;
use crate::{Answer, Drive, DriveOptions};
use futures_util::future::join_all;
use openlake_io::{Runtime, SimOptions, SimWorld};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

/// What the drive of a test is like.
struct Plan {
    segment_bytes: u32,
    capacity_bytes: u64,
    index_bytes: u64,
    world: SimOptions,
}

/// Runs `test` on a new drive of a simulated world.
fn on_a_drive<F: Future<Output = ()> + 'static>(plan: Plan, test: impl FnOnce(Runtime, Drive) -> F + 'static) {
    let world = SimWorld::new(1, plan.world);
    let runtime = world.start_node(1, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    runtime.create_directory(Path::new("/data")).expect("a directory");
    let options = DriveOptions {
        capacity_bytes: Some(plan.capacity_bytes),
        index_bytes: plan.index_bytes,
        ..options(Path::new("/data"))
    };
    let tuning = Tuning {
        segment_bytes: Some(plan.segment_bytes),
        log_bytes_between_checkpoints: None,
        ..TINY
    };
    let opening = runtime.clone();
    let all = async move {
        let drive = Drive::open_tuned(&opening, options, tuning).await.expect("the drive opens");
        test(opening, drive.clone()).await;
        assert_eq!(verify(drive.core()).await.expect("a readable drive").errors, [""; 0]);
    };
    world.run(&runtime, all, Duration::from_secs(10_000));
}

/// Waits until nothing is moved any more; how many bytes were until then.
async fn rest(runtime: &Runtime, drive: &Drive) -> u64 {
    let moved = || drive.core().cleaner.moved_bytes.get();
    for _ in 0..12 {
        let before = moved();
        runtime.sleep(Duration::from_secs(10)).await;
        if moved() == before {
            return before;
        }
    }
    panic!("{} bytes were moved in two minutes, and no end: {}", moved(), describe(drive));
}

/// Writes keys by number, all at once.
async fn write(drive: &Drive, now: u64, keys: std::ops::Range<u64>, round: u64, bytes: usize) {
    let puts = keys.map(|at| async move {
        let (name, id) = (format!("key {at:05}"), round * 100_000 + at + 1);
        let answer = put(drive, &name, ballot(now, id), id, &pattern(id, bytes)).await;
        assert_eq!(answer, Answer::Ack, "{:?}", drive.status());
        stable(drive, &name, ballot(now, id)).await;
    });
    join_all(puts).await;
}

#[test]
fn records_of_which_few_fit_into_a_segment_are_not_moved_for_ever() {
    // Of the smaller ones five fit into a segment in pairs and four one by one, of the larger ones always three: 75 % of it.
    for bytes in [50_000, 64 << 10] {
        let plan = Plan {
            segment_bytes: 256 << 10,
            capacity_bytes: 32 << 20,
            index_bytes: 8 << 20,
            world: SimOptions::default(),
        };
        on_a_drive(plan, move |runtime, drive| async move {
            let now = runtime.wall_ms();
            for round in 0..20 {
                write(&drive, now, 0..64, round, bytes).await;
            }
            rest(&runtime, &drive).await;
        });
    }
}

#[test]
fn lone_records_are_packed_once_though_their_rows_are_not_in_memory() {
    let plan = Plan {
        segment_bytes: 4 << 20,
        capacity_bytes: 256 << 20,
        index_bytes: 64 << 10,
        // A device whose buffer survives a loss of power: what is written is durable long before a row can be read.
        world: SimOptions {
            disk_delay: (Duration::from_micros(10), Duration::from_micros(20)),
            flush_delay: (Duration::from_micros(1), Duration::from_micros(2)),
            read_stall_chance: 1.0,
            read_stall: Duration::from_micros(100),
            ..SimOptions::default()
        },
    };
    on_a_drive(plan, |runtime, drive| async move {
        let now = runtime.wall_ms();
        for at in 0..10_000 {
            write(&drive, now, at..at + 1, 0, 600).await;
        }
        let moved = rest(&runtime, &drive).await;
        // Copies that take a page each, as the records did, would be moved for ever.
        assert!(moved < 10_000 * 1_000, "{moved} bytes were moved: {}", describe(&drive));
    });
}
