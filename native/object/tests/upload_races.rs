//! Complete, Abort and looks at one upload that meet: one of the first two wins, and all are told so.

mod support;

use bytes::Bytes;
use futures_util::future::join;
use openlake_object::{Condition, StoreError};
use std::time::Duration;
use support::body::collect;
use support::run;
use support::upload::{KEY, part, start};
use support::world::World;

#[test]
fn abort_removes_parts_and_races_with_complete() {
    run(async move |runtime| {
        for round in 0..20u64 {
            let world = World::new(&runtime, round, 1, 2, 2);
            let (store, bucket, upload) = start(&world).await;
            let one = part(&store, bucket, upload, 1, b"part").await.expect("part");
            let other = world.store(2);
            let parts = [one];
            let complete = store.complete_upload(bucket, &KEY, upload, &parts, Condition::None);
            let abort = async {
                runtime.sleep(Duration::from_micros(round * 50)).await;
                other.abort_upload(bucket, &KEY, upload).await
            };
            let (completed, aborted) = join(complete, abort).await;
            assert!(completed.is_ok() != aborted.is_ok(), "round {round}: {completed:?} {aborted:?}");
            let found = store.get(bucket, &KEY, None).await;
            assert_eq!(found.is_ok(), completed.is_ok(), "round {round}");
            if aborted.is_ok() {
                assert_eq!(store.list_parts(bucket, &KEY, upload).await, Err(StoreError::NoSuchUpload));
            }
        }
    });
}

#[test]
fn a_complete_that_finds_its_parts_removed_by_an_abort_says_that_the_upload_is_gone() {
    run(async move |runtime| {
        let world = World::new(&runtime, 11, 1, 2, 2);
        let (store, bucket, upload) = start(&world).await;
        let parts = [part(&store, bucket, upload, 1, b"part").await.expect("part")];
        // The Abort begins and ends between the Complete's look at the record and its look at the parts.
        world.tell_late(0, Duration::from_millis(50));
        let abort = async {
            runtime.sleep(Duration::from_millis(1)).await;
            world.store(2).abort_upload(bucket, &KEY, upload).await
        };
        let complete = store.complete_upload(bucket, &KEY, upload, &parts, Condition::None);
        let (completed, aborted) = join(complete, abort).await;
        assert_eq!((completed, aborted), (Err(StoreError::NoSuchUpload), Ok(())));
    });
}

#[test]
fn a_list_of_parts_is_whole_or_says_that_the_upload_is_gone() {
    run(async move |runtime| {
        let world = World::new(&runtime, 12, 1, 2, 2);
        let (store, bucket, upload) = start(&world).await;
        part(&store, bucket, upload, 1, b"part").await.expect("part");
        world.tell_late(0, Duration::from_millis(50));
        let abort = async {
            runtime.sleep(Duration::from_millis(1)).await;
            world.store(2).abort_upload(bucket, &KEY, upload).await
        };
        let (listed, aborted) = join(store.list_parts(bucket, &KEY, upload), abort).await;
        let listed = listed.map(|parts| parts.len());
        assert!(matches!(listed, Ok(1) | Err(StoreError::NoSuchUpload)), "{listed:?}");
        assert_eq!(aborted, Ok(()));
    });
}

#[test]
fn a_complete_of_unknown_outcome_is_aborted_unless_it_took_effect() {
    for takes_effect in [false, true] {
        run(async move |runtime| {
            let world = World::new(&runtime, 10, 1, 2, 2);
            let (store, bucket, upload) = start(&world).await;
            let one = part(&store, bucket, upload, 1, b"part").await.expect("part");
            // The manifest reaches two drives, or three, which is enough.
            world.refuse_objects(if takes_effect { &[3] } else { &[2, 3] });
            let parts = [one];
            let complete = store.complete_upload(bucket, &KEY, upload, &parts, Condition::None).await;
            assert_eq!(complete.is_ok(), takes_effect, "{complete:?}");
            world.refuse_objects(&[]);
            let aborted = store.abort_upload(bucket, &KEY, upload).await;
            let found = match store.get(bucket, &KEY, None).await {
                Ok((_, _, _, body)) => collect(body).await.ok(),
                Err(StoreError::NoSuchKey) => None,
                Err(error) => panic!("{error:?}"),
            };
            // Two of four drives may hold a version that is complete, so whoever asks completes it.
            match &found {
                Some(bytes) => {
                    assert_eq!(bytes, b"part");
                    assert_eq!(aborted, Err(StoreError::NoSuchUpload));
                }
                None => assert_eq!(aborted, Ok(())),
            }
            assert!(!takes_effect || found.is_some());
            let again = store.complete_upload(bucket, &KEY, upload, &parts, Condition::None).await;
            assert_eq!(again.is_ok(), found.is_some(), "{again:?}");
            assert_eq!(store.list_parts(bucket, &KEY, upload).await, Err(StoreError::NoSuchUpload));
            let listed = store
                .list_uploads(bucket, &Bytes::new(), b"", &Bytes::new(), 9)
                .await
                .expect("list");
            assert_eq!(listed.rows, []);
        });
    }
}
