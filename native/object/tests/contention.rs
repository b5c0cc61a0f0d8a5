//! Many writers of one key at once: all of them are served.

mod support;

use bytes::Bytes;
use openlake_object::{Condition, PutTarget, Store, StoreError};
use std::rc::Rc;
use std::time::Duration;
use support::body::{TestBody, collect};
use support::run_seeded;
use support::world::{Faults, World};

const KEY: Bytes = Bytes::from_static(b"hot");
const WRITERS: usize = 50;

/// Fifty writers over so many coordinators of four nodes; what became of each, and how long all of them took, in milliseconds.
fn race(seed: u64, coordinators: usize, delay_us: u64) -> (Vec<Result<(), StoreError>>, u64) {
    run_seeded(seed, async move |runtime| {
        let world = World::new(&runtime, seed, 1, 2, 2);
        world.deadline.set(Duration::from_secs(10));
        let bucket = world.store(0).create_bucket("bucket").await.expect("create");
        world.faults.set(Faults {
            delay_us,
            ..Faults::default()
        });
        let stores: Vec<Rc<Store>> = (0..coordinators).map(|number| Rc::new(world.store(number as u32 % 4))).collect();
        let started_ms = runtime.wall_ms();
        let puts = (0..WRITERS).map(|writer| {
            let store = stores[writer % coordinators].clone();
            async move {
                let bytes = vec![writer as u8; 100];
                let etag = openlake_checksum::md5::digest(&bytes);
                let target = PutTarget {
                    bucket,
                    key: KEY,
                    condition: Condition::None,
                };
                store.put(target, &mut TestBody::new(&bytes, 70_000, etag)).await.map(drop)
            }
        });
        let results = futures_util::future::join_all(puts).await;
        let took_ms = runtime.wall_ms() - started_ms;
        let (_, _, _, body) = stores[0].get(bucket, &KEY, None).await.expect("get");
        let bytes = collect(body).await.expect("body");
        assert!(bytes.len() == 100 && bytes.iter().all(|byte| *byte == bytes[0]));
        (results, took_ms)
    })
}

#[test]
fn fifty_writers_of_one_key_all_succeed_from_one_coordinator_or_many() {
    let (mut failed, mut slowest_ms) = (Vec::new(), 0);
    for coordinators in [1, 4, 32] {
        for seed in 1..=20 {
            // Links over great distances make rounds so long that dozens of coordinators do not get past each other within a deadline.
            let delays_us: &[u64] = if coordinators > 4 {
                &[200, 1_000, 5_000]
            } else {
                &[200, 1_000, 5_000, 50_000]
            };
            let delay_us = delays_us[seed as usize % delays_us.len()];
            let (results, took_ms) = race(seed, coordinators, delay_us);
            slowest_ms = slowest_ms.max(took_ms);
            failed.extend(results.into_iter().filter_map(Result::err).map(|error| (coordinators, seed, error)));
        }
    }
    println!("slowest: {slowest_ms} ms of simulated time");
    assert!(failed.is_empty(), "{} failed: {:#?}", failed.len(), &failed[..failed.len().min(20)]);
}
