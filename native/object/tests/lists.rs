//! Lists: byte order over all sets, common prefixes, pages, what must not appear, and 503 instead of a short list.

mod support;

use bytes::Bytes;
use openlake_object::{BucketView, Condition, ListPage, PutTarget, Store, StoreError};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use support::body::TestBody;
use support::world::{Faults, World};
use support::{run, run_seeded};

fn target(bucket: BucketView, key: &str) -> PutTarget {
    PutTarget {
        bucket,
        key: Bytes::copy_from_slice(key.as_bytes()),
        condition: Condition::None,
    }
}

async fn put(store: &Store, bucket: BucketView, key: &str) {
    store
        .put(target(bucket, key), &mut TestBody::new(key.as_bytes(), 100, [1; 16]))
        .await
        .expect("put");
}

async fn page(
    store: &Store,
    bucket: BucketView,
    prefix: &str,
    delimiter: &str,
    after: &Bytes,
    limit: usize,
) -> Result<ListPage, StoreError> {
    store
        .list(
            bucket,
            &Bytes::copy_from_slice(prefix.as_bytes()),
            delimiter.as_bytes(),
            after,
            limit,
        )
        .await
}

/// All keys and prefixes, page by page.
async fn all(store: &Store, bucket: BucketView, prefix: &str, delimiter: &str, limit: usize) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut prefixes, mut after) = (Vec::new(), Vec::new(), Bytes::new());
    loop {
        let page = page(store, bucket, prefix, delimiter, &after, limit).await.expect("list");
        assert!(page.rows.len() + page.prefixes.len() <= limit);
        keys.extend(page.rows.iter().map(|row| String::from_utf8_lossy(&row.key).into_owned()));
        prefixes.extend(page.prefixes.iter().map(|prefix| String::from_utf8_lossy(prefix).into_owned()));
        match page.next {
            Some(next) => after = next,
            None => return (keys, prefixes),
        }
    }
}

/// What a list must show, from a plain set of keys.
fn expected(keys: &BTreeSet<String>, prefix: &str, delimiter: &str) -> (Vec<String>, Vec<String>) {
    let (mut rows, mut prefixes) = (Vec::new(), BTreeSet::new());
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        match key[prefix.len()..].find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => drop(prefixes.insert(key[..prefix.len() + at + delimiter.len()].to_owned())),
            None => rows.push(key.clone()),
        }
    }
    (rows, prefixes.into_iter().collect())
}

async fn world(runtime: &openlake_io::Runtime, seed: u64, sets: u32) -> (Rc<World>, Store, BucketView) {
    let world = World::new(runtime, seed, sets, 2, 2);
    let store = world.store(0);
    let bucket = store.create_bucket("bucket").await.expect("create");
    (world, store, bucket)
}

#[test]
fn pages_of_any_size_together_are_the_keys_in_order() {
    for seed in 0..12 {
        run_seeded(seed, async move |runtime| {
            let (world, store, bucket) = world(&runtime, seed, 1 + seed as u32 % 4).await;
            let mut keys = BTreeSet::new();
            for _ in 0..120 {
                let depth = 1 + world.random(3);
                let key: Vec<String> = (0..depth)
                    .map(|_| ["a", "b", "cc", "d~", "é"][world.random(5) as usize].repeat(1 + world.random(2) as usize))
                    .collect();
                let key = key.join("/");
                if world.random(6) == 0 {
                    store.delete(target(bucket, &key)).await.expect("delete");
                    keys.remove(&key);
                } else {
                    put(&store, bucket, &key).await;
                    keys.insert(key);
                }
            }
            for (prefix, delimiter) in [
                ("", ""),
                ("", "/"),
                ("a/", "/"),
                ("a", "/"),
                ("b/", ""),
                ("", "c"),
                ("zzz", "/"),
                ("", "~/"),
            ] {
                for limit in [1, 2, 7, 1000] {
                    let found = all(&store, bucket, prefix, delimiter, limit).await;
                    assert_eq!(
                        found,
                        expected(&keys, prefix, delimiter),
                        "seed {seed} prefix {prefix:?} delimiter {delimiter:?} limit {limit}"
                    );
                }
            }
        });
    }
}

