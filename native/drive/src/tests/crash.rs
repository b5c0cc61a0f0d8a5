//! Power cuts, killed processes and clean ends at any moment, in a simulated world: what was acknowledged or promised is there
//! afterwards, nothing is half-visible, floors never fall. Every case is a seed; `OPENLAKE_SEED` replays one.

use super::harness::*;
use super::model::Model;
use crate::open::Tuning;
use crate::{Answer, Ballot, Covers, Drive, DriveState, KeyState, Kind, Request, Shard, Want};
use bytes::Bytes;
use openlake_io::{DurabilityClass, Runtime, SimOptions, SimWorld};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

const SEEDS: u64 = 150;
const LIVES: u64 = 5;
const KEYS: u64 = 6;
const WORKERS: u64 = 8;

/// Choices of one case.
#[derive(Clone)]
pub struct Dice(Rc<RefCell<u64>>);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Rc::new(RefCell::new(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1),
        )))
    }
    pub fn below(&self, limit: u64) -> u64 {
        let mut state = self.0.borrow_mut();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

#[test]
fn acknowledged_records_and_promises_survive_any_end() {
    run_cases(|seed| run_case(seed, Way::default()));
}

#[test]
fn rows_that_are_let_go_and_read_again_say_the_same() {
    let forgetful = Way {
        forgetful: true,
        ..Way::default()
    };
    run_cases(|seed| run_case(seed, forgetful));
}

#[test]
fn errors_of_the_device_cost_no_acknowledged_record() {
    let failing = Way {
        error_chance: 0.003,
        ..Way::default()
    };
    run_cases(|seed| run_case(seed, failing));
}

#[test]
fn a_cleaner_that_never_rests_loses_nothing() {
    let cleaning = Way {
        clean_always: true,
        ..Way::default()
    };
    run_cases(|seed| run_case(seed, cleaning));
}

/// What is special about a case.
#[derive(Clone, Copy, Default)]
pub struct Way {
    pub error_chance: f64,
    /// No row stays in memory that needs not.
    pub forgetful: bool,
    pub clean_always: bool,
}

fn run_cases(case: impl Fn(u64) -> usize) {
    let seeds = match std::env::var("OPENLAKE_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    };
    let mut told = 0;
    for seed in seeds {
        eprintln!("seed {seed}");
        told += case(seed);
    }
    eprintln!("{told} acknowledgements and promises");
    assert!(told > 0, "nothing was tested");
}

/// Several lives of one drive; how much was acknowledged and promised in them.
pub fn run_case(seed: u64, way: Way) -> usize {
    let dice = Dice::new(seed);
    let classes = [DurabilityClass::ForceUnitAccess, DurabilityClass::Flush, DurabilityClass::Through];
    let durability_class = classes[dice.below(3) as usize];
    let world = SimWorld::new(
        seed,
        SimOptions {
            durability_class,
            ..SimOptions::default()
        },
    );
    let model = Rc::new(RefCell::new(Model::default()));
    for life in 0..LIVES {
        let runtime = world.start_node(1, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        if life == 0 {
            runtime.create_directory(Path::new("/data")).expect("a directory");
            runtime.sync_directory(Path::new("/")).expect("a durable directory");
        }
        // Some lives end while the drive is being opened.
        if dice.below(6) == 0 {
            let opening = runtime.clone();
            runtime.spawn(async move {
                let drive = open_drive(&opening, way).await;
                opening.sleep(Duration::from_secs(1)).await;
                drop(drive);
            });
            steps(&world, dice.below(400));
            world.crash_node(1);
            continue;
        }
        let opening = runtime.clone();
        let drive = world.run(
            &runtime,
            async move {
                if life > 0 {
                    audit_at_rest(&opening, Path::new("/data")).await;
                }
                open_drive(&opening, way).await
            },
            Duration::from_secs(60),
        );
        assert_eq!(drive.status().state, DriveState::Healthy);
        let check = check(drive.clone(), model.clone());
        world.run(&runtime, check, Duration::from_secs(60));
        world.change_options(|options| options.disk_error_chance = way.error_chance);
        if way.forgetful {
            // What is read again comes from many small runs.
            runtime.spawn(checkpoint_forever(drive.core().clone()));
        }
        for worker in 0..WORKERS {
            let work = work(runtime.clone(), drive.clone(), model.clone(), dice.clone(), worker);
            runtime.spawn(work);
        }
        // Early ends find what is not durable yet, late ones what is long forgotten.
        let limit = if dice.below(2) == 0 { 100 } else { 2000 };
        steps(&world, dice.below(limit));
        match dice.below(4) {
            0 => {
                let closing = drive.clone();
                world.run(&runtime, async move { closing.close().await }, Duration::from_secs(60));
                world.stop_node(1);
            }
            1 => world.stop_node(1),
            _ => world.crash_node(1),
        }
        world.change_options(|options| options.disk_error_chance = 0.0);
        model.borrow_mut().begin_life();
    }
    model.borrow().told()
}

/// `forgetful`: no row stays in memory longer than it must.
async fn open_drive(runtime: &Runtime, way: Way) -> Drive {
    let mut options = options(Path::new("/data"));
    if way.forgetful {
        options.index_bytes = 0;
    }
    let tuning = Tuning {
        clean_always: Some(way.clean_always),
        ..TINY
    };
    Drive::open_tuned(runtime, options, tuning).await.expect("the drive opens")
}

fn steps(world: &SimWorld, count: u64) {
    let end = world.events() + count;
    while world.events() < end && world.step() {}
}

/// What the drive says now must fit what it said before.
async fn check(drive: Drive, model: Rc<RefCell<Model>>) {
    model.borrow_mut().boots.push(drive.boot());
    for name in 0..KEYS {
        let name = format!("k{name}");
        let Answer::State { state, shard } = drive
            .handle(Request::Read {
                key: key(&name),
                want: Want::Blocks { first: 0, count: 999 },
            })
            .await
        else {
            panic!("no state")
        };
        assert_eq!(state.dirty, None);
        model.borrow().check_state(&name, &state);
        for head in &state.records {
            let expected = model.borrow().payload(&name, head.ballot);
            let request = Request::Blocks {
                key: key(&name),
                write_id: head.write_id,
                first: 0,
                count: 999,
            };
            let Answer::Blocks(shard) = drive.handle(request).await else {
                panic!("{name} {} is gone", head.ballot)
            };
            let bytes: Option<Vec<_>> = shard
                .blocks
                .into_iter()
                .map(|block| block.map(|block| block.bytes.to_vec()))
                .collect();
            let same = bytes.is_some_and(|blocks| blocks.concat() == expected);
            assert!(same, "{name} {} has other bytes than were sent", head.ballot);
        }
        let newest = state.records.first().filter(|head| head.kind == Kind::Data);
        assert_eq!(shard.map(|shard| shard.write_id), newest.map(|head| head.write_id));
    }
    assert_eq!(drive.status().corrupt_blocks, 0);
}

async fn work(runtime: Runtime, drive: Drive, model: Rc<RefCell<Model>>, dice: Dice, worker: u64) {
    while !matches!(drive.status().state, DriveState::Failed(_)) {
        runtime.yield_now().await;
        let name = format!("k{}", dice.below(KEYS));
        let near = model
            .borrow_mut()
            .near_ballot(&name, runtime.wall_ms(), dice.below(4), worker as u32);
        match dice.below(14) {
            13 => scan(&drive, &model, &dice).await,
            12 => {
                let sent = model.borrow().sent(&name, dice.below(1000));
                if let Some(record) = sent {
                    publish(&drive, &model, &name, record).await;
                }
            }
            0..4 => publish_inline(&drive, &model, &dice, &name, near).await,
            4..6 => publish_staged(&drive, &model, &dice, &name, near).await,
            6 => republish(&drive, &model, &name, near).await,
            7 => tombstone(&drive, &model, &name, near).await,
            8..10 => {
                let answer = drive
                    .handle(Request::Prepare {
                        key: key(&name),
                        ballot: near,
                    })
                    .await;
                model.borrow_mut().prepared(&name, near, &answer);
            }
            10 => {
                let Some(KeyState { records: held, .. }) = state(&drive, &name).await else {
                    return;
                };
                if let Some(head) = held.get(dice.below(3) as usize) {
                    model.borrow_mut().stable_sent(&name, head.ballot);
                    stable(&drive, &name, head.ballot).await;
                }
            }
            _ => {
                let Some(state) = state(&drive, &name).await else { return };
                model.borrow().check_state(&name, &state);
                runtime.sleep(Duration::from_millis(dice.below(300))).await;
            }
        }
    }
}

/// A scan names every key that was acknowledged before it, and says of each what a read may say.
async fn scan(drive: &Drive, model: &RefCell<Model>, dice: &Dice) {
    let mut expected = model.borrow().acknowledged();
    let (mut from, limit) = (Bytes::from_static(b"k"), 1 + dice.below(KEYS) as u32);
    loop {
        let request = Request::Scan {
            bucket: 5,
            space: crate::Space::Object,
            prefix: Bytes::from_static(b"k"),
            from: from.clone(),
            limit,
        };
        let Answer::Page { rows, covers, .. } = drive.handle(request).await else {
            return;
        };
        for row in rows.to_rows() {
            let name = String::from_utf8_lossy(&row.name).into_owned();
            model.borrow().check_state(&name, &row.state);
            expected.remove(&name);
        }
        match covers {
            Covers::End => break,
            Covers::UpTo(name) => from = [&name[..], &[0]].concat().into(),
        }
    }
    assert!(expected.is_empty(), "a scan left out {expected:?}");
}

/// The state of a key; `None` once the drive is closed.
async fn state(drive: &Drive, name: &str) -> Option<KeyState> {
    match drive
        .handle(Request::Read {
            key: key(name),
            want: Want::Heads,
        })
        .await
    {
        Answer::State { state, .. } => Some(state),
        _ => None,
    }
}

async fn publish(drive: &Drive, model: &RefCell<Model>, name: &str, record: crate::Record) {
    let ballot = record.ballot;
    let answer = drive.handle(Request::Publish { key: key(name), record }).await;
    model.borrow_mut().published(name, ballot, &answer);
}

async fn publish_inline(drive: &Drive, model: &RefCell<Model>, dice: &Dice, name: &str, ballot: Ballot) {
    let id = model.borrow_mut().new_id();
    let payload = pattern(id, dice.below(9000) as usize);
    let record = record(ballot, id, &payload);
    model.borrow_mut().attempt(name, id, payload, &record);
    publish(drive, model, name, record).await;
}

async fn publish_staged(drive: &Drive, model: &RefCell<Model>, dice: &Dice, name: &str, ballot: Ballot) {
    let id = model.borrow_mut().new_id();
    let payload = pattern(id, 1 + dice.below(80_000) as usize);
    let block_shift = 12 + dice.below(4) as u8;
    let step = (1 << block_shift) * (1 + dice.below(4) as usize);
    let shard_length = if dice.below(2) == 0 { payload.len() as u64 } else { 0 };
    for (at, part) in payload.chunks(step).enumerate() {
        let (offset, bytes) = ((at * step) as u64, Bytes::copy_from_slice(part));
        let request = Request::Stage {
            key: key(name),
            write_id: write_id(id),
            block_shift,
            shard_length,
            offset,
            bytes,
        };
        if !matches!(drive.handle(request).await, Answer::Staged { .. }) {
            return;
        }
    }
    if dice.below(5) == 0 {
        drive.handle(Request::Unstage { write_id: write_id(id) }).await;
        return;
    }
    let mut record = record(ballot, id, b"");
    record.coding.block_shift = block_shift;
    record.shard = Shard::Staged {
        length: payload.len() as u64,
    };
    (record.size, record.payload_size) = (payload.len() as u64, payload.len() as u64);
    model.borrow_mut().attempt(name, id, payload, &record);
    publish(drive, model, name, record).await;
}

/// A version that is held, again at a higher ballot.
async fn republish(drive: &Drive, model: &RefCell<Model>, name: &str, ballot: Ballot) {
    let Some(head) = state(drive, name).await.and_then(|state| state.records.first().cloned()) else {
        return;
    };
    if head.kind == Kind::Tombstone {
        return;
    }
    let (id, payload) = (model.borrow().id(name, head.ballot), model.borrow().payload(name, head.ballot));
    let mut record = record(ballot, id, b"");
    record.write_id = head.write_id;
    record.coding = head.coding;
    (record.size, record.payload_size, record.shard) = (payload.len() as u64, payload.len() as u64, Shard::Held);
    model.borrow_mut().attempt(name, id, payload, &record);
    publish(drive, model, name, record).await;
}

async fn tombstone(drive: &Drive, model: &RefCell<Model>, name: &str, ballot: Ballot) {
    let id = model.borrow_mut().new_id();
    let mut record = record(ballot, id, b"");
    record.kind = Kind::Tombstone;
    model.borrow_mut().attempt(name, id, Vec::new(), &record);
    publish(drive, model, name, record).await;
}
