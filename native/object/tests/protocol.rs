//! The cases that decide whether the protocol is right: what one, two or crashed coordinators leave behind.

mod support;

use bytes::Bytes;
use futures_util::future::{Either, join, select};
use openlake_drive::{Key, Space};
use openlake_object::{BucketView, Condition, PutTarget, Store, StoreError};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use support::body::{TestBody, collect};
use support::world::{Faults, World};
use support::{run, run_seeded};

static KEY: Bytes = Bytes::from_static(b"key");

async fn bucket(world: &Rc<World>) -> BucketView {
    world.store(0).create_bucket("bucket").await.expect("create")
}

fn target(bucket: BucketView, condition: Condition) -> PutTarget {
    PutTarget {
        bucket,
        key: KEY.clone(),
        condition,
    }
}

async fn put_if(store: &Store, bucket: BucketView, bytes: &[u8], condition: Condition) -> Result<(), StoreError> {
    let etag = openlake_checksum::md5::digest(bytes);
    store
        .put(target(bucket, condition), &mut TestBody::new(bytes, 50_000, etag))
        .await
        .map(drop)
}

async fn put(store: &Store, bucket: BucketView, bytes: &[u8]) -> Result<(), StoreError> {
    put_if(store, bucket, bytes, Condition::None).await
}

async fn get(store: &Store, bucket: BucketView) -> Result<Vec<u8>, StoreError> {
    let (_, _, _, body) = store.get(bucket, &KEY, None).await?;
    collect(body).await
}

fn object_key(bucket: BucketView) -> Key {
    Key {
        bucket: bucket.id,
        space: Space::Object,
        name: KEY.clone(),
    }
}

fn away(world: &World, slots: &[u8]) {
    slots.iter().for_each(|slot| world.set_down(*slot, true));
}

fn back(world: &World, slots: &[u8]) {
    slots.iter().for_each(|slot| world.set_down(*slot, false));
}

#[test]
fn two_plus_two_writes_with_one_drive_away_and_reads_with_two() {
    run(async move |runtime| {
        let world = World::new(&runtime, 1, 1, 2, 2);
        let bucket = bucket(&world).await;
        let store = world.store(0);
        for size in [5usize, 3_000, 500_000] {
            let (first, second) = (vec![1; size], vec![2; size]);
            put(&store, bucket, &first).await.expect("all there");
            for slot in 0..4 {
                away(&world, &[slot]);
                put(&store, bucket, &second).await.expect("one away");
                assert!(get(&store, bucket).await.expect("one away") == second);
                back(&world, &[slot]);
                put(&store, bucket, &first).await.expect("back");
                runtime.sleep(Duration::from_secs(3)).await;
                let other = (slot + 1) % 4;
                away(&world, &[slot, other]);
                assert!(
                    get(&store, bucket).await.expect("two away") == first,
                    "{size}: slots {slot} and {other} away"
                );
                let refused = put(&store, bucket, &second).await;
                assert!(
                    matches!(refused, Err(StoreError::Unavailable(_) | StoreError::Unknown(_))),
                    "{refused:?}"
                );
                back(&world, &[slot, other]);
                // Whatever became of it, all agree on it.
                let settled = get(&store, bucket).await.expect("back");
                assert!(settled == first || settled == second);
                assert!(get(&world.store(3), bucket).await.expect("back") == settled);
            }
        }
    });
}

