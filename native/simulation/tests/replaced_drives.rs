//! The rules for replaced drives (protocol.md section 9) by scripted histories: each holds, and shows a wrong reply where its rule is
//! left out. Chance finds these orders of events too seldom: a message must be on its way for as long as a drive takes to be replaced.

use bytes::Bytes;
use openlake_drive::sabotage::{Sabotage, plant};
use openlake_drive::{Answer, Ballot, Head, Key, Record, Request, Shard, Space, Want, WriteId};
use openlake_io::SimOptions;
use openlake_object::{BucketView, Condition, HealOptions, PutTarget};
use openlake_peer::SlotId;
use openlake_simulation::cluster::Cluster;
use openlake_simulation::history::History;
use openlake_simulation::node::usual_healing;
use openlake_simulation::plan::Shape;
use openlake_simulation::value::ValueBody;
use std::time::Duration;

/// W = 2, one drive may be lost.
const THREE: Shape = Shape {
    data: 1,
    parity: 2,
    nodes: 3,
    sets: 1,
};
const LIMIT: Duration = Duration::from_secs(60);
const OLD: &[u8] = b"the version before";

/// A cluster with one object, complete everywhere.
struct Scene {
    cluster: Cluster,
    bucket: BucketView,
    head: Head,
}

impl Scene {
    fn new(sabotage: Option<Sabotage>) -> Scene {
        Scene::in_world(sabotage, SimOptions::default())
    }
    /// The same with messages that take so long.
    fn far_apart(sabotage: Option<Sabotage>, way: Duration) -> Scene {
        let network_delay = (way, way + Duration::from_micros(10));
        Scene::in_world(
            sabotage,
            SimOptions {
                network_delay,
                ..SimOptions::default()
            },
        )
    }
    fn in_world(sabotage: Option<Sabotage>, options: SimOptions) -> Scene {
        plant(sabotage);
        let mut cluster = Cluster::new(5, (THREE, 1), options, History::default());
        cluster.start_all();
        assert!(cluster.wait_until_serving(LIMIT), "{:?}", cluster.joining());
        cluster.end_bootstrap();
        let serving = cluster.serving(0).expect("node 0 serves");
        let bucket = cluster.run_on(&serving.runtime, LIMIT, async move {
            let bucket = serving.store.create_bucket("b").await.expect("a bucket");
            let target = PutTarget {
                bucket,
                key: name(),
                condition: Condition::None,
            };
            let mut body = ValueBody::new(1, OLD.len() as u64, 1 << 16);
            serving.store.put(target, &mut body).await.expect("an object");
            bucket
        });
        cluster.run_for(Duration::from_secs(2));
        let bucket = bucket.expect("written in time");
        let mut scene = Scene {
            cluster,
            bucket,
            head: unwritten(),
        };
        let want = Want::Heads;
        let key = scene.key();
        let Answer::State { state, .. } = scene.ask(0, Request::Read { key, want }) else {
            panic!("no state")
        };
        scene.head = state.records.first().cloned().expect("the version before");
        scene
    }
    fn key(&self) -> Key {
        Key {
            bucket: self.bucket.id,
            space: Space::Object,
            name: name(),
        }
    }
    /// Asks a slot from node 0, as a coordinator there would.
    fn ask(&mut self, slot: u8, request: Request) -> Answer {
        self.ask_from(0, slot, request)
    }
    fn ask_from(&mut self, node: usize, slot: u8, request: Request) -> Answer {
        let serving = self.cluster.serving(node).expect("the node serves");
        let answer = self.cluster.run_on(&serving.runtime, LIMIT, async move {
            serving.mesh.call(SlotId { set: 0, slot }, None, request, LIMIT).await
        });
        answer.expect("an answer in time").expect("an answer")
    }
    /// Publishes a version to one slot; whether it was acknowledged.
    fn publish(&mut self, slot: u8, ballot: Ballot, number: u8) -> bool {
        self.publish_from(0, slot, ballot, number)
    }
    fn publish_from(&mut self, node: usize, slot: u8, ballot: Ballot, number: u8) -> bool {
        let record = Record {
            ballot,
            write_id: WriteId([number; 16]),
            origin: ballot,
            base: None,
            kind: self.head.kind,
            unconditional: true,
            size: self.head.size,
            etag: [number; 16],
            etag_parts: 0,
            metadata: self.head.metadata.clone(),
            coding: self.head.coding,
            slot,
            payload_size: self.head.payload_size,
            shard: Shard::Inline(Bytes::from(vec![number; OLD.len()])),
        };
        let key = self.key();
        self.ask_from(node, slot, Request::Publish { key, record }) == Answer::Ack
    }
    /// A ballot of some coordinator whose clock is so far ahead of a node's.
    fn ballot(&self, node: usize, ahead_ms: u64) -> Ballot {
        let serving = self.cluster.serving(node).expect("the node serves");
        Ballot {
            clock: (serving.runtime.wall_ms() + ahead_ms) << 16,
            node: 9,
            boot: 1,
        }
    }
    /// The ETag that a HEAD on node 0 finds; `None`: it says for seconds that it cannot tell.
    fn found(&mut self) -> Option<[u8; 16]> {
        let (serving, bucket) = (self.cluster.serving(0).expect("node 0 serves"), self.bucket);
        let runtime = serving.runtime.clone();
        let found = self.cluster.run_on(&runtime, LIMIT, async move {
            for _ in 0..3 {
                if let Ok(info) = serving.store.head(bucket, &name()).await {
                    return Some(info.etag);
                }
                serving.runtime.sleep(Duration::from_millis(100)).await;
            }
            None
        });
        found.expect("a reply in time")
    }
    /// Lets time pass in small steps until something holds.
    fn until(&mut self, what: &str, holds: impl Fn(&Cluster) -> bool) {
        for _ in 0..100_000 {
            if holds(&self.cluster) {
                return;
            }
            self.cluster.run_for(Duration::from_micros(200));
        }
        panic!("never: {what}");
    }
}

