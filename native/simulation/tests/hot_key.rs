//! Many coordinators write one key, all the time: every one of them gets an honest reply in time, and they do not keep each other from
//! succeeding, within a data centre or far apart. And nodes whose clocks are far wrong, and come back.

use bytes::Bytes;
use openlake_drive::sabotage::plant;
use openlake_io::SimOptions;
use openlake_object::{BucketView, Condition, ObjectInfo, PutTarget, Store, StoreError};
use openlake_simulation::cluster::Cluster;
use openlake_simulation::history::History;
use openlake_simulation::plan::Shape;
use openlake_simulation::value::ValueBody;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

const FOUR: Shape = Shape {
    data: 2,
    parity: 2,
    nodes: 4,
    sets: 1,
};
/// Coordinators of a node: 32 in all.
const CORES: usize = 8;
/// Within a data centre, and between continents.
const NEAR: Duration = Duration::from_micros(500);
const FAR: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(60);
/// That of a coordinator, and what its last step may take beyond it.
const DEADLINE: Duration = Duration::from_millis(3_000 + 1_000);
const LOAD: Duration = Duration::from_secs(20);

/// What the writers were told.
#[derive(Default)]
struct Replies {
    done: BTreeMap<usize, u64>,
    lost: u64,
    unavailable: u64,
    unknown: u64,
    slowest: Duration,
    strange: Vec<String>,
}

fn key() -> Bytes {
    Bytes::from_static(b"hot")
}

fn cluster(cores: usize, way: Duration) -> (Cluster, BucketView) {
    plant(None);
    let options = SimOptions {
        network_delay: (way, way + Duration::from_micros(500)),
        ..SimOptions::default()
    };
    let mut cluster = Cluster::new(9, (FOUR, cores), options, History::default());
    cluster.start_all();
    assert!(cluster.wait_until_serving(LIMIT), "{:?}", cluster.joining());
    cluster.end_bootstrap();
    let serving = cluster.serving(0).expect("node 0 serves");
    let runtime = serving.runtime.clone();
    let bucket = cluster.run_on(
        &runtime,
        LIMIT,
        async move { serving.store.create_bucket("b").await.expect("a bucket") },
    );
    (cluster, bucket.expect("created in time"))
}

async fn put(store: &Store, bucket: BucketView, condition: Condition) -> Result<ObjectInfo, StoreError> {
    let mut body = ValueBody::new(1, 100, 1 << 16);
    let target = PutTarget {
        bucket,
        key: key(),
        condition,
    };
    store.put(target, &mut body).await
}

/// One write of a writer: without condition, or on the version that it finds.
async fn write(store: &Store, bucket: BucketView, conditional: bool) -> Result<ObjectInfo, StoreError> {
    if !conditional {
        return put(store, bucket, Condition::None).await;
    }
    match store.head(bucket, &key()).await {
        Ok(_) => put(store, bucket, Condition::Exists).await,
        Err(StoreError::NoSuchKey) => put(store, bucket, Condition::Absent).await,
        Err(error) => Err(error),
    }
}

/// `conditional`: of every writer, whether its writes have a condition.
fn contend(way: Duration, conditional: fn(usize) -> bool) -> Replies {
    let (mut cluster, bucket) = cluster(CORES, way);
    let (replies, stop): (Rc<RefCell<Replies>>, Rc<Cell<bool>>) = (Rc::default(), Rc::default());
    let mut writers = 0;
    for node in 0..cluster.nodes() {
        let serving = cluster.serving(node).expect("the node serves");
        for store in serving.stores {
            let (replies, stop, runtime, writer) = (replies.clone(), stop.clone(), serving.runtime.clone(), writers);
            writers += 1;
            serving.runtime.spawn(async move {
                while !stop.get() {
                    let begun = runtime.now();
                    let result = write(&store, bucket, conditional(writer)).await;
                    let took = Duration::from_nanos(runtime.now().0 - begun.0);
                    let mut replies = replies.borrow_mut();
                    // A conditional writer reads first, which has a deadline of its own.
                    let slack = if conditional(writer) { 2 } else { 1 };
                    replies.slowest = replies.slowest.max(took / slack);
                    match result {
                        Ok(_) => *replies.done.entry(writer).or_default() += 1,
                        Err(StoreError::ConditionalConflict | StoreError::PreconditionFailed) => replies.lost += 1,
                        Err(StoreError::Unavailable(_)) => replies.unavailable += 1,
                        Err(StoreError::Unknown(_)) => replies.unknown += 1,
                        Err(other) => replies.strange.push(format!("{other:?}")),
                    }
                }
            });
        }
    }
    assert_eq!(writers, 32);
    cluster.run_for(LOAD);
    stop.set(true);
    cluster.run_for(DEADLINE * 3);
    let replies = std::mem::take(&mut *replies.borrow_mut());
    let done: u64 = replies.done.values().sum();
    println!(
        "{done} writes of {} writers, lost {}, unavailable {}, unknown {}, slowest {:?}",
        replies.done.len(),
        replies.lost,
        replies.unavailable,
        replies.unknown,
        replies.slowest
    );
    assert!(replies.strange.is_empty(), "{:?}", replies.strange);
    // Whose turn would have come too late published nothing that anybody took, and is told so.
    let told = replies.unavailable + replies.unknown;
    assert!(replies.unknown * 5 <= told, "{} of {told} were left in doubt", replies.unknown);
    assert!(replies.slowest <= DEADLINE, "a writer waited {:?} for its reply", replies.slowest);
    replies
}

