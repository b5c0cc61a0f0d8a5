//! Random histories of one key, with loss, delay, crashed coordinators, restarting and absent drives, clocks that differ: whatever clients
//! were told must be explained by some order of their operations.
//!
//! A failure prints its seed; `OPENLAKE_SEED=<seed> cargo test -p openlake-object --test linearizable` runs just that one.

mod support;

use bytes::Bytes;
use futures_util::future::{Either, join_all, select};
use openlake_drive::{Key, Space};
use openlake_object::{BucketView, Condition, PutTarget, StoreError};
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use support::body::{TestBody, collect};
use support::linear::{Entry, Event, is_linearizable};
use support::run_seeded;
use support::world::{Faults, World};

const KEY: &[u8] = b"the key";
const CLIENTS: u32 = 3;
const OPERATIONS: u32 = 5;

struct History {
    world: Rc<World>,
    bucket: BucketView,
    time: Cell<u64>,
    values: Cell<u32>,
    entries: RefCell<Vec<Entry>>,
    sizes: [usize; 3],
}

/// The value's bytes: its number, then filler.
fn content(id: u32, size: usize) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.resize(size.max(4), id as u8);
    bytes
}

fn etag(id: u32) -> [u8; 16] {
    let mut etag = [0; 16];
    etag[..4].copy_from_slice(&id.to_le_bytes());
    etag
}

