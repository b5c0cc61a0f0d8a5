//! The cache: bounded, what is in steady use stays whatever passes by, and what it says is never old.

use super::harness::*;
use crate::cache::Cache;
use crate::open::Tuning;
use crate::{Answer, Drive, Kind, Request};
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;

const LIMIT: u64 = 1 << 20;
const ITEM: usize = 1000;

fn item(number: u64) -> Bytes {
    pattern(number, ITEM).into()
}

/// Reads through the cache, as the drive does; whether it was a hit.
fn read(cache: &mut Cache<u64>, number: u64) -> bool {
    if let Some(bytes) = cache.get(number) {
        assert_eq!(bytes, item(number), "the bytes of another key");
        return true;
    }
    cache.insert(number, item(number));
    false
}

#[test]
fn one_pass_over_many_items_leaves_those_in_use() {
    let hot = 0..400_u64;
    // Known from before there was any pressure, and from under pressure.
    for others in [0, 1_u64] {
        let mut cache = Cache::new(LIMIT);
        for round in 0..10 {
            for number in hot.clone() {
                read(&mut cache, number);
                for other in 0..others {
                    read(&mut cache, 1_000_000 + (round * 400 + number) * others + other);
                }
            }
        }
        // One pass over fifty times what fits, each asked for several times in a row, as rows of one block are.
        for number in 0..50_000 {
            for _ in 0..3 {
                read(&mut cache, 2_000_000 + number);
            }
        }
        let kept = hot.clone().filter(|number| read(&mut cache, *number)).count();
        assert!(kept >= 396, "{kept} of 400 were kept, with {others} others between");
    }
}

#[test]
fn what_comes_into_use_displaces_what_no_longer_is() {
    let mut cache = Cache::new(LIMIT);
    let rounds = |cache: &mut Cache<u64>, from: u64| {
        for number in (0..20).flat_map(|_| from..from + 400) {
            read(cache, number);
        }
    };
    rounds(&mut cache, 0);
    rounds(&mut cache, 10_000);
    rounds(&mut cache, 20_000);
    let kept = (20_000..20_400).filter(|number| read(&mut cache, *number)).count();
    assert_eq!(kept, 400);
}

proptest! {
    #[test]
    fn it_holds_no_more_than_it_may_and_gives_back_what_was_put(steps in prop::collection::vec((0..5_u8, 0..300_u64, 0..60_000_usize), 1..400)) {
        let mut cache: Cache<u64> = Cache::new(256 << 10);
        for (what, number, length) in steps {
            match what {
                0..3 => match cache.get(number) {
                    Some(bytes) => prop_assert_eq!(&bytes[..8], &number.to_le_bytes()),
                    None => cache.insert(number, [&number.to_le_bytes()[..], &vec![0; length]].concat().into()),
                },
                3 => {
                    cache.remove(number);
                    prop_assert!(cache.get(number).is_none());
                }
                _ => cache.set_limit((64 << 10) + length * 4),
            }
            prop_assert!(cache.held_bytes() <= cache.limit_bytes());
        }
    }
}

async fn expect_bytes(drive: &Drive, id: u64, when: &str) {
    let name = format!("k{}", id % 100);
    assert_eq!(read_all(drive, &name).await, Some(pattern(id, 2000)), "{name} {when}");
}

#[test]
fn a_cached_record_is_never_old() {
    let (runtime, folder) = (runtime(), Folder::new("cache"));
    runtime.run(async {
        let mut options = options(folder.path());
        options.cache_bytes = 4 << 20;
        let tuning = Tuning {
            clean_always: Some(true),
            ..TINY
        };
        let drive = Drive::open_tuned(&runtime, options.clone(), tuning).await.expect("the drive opens");
        for id in 0..600 {
            let (name, near) = (format!("k{}", id % 100), ballot(runtime.wall_ms(), id));
            assert_eq!(put(&drive, &name, near, id, &pattern(id, 2000)).await, Answer::Ack);
            stable(&drive, &name, near).await;
            expect_bytes(&drive, id, "as just overwritten").await;
        }
        // The cleaner moves them meanwhile, and segments are used again.
        let moved = drive.core().cleaner.moved_records.get();
        for _ in 0..100 {
            runtime.sleep(Duration::from_millis(20)).await;
            for id in 500..600 {
                expect_bytes(&drive, id, "beside the cleaner").await;
            }
            if drive.core().cleaner.moved_records.get() > moved + 50 {
                break;
            }
        }
        assert!(drive.status().cache_hits > 600, "{} hits", drive.status().cache_hits);
        let near = ballot(runtime.wall_ms(), 700);
        let mut tombstone = record(near, 700, b"");
        tombstone.kind = Kind::Tombstone;
        let (key, record) = (key("k7"), tombstone);
        assert_eq!(drive.handle(Request::Publish { key, record }).await, Answer::Ack);
        assert_eq!(read_all(&drive, "k7").await, None);
        drive.close().await;
        drop(drive);
        let drive = Drive::open_tuned(&runtime, options, tuning).await.expect("the drive opens again");
        for id in (500..600).filter(|id| id % 100 != 7) {
            expect_bytes(&drive, id, "after a restart").await;
        }
        assert_eq!(read_all(&drive, "k7").await, None);
    });
}