fn name() -> Bytes {
    Bytes::from_static(b"k")
}

fn unwritten() -> Head {
    Head {
        ballot: Ballot::ZERO,
        write_id: WriteId([0; 16]),
        origin: Ballot::ZERO,
        base: None,
        kind: openlake_drive::Kind::Data,
        unconditional: true,
        size: 0,
        etag: [0; 16],
        etag_parts: 0,
        metadata: Bytes::new(),
        coding: openlake_drive::Coding::default(),
        slot: 0,
        payload_size: 0,
        inline: true,
    }
}

/// The lost drive acknowledged x; its publish to another drive arrives only after the new drive was filled. True: every reply was right.
fn an_acknowledgement_of_the_lost_drive(sabotage: Option<Sabotage>) -> bool {
    let mut scene = Scene::new(sabotage);
    let ballot = scene.ballot(0, 0);
    assert!(scene.publish(1, ballot, 2), "the drive that will be lost takes it");
    scene.cluster.wipe(1);
    scene.cluster.start(1);
    scene.until("the new drive is filled", |cluster| cluster.is_filled(1));
    // With its acknowledgement these are W.
    let succeeded = scene.publish(2, ballot, 2);
    scene.cluster.cut_power(2);
    !succeeded || scene.found().is_none_or(|etag| etag == [2; 16])
}

/// A was acknowledged by drives 0 and 1; then B begins, with a slow clock, when drive 1 was just replaced. True: every reply was right.
fn an_older_ballot_at_the_new_drive(sabotage: Option<Sabotage>) -> bool {
    let mut scene = Scene::new(sabotage);
    let (slow, fast) = (scene.ballot(0, 0), scene.ballot(0, 500));
    assert!(scene.publish(0, fast, 3) && scene.publish(1, fast, 3), "A succeeds");
    scene.cluster.wipe(1);
    scene.cluster.start(1);
    scene.until("the new drive is adopted", |cluster| is_adopted(cluster, 1));
    let succeeded = scene.publish(1, slow, 4) && scene.publish(2, slow, 4);
    // B is overwritten by nobody, so whoever reads after its success must find it.
    !succeeded || scene.found().is_none_or(|etag| etag == [4; 16])
}