/// 200, a clean no, or unknown.
fn outcome(result: Result<(), StoreError>) -> Result<Option<bool>, StoreError> {
    match result {
        Ok(()) => Ok(Some(true)),
        Err(StoreError::PreconditionFailed) => Ok(Some(false)),
        Err(StoreError::Unknown(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl History {
    fn tick(&self) -> u64 {
        self.time.set(self.time.get() + 1);
        self.time.get()
    }
    fn new_value(&self) -> (u32, Vec<u8>) {
        self.values.set(self.values.get() + 1);
        let id = self.values.get();
        (id, content(id, self.sizes[self.world.random(3) as usize]))
    }
    /// Runs one operation; a crash is the operation never going on.
    async fn operate(&self, client: u32) {
        let world = &self.world;
        let store = world.store(client);
        let target = |condition| PutTarget {
            bucket: self.bucket,
            key: Bytes::from_static(KEY),
            condition,
        };
        let start = self.tick();
        let kind = world.random(10);
        let (id, bytes) = self.new_value();
        let expected = 1 + world.random(u64::from(id)) as u32;
        let mut body = TestBody::new(&bytes, 60_000, etag(id));
        let event = match kind {
            0..4 => Event::Put { id, done: None },
            4 => Event::Delete { done: None },
            5 => Event::PutIfAbsent { id, done: None },
            6 => Event::PutIfMatch { id, expected, done: None },
            _ => Event::Get { saw: None },
        };
        world.note(|| format!("{start}: client {client} begins {event:?}"));
        let work = async {
            match event {
                Event::Put { .. } => {
                    outcome(store.put(target(Condition::None), &mut body).await.map(drop)).map(|done| Event::Put { id, done })
                }
                Event::Delete { .. } => outcome(store.delete(target(Condition::None)).await).map(|done| Event::Delete { done }),
                Event::PutIfAbsent { .. } => {
                    outcome(store.put(target(Condition::Absent), &mut body).await.map(drop)).map(|done| Event::PutIfAbsent { id, done })
                }
                Event::PutIfMatch { .. } => {
                    let condition = Condition::Matches {
                        etag: etag(expected),
                        parts: 0,
                    };
                    outcome(store.put(target(condition), &mut body).await.map(drop)).map(|done| Event::PutIfMatch { id, expected, done })
                }
                Event::Get { .. } => match store.get(self.bucket, &Bytes::from_static(KEY), None).await {
                    Ok((info, _, _, body)) => collect(body).await.map(|bytes| {
                        let id = u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"));
                        assert!(bytes == content(id, bytes.len()), "bytes of different versions mixed");
                        assert_eq!(info.etag, etag(id));
                        Event::Get { saw: Some(id) }
                    }),
                    Err(StoreError::NoSuchKey) => Ok(Event::Get { saw: None }),
                    Err(error) => Err(error),
                },
            }
        };
        let crash_after = if world.random(8) == 0 {
            Duration::from_micros(world.random(6_000))
        } else {
            Duration::from_secs(3600)
        };
        let ended = {
            let (work, crash) = (pin!(work), pin!(world.runtime.sleep(crash_after)));
            match select(work, crash).await {
                Either::Left((result, _)) => Some(result),
                Either::Right(_) => None,
            }
        };
        world.note(|| format!("{start}: client {client} {event:?} ended with {ended:?}"));
        let is_read = matches!(event, Event::Get { .. });
        let entry = match ended {
            Some(Ok(event)) => {
                let unknown = matches!(
                    event,
                    Event::Put { done: None, .. }
                        | Event::Delete { done: None }
                        | Event::PutIfAbsent { done: None, .. }
                        | Event::PutIfMatch { done: None, .. }
                );
                Entry {
                    start,
                    end: if unknown { u64::MAX } else { self.tick() },
                    event,
                }
            }
            // 409, 503 without effect, failed reads: nothing was said and nothing may have happened.
            Some(Err(StoreError::ConditionalConflict | StoreError::Unavailable(_))) => return,
            Some(Err(error)) => panic!("{event:?} ended with {error:?}"),
            None if is_read => return,
            None => Entry {
                start,
                end: u64::MAX,
                event,
            },
        };
        self.entries.borrow_mut().push(entry);
    }

    /// Things that happen to drives while clients work.
    async fn disturb(&self, slots: u8) {
        let world = &self.world;
        for _ in 0..6 {
            world.runtime.sleep(Duration::from_micros(world.random(8_000))).await;
            let slot = world.random(u64::from(slots)) as u8;
            let what = world.random(4);
            world.note(|| format!("disturbance {what} of slot {slot}"));
            match what {
                0 => world.drive(slot, |drive| drive.restart()),
                1 => {
                    world.set_down(slot, true);
                    world.runtime.sleep(Duration::from_micros(world.random(6_000))).await;
                    world.set_down(slot, false);
                }
                2 => {
                    let key = Key {
                        bucket: self.bucket.id,
                        space: Space::Object,
                        name: Bytes::from_static(KEY),
                    };
                    let _ = world.store(0).settle(key).await;
                }
                _ => {}
            }
        }
    }
}

/// How many operations were answered for sure, and all that drives were asked and said.
async fn one_history(runtime: &openlake_io::Runtime, seed: u64) -> (usize, Vec<String>) {
    let (data, parity) = [(2, 1), (2, 2), (1, 2), (1, 1), (3, 1), (4, 2)][(seed % 6) as usize];
    let world = World::new(runtime, seed, 1, data, parity);
    world.deadline.set(Duration::from_millis(250));
    let bucket = world.store(0).create_bucket("bucket").await.expect("create");
    *world.log.borrow_mut() = Some(Vec::new());
    let calm = (seed / 6).is_multiple_of(3);
    world.faults.set(Faults {
        lose_request: if calm { 0 } else { 30 },
        lose_answer: if calm { 0 } else { 30 },
        lose_mark: 300,
        delay_us: 1_500,
        very_late: if calm { 0 } else { 8 },
    });
    for node in 0..u32::from(data + parity) {
        let ahead_ms = world.random(2) * world.random(3_000);
        world.advance_clock(node, ahead_ms);
    }
    let sizes = if seed.is_multiple_of(4) {
        [10, 2_000, 300_000]
    } else {
        [10, 2_000, 2_000]
    };
    let history = Rc::new(History {
        world: world.clone(),
        bucket,
        time: Cell::new(0),
        values: Cell::new(0),
        entries: RefCell::default(),
        sizes,
    });
    let clients = (0..CLIENTS).map(|client| {
        let (history, nodes) = (history.clone(), u32::from(data + parity));
        async move {
            for _ in 0..OPERATIONS {
                history.operate(client % nodes).await;
            }
        }
    });
    futures_util::future::join(join_all(clients), history.disturb(data + parity)).await;
    // Quiet at last: two reads in a row must agree with all that was said.
    world.faults.set(Faults {
        lose_mark: 0,
        ..Faults::default()
    });
    for _ in 0..2 {
        let start = history.tick();
        if let Ok(saw) = match world.store(1).get(bucket, &Bytes::from_static(KEY), None).await {
            Ok((_, _, _, body)) => collect(body)
                .await
                .map(|bytes| Some(u32::from_le_bytes(bytes[..4].try_into().expect("four bytes")))),
            Err(StoreError::NoSuchKey) => Ok(None),
            Err(error) => Err(error),
        } {
            let end = history.tick();
            history.entries.borrow_mut().push(Entry {
                start,
                end,
                event: Event::Get { saw },
            });
        }
    }
    let entries = history.entries.borrow();
    if !is_linearizable(&entries) {
        let mut sorted: Vec<Entry> = entries.clone();
        sorted.sort_by_key(|entry| entry.start);
        let text: Vec<String> = sorted
            .iter()
            .map(|entry| format!("{:>3} - {:>20} {:?}", entry.start, entry.end, entry.event))
            .collect();
        let log = world.log.borrow().clone().unwrap_or_default().join("\n");
        panic!(
            "{log}\nOPENLAKE_SEED={seed}: {data}+{parity}, not linearizable:\n{}",
            text.join("\n")
        );
    }
    let log = world.log.borrow_mut().take().unwrap_or_default();
    (entries.iter().filter(|entry| entry.end != u64::MAX).count(), log)
}

#[test]
fn histories_are_linearizable() {
    let fixed: Option<u64> = std::env::var("OPENLAKE_SEED").ok().and_then(|seed| seed.parse().ok());
    let count: u64 = std::env::var("OPENLAKE_HISTORIES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(60);
    let start = fixed.unwrap_or_else(|| u64::from(std::process::id()) * 1_000_003);
    let seeds = start..start + if fixed.is_some() { 1 } else { count };
    println!("seeds {seeds:?}");
    let answered: usize = seeds
        .map(|seed| run_seeded(seed, async move |runtime| one_history(&runtime, seed).await.0))
        .sum();
    println!("{answered} operations were answered for sure");
    assert!(
        answered as u64 > (OPERATIONS as u64) * if fixed.is_some() { 1 } else { count },
        "too few operations got an answer: {answered}"
    );
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..30 {
        let run = || run_seeded(seed, async move |runtime| one_history(&runtime, seed).await.1);
        assert_eq!(run(), run(), "seed {seed}");
    }
}

#[test]
fn the_checker_knows_right_from_wrong() {
    let entry = |start, end, event| Entry { start, end, event };
    let put = |id| Event::Put { id, done: Some(true) };
    let get = |id| Event::Get { saw: Some(id) };
    assert!(is_linearizable(&[entry(1, 2, put(1)), entry(3, 4, put(2)), entry(5, 6, get(2))]));
    assert!(
        !is_linearizable(&[entry(1, 2, put(1)), entry(3, 4, put(2)), entry(5, 6, get(1))]),
        "stale read"
    );
    let unknown = Event::Put { id: 2, done: None };
    assert!(is_linearizable(&[
        entry(1, 2, put(1)),
        entry(3, u64::MAX, unknown),
        entry(5, 6, get(1)),
        entry(7, 8, get(2))
    ]));
    assert!(
        !is_linearizable(&[
            entry(1, 2, put(1)),
            entry(3, u64::MAX, unknown),
            entry(5, 6, get(2)),
            entry(7, 8, get(1))
        ]),
        "B, A"
    );
    let both = |id| Event::PutIfAbsent { id, done: Some(true) };
    assert!(
        !is_linearizable(&[entry(1, 9, both(1)), entry(1, 9, both(2))]),
        "two If-None-Match both 200"
    );
}
