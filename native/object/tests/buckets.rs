//! Buckets: created once, known everywhere, deleted only when empty, and fenced; and how nodes join a cluster.

mod support;

use bytes::Bytes;
use futures_util::future::join;
use openlake_object::{BucketView, Condition, PutTarget, Store, StoreError};
use std::time::Duration;
use support::body::TestBody;
use support::run;
use support::world::{Faults, World};

static KEY: Bytes = Bytes::from_static(b"key");

async fn put(store: &Store, bucket: BucketView) -> Result<(), StoreError> {
    let target = PutTarget {
        bucket,
        key: KEY.clone(),
        condition: Condition::None,
    };
    store.put(target, &mut TestBody::new(b"bytes", 10, [0; 16])).await.map(drop)
}

#[test]
fn a_created_bucket_is_known_to_all_nodes_at_once() {
    run(async move |runtime| {
        let world = World::new(&runtime, 1, 2, 2, 2);
        let (one, two) = (world.store(0), world.store(3));
        assert_eq!(two.bucket("photos").await, Err(StoreError::NoSuchBucket));
        let created = one.create_bucket("photos").await.expect("create");
        assert_eq!(two.bucket("photos").await, Ok(created));
        assert_eq!(two.create_bucket("photos").await, Err(StoreError::PreconditionFailed));
        one.create_bucket("music").await.expect("create");
        let names: Vec<String> = two
            .list_buckets()
            .await
            .expect("list")
            .into_iter()
            .map(|(name, _, _)| name)
            .collect();
        assert_eq!(names, ["music", "photos"]);
        let before = world.calls.get();
        assert_eq!(two.bucket("photos").await, Ok(created));
        assert_eq!(world.calls.get(), before, "a fresh row needs no quorum");
    });
}

#[test]
fn only_an_empty_bucket_is_deleted_and_its_name_can_be_used_again() {
    run(async move |runtime| {
        let world = World::new(&runtime, 2, 2, 2, 2);
        let (one, two) = (world.store(0), world.store(1));
        let bucket = one.create_bucket("photos").await.expect("create");
        put(&two, bucket).await.expect("put");
        assert_eq!(one.delete_bucket("photos").await, Ok(false));
        assert!(two.get(bucket, &KEY, None).await.is_ok());
        let renewed = two.bucket("photos").await.expect("still there");
        two.delete(PutTarget {
            bucket: renewed,
            key: KEY.clone(),
            condition: Condition::None,
        })
        .await
        .expect("delete");
        assert_eq!(one.delete_bucket("photos").await, Ok(true));
        for store in [&one, &two] {
            assert_eq!(store.bucket("photos").await, Err(StoreError::NoSuchBucket));
            assert_eq!(store.delete_bucket("photos").await, Err(StoreError::NoSuchBucket));
        }
        assert_eq!(
            put(&two, renewed).await,
            Err(StoreError::NoSuchBucket),
            "a late write meets the fence"
        );
        let again = two.create_bucket("photos").await.expect("create again");
        assert_ne!(again.id, bucket.id);
        assert!(matches!(one.get(again, &KEY, None).await, Err(StoreError::NoSuchKey)));
    });
}

#[test]
fn a_deletion_that_is_not_in_force_everywhere_says_so_and_can_be_repeated() {
    run(async move |runtime| {
        let world = World::new(&runtime, 3, 1, 2, 1);
        let store = world.store(0);
        store.create_bucket("photos").await.expect("create");
        world.set_down(2, true);
        assert_eq!(store.delete_bucket("photos").await, Ok(true), "W = 2 of 3 nodes are enough");
        store.create_bucket("photos").await.expect("create");
        world.set_down(1, true);
        let result = store.delete_bucket("photos").await;
        assert!(
            matches!(result, Err(StoreError::Unavailable(_) | StoreError::Unknown(_))),
            "{result:?}"
        );
        world.set_down(1, false);
        assert_eq!(store.delete_bucket("photos").await, Ok(true));
    });
}

