//! Writes that cannot succeed and are known to leave nothing behind: protocol.md section 11, "503, nothing sent".

mod support;

use bytes::Bytes;
use openlake_drive::{Ballot, Key, Space};
use openlake_object::{BucketView, Condition, PutTarget, Store, StoreError};
use std::rc::Rc;
use std::time::Duration;
use support::body::{TestBody, collect};
use support::run;
use support::world::World;

const KEY: Bytes = Bytes::from_static(b"key");
const NOTHING: [Option<(Ballot, bool)>; 4] = [None; 4];

fn target(bucket: BucketView) -> PutTarget {
    PutTarget {
        bucket,
        key: KEY,
        condition: Condition::None,
    }
}

async fn put(store: &Store, bucket: BucketView, bytes: &[u8]) -> Result<(), StoreError> {
    let etag = openlake_checksum::md5::digest(bytes);
    store.put(target(bucket), &mut TestBody::new(bytes, 70_000, etag)).await.map(drop)
}

async fn get(store: &Store, bucket: BucketView) -> Result<Vec<u8>, StoreError> {
    let (_, _, _, body) = store.get(bucket, &KEY, None).await?;
    collect(body).await
}

/// A cluster of 2+2 with a bucket that another node made, and the key as drives know it.
async fn cluster(runtime: &openlake_io::Runtime) -> (Rc<World>, BucketView, Key) {
    let world = World::new(runtime, 1, 1, 2, 2);
    let bucket = world.store(3).create_bucket("photos").await.expect("create");
    let key = Key {
        bucket: bucket.id,
        space: Space::Object,
        name: KEY,
    };
    (world, bucket, key)
}

#[test]
fn a_write_that_the_links_know_to_be_hopeless_leaves_nothing_behind() {
    for size in [0usize, 5, 500_000] {
        run(async move |runtime| {
            let (world, bucket, key) = cluster(&runtime).await;
            world.links_tell.set(true);
            let store = world.store(0);
            world.set_down(1, true);
            world.set_down(2, true);
            // The very first requests of a coordinator that never asked the slots before.
            let refused = put(&store, bucket, &vec![7; size]).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{size}: {refused:?}");
            let refused = store.delete(target(bucket)).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{size}: {refused:?}");
            assert_eq!(world.newest(&key), NOTHING, "{size}");
            world.set_down(1, false);
            world.set_down(2, false);
            put(&store, bucket, b"x").await.expect("all back");
        });
    }
}

#[test]
fn full_drives_refuse_without_effect_and_go_on_with_reads_and_deletes() {
    run(async move |runtime| {
        let (world, bucket, key) = cluster(&runtime).await;
        let store = world.store(0);
        (0..4).for_each(|slot| world.drive(slot, |drive| drive.full = true));
        let refused = put(&store, bucket, b"more").await;
        assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
        assert_eq!(world.newest(&key), NOTHING);
        (0..4).for_each(|slot| world.drive(slot, |drive| drive.full = false));
        runtime.sleep(Duration::from_secs(2)).await;
        put(&store, bucket, b"held").await.expect("room again");
        (0..4).for_each(|slot| world.drive(slot, |drive| drive.full = true));
        assert!(matches!(put(&store, bucket, b"more").await, Err(StoreError::Full)));
        assert_eq!(get(&store, bucket).await.expect("read"), b"held");
        store.delete(target(bucket)).await.expect("delete");
        assert!(matches!(get(&store, bucket).await, Err(StoreError::NoSuchKey)));
    });
}

#[test]
fn half_of_a_set_being_full_is_found_out_once() {
    run(async move |runtime| {
        let (world, bucket, key) = cluster(&runtime).await;
        let store = world.store(0);
        (0..2).for_each(|slot| world.drive(slot, |drive| drive.full = true));
        // The others took it: nobody can say that it will never be complete.
        let first = put(&store, bucket, b"first").await;
        assert!(matches!(first, Err(StoreError::Unknown(_))), "{first:?}");
        let held = world.newest(&key);
        for _ in 0..5 {
            let refused = put(&store, bucket, b"next").await;
            assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
        }
        assert_eq!(world.newest(&key), held, "refused writes left records behind");
    });
}

#[test]
fn a_write_whose_turn_would_come_too_late_had_no_effect_if_nobody_can_adopt_it() {
    run(async move |runtime| {
        for busy in [&[0u8, 1, 2, 3][..], &[1, 2, 3], &[2, 3]] {
            let (world, bucket, key) = cluster(&runtime).await;
            let store = world.store(0);
            put(&store, bucket, b"first").await.expect("put");
            runtime.sleep(Duration::from_millis(10)).await;
            let before = world.newest(&key);
            busy.iter()
                .for_each(|slot| world.drive(*slot, |drive| drive.is_anothers_turn = true));
            // Held by two of four drives it may be completed by a reader; held by one it never was, and never will be.
            let is_honest = |result: &Result<(), StoreError>| match busy.len() {
                2 => matches!(result, Err(StoreError::Unknown(_))),
                _ => matches!(result, Err(StoreError::Unavailable(_))),
            };
            for size in [5usize, 500_000] {
                let refused = put(&store, bucket, &vec![7; size]).await;
                assert!(is_honest(&refused), "{busy:?}, {size}: {refused:?}");
            }
            let refused = store.delete(target(bucket)).await.map(drop);
            assert!(is_honest(&refused), "{busy:?}: {refused:?}");
            assert!(busy.len() < 4 || world.newest(&key) == before, "refused writes left records behind");
            busy.iter()
                .for_each(|slot| world.drive(*slot, |drive| drive.is_anothers_turn = false));
            let found = get(&store, bucket).await;
            assert!(busy.len() == 2 || found.as_deref() == Ok(b"first"), "{busy:?}: {found:?}");
        }
    });
}
