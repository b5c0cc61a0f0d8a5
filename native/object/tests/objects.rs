//! What clients see of objects: bytes come back as they went in, whatever their size, range and missing drives.

mod support;

use bytes::Bytes;
use openlake_object::{BodyError, BucketView, Condition, PutTarget, Range, Store, StoreError};
use std::rc::Rc;
use std::time::Duration;
use support::body::{SlowBody, TestBody, collect, pattern};
use support::run;
use support::world::World;

const CODINGS: [(u8, u8); 6] = [(1, 1), (1, 2), (2, 1), (2, 2), (4, 2), (1, 0)];

async fn bucket(world: &Rc<World>) -> (Store, BucketView) {
    let store = world.store(0);
    let view = store.create_bucket("photos").await.expect("create");
    (store, view)
}

fn target(bucket: BucketView, key: &str) -> PutTarget {
    PutTarget {
        bucket,
        key: Bytes::copy_from_slice(key.as_bytes()),
        condition: Condition::None,
    }
}

async fn put(store: &Store, bucket: BucketView, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let etag = openlake_checksum::md5::digest(bytes);
    store
        .put(target(bucket, key), &mut TestBody::new(bytes, 70_000, etag))
        .await
        .map(drop)
}

async fn read(store: &Store, bucket: BucketView, key: &str, range: Option<Range>) -> Result<Vec<u8>, StoreError> {
    let (info, first, length, body) = store.get(bucket, &Bytes::copy_from_slice(key.as_bytes()), range).await?;
    let bytes = collect(body).await?;
    assert_eq!(bytes.len() as u64, length);
    assert!(first + length <= info.size);
    Ok(bytes)
}

#[test]
fn bodies_of_all_sizes_come_back_whole_and_in_ranges() {
    for (data, parity) in CODINGS {
        run(async move |runtime| {
            let world = World::new(&runtime, 1, 1, data, parity);
            let (store, bucket) = bucket(&world).await;
            let stripe = usize::from(data) << 17;
            let inline = usize::from(data) << 16;
            let sizes = [
                0,
                1,
                143,
                144 * usize::from(data),
                4096,
                inline,
                inline + 1,
                stripe - 1,
                stripe,
                stripe + 1,
                3 * stripe + 12_345,
            ];
            for size in sizes {
                let bytes = pattern(size as u64, size);
                put(&store, bucket, "key", &bytes).await.expect("put");
                let context = format!("{data}+{parity} of {size}");
                assert!(read(&store, bucket, "key", None).await.expect("get") == bytes, "{context}");
                let info = store.head(bucket, &Bytes::from_static(b"key")).await.expect("head");
                assert_eq!(
                    (info.size, info.etag),
                    (size as u64, openlake_checksum::md5::digest(&bytes)),
                    "{context}"
                );
                for n in 0..12 {
                    let first = world.random(size as u64 + 1);
                    let last = first + world.random(size as u64 + 1);
                    let expected = bytes
                        .get(first as usize..bytes.len().min(last as usize + 1))
                        .filter(|bytes| !bytes.is_empty());
                    let (range, expected) = match n % 3 {
                        0 => (Range::FromTo(first, last), expected),
                        1 => (Range::From(first), bytes.get(first as usize..).filter(|bytes| !bytes.is_empty())),
                        _ => (
                            Range::Last(first),
                            Some(&bytes[size - first as usize..]).filter(|bytes| !bytes.is_empty()),
                        ),
                    };
                    match (read(&store, bucket, "key", Some(range)).await, expected) {
                        (Ok(found), Some(expected)) => assert!(found == expected, "{context} {range:?}"),
                        (Err(StoreError::InvalidRange { .. }), None) => {}
                        (result, expected) => panic!("{context} {range:?}: {result:?}, expected {:?}", expected.map(<[u8]>::len)),
                    }
                }
            }
        });
    }
}

#[test]
fn every_loss_that_parity_covers_is_read_through() {
    run(async move |runtime| {
        // R = max(k, M) drives are enough to read what all N hold.
        for (data, parity, may_be_away) in [(2, 2, 2), (4, 2, 2), (1, 2, 1)] {
            let world = World::new(&runtime, 2, 1, data, parity);
            let (store, bucket) = bucket(&world).await;
            let slots = data + parity;
            for size in [100usize, 50_000, 700_001] {
                let bytes = pattern(size as u64, size);
                put(&store, bucket, "key", &bytes).await.expect("put");
                runtime.sleep(std::time::Duration::from_millis(5)).await;
                for first in 0..slots {
                    let away: Vec<u8> = (0..may_be_away).map(|n| (first + n) % slots).collect();
                    away.iter().for_each(|slot| world.set_down(*slot, true));
                    let found = read(&store, bucket, "key", None).await.expect("get");
                    assert!(found == bytes, "{data}+{parity} of {size}, {away:?} away");
                    if size > 10 {
                        let part = read(&store, bucket, "key", Some(Range::FromTo(7, size as u64 - 2)))
                            .await
                            .expect("range");
                        assert!(part == bytes[7..size - 1], "{data}+{parity} of {size}, {away:?} away");
                    }
                    away.iter().for_each(|slot| world.set_down(*slot, false));
                }
            }
        }
    });
}

