//! What a slot that is away costs a GET: the work of rebuilding, and no round trips beyond those that a GET takes anyway.

mod support;

use bytes::Bytes;
use openlake_io::Runtime;
use openlake_object::{BucketView, Condition, PutTarget, Store};
use std::rc::Rc;
use std::time::Duration;
use support::body::{TestBody, collect, pattern};
use support::run;
use support::world::World;

const KEY: Bytes = Bytes::from_static(b"large");
/// Stripes of 256 KiB, read by the MiB.
const BYTES: usize = 8 << 20;
/// From each slot, less than what counts as late.
const WAY: Duration = Duration::from_millis(5);

async fn cluster(runtime: &Runtime) -> (Rc<World>, Store, BucketView, Vec<u8>) {
    let world = World::new(runtime, 1, 1, 2, 2);
    let store = world.store(0);
    let bucket = store.create_bucket("bucket").await.expect("create");
    let bytes = pattern(7, BYTES);
    let target = PutTarget {
        bucket,
        key: KEY,
        condition: Condition::None,
    };
    store
        .put(target, &mut TestBody::new(&bytes, 256 << 10, [1; 16]))
        .await
        .expect("put");
    runtime.sleep(Duration::from_secs(1)).await;
    (0..4).for_each(|slot| world.slow_down(slot, WAY));
    (world, store, bucket, bytes)
}

/// A GET of everything: how long it took, and how many requests it made.
async fn get(world: &World, store: &Store, bucket: BucketView, bytes: &[u8]) -> (Duration, u64) {
    let (began, calls) = (world.runtime.now(), world.calls.get());
    let (_, _, _, body) = store.get(bucket, &KEY, None).await.expect("get");
    assert!(collect(body).await.expect("body") == bytes, "other bytes");
    (world.runtime.now().since(began), world.calls.get() - calls)
}

#[test]
fn a_slot_that_is_away_costs_a_get_no_further_round_trips() {
    for lost in 0..4 {
        run(async move |runtime| {
            let (world, store, bucket, bytes) = cluster(&runtime).await;
            let (usual, calls) = get(&world, &store, bucket, &bytes).await;
            world.set_down(lost, true);
            // The first to meet it asks the others instead.
            let (first, _) = get(&world, &store, bucket, &bytes).await;
            let (later, later_calls) = get(&world, &store, bucket, &bytes).await;
            assert!(first <= usual + 2 * WAY, "slot {lost}: {first:?}, {usual:?} with all there");
            assert_eq!((later, later_calls), (usual, calls), "slot {lost}");
        });
    }
}

#[test]
fn a_slot_that_is_late_is_stood_in_for_by_one_request_a_span() {
    run(async move |runtime| {
        let (world, store, bucket, bytes) = cluster(&runtime).await;
        let (usual, calls) = get(&world, &store, bucket, &bytes).await;
        world.slow_down(1, Duration::from_millis(400));
        let (took, late_calls) = get(&world, &store, bucket, &bytes).await;
        assert!(took < usual * 5, "{took:?}, {usual:?} with all in time");
        assert!(late_calls <= calls * 3 / 2 + 2, "{late_calls} requests, {calls} with all in time");
    });
}
