//! Making the index anew from the log: beside the work of other drives, and where memory does not hold all rows.

use super::harness::*;
use crate::open::recovered;
use crate::space::{Extent, Geometry, Space};
use crate::verify::verify;
use crate::{Answer, Ballot, Drive, DriveState, Kind, Request, Shard, Want};
use bytes::Bytes;
use openlake_io::{Runtime, SimOptions, SimWorld};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

const KEYS: u64 = 1200;
/// Rows take at least this much before they are written out, whatever the budget.
const NO_MEMORY: u64 = 0;

/// What the newest version of each key holds; `None`: a tombstone.
type Told = BTreeMap<String, Option<Vec<u8>>>;

/// Versions of many keys over many segments: overwritten ones, tombstones, some of them collected, bulk, and some nobody settled.
async fn fill(runtime: &Runtime, drive: &Drive) -> Told {
    let now = runtime.wall_ms();
    let mut told = Told::new();
    for round in 0..2 {
        let writes = (0..KEYS).map(|number| write(drive, now, round, number));
        let written = futures_util::future::join_all(writes).await;
        told.extend(written.into_iter().flatten());
    }
    for number in (0..KEYS).filter(|number| number % 40 == 3 && !number.is_multiple_of(11)) {
        let name = format!("key {number}");
        let ballot = ballot(now, KEYS + number);
        let dropped = drive.handle(Request::Drop { key: key(&name), ballot }).await;
        assert_eq!(dropped, Answer::Ack);
        told.remove(&name);
    }
    told
}

/// The write of a round, if the key has one in it.
async fn write(drive: &Drive, now: u64, round: u64, number: u64) -> Option<(String, Option<Vec<u8>>)> {
    if round > 0 && !number.is_multiple_of(3) && number % 40 != 3 {
        return None;
    }
    let (name, id) = (format!("key {number}"), round * KEYS + number);
    let at = ballot(now, id);
    let is_tombstone = round > 0 && (number.is_multiple_of(5) || number % 40 == 3);
    let payload = pattern(id, if number % 50 == 7 { 70_000 } else { 200 });
    let mut record = record(at, id, if is_tombstone || payload.len() > 65_536 { b"" } else { &payload });
    if is_tombstone {
        record.kind = Kind::Tombstone;
    } else if payload.len() > 65_536 {
        let stage = Request::Stage {
            key: key(&name),
            write_id: write_id(id),
            block_shift: 14,
            shard_length: payload.len() as u64,
            offset: 0,
            bytes: Bytes::from(payload.clone()),
        };
        assert!(matches!(drive.handle(stage).await, Answer::Staged { .. }));
        let length = payload.len() as u64;
        record.coding.block_shift = 14;
        record.shard = Shard::Staged { length };
        (record.size, record.payload_size) = (length, length);
    }
    let published = drive.handle(Request::Publish { key: key(&name), record }).await;
    assert_eq!(published, Answer::Ack);
    if !number.is_multiple_of(11) {
        stable(drive, &name, at).await;
    }
    Some((name, (!is_tombstone).then_some(payload)))
}

/// No checkpoint is to be trusted from now on, as after a block of the index was found damaged.
async fn order_rebuild(drive: &Drive) {
    drive.core().all_durable().await.expect("a log that works");
    drive.core().index_damaged.set(true);
    drive.core().write_root(false).await.expect("a root");
}

/// Everything that was told is there.
async fn holds_all(drive: &Drive, told: &Told) {
    for (name, payload) in told {
        let state = heads(drive, name).await;
        let newest = state.records.first().unwrap_or_else(|| panic!("{name} is gone"));
        let kind = if payload.is_some() { Kind::Data } else { Kind::Tombstone };
        assert_eq!(newest.kind, kind, "{name}");
        assert!(read_all(drive, name).await == *payload, "{name} has other bytes");
    }
}

/// What a drive says of every key, and what it makes of a ballot below and one above all that was accepted.
async fn answers(runtime: &Runtime, drive: &Drive) -> Vec<Answer> {
    let now = runtime.wall_ms();
    let mut answers = Vec::new();
    for number in 0..KEYS {
        let key = key(&format!("key {number}"));
        let want = Want::Heads;
        answers.push(drive.handle(Request::Read { key: key.clone(), want }).await);
        let below = Ballot {
            clock: 1,
            ..ballot(now, 0)
        };
        answers.push(drive.handle(Request::Prepare { key, ballot: below }).await);
    }
    answers
}