#[test]
fn thirty_two_writers_of_one_key_all_succeed() {
    let replies = contend(NEAR, |_| false);
    assert_eq!(replies.done.len(), 32);
}

#[test]
fn of_thirty_two_conditional_writers_some_succeed_all_the_time() {
    let replies = contend(NEAR, |_| true);
    let done: u64 = replies.done.values().sum();
    assert!(done >= 60, "{done} writes in {LOAD:?}: they only disturb one another");
}

#[test]
fn writers_with_and_without_condition_leave_room_for_each_other() {
    let replies = contend(NEAR, |writer| writer % 2 == 0);
    assert_eq!(replies.done.keys().filter(|writer| **writer % 2 == 1).count(), 16);
}

/// A turn takes two ways there and back, so that there are not more than ten in a second.
#[test]
fn of_thirty_two_writers_far_apart_one_succeeds_after_the_other() {
    for conditional in [|_| false, |_| true] {
        let replies = contend(FAR, conditional);
        let done: u64 = replies.done.values().sum();
        assert!(done >= 80, "{done} writes in {LOAD:?}: they only disturb one another");
        assert!(replies.done.len() >= 28, "only {} writers ever succeed", replies.done.len());
    }
}

const YEAR_MS: i64 = 365 * 24 * 3600 * 1000;

/// What a write of node `node` brings, tried for a while.
fn writes_within(cluster: &mut Cluster, node: usize, bucket: BucketView, time: Duration) -> bool {
    let serving = cluster.serving(node).expect("the node serves");
    let runtime = serving.runtime.clone();
    let written = cluster.run_on(&runtime, time + DEADLINE, async move {
        let until = serving.runtime.now().0 + time.as_nanos() as u64;
        while serving.runtime.now().0 < until {
            if put(&serving.store, bucket, Condition::None).await.is_ok() {
                return true;
            }
            serving.runtime.sleep(Duration::from_millis(100)).await;
        }
        false
    });
    written.expect("it ends in time")
}

#[test]
fn a_node_a_year_ahead_harms_nobody_and_writes_again_when_its_clock_is_right() {
    let (mut cluster, bucket) = cluster(1, Duration::from_micros(100));
    assert!(writes_within(&mut cluster, 3, bucket, Duration::from_secs(1)));
    cluster.set_clock_offset_ms(3, YEAR_MS);
    cluster.run_for(Duration::from_secs(5));
    assert!(
        !writes_within(&mut cluster, 3, bucket, Duration::from_secs(8)),
        "others refuse what it asks"
    );
    for node in 0..3 {
        assert!(writes_within(&mut cluster, node, bucket, Duration::from_secs(1)), "node {node}");
    }
    cluster.set_clock_offset_ms(3, 0);
    assert!(
        writes_within(&mut cluster, 3, bucket, Duration::from_secs(12)),
        "its clock is right again"
    );
    for node in 0..3 {
        assert!(writes_within(&mut cluster, node, bucket, Duration::from_secs(1)), "node {node}");
    }
}

#[test]
fn a_drive_is_not_adopted_by_a_clock_a_year_ahead_but_when_that_is_right_again() {
    let (mut cluster, bucket) = cluster(1, Duration::from_micros(100));
    assert!(writes_within(&mut cluster, 0, bucket, Duration::from_secs(1)));
    cluster.wipe(3);
    cluster.set_clock_offset_ms(3, YEAR_MS);
    cluster.start(3);
    cluster.run_for(Duration::from_secs(20));
    let blank = |cluster: &Cluster| cluster.open_drives(3).iter().all(|drive| drive.heal_progress().blank);
    assert!(blank(&cluster), "its floor would lie a year ahead");
    assert!(writes_within(&mut cluster, 0, bucket, Duration::from_secs(1)));
    cluster.set_clock_offset_ms(3, 0);
    for _ in 0..200 {
        cluster.run_for(Duration::from_millis(200));
        if cluster.is_filled(3) {
            return;
        }
    }
    panic!("not filled: {}", cluster.healing(3));
}
