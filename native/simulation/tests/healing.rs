//! Healing on a quiet cluster, step by step: a replaced drive, a fill that is interrupted, hints, rot, tombstones.

use bytes::Bytes;
use openlake_drive::{Answer, Key, Request, Space, Want};
use openlake_io::SimOptions;
use openlake_object::{BucketView, Condition, HealOptions, PutTarget, Store};
use openlake_peer::SlotId;
use openlake_simulation::cluster::Cluster;
use openlake_simulation::history::History;
use openlake_simulation::node::usual_healing;
use openlake_simulation::plan::Shape;
use openlake_simulation::random::Random;
use openlake_simulation::value::{ValueBody, content};
use std::time::Duration;

const FOUR: Shape = Shape {
    data: 2,
    parity: 2,
    nodes: 4,
    sets: 1,
};
const LIMIT: Duration = Duration::from_secs(60);
/// Small ones, and one that travels in several stripes.
const SIZES: [u64; 5] = [0, 100, 5_000, 90_000, 1_000_000];

fn key(number: usize) -> Bytes {
    Bytes::from(format!("key-{number:04}"))
}

/// A cluster that serves, with a bucket and `count` objects, of at most `largest` bytes.
fn filled(count: usize, largest: u64, healing: HealOptions) -> (Cluster, BucketView) {
    filled_of(FOUR, count, largest, healing)
}

fn filled_of(shape: Shape, count: usize, largest: u64, healing: HealOptions) -> (Cluster, BucketView) {
    let mut cluster = Cluster::new(7, (shape, 1), SimOptions::default(), History::default());
    cluster.set_healing(healing);
    cluster.start_all();
    assert!(cluster.wait_until_serving(LIMIT), "{:?}", cluster.joining());
    cluster.end_bootstrap();
    let store = store(&cluster, 0);
    let runtime = cluster.serving(0).expect("node 0 serves").runtime;
    let bucket = cluster.run_on(&runtime, LIMIT, async move {
        let bucket = store.create_bucket("b").await.expect("a bucket");
        for number in 0..count {
            put(&store, bucket, number, largest).await;
        }
        bucket
    });
    (cluster, bucket.expect("the objects are written in time"))
}

fn store(cluster: &Cluster, node: usize) -> Store {
    cluster.serving(node).expect("the node serves").store
}

async fn put(store: &Store, bucket: BucketView, number: usize, largest: u64) {
    let size = SIZES[number % SIZES.len()].min(largest);
    let mut body = ValueBody::new(number as u64, size, 65_536);
    let target = PutTarget {
        bucket,
        key: key(number),
        condition: Condition::None,
    };
    store.put(target, &mut body).await.expect("an object is stored");
}

/// Reads all objects on a node; true when every byte is right.
fn reads_all(cluster: &mut Cluster, node: usize, bucket: BucketView, count: usize) -> bool {
    let store = store(cluster, node);
    let runtime = cluster.serving(node).expect("the node serves").runtime;
    let read = cluster.run_on(&runtime, LIMIT * 10, async move {
        for number in 0..count {
            let (info, _, _, mut body) = store.get(bucket, &key(number), None).await.expect("an object is found");
            let mut bytes = Vec::new();
            while let Some(piece) = body.next().await {
                bytes.extend_from_slice(&piece.expect("a piece"));
            }
            if bytes != content(number as u64, 0, info.size as usize) {
                return false;
            }
        }
        true
    });
    read == Some(true)
}

fn wait_filled(cluster: &mut Cluster, node: usize) {
    for _ in 0..600 {
        if cluster.is_filled(node) {
            // Status follows the drive with the next look.
            return cluster.run_for(Duration::from_secs(1));
        }
        cluster.run_for(Duration::from_millis(100));
    }
    panic!("node {node} is not filled: {}", cluster.healing(node));
}

#[test]
fn a_replaced_drive_is_filled_and_two_others_may_then_be_lost() {
    let quiet = HealOptions {
        compare_every: Duration::from_secs(100_000),
        ..usual_healing()
    };
    let (mut cluster, bucket) = filled(40, u64::MAX, quiet);
    cluster.wipe(2);
    cluster.start(2);
    assert!(cluster.wait_until_serving(LIMIT));
    wait_filled(&mut cluster, 2);
    let status = store(&cluster, 2).heal_status();
    let status = status.values().next().expect("a drive has a status");
    assert!(status.objects >= 40 && status.bytes > 4_000_000, "{status:?}");
    assert_eq!((status.state(), status.shards_all), ("whole", 4), "{status:?}");
    let identity = cluster.serving(2).expect("node 2 serves").drives[0].identity();
    assert_eq!(identity.generation, 2);
    // Only with its shards can these be read.
    cluster.cut_power(0);
    cluster.cut_power(1);
    assert!(reads_all(&mut cluster, 2, bucket, 40));
}

