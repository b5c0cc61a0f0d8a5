//! Multipart uploads from the first part to the last byte read.

mod support;

use bytes::Bytes;
use futures_util::future::join;
use openlake_drive::{Key, Space};
use openlake_object::{CompletePart, Condition, PutTarget, Range, StoreError};
use std::time::Duration;
use support::body::{SlowBody, TestBody, collect, pattern};
use support::run;
use support::upload::{KEY, metadata, part, start};
use support::world::World;

const PART: usize = 5 << 20;

#[test]
fn parts_become_one_object_that_is_read_whole_and_in_ranges() {
    run(async move |runtime| {
        let world = World::new(&runtime, 1, 3, 2, 2);
        let (store, bucket, upload) = start(&world).await;
        let bytes = [pattern(1, PART), pattern(2, PART + 77), pattern(3, 1000)];
        let mut parts = Vec::new();
        // Out of order, and one sent twice: the last one counts.
        part(&store, bucket, upload, 2, &pattern(9, PART)).await.expect("part");
        for n in [2usize, 0, 1] {
            parts.push(part(&store, bucket, upload, [1, 4, 10_000][n], &bytes[n]).await.expect("part"));
        }
        parts.sort_by_key(|part| part.number);
        let listed = store.list_parts(bucket, &KEY, upload).await.expect("list");
        assert_eq!(listed.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 2, 4, 10_000]);
        assert!(
            matches!(store.get(bucket, &KEY, None).await, Err(StoreError::NoSuchKey)),
            "not before Complete"
        );
        let info = store
            .complete_upload(bucket, &KEY, upload, &parts, Condition::None)
            .await
            .expect("complete");
        let whole = bytes.concat();
        assert_eq!((info.size, info.etag_parts), (whole.len() as u64, 3));
        let digests: Vec<u8> = bytes.iter().flat_map(|bytes| openlake_checksum::md5::digest(bytes)).collect();
        assert_eq!(info.etag, openlake_checksum::md5::digest(&digests));
        assert_eq!(store.head(bucket, &KEY).await.expect("head"), info);
        assert_eq!(info.metadata, metadata());
        let (_, _, _, body) = store.get(bucket, &KEY, None).await.expect("get");
        assert!(collect(body).await.expect("body") == whole);
        for (first, last) in [
            (0, 0),
            (PART - 1, PART),
            (PART + 10, 2 * PART + 500),
            (2 * PART + 76, 2 * PART + 77),
            (whole.len() - 5, whole.len() - 1),
        ] {
            let range = Range::FromTo(first as u64, last as u64);
            let (_, _, _, body) = store.get(bucket, &KEY, Some(range)).await.expect("get");
            assert!(collect(body).await.expect("body") == whole[first..=last], "{range:?}");
        }
        let page = store.list(bucket, &Bytes::new(), b"", &Bytes::new(), 10).await.expect("list");
        assert_eq!(page.rows.len(), 1, "parts and uploads are not objects");
        assert_eq!(page.rows[0].size, whole.len() as u64);
        // Repeated: the same answer. Afterwards the upload takes nothing more.
        assert_eq!(store.complete_upload(bucket, &KEY, upload, &parts, Condition::None).await, Ok(info));
        assert_eq!(
            store.complete_upload(bucket, &KEY, upload, &parts[..2], Condition::None).await,
            Err(StoreError::NoSuchUpload)
        );
        assert_eq!(part(&store, bucket, upload, 5, b"late").await, Err(StoreError::NoSuchUpload));
        assert_eq!(store.abort_upload(bucket, &KEY, upload).await, Err(StoreError::NoSuchUpload));
        world.set_down(1, true);
        let (_, _, _, body) = store.get(bucket, &KEY, None).await.expect("get");
        assert!(collect(body).await.expect("body") == whole, "one drive away");
    });
}

#[test]
fn complete_checks_what_the_client_names() {
    run(async move |runtime| {
        let world = World::new(&runtime, 2, 1, 2, 1);
        let (store, bucket, upload) = start(&world).await;
        let one = part(&store, bucket, upload, 1, &[1; 100]).await.expect("part");
        let two = part(&store, bucket, upload, 2, &[2; 100]).await.expect("part");
        let complete = async |parts: &[CompletePart]| store.complete_upload(bucket, &KEY, upload, parts, Condition::None).await.map(drop);
        assert!(matches!(complete(&[]).await, Err(StoreError::Invalid(_))));
        assert_eq!(complete(&[two.clone(), one.clone()]).await, Err(StoreError::InvalidPartOrder));
        assert_eq!(complete(&[one.clone(), two.clone()]).await, Err(StoreError::EntityTooSmall));
        let wrong = CompletePart {
            etag: [0; 16],
            ..one.clone()
        };
        assert!(matches!(complete(&[wrong]).await, Err(StoreError::InvalidPart(_))));
        assert!(matches!(
            complete(&[CompletePart { number: 3, ..one.clone() }]).await,
            Err(StoreError::InvalidPart(_))
        ));
        assert_eq!(complete(&[one]).await, Ok(()), "the last part may be small");
        let unknown = store.complete_upload(bucket, &KEY, [9; 16], &[two], Condition::None).await;
        assert_eq!(unknown.map(drop), Err(StoreError::NoSuchUpload));
    });
}

