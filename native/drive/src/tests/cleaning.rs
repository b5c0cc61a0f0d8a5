//! The cleaner gives space back and loses nothing.

use super::crash::Dice;
use super::harness::*;
use crate::open::Tuning;
use crate::verify::verify;
use crate::{Answer, Drive, Kind, Request};
use futures_util::future::join_all;
use openlake_io::Runtime;
use std::path::Path;
use std::time::Duration;

/// Checkpoints are as rare as the cleaner allows.
const RARE: Tuning = Tuning {
    log_bytes_between_checkpoints: Some(4 << 20),
    ..TINY
};
const EAGER: Tuning = Tuning {
    clean_always: Some(true),
    ..TINY
};

async fn open_tuned(runtime: &Runtime, path: &Path, tuning: Tuning) -> Drive {
    let drive = Drive::open_tuned(runtime, options(path), tuning).await;
    drive.expect("the drive opens")
}

async fn open(runtime: &Runtime, path: &Path) -> Drive {
    open_tuned(runtime, path, RARE).await
}

async fn delete(drive: &Drive, name: &str, ballot: crate::Ballot, id: u64) -> Answer {
    let mut tombstone = record(ballot, id, b"");
    tombstone.kind = Kind::Tombstone;
    let (key, record) = (key(name), tombstone);
    drive.handle(Request::Publish { key, record }).await
}

/// Waits until marks are written and the cleaner has nothing to do.
async fn settle_down(runtime: &Runtime, drive: &Drive) {
    drive.core().cleaner.eager.set(false);
    let mut before = (0, 0);
    loop {
        runtime.sleep(Duration::from_millis(700)).await;
        let status = drive.status();
        let now = (status.records, status.used_bytes);
        if now == before {
            break;
        }
        before = now;
    }
}

/// The segment table, for a test that failed.
pub fn describe(drive: &Drive) -> String {
    let core = drive.core();
    let space = core.space.borrow();
    let row = |(number, segment): (u32, &crate::space::Segment)| {
        let retired = if segment.retired { " retired" } else { "" };
        format!(
            "{number}: #{} {} B in {}{retired}",
            segment.generation, segment.live_bytes, segment.live_records
        )
    };
    let rows: Vec<String> = space.log_segments().map(row).collect();
    let (free, bulk, head) = (space.free_segments(), space.used_granule_bytes(), *core.log.borrow().durable_head());
    format!(
        "{free} free, {bulk} B of bulk, {} runs, log at {head:?}: {rows:?}",
        core.index.borrow().runs().len()
    )
}

/// The drive is what its log says, to the byte.
async fn audit(drive: &Drive) {
    let found = verify(drive.core()).await.expect("a readable drive");
    assert_eq!(found.errors, [""; 0]);
}

#[test]
fn overwriting_for_ever_needs_no_more_space_than_a_little() {
    let (folder, runtime) = (Folder::new("overwriting"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        // Four times the drive's capacity.
        let mut versions = [0; 64];
        for round in 0..40_u64 {
            let puts = (0..64_u64).map(|at| {
                let (drive, id) = (drive.clone(), round * 64 + at + 1);
                async move {
                    let name = format!("key {at:03}");
                    let answer = put(&drive, &name, ballot(now, id), id, &pattern(id, 50_000)).await;
                    assert_eq!(answer, Answer::Ack, "{:?}", drive.status());
                    stable(&drive, &name, ballot(now, id)).await;
                    id
                }
            });
            for (version, id) in versions.iter_mut().zip(join_all(puts).await) {
                *version = id;
            }
        }
        for (at, id) in versions.iter().enumerate() {
            assert!(read_all(&drive, &format!("key {at:03}")).await == Some(pattern(*id, 50_000)));
        }
        settle_down(&runtime, &drive).await;
        audit(&drive).await;
        assert!(drive.status().used_bytes < 12 << 20, "{:?}", drive.status());
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        audit(&drive).await;
        for (at, id) in versions.iter().enumerate() {
            assert!(read_all(&drive, &format!("key {at:03}")).await == Some(pattern(*id, 50_000)));
        }
    });
}