#[test]
fn a_refusal_names_how_many_slots_answered_and_why_the_others_did_not() {
    run(async move |runtime| {
        let world = World::new(&runtime, 2, 1, 2, 2);
        let bucket = bucket(&world).await;
        let store = world.store(0);
        away(&world, &[1, 2]);
        let _ = put(&store, bucket, b"x").await;
        // By now the coordinator knows who is away, and sends nothing.
        let Err(StoreError::Unavailable(text)) = put(&store, bucket, b"x").await else {
            panic!("expected 503 without effect")
        };
        for part in [
            "set 0",
            "slot 1 (node 1): connection refused",
            "slot 2 (node 2): connection refused",
            "3",
        ] {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
        back(&world, &[1, 2]);
        put(&store, bucket, b"x").await.expect("all back");
    });
}

#[test]
fn what_a_crashed_writer_left_half_published_is_settled_one_way_for_all() {
    for seed in 0..60 {
        run_seeded(seed, async move |runtime| {
            let (data, parity) = [(2, 2), (2, 1), (1, 1), (4, 2)][(seed % 4) as usize];
            let world = World::new(&runtime, seed, 1, data, parity);
            let bucket = bucket(&world).await;
            put(&world.store(0), bucket, b"old").await.expect("old");
            runtime.sleep(Duration::from_millis(20)).await;
            world.faults.set(Faults {
                delay_us: 1_000,
                ..Faults::default()
            });
            let size = [10usize, 4_000, 400_000][(seed % 3) as usize];
            let new = vec![9; size];
            {
                let store = world.store(1);
                let write = pin!(put(&store, bucket, &new));
                let crash = pin!(runtime.sleep(Duration::from_micros(200 + seed * 60)));
                let _ = matches!(select(write, crash).await, Either::Left(_));
            }
            // Publishes on the way may arrive later or, with their drive away, never.
            away(&world, &[(seed % u64::from(data + parity)) as u8]);
            runtime.sleep(Duration::from_millis(5)).await;
            back(&world, &[(seed % u64::from(data + parity)) as u8]);
            let seen = get(&world.store(0), bucket).await.expect("every drive answers");
            assert!(seen == b"old" || seen == new, "seed {seed}");
            for node in 0..u32::from(data + parity) {
                assert!(
                    get(&world.store(node), bucket).await.expect("again") == seen,
                    "seed {seed}: node {node} sees another version"
                );
            }
        });
    }
}

#[test]
fn a_version_that_can_be_neither_decoded_nor_excluded_is_503_not_the_older_one() {
    run(async move |runtime| {
        let world = World::new(&runtime, 3, 1, 2, 2);
        let bucket = bucket(&world).await;
        let store = world.store(0);
        put(&store, bucket, &[1; 9_000]).await.expect("old");
        runtime.sleep(Duration::from_millis(20)).await;
        world.faults.set(Faults {
            lose_mark: 1000,
            ..Faults::default()
        });
        away(&world, &[0]);
        put(&store, bucket, &[2; 9_000]).await.expect("new, on slots 1 to 3");
        back(&world, &[0]);
        away(&world, &[2, 3]);
        // Slot 1 shows the new version unmarked, slot 0 the old one: the new one may be complete on 1, 2 and 3, and it is.
        let result = get(&store, bucket).await;
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        back(&world, &[2]);
        assert!(get(&store, bucket).await.expect("decodable again") == vec![2; 9_000]);
    });
}

#[test]
fn a_refused_write_that_was_completed_by_a_reader_never_returns_on_top_of_its_successor() {
    // B is refused by two of four, completed by a reader; A is acknowledged; B's coordinator then decides. B must not show again.
    run(async move |runtime| {
        let world = World::new(&runtime, 4, 1, 2, 2);
        let bucket = bucket(&world).await;
        let key = object_key(bucket);
        for round in 0..20u64 {
            // The racer's clock is ahead, so B's ballot lies below A's and is refused where A came first.
            world.advance_clock(3, 40 * (round + 1));
            world.faults.set(Faults {
                delay_us: 3_000,
                ..Faults::default()
            });
            let (b, a) = (format!("b{round}"), format!("a{round}"));
            let (slow, fast, reader) = (world.store(0), world.store(3), world.store(2));
            let write_b = put(&slow, bucket, b.as_bytes());
            let write_a = async {
                runtime.sleep(Duration::from_micros(world.random(3_000))).await;
                let _ = reader.settle(key.clone()).await;
                put(&fast, bucket, a.as_bytes()).await
            };
            let (result_b, result_a) = join(write_b, write_a).await;
            result_a.expect("A");
            let first = get(&reader, bucket).await.expect("read");
            runtime.sleep(Duration::from_millis(50)).await;
            let second = get(&reader, bucket).await.expect("read");
            assert!(
                first == second,
                "round {round}: the value changed after both writes had ended ({result_b:?})"
            );
        }
    });
}

#[test]
fn of_two_racing_creations_exactly_one_succeeds() {
    for seed in 0..100 {
        run_seeded(seed, async move |runtime| {
            let (data, parity) = [(2, 2), (2, 1), (1, 2)][(seed % 3) as usize];
            let world = World::new(&runtime, seed, 1, data, parity);
            let bucket = bucket(&world).await;
            world.faults.set(Faults {
                delay_us: 1_500,
                ..Faults::default()
            });
            let (one, two) = (world.store(0), world.store(1));
            let size = if seed % 5 == 0 { 300_000 } else { 3 };
            let (first, second) = (vec![1; size], vec![2; size]);
            let (result_one, result_two) = join(
                put_if(&one, bucket, &first, Condition::Absent),
                put_if(&two, bucket, &second, Condition::Absent),
            )
            .await;
            let winners = [&result_one, &result_two].iter().filter(|result| result.is_ok()).count();
            assert!(winners <= 1, "seed {seed}: both created it");
            let seen = get(&world.store(2), bucket).await.expect("one of them");
            match (&result_one, &result_two) {
                (Ok(()), _) => assert!(seen == first, "seed {seed}"),
                (_, Ok(())) => assert!(seen == second, "seed {seed}"),
                other => assert!(seed > 0 && matches!(other, (Err(_), Err(_))), "seed {seed}"),
            }
        });
    }
}

#[test]
fn racing_creations_on_one_core_queue_up() {
    run(async move |runtime| {
        let world = World::new(&runtime, 5, 1, 2, 2);
        let bucket = bucket(&world).await;
        let store = world.store(0);
        let writes = (0..20u8).map(|n| {
            let store = store.clone();
            async move { put_if(&store, bucket, &[n; 10], Condition::Absent).await }
        });
        let results = futures_util::future::join_all(writes).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(
            results
                .iter()
                .all(|result| matches!(result, Ok(()) | Err(StoreError::PreconditionFailed))),
            "{results:?}"
        );
    });
}

#[test]
fn a_drive_that_is_being_filled_is_asked_last() {
    run(async move |runtime| {
        let world = World::new(&runtime, 7, 1, 2, 2);
        let bucket = bucket(&world).await;
        let store = world.store(0);
        put(&store, bucket, b"value").await.expect("put");
        runtime.sleep(Duration::from_millis(20)).await;
        let above = world.drive(0, |drive| drive.highest_floor());
        let adopted = openlake_drive::Ballot {
            clock: above.clock + (1 << 16),
            ..above
        };
        world.drive(0, |drive| drive.replace_by_blank(adopted));
        let calls_of = async |reads: usize| {
            let before = world.calls.get();
            for _ in 0..reads {
                assert!(get(&store, bucket).await.expect("read") == b"value");
            }
            world.calls.get() - before
        };
        assert!(calls_of(1).await > 2, "its answer leaves the question open");
        assert_eq!(calls_of(5).await, 5 * 2, "two others suffice");
    });
}

#[test]
fn a_blank_drive_hides_nothing() {
    run(async move |runtime| {
        for (data, parity) in [(1, 2), (2, 1), (2, 2)] {
            let world = World::new(&runtime, 6, 1, data, parity);
            let bucket = bucket(&world).await;
            let (store, key) = (world.store(0), object_key(bucket));
            put(&store, bucket, b"old").await.expect("old");
            runtime.sleep(Duration::from_millis(20)).await;
            let slots = data + parity;
            // The new version misses the last slot; then one that has it is replaced by a blank drive.
            if u32::from(slots) > u32::from(data) + 1 || parity > 1 {
                away(&world, &[slots - 1]);
            }
            put(&store, bucket, b"new").await.expect("new");
            back(&world, &[slots - 1]);
            let above = world.drive(0, |drive| drive.highest_floor());
            let adopted = openlake_drive::Ballot {
                clock: above.clock + (1 << 16),
                ..above
            };
            world.drive(0, |drive| drive.replace_by_blank(adopted));
            for _ in 0..3 {
                let seen = get(&store, bucket).await.expect("read");
                assert!(seen == b"new", "{data}+{parity}: {seen:?}");
            }
            assert_eq!(store.head(bucket, &KEY).await.expect("head").size, 3);
            // Its refusal lifts the coordinator's clock; from then on it takes new writes.
            put(&store, bucket, b"newer").await.expect("refused by one");
            runtime.sleep(Duration::from_millis(20)).await;
            put(&store, bucket, b"newest").await.expect("taken by all");
            assert!(get(&store, bucket).await.expect("read") == b"newest");
            assert!(world.newest(&key)[0].is_some());
        }
    });
}

#[test]
fn marks_spread_and_older_versions_go() {
    run(async move |runtime| {
        let world = World::new(&runtime, 7, 1, 2, 2);
        let bucket = bucket(&world).await;
        let store = world.store(0);
        for n in 0..20u8 {
            put(&store, bucket, &[n; 100]).await.expect("put");
        }
        runtime.sleep(Duration::from_millis(50)).await;
        let newest = world.newest(&object_key(bucket));
        assert!(
            newest
                .iter()
                .all(|slot| *slot == newest[0] && slot.is_some_and(|(_, stable)| stable)),
            "{newest:?}"
        );
        let before = world.calls.get();
        get(&store, bucket).await.expect("get");
        assert_eq!(world.calls.get() - before, 2, "a settled key is read in one round of R");
        let before = world.calls.get();
        put(&store, bucket, b"once").await.expect("put");
        assert_eq!(world.calls.get() - before, 4, "an undisturbed write is one round");
    });
}

#[test]
fn lost_marks_pile_up_to_a_bound_and_are_settled() {
    for seed in 0..50 {
        run_seeded(seed, async move |runtime| {
            let world = World::new(&runtime, seed, 1, 2, 2);
            let bucket = bucket(&world).await;
            let store = world.store(0);
            world.faults.set(Faults {
                lose_mark: 1000,
                delay_us: seed * 20,
                ..Faults::default()
            });
            for n in 0..8u8 {
                put(&store, bucket, &[n; 100]).await.expect("put");
            }
            world.faults.set(Faults {
                delay_us: seed * 20,
                ..Faults::default()
            });
            *world.log.borrow_mut() = Some(Vec::new());
            for n in 8..30u8 {
                let result = put(&store, bucket, &[n; 100]).await;
                let log = || world.log.borrow().clone().unwrap_or_default().join("\n");
                assert!(result.is_ok(), "seed {seed}, write {n}: {result:?}\n{}", log());
                assert!(get(&store, bucket).await.expect("get") == vec![n; 100]);
            }
        });
    }
}