#[test]
fn a_failed_condition_leaves_the_upload_open() {
    run(async move |runtime| {
        let world = World::new(&runtime, 3, 1, 2, 2);
        let (store, bucket, upload) = start(&world).await;
        let one = part(&store, bucket, upload, 1, b"part").await.expect("part");
        let target = PutTarget {
            bucket,
            key: KEY.clone(),
            condition: Condition::None,
        };
        store
            .put(target, &mut TestBody::new(b"there already", 5, [4; 16]))
            .await
            .expect("put");
        let result = store
            .complete_upload(bucket, &KEY, upload, std::slice::from_ref(&one), Condition::Absent)
            .await;
        assert_eq!(result.map(drop), Err(StoreError::PreconditionFailed));
        store
            .complete_upload(bucket, &KEY, upload, &[one], Condition::Matches { etag: [4; 16], parts: 0 })
            .await
            .expect("complete");
        let (_, _, _, body) = store.get(bucket, &KEY, None).await.expect("get");
        assert_eq!(collect(body).await.expect("body"), b"part");
    });
}

#[test]
fn parts_of_replaced_and_deleted_objects_are_swept_and_those_of_live_ones_stay() {
    run(async move |runtime| {
        let world = World::new(&runtime, 4, 2, 2, 2);
        let (store, bucket, upload) = start(&world).await;
        let one = part(&store, bucket, upload, 1, b"part").await.expect("part");
        store
            .complete_upload(bucket, &KEY, upload, &[one], Condition::None)
            .await
            .expect("complete");
        let age = Duration::from_secs(60);
        runtime.sleep(age * 2).await;
        assert_eq!(store.sweep_uploads(bucket, age).await, Ok(0), "the object is there");
        let (_, _, _, body) = store.get(bucket, &KEY, None).await.expect("get");
        assert_eq!(collect(body).await.expect("body"), b"part");
        let target = PutTarget {
            bucket,
            key: KEY.clone(),
            condition: Condition::None,
        };
        store.delete(target).await.expect("delete");
        assert_eq!(store.sweep_uploads(bucket, age * 9).await, Ok(0), "too young");
        assert_eq!(store.sweep_uploads(bucket, age).await, Ok(1));
        assert_eq!(store.sweep_uploads(bucket, age).await, Ok(0));
        assert_eq!(store.list_parts(bucket, &KEY, upload).await, Err(StoreError::NoSuchUpload));
    });
}

#[test]
fn a_part_that_comes_late_changes_nothing_of_a_completed_object() {
    run(async move |runtime| {
        let world = World::new(&runtime, 5, 1, 2, 2);
        let (store, bucket, upload) = start(&world).await;
        let first = pattern(1, PART);
        let one = part(&store, bucket, upload, 1, &first).await.expect("part");
        // Another one of the same number, whose body ends only after Complete.
        let (late_bytes, etag) = (pattern(2, PART), [7; 16]);
        let mut late_body = SlowBody::new(TestBody::new(&late_bytes, 1 << 20, etag), &runtime, Duration::from_millis(300));
        let late = store.put_part(bucket, &KEY, upload, 1, &mut late_body);
        let complete = async {
            runtime.sleep(Duration::from_millis(400)).await;
            let parts = [one.clone()];
            store
                .complete_upload(bucket, &KEY, upload, &parts, Condition::None)
                .await
                .expect("complete");
        };
        let (late, ()) = join(late, complete).await;
        assert_eq!(late.map(drop), Err(StoreError::NoSuchUpload));
        runtime.sleep(Duration::from_secs(1)).await;
        let (_, _, _, body) = store.get(bucket, &KEY, None).await.expect("get");
        assert!(collect(body).await.expect("body") == first);
        // Nor does anything of the late one remain.
        assert_eq!(world.drive(0, |drive| drive.live_names(Space::Part)).len(), 1);
    });
}