#[test]
fn a_full_drive_takes_data_again_after_deletes() {
    let (folder, runtime) = (Folder::new("full-again"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        for round in 0..3_u64 {
            let mut held = 0;
            loop {
                let id = round * 10_000 + held;
                match put(&drive, &format!("k{held}"), ballot(now, id * 2), id, &pattern(id, 60_000)).await {
                    Answer::Ack => stable(&drive, &format!("k{held}"), ballot(now, id * 2)).await,
                    other => break assert_eq!(other, Answer::Full),
                }
                held += 1;
            }
            assert!(held > 350, "round {round}: {held} of about 450 fit");
            for at in 0..held {
                let id = round * 10_000 + at;
                let name = format!("k{at}");
                assert!(read_all(&drive, &name).await == Some(pattern(id, 60_000)), "{name}");
                assert_eq!(delete(&drive, &name, ballot(now, id * 2 + 1), 900_000 + id).await, Answer::Ack);
                stable(&drive, &name, ballot(now, id * 2 + 1)).await;
            }
            settle_down(&runtime, &drive).await;
            audit(&drive).await;
        }
    });
}

#[test]
fn lone_records_are_packed_when_nobody_writes() {
    let (folder, runtime) = (Folder::new("packing"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        for id in 0..2000 {
            let name = format!("k{id}");
            assert_eq!(put(&drive, &name, ballot(now, id), id, &pattern(id, 1000)).await, Answer::Ack);
            stable(&drive, &name, ballot(now, id)).await;
        }
        settle_down(&runtime, &drive).await;
        // In pages of their own they would take 8 MiB; the segment in use and those ahead of it come on top.
        let status = describe(&drive);
        let used = drive.core().space.borrow().log_bytes();
        assert!(used < 2000 * (1000 * 13 / 10 + 200) + 5 * (256 << 10), "{used} {status}");
        audit(&drive).await;
        for id in 0..2000 {
            assert!(read_all(&drive, &format!("k{id}")).await == Some(pattern(id, 1000)));
        }
    });
}