#[test]
fn damaged_blocks_are_never_served() {
    run(async move |runtime| {
        let world = World::new(&runtime, 3, 1, 2, 2);
        let (store, bucket) = bucket(&world).await;
        for size in [100usize, 9_000, 600_000] {
            let bytes = pattern(5, size);
            put(&store, bucket, "key", &bytes).await.expect("put");
            for slot in [0u8, 1] {
                world.drive(slot, |drive| drive.damage_blocks = true);
                assert!(
                    read(&store, bucket, "key", None).await.expect("get") == bytes,
                    "{size}, slot {slot} damaged"
                );
                world.drive(slot, |drive| drive.damage_blocks = false);
            }
            (0..3).for_each(|slot| world.drive(slot, |drive| drive.damage_blocks = true));
            if size >= 9_000 {
                assert!(read(&store, bucket, "key", None).await.is_err(), "{size}: three of four damaged");
            } else {
                assert!(
                    read(&store, bucket, "key", None).await.expect("get") == bytes,
                    "one whole copy will do"
                );
            }
            (0..3).for_each(|slot| world.drive(slot, |drive| drive.damage_blocks = false));
        }
    });
}

#[test]
fn a_body_that_fails_leaves_nothing() {
    run(async move |runtime| {
        let world = World::new(&runtime, 4, 1, 2, 2);
        let (store, bucket) = bucket(&world).await;
        for size in [10usize, 10_000, 900_000] {
            let bytes = pattern(6, size);
            let error = BodyError {
                code: "BadDigest",
                message: "MD5 differs".to_owned(),
            };
            let mut body = TestBody::new(&bytes, 50_000, [0; 16]);
            body.error = Some(error.clone());
            let result = store.put(target(bucket, "key"), &mut body).await;
            assert_eq!(result.map(drop), Err(StoreError::Body(error)));
            assert_eq!(read(&store, bucket, "key", None).await, Err(StoreError::NoSuchKey));
            runtime.sleep(std::time::Duration::from_millis(5)).await;
            assert_eq!(
                (0..4).map(|slot| world.drive(slot, |drive| drive.staged_uploads())).sum::<usize>(),
                0
            );
        }
    });
}

#[test]
fn deleting_hides_and_may_be_conditional() {
    run(async move |runtime| {
        let world = World::new(&runtime, 5, 1, 2, 2);
        let (store, bucket) = bucket(&world).await;
        store.delete(target(bucket, "key")).await.expect("delete of nothing");
        put(&store, bucket, "key", b"one").await.expect("put");
        let etag = openlake_checksum::md5::digest(b"one");
        let matching = |etag| PutTarget {
            condition: Condition::Matches { etag, parts: 0 },
            ..target(bucket, "key")
        };
        assert_eq!(store.delete(matching([1; 16])).await, Err(StoreError::PreconditionFailed));
        assert_eq!(read(&store, bucket, "key", None).await, Ok(b"one".to_vec()));
        store.delete(matching(etag)).await.expect("conditional delete");
        assert_eq!(read(&store, bucket, "key", None).await, Err(StoreError::NoSuchKey));
        assert_eq!(store.head(bucket, &Bytes::from_static(b"key")).await, Err(StoreError::NoSuchKey));
        assert_eq!(store.delete(matching(etag)).await, Err(StoreError::PreconditionFailed));
    });
}

#[test]
fn conditional_puts_judge_what_is_there() {
    run(async move |runtime| {
        let world = World::new(&runtime, 6, 1, 2, 1);
        let (store, bucket) = bucket(&world).await;
        for size in [3usize, 5_000, 400_000] {
            let bytes = pattern(8, size);
            let key = format!("key-{size}");
            let put_if = async |condition: Condition, etag: u8| {
                let target = PutTarget {
                    condition,
                    ..target(bucket, &key)
                };
                store.put(target, &mut TestBody::new(&bytes, 100_000, [etag; 16])).await.map(drop)
            };
            let matches = |etag: u8| Condition::Matches {
                etag: [etag; 16],
                parts: 0,
            };
            assert_eq!(put_if(matches(1), 1).await, Err(StoreError::PreconditionFailed));
            assert_eq!(put_if(Condition::Absent, 1).await, Ok(()));
            assert_eq!(put_if(Condition::Absent, 2).await, Err(StoreError::PreconditionFailed));
            assert_eq!(put_if(matches(2), 2).await, Err(StoreError::PreconditionFailed));
            assert_eq!(put_if(matches(1), 2).await, Ok(()));
            assert_eq!(put_if(matches(2), 3).await, Ok(()));
            assert!(read(&store, bucket, &key, None).await.expect("get") == bytes);
        }
    });
}