/// A was acknowledged by drives 1 and 2; drive 1 is replaced, and before it is filled, drive 2 is away. True: every reply was right.
fn a_read_while_the_new_drive_is_empty(sabotage: Option<Sabotage>) -> bool {
    let mut scene = Scene::new(sabotage);
    let ballot = scene.ballot(0, 0);
    assert!(scene.publish(1, ballot, 5) && scene.publish(2, ballot, 5), "A succeeds");
    scene.cluster.wipe(1);
    scene.cluster.start(1);
    scene.until("the new drive is adopted", |cluster| is_adopted(cluster, 1));
    scene.cluster.cut_power(2);
    scene.found().is_none_or(|etag| etag == [5; 16])
}

/// Drive 1 was replaced, and its successor acknowledged A together with drive 2 before it could register itself; then the old one is put
/// back, while drive 2 is away and nobody that is left ever heard from the successor. True: no reply was wrong.
fn a_replaced_drive_that_is_put_back(sabotage: Option<Sabotage>) -> bool {
    let way = Duration::from_millis(10);
    let mut scene = Scene::far_apart(sabotage, way);
    scene.cluster.exchange_drives(1);
    scene.cluster.start(1);
    scene.until("the new drive is adopted", |cluster| {
        cluster.open_drives(1).iter().any(|drive| !drive.heal_progress().blank)
    });
    scene.cluster.run_for(Duration::from_millis(2));
    // As a coordinator that was refused by the new drive's floor does.
    let ballot = scene.ballot(2, 5_000);
    assert!(
        scene.publish_from(2, 1, ballot, 6) && scene.publish_from(2, 2, ballot, 6),
        "A succeeds"
    );
    // Registering takes a read and two rounds.
    scene.cluster.exchange_drives(1);
    // Nobody compares, or looks at registrations, for a while.
    scene.cluster.set_healing(HealOptions {
        pause: Duration::from_secs(60),
        ..usual_healing()
    });
    scene.cluster.kill(0);
    scene.cluster.start(0);
    scene.until("drive 0 serves", |cluster| {
        let drives = cluster.open_drives(0);
        !drives.is_empty() && drives.iter().all(|drive| !drive.is_held())
    });
    scene.cluster.cut_power(2);
    scene.cluster.start(1);
    scene.cluster.run_for(Duration::from_secs(20));
    // With the old drive in service node 0 could join.
    scene.cluster.serving(0).is_none() || scene.found().is_none_or(|etag| etag == [6; 16])
}

fn is_adopted(cluster: &Cluster, node: usize) -> bool {
    let serving = cluster.serving(node);
    serving.is_some_and(|serving| !serving.drives[0].heal_progress().blank)
}

#[test]
fn what_the_new_drive_lacks_is_unknown() {
    assert!(a_read_while_the_new_drive_is_empty(None));
    assert!(!a_read_while_the_new_drive_is_empty(Some(Sabotage::BlankCounts)));
    plant(None);
}

#[test]
fn what_the_lost_drive_acknowledged_is_completed_by_nobody_later() {
    assert!(an_acknowledgement_of_the_lost_drive(None));
    assert!(!an_acknowledgement_of_the_lost_drive(Some(Sabotage::HealWithoutBarrier)));
    assert!(!an_acknowledgement_of_the_lost_drive(Some(Sabotage::HealBeforeAdoption)));
    plant(None);
}

#[test]
fn the_new_drive_takes_nothing_that_the_lost_one_would_have_refused() {
    assert!(an_older_ballot_at_the_new_drive(None));
    assert!(!an_older_ballot_at_the_new_drive(Some(Sabotage::BlankWithoutFloor)));
    plant(None);
}

#[test]
fn a_drive_that_was_replaced_while_it_was_away_answers_nothing() {
    assert!(a_replaced_drive_that_is_put_back(None));
    assert!(!a_replaced_drive_that_is_put_back(Some(Sabotage::ServeUnasked)));
    plant(None);
}