#[test]
fn cleaning_all_the_time_loses_nothing() {
    let (folder, runtime) = (Folder::new("always"), runtime());
    let seed = std::env::var("OPENLAKE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    eprintln!("seed {seed}");
    runtime.run(async {
        let dice = Dice::new(seed);
        let now = runtime.wall_ms();
        let mut held = vec![0_u64; 200];
        let (mut counter, mut moved) = (0, 0);
        for life in 0..4 {
            let drive = open_tuned(&runtime, folder.path(), EAGER).await;
            for _ in 0..1500 {
                counter += 1;
                let at = dice.below(held.len() as u64) as usize;
                let name = format!("k{at}");
                let expected = (held[at] != 0).then(|| pattern(held[at], 3000));
                match dice.below(4) {
                    0 => {
                        assert_eq!(delete(&drive, &name, ballot(now, counter), counter).await, Answer::Ack);
                        stable(&drive, &name, ballot(now, counter)).await;
                        held[at] = 0;
                    }
                    1 => assert!(read_all(&drive, &name).await == expected, "life {life} {name}"),
                    _ => {
                        let answer = put(&drive, &name, ballot(now, counter), counter, &pattern(counter, 3000)).await;
                        assert_eq!(answer, Answer::Ack, "{}", describe(&drive));
                        stable(&drive, &name, ballot(now, counter)).await;
                        held[at] = counter;
                    }
                }
            }
            settle_down(&runtime, &drive).await;
            audit(&drive).await;
            moved += drive.core().cleaner.moved_records.get();
        }
        // How much depends on how busy this machine is.
        assert!(moved > 0, "the cleaner did nothing");
    });
}

#[test]
fn a_collected_tombstone_leaves_nothing_behind() {
    let (folder, runtime) = (Folder::new("collect"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        let drop_key = async |drive: &Drive, name: &str, at: u64| {
            let (key, ballot) = (key(name), ballot(now, at));
            drive.handle(Request::Drop { key, ballot }).await
        };
        assert_eq!(put(&drive, "k", ballot(now, 1), 1, &pattern(1, 3000)).await, Answer::Ack);
        stable(&drive, "k", ballot(now, 1)).await;
        assert!(matches!(drop_key(&drive, "k", 1).await, Answer::Refuse { .. }), "no tombstone");
        assert_eq!(delete(&drive, "k", ballot(now, 2), 2).await, Answer::Ack);
        assert!(
            matches!(drop_key(&drive, "k", 2).await, Answer::Refuse { .. }),
            "not known complete"
        );
        stable(&drive, "k", ballot(now, 2)).await;
        assert_eq!(put(&drive, "other", ballot(now, 9), 9, &pattern(9, 3000)).await, Answer::Ack);
        stable(&drive, "other", ballot(now, 9)).await;
        // Every start opens another segment; in the same one the mark would lie behind all that it must outlive.
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        stable(&drive, "k", ballot(now, 2)).await;
        assert_eq!(drop_key(&drive, "k", 2).await, Answer::Ack);
        assert_eq!(drop_key(&drive, "k", 2).await, Answer::Ack, "again");
        let gone = async |drive: &Drive| {
            let state = heads(drive, "k").await;
            assert_eq!((state.records.len(), state.stable), (0, None));
            assert!(state.floor > ballot(now, 2), "what still travels is refused");
            assert!(matches!(put(drive, "k", ballot(now, 1), 1, b"x").await, Answer::Refuse { .. }));
        };
        assert_eq!(heads(&drive, "k").await.records.len(), 0);
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(heads(&drive, "k").await.records.len(), 0);
        runtime.sleep(Duration::from_millis(300)).await;
        // The log still has the old version: a trace keeps a rebuild from finding it.
        assert_eq!(drive.core().cleaner.traces.borrow().len(), 1);
        audit(&drive).await;
        // Until it is written over and over.
        for id in 100..2000_u64 {
            assert_eq!(put(&drive, "other", ballot(now, id), id, &pattern(id, 10_000)).await, Answer::Ack);
            stable(&drive, "other", ballot(now, id)).await;
        }
        settle_down(&runtime, &drive).await;
        assert_eq!(drive.core().cleaner.traces.borrow().len(), 0);
        audit(&drive).await;
        gone(&drive).await;
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        gone(&drive).await;
        audit(&drive).await;
    });
}

#[test]
fn a_segment_that_is_read_is_not_used_again() {
    let (folder, runtime) = (Folder::new("lease"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        assert_eq!(put(&drive, "k", ballot(now, 1), 1, &pattern(1, 9000)).await, Answer::Ack);
        let core = drive.core().clone();
        let entry = core
            .index
            .borrow()
            .get(&key("k"))
            .and_then(|row| row.newest().cloned())
            .expect("the version");
        let place = entry.place().expect("a place");
        let lease = core.leases.take(place.segment());
        let generation = core.space.borrow().generation(place.segment());
        let overwrite = async |from: u64| {
            for id in from..from + 1500 {
                assert_eq!(put(&drive, "k", ballot(now, id), id, &pattern(id, 9000)).await, Answer::Ack);
                stable(&drive, "k", ballot(now, id)).await;
            }
            settle_down(&runtime, &drive).await;
        };
        overwrite(2).await;
        assert_eq!(core.space.borrow().generation(place.segment()), generation);
        assert!(core.read_tail(&entry).await.is_some(), "its bytes are still there");
        drop(lease);
        overwrite(2000).await;
        assert_ne!(core.space.borrow().generation(place.segment()), generation);
    });
}

/// What an object of 1 KiB takes on a drive. `OPENLAKE_OBJECTS` is how many; the promise is 1.3 times its bytes and 200.
#[test]
fn small_objects_take_little_more_than_their_bytes() {
    let objects = std::env::var("OPENLAKE_OBJECTS").ok().and_then(|text| text.parse().ok());
    let objects: u64 = objects.unwrap_or(5000);
    for in_flight in [64, 1] {
        let (folder, runtime) = (Folder::new("small"), runtime());
        runtime.run(async {
            let mut options = options(folder.path());
            (options.capacity_bytes, options.index_bytes) = (Some(2 << 30), 64 << 20);
            let tuning = Tuning {
                segment_bytes: Some(1 << 20),
                ..Tuning::default()
            };
            let drive = Drive::open_tuned(&runtime, options, tuning).await.expect("the drive opens");
            let now = runtime.wall_ms();
            for round in 0..objects / in_flight {
                let puts = (0..in_flight).map(|at| {
                    let (drive, id) = (drive.clone(), round * in_flight + at);
                    async move {
                        let name = format!("object {id:09}");
                        assert_eq!(put(&drive, &name, ballot(now, id), id, &pattern(id, 1024)).await, Answer::Ack);
                        stable(&drive, &name, ballot(now, id)).await;
                    }
                });
                join_all(puts).await;
            }
            let of_each = |drive: &Drive| {
                let space = drive.core().space.borrow();
                // Those ahead of the log are taken by nothing yet.
                let used = space.log_segments().filter(|(_, segment)| segment.generation > 0).count() as u64;
                (used * (1 << 20) + space.used_granule_bytes()) / objects
            };
            let before = of_each(&drive);
            settle_down(&runtime, &drive).await;
            drive.core().checkpoint().await.expect("a checkpoint");
            settle_down(&runtime, &drive).await;
            let after = of_each(&drive);
            eprintln!("{objects} objects of 1 KiB, {in_flight} in flight: {before} bytes of the drive each, {after} after packing");
            // A few segments more or less are much for few objects.
            assert!(after < 1024 * 13 / 10 + 200 + (8 << 20) / objects, "{after}");
        });
    }
}