#[test]
fn of_several_parts_of_one_number_the_etag_in_complete_decides() {
    run(async move |runtime| {
        let world = World::new(&runtime, 6, 1, 2, 2);
        let (store, bucket, upload) = start(&world).await;
        let old = part(&store, bucket, upload, 1, b"old").await.expect("part");
        let new = part(&store, bucket, upload, 1, b"new").await.expect("part");
        let listed = store.list_parts(bucket, &KEY, upload).await.expect("list");
        assert_eq!(
            listed.iter().map(|part| (part.number, part.etag)).collect::<Vec<_>>(),
            [(1, new.etag)]
        );
        let both = [old, new.clone()];
        let order = store.complete_upload(bucket, &KEY, upload, &both, Condition::None).await;
        assert_eq!(order.map(drop), Err(StoreError::InvalidPartOrder));
        store
            .complete_upload(bucket, &KEY, upload, &[new], Condition::None)
            .await
            .expect("complete");
        let (_, _, _, body) = store.get(bucket, &KEY, None).await.expect("get");
        assert_eq!(collect(body).await.expect("body"), b"new");
        runtime.sleep(Duration::from_secs(1)).await;
        assert_eq!(
            world.drive(0, |drive| drive.live_names(Space::Part)).len(),
            1,
            "the old one is removed"
        );
    });
}

#[test]
fn parts_without_an_upload_are_swept() {
    run(async move |runtime| {
        let world = World::new(&runtime, 7, 2, 2, 2);
        let (store, bucket, upload) = start(&world).await;
        part(&store, bucket, upload, 1, b"part").await.expect("part");
        let other = store.create_upload(bucket, &KEY, metadata()).await.expect("upload");
        part(&store, bucket, other, 1, b"other").await.expect("part");
        // As if an Abort had missed a part: the record alone goes.
        let mut name = KEY.to_vec();
        name.push(0);
        name.extend_from_slice(&upload);
        let (space, name) = (Space::Upload, Bytes::from(name));
        let record = Key {
            bucket: bucket.id,
            space,
            name,
        };
        for set in 0..2 {
            (0..4).for_each(|slot| world.drive_of(set, slot, |drive| drive.forget(&record)));
        }
        let age = Duration::from_secs(60);
        runtime.sleep(age * 2).await;
        assert_eq!(store.sweep_uploads(bucket, age).await, Ok(1));
        assert_eq!(store.sweep_uploads(bucket, age).await, Ok(0));
        assert_eq!(store.list_parts(bucket, &KEY, other).await.map(|parts| parts.len()), Ok(1));
    });
}

#[test]
fn a_sweep_leaves_no_manifest_behind_that_could_come_back_without_its_parts() {
    for bytes in [&b"first"[..], b""] {
        run(async move |runtime| {
            let world = World::new(&runtime, 8, 1, 2, 2);
            let (store, bucket, upload) = start(&world).await;
            let target = PutTarget {
                bucket,
                key: KEY.clone(),
                condition: Condition::None,
            };
            if !bytes.is_empty() {
                store.put(target, &mut TestBody::new(bytes, 5, [4; 16])).await.expect("put");
                runtime.sleep(Duration::from_secs(1)).await;
            }
            let one = part(&store, bucket, upload, 1, b"part").await.expect("part");
            // The manifest reaches two drives, and its writer is gone.
            world.refuse_objects(&[2, 3]);
            let complete = store.complete_upload(bucket, &KEY, upload, &[one], Condition::None).await;
            assert!(matches!(complete, Err(StoreError::Unknown(_))), "{complete:?}");
            world.refuse_objects(&[]);
            let (space, name) = (Space::Object, KEY.clone());
            let key = Key {
                bucket: bucket.id,
                space,
                name,
            };
            let age = Duration::from_secs(60);
            runtime.sleep(age * 30).await;
            // All drives answer: it is provably not complete, and its parts go.
            assert_eq!(store.sweep_uploads(bucket, age).await, Ok(1), "{:?}", world.newest(&key));
            world.set_down(3, true);
            let found = match store.get(bucket, &KEY, None).await {
                Ok((_, _, _, body)) => collect(body).await,
                Err(StoreError::NoSuchKey) => Ok(Vec::new()),
                Err(error) => Err(error),
            };
            assert_eq!(found.as_deref(), Ok(bytes), "what was there before");
        });
    }
}

#[test]
fn uploads_of_a_deleted_bucket_are_swept() {
    run(async move |runtime| {
        let world = World::new(&runtime, 9, 2, 2, 2);
        let (store, bucket, upload) = start(&world).await;
        part(&store, bucket, upload, 1, b"part").await.expect("part");
        assert_eq!(store.delete_bucket("bucket").await, Ok(true), "uploads are no objects");
        let age = Duration::from_secs(60);
        assert_eq!(store.sweep_departed_buckets(age).await, Ok(0), "too young");
        runtime.sleep(age * 2).await;
        assert_eq!(store.sweep_departed_buckets(age).await, Ok(1));
        let left = |space| -> usize {
            let of_set = |set| world.drive_of(set, 0, |drive| drive.live_names(space).len());
            (0..2).map(of_set).sum()
        };
        assert_eq!((left(Space::Upload), left(Space::Part)), (0, 0));
    });
}