#[test]
fn a_large_shard_is_rebuilt_with_one_request_to_each_source_for_several_stripes() {
    let quiet = HealOptions {
        compare_every: Duration::from_secs(100_000),
        ..usual_healing()
    };
    let (mut cluster, bucket) = filled(0, 0, quiet);
    let serving = cluster.serving(0).expect("node 0 serves");
    let (runtime, store) = (serving.runtime, serving.store);
    const BYTES: u64 = 16 << 20;
    let stored = cluster.run_on(&runtime, LIMIT, async move {
        let target = PutTarget {
            bucket,
            key: key(0),
            condition: Condition::None,
        };
        store.put(target, &mut ValueBody::new(0, BYTES, 65_536)).await.map(drop)
    });
    assert_eq!(stored, Some(Ok(())));
    cluster.run_for(Duration::from_secs(5));
    let asked = |cluster: &Cluster| -> u64 {
        let sources = [0, 1, 3].into_iter().flat_map(|node| cluster.open_drives(node));
        sources.map(|drive| drive.requests()).sum()
    };
    let before = asked(&cluster);
    cluster.wipe(2);
    cluster.start(2);
    assert!(cluster.wait_until_serving(LIMIT));
    wait_filled(&mut cluster, 2);
    let requests = asked(&cluster) - before;
    // Beside those for the bytes there are some that find out what there is.
    let blocks = BYTES / (128 << 10);
    assert!(requests < blocks * 3 / 4, "{requests} requests for {blocks} blocks");
    cluster.cut_power(0);
    cluster.cut_power(1);
    assert!(reads_all(&mut cluster, 2, bucket, 1));
}

#[test]
fn a_fill_goes_on_where_it_was_interrupted() {
    let (mut cluster, bucket) = filled(1_500, 100, usual_healing());
    cluster.wipe(1);
    cluster.start(1);
    assert!(cluster.wait_until_serving(LIMIT));
    let mut interrupted = false;
    for _ in 0..8_000 {
        cluster.run_for(Duration::from_millis(2));
        let progress = cluster.serving(1).map(|serving| serving.drives[0].heal_progress());
        if progress.is_some_and(|progress| progress.dirty.is_some() && progress.healed.is_some_and(|healed| !healed.name.is_empty())) {
            interrupted = true;
            break;
        }
    }
    assert!(interrupted, "the drive was filled at once");
    cluster.cut_power(1);
    cluster.start(1);
    assert!(cluster.wait_until_serving(LIMIT));
    wait_filled(&mut cluster, 1);
    let status = store(&cluster, 1).heal_status();
    let healed = status.values().next().map_or(0, |status| status.objects);
    assert!(healed < 1_100, "{healed} objects were filled again after the restart");
    assert!(reads_all(&mut cluster, 1, bucket, 1_500));
}

#[test]
fn a_node_that_was_away_is_told_what_it_missed() {
    let quiet = HealOptions {
        compare_every: Duration::from_secs(100_000),
        ..usual_healing()
    };
    let (mut cluster, bucket) = filled(5, u64::MAX, quiet);
    let connect = |cluster: &mut Cluster, connected: bool| {
        for other in [0, 1, 2] {
            cluster.set_connected(3, other, connected);
            cluster.set_connected(other, 3, connected);
        }
    };
    connect(&mut cluster, false);
    let (store, runtime) = (store(&cluster, 0), cluster.serving(0).expect("node 0 serves").runtime);
    let written = cluster.run_on(&runtime, LIMIT * 4, async move {
        for number in 5..25 {
            put(&store, bucket, number, u64::MAX).await;
        }
    });
    assert!(written.is_some());
    connect(&mut cluster, true);
    cluster.run_for(Duration::from_secs(30));
    let serving = cluster.serving(3).expect("node 3 serves");
    let drive = serving.drives[0].clone();
    let lacking = cluster.run_on(&serving.runtime, LIMIT, async move {
        let mut lacking = Vec::new();
        for number in 0..25 {
            let key = Key {
                bucket: bucket.id,
                space: Space::Object,
                name: key(number),
            };
            let want = Want::Heads;
            let Answer::State { state, .. } = drive.handle(Request::Read { key, want }).await else {
                panic!("no state")
            };
            if state.stable.is_none() {
                lacking.push(number);
            }
        }
        lacking
    });
    assert_eq!(lacking, Some(Vec::new()));
}