#[test]
fn keys_have_one_to_1024_bytes() {
    run(async move |runtime| {
        let world = World::new(&runtime, 7, 1, 1, 0);
        let (store, bucket) = bucket(&world).await;
        for length in [0usize, 1025] {
            let result = put(&store, bucket, &"k".repeat(length), b"x").await;
            assert!(matches!(result, Err(StoreError::Invalid(_))), "{length}: {result:?}");
        }
        put(&store, bucket, &"k".repeat(1024), b"x").await.expect("longest key");
    });
}

#[test]
fn stripes_leave_while_the_body_still_comes() {
    run(async move |runtime| {
        let world = World::new(&runtime, 21, 1, 2, 2);
        let store = world.store(0);
        let bucket = store.create_bucket("bucket").await.expect("create");
        let bytes = pattern(1, 2 << 20);
        let mut body = SlowBody::new(TestBody::new(&bytes, 1 << 20, [1; 16]), &runtime, Duration::from_secs(1));
        let target = PutTarget {
            bucket,
            key: Bytes::from_static(b"key"),
            condition: Condition::None,
        };
        let look = async {
            // One of two pieces came; it has long been a stripe.
            runtime.sleep(Duration::from_millis(1500)).await;
            (0..4)
                .map(|slot| world.drive(slot, |drive| drive.staged_uploads()))
                .collect::<Vec<_>>()
        };
        let (stored, staged) = futures_util::future::join(store.put(target, &mut body), look).await;
        stored.expect("put");
        assert_eq!(staged, [1; 4]);
    });
}

#[test]
fn a_slot_that_was_left_out_keeps_nothing_staged() {
    run(async move |runtime| {
        let world = World::new(&runtime, 22, 1, 2, 2);
        let store = world.store(0);
        let bucket = store.create_bucket("bucket").await.expect("create");
        let bytes = pattern(2, 2 << 20);
        let mut body = SlowBody::new(TestBody::new(&bytes, 1 << 20, [1; 16]), &runtime, Duration::from_secs(1));
        let target = PutTarget {
            bucket,
            key: Bytes::from_static(b"key"),
            condition: Condition::None,
        };
        let interrupt = async {
            runtime.sleep(Duration::from_millis(1500)).await;
            world.set_down(3, true);
            runtime.sleep(Duration::from_millis(501)).await;
            world.set_down(3, false);
        };
        let (stored, ()) = futures_util::future::join(store.put(target, &mut body), interrupt).await;
        stored.expect("put");
        runtime.sleep(Duration::from_secs(1)).await;
        let staged: Vec<usize> = (0..4).map(|slot| world.drive(slot, |drive| drive.staged_uploads())).collect();
        assert_eq!(staged, [0; 4]);
    });
}

#[test]
fn a_slow_drive_is_waited_for_where_nothing_goes_without_it() {
    run(async move |runtime| {
        let world = World::new(&runtime, 23, 1, 2, 1);
        let store = world.store(0);
        let bucket = store.create_bucket("bucket").await.expect("create");
        world.set_down(2, true);
        let bytes = pattern(3, 300_000);
        put(&store, bucket, "key", &bytes).await.expect("put");
        runtime.sleep(Duration::from_secs(3)).await;
        world.set_down(2, false);
        world.slow_down(1, Duration::from_millis(300));
        let (_, _, _, body) = store.get(bucket, &Bytes::from_static(b"key"), None).await.expect("get");
        assert!(collect(body).await.expect("body") == bytes);
        let target = PutTarget {
            condition: Condition::Absent,
            ..target(bucket, "key")
        };
        let result = store.put(target, &mut TestBody::new(b"other", 10, [1; 16])).await;
        assert_eq!(result.map(drop), Err(StoreError::PreconditionFailed));
    });
}

#[test]
fn without_memory_to_spare_bodies_go_one_piece_at_a_time() {
    run(async move |runtime| {
        let world = World::new(&runtime, 24, 1, 2, 2);
        world.body_bytes.set(0);
        let store = world.store(0);
        let bucket = store.create_bucket("bucket").await.expect("create");
        let bytes = pattern(4, 3 << 20);
        // A stripe is 256 KiB; with nothing to spare the body is not read on before it arrived everywhere.
        (0..4).for_each(|slot| world.slow_down(slot, Duration::from_millis(100)));
        let body = TestBody::new(&bytes, 256 << 10, [1; 16]);
        let read = body.read();
        let mut body = body;
        let look = async {
            runtime.sleep(Duration::from_millis(350)).await;
            read.get()
        };
        let (stored, read) = futures_util::future::join(store.put(target(bucket, "key"), &mut body), look).await;
        stored.expect("put");
        assert!(read <= 5 * (256 << 10), "{read}");
        let (_, _, _, body) = store.get(bucket, &Bytes::from_static(b"key"), None).await.expect("get");
        assert!(collect(body).await.expect("body") == bytes);
    });
}