#[test]
fn a_write_that_was_seen_before_its_bucket_went_does_not_say_that_there_was_none() {
    run(async move |runtime| {
        let world = World::new(&runtime, 7, 1, 2, 2);
        let (one, two) = (world.store(0), world.store(1));
        let bucket = one.create_bucket("photos").await.expect("create");
        put(&one, bucket).await.expect("put");
        let key = KEY.clone();
        let condition = Condition::None;
        // The tombstone reaches two drives at once, and two others after the bucket is gone.
        let late = |by| [2, 3].into_iter().for_each(|slot| world.slow_down(slot, by));
        late(Duration::from_millis(300));
        let delete = one.delete(PutTarget { bucket, key, condition });
        let others = async {
            runtime.sleep(Duration::from_millis(5)).await;
            late(Duration::ZERO);
            // A reader whom one drive does not answer completes it.
            world.set_down(3, true);
            assert_eq!(
                two.get(bucket, &KEY, None).await.map(drop),
                Err(StoreError::NoSuchKey),
                "it is seen"
            );
            world.set_down(3, false);
            assert_eq!(two.delete_bucket("photos").await, Ok(true));
        };
        let (deleted, ()) = join(delete, others).await;
        assert!(matches!(deleted, Err(StoreError::Unknown(_))), "{deleted:?}");
    });
}

#[test]
fn nodes_join_by_registering_their_slots_and_refuse_strangers() {
    run(async move |runtime| {
        let world = World::new(&runtime, 4, 2, 2, 1);
        let cluster = [7; 16];
        let first = world.store(0);
        let absent = first.join(cluster, false).await;
        assert!(
            matches!(&absent, Err(StoreError::Invalid(text)) if text.contains("bootstrapped")),
            "{absent:?}"
        );
        // All nodes at once, two of them with the third one late.
        world.set_down(2, true);
        let (one, two) = (world.store(0), world.store(1));
        let (result_one, result_two) = futures_util::future::join(one.join(cluster, true), two.join(cluster, true)).await;
        assert_eq!((result_one, result_two), (Ok(()), Ok(())));
        world.set_down(2, false);
        world.store(2).join(cluster, true).await.expect("third");
        world.store(0).join(cluster, false).await.expect("again, after a restart");
        assert_eq!(world.store(0).join_status(), "joined");
        let stranger = world.store(1).join([8; 16], true).await;
        assert!(
            matches!(&stranger, Err(StoreError::Invalid(text)) if text.contains("0707") && text.contains("0808")),
            "{stranger:?}"
        );
    });
}

#[test]
fn joining_waits_for_a_quorum_and_says_so() {
    run(async move |runtime| {
        let world = World::new(&runtime, 5, 1, 2, 2);
        [0, 1, 2].into_iter().for_each(|slot| world.set_down(slot, true));
        let store = world.store(3);
        let joining = store.clone();
        let (sender, receiver) = futures_channel::oneshot::channel();
        runtime.spawn(async move {
            let _ = sender.send(joining.join([1; 16], true).await);
        });
        runtime.sleep(Duration::from_secs(10)).await;
        assert!(store.join_status().starts_with("waiting: set 0:"), "{}", store.join_status());
        [0, 1, 2].into_iter().for_each(|slot| world.set_down(slot, false));
        assert_eq!(receiver.await, Ok(Ok(())));
    });
}

#[test]
fn a_bucket_in_use_is_not_disturbed_by_its_deletion_and_a_failed_one_is_taken_back() {
    run(async move |runtime| {
        let world = World::new(&runtime, 6, 1, 2, 2);
        let (one, two) = (world.store(0), world.store(1));
        let bucket = one.create_bucket("photos").await.expect("create");
        put(&one, bucket).await.expect("put");
        assert_eq!(two.delete_bucket("photos").await, Ok(false));
        assert_eq!(one.bucket("photos").await, Ok(bucket), "nothing was written");
        one.delete(PutTarget {
            bucket,
            key: KEY.clone(),
            condition: Condition::None,
        })
        .await
        .expect("delete");
        // The nodes of slots 2 and 3 hear nothing of it; their drives do.
        world.deafen(&[2, 3]);
        let began = runtime.now();
        let result = two.delete_bucket("photos").await;
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        put(&one, bucket).await.expect("it is live again");
        let took = Duration::from_nanos(runtime.now().0 - began.0);
        assert!(took < world.deadline.get() * 2, "{took:?}");
    });
}

#[test]
fn of_two_deletions_at_once_none_is_a_conflict() {
    run(async move |runtime| {
        for round in 0..20 {
            let world = World::new(&runtime, round, 1, 2, 2);
            world.faults.set(Faults {
                delay_us: 2000,
                ..Faults::default()
            });
            let (one, two) = (world.store(0), world.store(1));
            one.create_bucket("photos").await.expect("create");
            let (first, second) = join(one.delete_bucket("photos"), two.delete_bucket("photos")).await;
            for result in [&first, &second] {
                assert!(
                    matches!(result, Ok(true) | Err(StoreError::NoSuchBucket)),
                    "round {round}: {first:?} {second:?}"
                );
            }
        }
    });
}