#[test]
fn a_page_ends_with_a_continuation_only_if_more_follows() {
    run(async move |runtime| {
        let (_, store, bucket) = world(&runtime, 1, 2).await;
        for key in ["a", "b", "c"] {
            put(&store, bucket, key).await;
        }
        assert_eq!(page(&store, bucket, "", "", &Bytes::new(), 3).await.expect("list").next, None);
        assert_eq!(
            page(&store, bucket, "", "", &Bytes::new(), 2).await.expect("list").next,
            Some(Bytes::from_static(b"b"))
        );
        assert_eq!(page(&store, bucket, "", "", &Bytes::new(), 0).await.expect("list").rows, vec![]);
    });
}

#[test]
fn too_few_drives_are_an_error_never_a_short_list() {
    run(async move |runtime| {
        let (world, store, bucket) = world(&runtime, 2, 2).await;
        put(&store, bucket, "key").await;
        runtime.sleep(Duration::from_millis(20)).await;
        for slot in 0..4 {
            world.set_down(slot, true);
            if slot < 2 {
                assert_eq!(all(&store, bucket, "", "", 10).await.0, ["key"], "{slot}");
            }
        }
        let result = page(&store, bucket, "", "", &Bytes::new(), 10).await;
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    });
}

#[test]
fn keys_left_open_by_crashed_writers_and_lost_marks_are_settled() {
    run(async move |runtime| {
        let (world, store, bucket) = world(&runtime, 3, 2).await;
        world.faults.set(Faults {
            lose_mark: 1000,
            ..Faults::default()
        });
        let mut keys = BTreeSet::new();
        for n in 0..60 {
            let key = format!("key-{n:02}");
            world.set_down((n % 4) as u8, true);
            put(&store, bucket, &key).await;
            world.set_down((n % 4) as u8, false);
            keys.insert(key);
        }
        world.faults.set(Faults::default());
        let before = world.calls.get();
        assert_eq!(all(&store, bucket, "", "", 1000).await.0, keys.iter().cloned().collect::<Vec<_>>());
        let first = world.calls.get() - before;
        runtime.sleep(Duration::from_millis(50)).await;
        let before = world.calls.get();
        assert_eq!(all(&store, bucket, "", "", 1000).await.0.len(), 60);
        assert!(world.calls.get() - before <= first, "the second list has less to do");
    });
}

#[test]
fn a_blank_drives_list_does_not_count() {
    run(async move |runtime| {
        let (world, store, bucket) = world(&runtime, 4, 1).await;
        put(&store, bucket, "key").await;
        runtime.sleep(Duration::from_millis(20)).await;
        let floor = world.drive(0, |drive| drive.highest_floor());
        for slot in [0, 1] {
            world.drive(slot, |drive| drive.replace_by_blank(floor));
        }
        assert_eq!(all(&store, bucket, "", "", 10).await.0, ["key"]);
    });
}

#[test]
fn a_key_that_cannot_be_told_hides_nothing_in_front_of_it() {
    run(async move |runtime| {
        let (world, store, bucket) = world(&runtime, 5, 8).await;
        let names: Vec<String> = (0..40).map(|n| format!("key-{n:02}")).collect();
        for name in &names {
            put(&store, bucket, name).await;
        }
        runtime.sleep(Duration::from_millis(50)).await;
        // Of one key in the middle two drives hold a newer version; a third does not take it, and the last cannot be asked.
        let open = &names[20];
        world.refuse_objects(&[2, 3]);
        let failed = store.put(target(bucket, open), &mut TestBody::new(b"newer", 5, [9; 16])).await;
        assert!(failed.is_err(), "{failed:?}");
        world.set_down(3, true);
        let mut shown = Vec::new();
        let mut after = Bytes::new();
        let error = loop {
            match store.list(bucket, &Bytes::new(), b"", &after, 7).await {
                Ok(page) => {
                    shown.extend(page.rows.iter().map(|row| String::from_utf8_lossy(&row.key).into_owned()));
                    after = page.next.expect("it goes on");
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert_eq!(shown, names[..20]);
    });
}