#[test]
fn rotten_blocks_are_found_by_the_scrub_and_written_anew() {
    let (mut cluster, bucket) = filled(40, u64::MAX, usual_healing());
    // In order: what rots then is not the end of a log.
    cluster.restart(0);
    assert!(cluster.wait_until_serving(LIMIT));
    cluster.rot(0, 12, &mut Random::new(3));
    cluster.restart(0);
    assert!(cluster.wait_until_serving(LIMIT));
    cluster.run_for(Duration::from_secs(20));
    if cluster.lacks_drives(0) {
        cluster.wipe(0);
        cluster.start(0);
        assert!(cluster.wait_until_serving(LIMIT));
    }
    wait_filled(&mut cluster, 0);
    cluster.run_for(Duration::from_secs(20));
    cluster.cut_power(2);
    cluster.cut_power(3);
    assert!(reads_all(&mut cluster, 0, bucket, 40));
}

#[test]
fn a_damaged_drive_without_others_in_its_set_waits_for_nobody() {
    let lone = Shape {
        data: 1,
        parity: 0,
        nodes: 1,
        sets: 1,
    };
    let is_dirty = |cluster: &Cluster| cluster.open_drives(0).iter().any(|drive| drive.heal_progress().dirty.is_some());
    let damaged = (0..20).find_map(|seed| {
        let (mut cluster, bucket) = filled_of(lone, 40, 5_000, usual_healing());
        cluster.kill(0);
        cluster.rot(0, 8, &mut Random::new(seed));
        cluster.start(0);
        for _ in 0..500 {
            cluster.run_for(Duration::from_millis(10));
            if is_dirty(&cluster) {
                return Some((cluster, bucket));
            }
        }
        None
    });
    let (mut cluster, bucket) = damaged.expect("some of the damages leave a drive that knows of a gap");
    // Until it is clean it tells no list, and its node cannot learn the buckets.
    assert!(cluster.wait_until_serving(LIMIT), "{:?}", cluster.joining());
    wait_filled(&mut cluster, 0);
    assert!(rows_of(&mut cluster, bucket, 0).is_some_and(|rows| rows > 0));
}

#[test]
fn tombstones_go_when_all_slots_have_them_and_not_before() {
    let hasty = HealOptions {
        grace: Duration::from_secs(20),
        collect_every: Duration::from_secs(5),
        ..usual_healing()
    };
    let (mut cluster, bucket) = filled(10, 5_000, hasty);
    cluster.cut_power(3);
    let (store, runtime) = (store(&cluster, 0), cluster.serving(0).expect("node 0 serves").runtime);
    let deleted = cluster.run_on(&runtime, LIMIT, async move {
        for number in 0..10 {
            let target = PutTarget {
                bucket,
                key: key(number),
                condition: Condition::None,
            };
            store.delete(target).await.expect("an object is deleted");
        }
    });
    assert!(deleted.is_some());
    cluster.run_for(Duration::from_secs(40));
    assert_eq!(rows(&mut cluster, bucket), [Some(10), Some(10), Some(10), None]);
    cluster.start(3);
    assert!(cluster.wait_until_serving(LIMIT));
    cluster.run_for(Duration::from_secs(60));
    assert_eq!(rows(&mut cluster, bucket), [Some(0); 4]);
}

/// How many keys of the bucket each drive still has.
fn rows(cluster: &mut Cluster, bucket: BucketView) -> [Option<usize>; 4] {
    [0, 1, 2, 3].map(|node| rows_of(cluster, bucket, node))
}

/// The same of one of them, if it serves.
fn rows_of(cluster: &mut Cluster, bucket: BucketView, node: usize) -> Option<usize> {
    let serving = cluster.serving(node)?;
    let slot = SlotId { set: 0, slot: node as u8 };
    let mesh = serving.mesh.clone();
    let scan = Request::Scan {
        bucket: bucket.id,
        space: Space::Object,
        prefix: Bytes::new(),
        from: Bytes::new(),
        limit: 100,
    };
    let answer = cluster.run_on(&serving.runtime, LIMIT, async move { mesh.call(slot, None, scan, LIMIT).await });
    match answer {
        Some(Ok(Answer::Page { rows, .. })) => Some(rows.len()),
        other => panic!("node {node} answers {other:?}"),
    }
}