#[test]
fn rows_that_memory_does_not_hold_are_rebuilt_as_those_that_it_does() {
    compare_spilled_with_held(|| ());
}

/// Rebuilds one log with hardly any memory and with plenty. `before_rebuilds`: plants a bug, if any.
pub fn compare_spilled_with_held(before_rebuilds: impl Fn()) {
    let (folder, runtime) = (Folder::new("spill"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let told = fill(&runtime, &drive).await;
        order_rebuild(&drive).await;
        drop(drive);
        before_rebuilds();
        let mut all = Vec::new();
        for index_bytes in [NO_MEMORY, 64 << 20] {
            let mut options = options(folder.path());
            options.index_bytes = index_bytes;
            let (core, found, _) = recovered(&runtime, &options, TINY).await.expect("a recoverable drive");
            assert!(found.rebuilt && found.log.damage.is_empty(), "{:?}", found.log.damage);
            let runs = core.index.borrow().runs().len();
            assert_eq!(runs > 1, index_bytes == NO_MEMORY, "{runs} runs with {index_bytes} bytes of memory");
            let verified = verify(&core).await.expect("a readable drive");
            assert_eq!(verified.errors, [""; 0]);
            drop(core);
            // Served as well: with little memory in a copy, as a start changes the drive.
            let copy = Folder::new("spilled");
            for file in std::fs::read_dir(folder.path()).expect("the drive's files") {
                let file = file.expect("a file of the drive");
                std::fs::copy(file.path(), copy.path().join(file.file_name())).expect("a copy");
            }
            options.path = copy.path().to_owned();
            let drive = open_with(&runtime, options).await.expect("the drive opens");
            holds_all(&drive, &told).await;
            all.push(answers(&runtime, &drive).await);
            drop(drive);
            audit_at_rest(&runtime, copy.path()).await;
        }
        let differs = all[0].iter().zip(&all[1]).find(|(spilled, held)| spilled != held);
        assert_eq!(differs, None);
    });
}

/// A dead record and the living one that has its space now are both in the log; in between, runs are written beside what either claims.
#[test]
fn all_that_a_living_record_claims_is_reserved_though_a_dead_one_claims_a_part() {
    let geometry = Geometry::for_capacity(4 << 20, Some(256 << 10)).expect("sixteen segments");
    let mut space = Space::new(geometry, 16);
    let (dead, living) = (extent(0, 4), extent(2, 8));
    space.reserve_extent(dead);
    space.reserve_extent(living);
    assert_eq!(space.used_granule_bytes(), 10 * u64::from(geometry.granule_bytes));
    assert!((0..10).all(|granule| !space.claim_extent(extent(granule, 1))));
    assert!(space.claim_extent(extent(10, 1)));
}

fn extent(first: u16, granules: u32) -> Extent {
    Extent {
        segment: 3,
        first,
        granules,
    }
}

