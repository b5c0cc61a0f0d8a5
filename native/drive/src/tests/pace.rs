//! The drive's own work rests while those who wait for the drive suffer from it, and only then.

use super::harness::*;
use crate::open::Tuning;
use crate::{Answer, Drive};
use openlake_io::{Runtime, SimOptions, SimWorld};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

const OBJECTS: u64 = 4_000;
const PAYLOAD: usize = 4096;
/// Records that the cleaner is watched moving.
const MOVES: u64 = 1_000;
const HOUR: Duration = Duration::from_secs(3600);

/// Fills segments that are worth cleaning, faster than they can be cleaned.
async fn fill(runtime: Runtime, drive: Drive) {
    for round in 0..2 {
        let names = (0..OBJECTS).filter(|number| round == 0 || number % 2 == 0);
        let puts = names.map(|number| {
            let (drive, name) = (drive.clone(), format!("o{number}"));
            let (id, near) = (round * OBJECTS + number, ballot(runtime.wall_ms(), number));
            async move {
                assert_eq!(put(&drive, &name, near, id, &pattern(id, PAYLOAD)).await, Answer::Ack);
                stable(&drive, &name, near).await;
            }
        });
        futures_util::future::join_all(puts).await;
    }
}

/// Small writes, over and over.
async fn write_forever(runtime: Runtime, drive: Drive, writer: u64) {
    for number in 0.. {
        let (name, id) = (format!("w{writer}"), 1_000_000 + number * 8 + writer);
        let near = ballot(runtime.wall_ms(), number);
        put(&drive, &name, near, id, b"small").await;
        stable(&drive, &name, near).await;
        runtime.sleep(Duration::from_millis(2)).await;
    }
}

/// Time until the cleaner has moved so many records beside foreground traffic. `contended`: while it works, everything on the device
/// takes much longer. `short`: somebody waits for space.
fn time_to_clean(contended: bool, short: bool) -> Duration {
    let world = SimWorld::new(5, SimOptions::default());
    let runtime = world.start_node(1, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    runtime.create_directory(Path::new("/data")).expect("a directory");
    let own = runtime.clone();
    let opened = async move {
        let mut options = options(Path::new("/data"));
        (options.capacity_bytes, options.index_bytes) = (Some(256 << 20), 64 << 20);
        let tuning = Tuning {
            segment_bytes: Some(1 << 20),
            ..Tuning::default()
        };
        Drive::open_tuned(&own, options, tuning).await.expect("the drive opens")
    };
    let drive = world.run(&runtime, opened, HOUR);
    world.run(&runtime, fill(runtime.clone(), drive.clone()), HOUR);
    for writer in 0..8 {
        runtime.spawn(write_forever(runtime.clone(), drive.clone(), writer));
    }
    let core = drive.core().clone();
    if short {
        core.cleaner.waiting.set(1);
    }
    let (start, moved) = (world.now(), core.cleaner.moved_records.get());
    let done = || {
        let (low, high) = if contended && core.strain.is_working() {
            (Duration::from_millis(2), Duration::from_millis(4))
        } else {
            (Duration::from_micros(20), Duration::from_micros(200))
        };
        world.change_options(|options| options.disk_delay = (low, high));
        core.cleaner.moved_records.get() >= moved + MOVES
    };
    assert!(world.run_until(done, HOUR), "the cleaner came to no end");
    world.now().since(start)
}

#[test]
fn the_cleaner_rests_where_others_suffer_from_it_but_not_where_space_is_short() {
    let (calm, contended) = (time_to_clean(false, false), time_to_clean(true, false));
    let (short, short_and_contended) = (time_to_clean(false, true), time_to_clean(true, true));
    eprintln!("calm {calm:?}, contended {contended:?}, short of space {short:?}, both {short_and_contended:?}");
    assert!(contended > calm * 5, "it did not rest more");
    assert!(short < calm, "it rested though space was short");
    assert!(
        short_and_contended < contended / 5,
        "it rested though space was short and others suffered"
    );
}