/// A world whose machine has two drives with data; the first must rebuild its index.
fn two_drives(seed: u64) -> (SimWorld, Told) {
    let world = SimWorld::new(seed, SimOptions::default());
    let runtime = world.start_node(1, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    let filling = runtime.clone();
    let told = world.run(
        &runtime,
        async move {
            for name in ["/first", "/second"] {
                filling.create_directory(Path::new(name)).expect("a directory");
            }
            filling.sync_directory(Path::new("/")).expect("a durable directory");
            let first = open(&filling, Path::new("/first")).await;
            let told = fill(&filling, &first).await;
            order_rebuild(&first).await;
            let second = open(&filling, Path::new("/second")).await;
            let at = ballot(filling.wall_ms(), 1);
            assert_eq!(put(&second, "other", at, 1, b"bytes").await, Answer::Ack);
            second.close().await;
            told
        },
        Duration::from_secs(600),
    );
    world.crash_node(1);
    (world, told)
}

#[test]
fn a_drive_that_rebuilds_its_index_holds_up_no_other_and_joins_when_it_is_done() {
    let (world, told) = two_drives(1);
    let long = Duration::from_secs(24 * 3600);
    // A slow disk: the rebuild is still under way when the drive is given out; then it hangs.
    let slow = |delay| world.change_options(|options| (options.read_stall_chance, options.read_stall) = (1.0, delay));
    slow(Duration::from_secs(1));
    let runtime = world.start_node(1, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    let opening = runtime.clone();
    let opened = async move { Drive::open_early_tuned(&opening, options(Path::new("/first")), TINY).await };
    let first = world.run(&runtime, opened, long).expect("the drive is found");
    world.stall_path(1, Path::new("/first"));
    slow(Duration::ZERO);
    let boot = first.boot();
    let begun = first.status().rebuild.expect("a rebuild under way");
    assert!(begun.segments > 4 && begun.read_segments < begun.segments, "{begun:?}");
    let (opening, asked) = (runtime.clone(), first.clone());
    let meanwhile = async move {
        let first = asked;
        assert!(
            matches!(first.status().state, DriveState::Rebuilding(_)),
            "{:?}",
            first.status().state
        );
        assert_eq!(first.identity().generation, 1);
        // Whatever it is asked, it gives no answer that counts.
        let (asked, at) = (key("key 1"), ballot(opening.wall_ms(), 1 << 40));
        let requests = [
            Request::Read {
                key: asked.clone(),
                want: Want::Heads,
            },
            Request::Prepare {
                key: asked.clone(),
                ballot: at,
            },
            Request::Publish {
                key: asked.clone(),
                record: record(at, 1, b"bytes"),
            },
            Request::Barrier { floor: Ballot::ZERO },
        ];
        for request in requests {
            let answer = first.handle(request).await;
            assert!(matches!(&answer, Answer::Failed(text) if text.contains("rebuilt")), "{answer:?}");
        }
        // Meanwhile another drive of the same core opens, takes writes and closes.
        let second = open(&opening, Path::new("/second")).await;
        let at = ballot(opening.wall_ms(), 2);
        assert_eq!(put(&second, "other", at, 2, b"other bytes").await, Answer::Ack);
        assert_eq!(read_all(&second, "other").await, Some(b"other bytes".to_vec()));
        second.close().await;
    };
    world.run(&runtime, meanwhile, long);
    world.run_for(Duration::from_secs(3600));
    assert_eq!(first.status().rebuild.map(|rebuild| rebuild.segments), Some(begun.segments));
    world.release_path(1, Path::new("/first"));
    let opening = runtime.clone();
    let joined = async move {
        first.serving().await.expect("the drive serves");
        assert!(first.boot() >= boot && first.status().rebuild.is_none());
        assert!(matches!(first.status().state, DriveState::Suspect(text) if text.contains("rebuilt")));
        holds_all(&first, &told).await;
        first.close().await;
        drop(first);
        audit_at_rest(&opening, Path::new("/first")).await;
        let again = open(&opening, Path::new("/first")).await;
        assert!(again.boot() > boot, "boot {} after {boot}", again.boot());
        assert_eq!(again.status().state, DriveState::Healthy);
    };
    world.run(&runtime, joined, long);
}

#[test]
fn a_rebuild_that_is_ended_leaves_the_drive_as_it_was() {
    for seed in 0..20 {
        let (world, told) = two_drives(seed);
        let runtime = world.start_node(1, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        let opening = runtime.clone();
        let look = async move {
            let first = Drive::open_early_tuned(&opening, options(Path::new("/first")), TINY);
            let first = first.await.expect("the drive is found");
            opening.sleep(Duration::from_micros(seed * 700)).await;
            first.close().await;
            let answer = first.handle(Request::Barrier { floor: Ballot::ZERO }).await;
            assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
            // Closed means that nothing touches it any more: it can be opened at once.
            drop(first);
            audit_at_rest(&opening, Path::new("/first")).await;
            let again = open(&opening, Path::new("/first")).await;
            holds_all(&again, &told).await;
        };
        eprintln!("seed {seed}");
        world.run(&runtime, look, Duration::from_secs(3600));
    }
}
