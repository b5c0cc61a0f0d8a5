//! Several drives of one set are replaced at the same instant (protocol.md section 9): they take turns, so that never more is unknown
//! than the set bears, and in the end all of them are filled.

use bytes::Bytes;
use openlake_drive::sabotage::{Sabotage, plant};
use openlake_io::SimOptions;
use openlake_object::{BucketView, Condition, PutTarget};
use openlake_simulation::cluster::Cluster;
use openlake_simulation::history::History;
use openlake_simulation::plan::Shape;
use openlake_simulation::random::Random;
use openlake_simulation::value::{ValueBody, content};
use std::time::Duration;

const fn shape(data: u8, parity: u8) -> Shape {
    Shape {
        data,
        parity,
        nodes: (data + parity) as usize,
        sets: 1,
    }
}

const LIMIT: Duration = Duration::from_secs(60);
const OBJECTS: usize = 30;
const OBJECT_BYTES: u64 = 20_000;

/// A cluster whose drives are replaced while it runs.
struct Scene {
    cluster: Cluster,
    bucket: BucketView,
    random: Random,
    /// Most drives that were adopted and not filled at one time.
    most_unknown: usize,
}

fn key(number: usize) -> Bytes {
    Bytes::from(format!("key-{number}"))
}

impl Scene {
    /// Objects that all drives hold. Links are slow by chance, so that answers come in any order.
    fn new(seed: u64, shape: Shape) -> Scene {
        let mut random = Random::new(seed);
        let options = SimOptions {
            network_delay: (Duration::from_micros(20), Duration::from_micros(random.between(100, 20_000))),
            ..SimOptions::default()
        };
        let mut cluster = Cluster::new(random.bits(), (shape, 1), options, History::default());
        cluster.start_all();
        assert!(cluster.wait_until_serving(LIMIT), "{:?}", cluster.joining());
        cluster.end_bootstrap();
        let serving = cluster.serving(0).expect("node 0 serves");
        let bucket = cluster.run_on(&serving.runtime, LIMIT, async move {
            let bucket = serving.store.create_bucket("b").await.expect("a bucket");
            for number in 0..OBJECTS {
                let target = PutTarget {
                    bucket,
                    key: key(number),
                    condition: Condition::None,
                };
                let mut body = ValueBody::new(number as u64, OBJECT_BYTES, 1 << 16);
                serving.store.put(target, &mut body).await.expect("an object");
            }
            bucket
        });
        // Marks are durable, and what a drive missed by chance is healed.
        cluster.run_for(Duration::from_secs(6));
        Scene {
            cluster,
            bucket: bucket.expect("written in time"),
            random,
            most_unknown: 0,
        }
    }

    fn unknown(&self) -> usize {
        let filling = |node: &usize| {
            let drives = self.cluster.open_drives(*node);
            drives
                .iter()
                .map(|drive| drive.heal_progress())
                .any(|progress| progress.dirty.is_some() && !progress.blank)
        };
        (0..self.cluster.nodes()).filter(filling).count()
    }

    fn pass(&mut self, duration: Duration) {
        let until = self.cluster.now().0 + duration.as_nanos() as u64;
        while self.cluster.now().0 < until {
            self.cluster.run_for(Duration::from_micros(500));
            self.most_unknown = self.most_unknown.max(self.unknown());
        }
    }

    /// Replaces the drives of the first `count` nodes at once; `disturbed`: their nodes lose power meanwhile, now and then.
    fn replace(&mut self, count: usize, disturbed: bool) {
        (0..count).for_each(|node| self.cluster.wipe(node));
        (0..count).for_each(|node| self.cluster.start(node));
        for _ in 0..if disturbed { 6 } else { 0 } {
            let wait = Duration::from_millis(self.random.between(1, 500));
            self.pass(wait);
            let node = self.random.below(count as u64) as usize;
            self.cluster.cut_power(node);
            self.cluster.start(node);
        }
        for _ in 0..600 {
            self.pass(Duration::from_millis(200));
            if (0..count).all(|node| self.cluster.is_filled(node)) {
                return;
            }
        }
        let states: Vec<String> = (0..count).map(|node| self.cluster.healing(node)).collect();
        panic!("not filled: {states:?}");
    }

    /// Whether every object can be read with the shards of the first `count` nodes and as few others as possible.
    fn is_readable(&mut self, count: usize) -> bool {
        let shape = self.cluster.shape();
        for node in (count..shape.nodes).take(shape.losable_when_whole()) {
            self.cluster.cut_power(node);
        }
        let serving = self.cluster.serving(0).expect("node 0 serves");
        let bucket = self.bucket;
        let read = self.cluster.run_on(&serving.runtime.clone(), LIMIT * 4, async move {
            for number in 0..OBJECTS {
                let (info, _, _, mut body) = serving.store.get(bucket, &key(number), None).await.expect("an object is found");
                let mut bytes = Vec::new();
                while let Some(piece) = body.next().await {
                    bytes.extend_from_slice(&piece.expect("a piece"));
                }
                if bytes != content(number as u64, 0, info.size as usize) {
                    return false;
                }
            }
            true
        });
        read == Some(true)
    }
}

/// Most drives of which something was unknown at one time, over some seeds.
fn most_unknown(shape: Shape, count: usize, disturbed: bool, seeds: std::ops::Range<u64>) -> usize {
    let mut most = 0;
    for seed in seeds {
        let mut scene = Scene::new(seed, shape);
        scene.replace(count, disturbed);
        assert!(scene.is_readable(count), "seed {seed}");
        most = most.max(scene.most_unknown);
    }
    most
}

#[test]
fn two_drives_replaced_at_once_take_turns() {
    plant(None);
    assert_eq!(most_unknown(shape(2, 2), 2, false, 1..7), 1);
    assert_eq!(most_unknown(shape(2, 2), 2, true, 11..17), 1);
}

#[test]
fn as_many_are_filled_at_once_as_the_set_bears() {
    plant(None);
    assert_eq!(most_unknown(shape(3, 4), 3, false, 21..24), 2);
    assert_eq!(most_unknown(shape(4, 4), 3, false, 31..34), 2);
    assert_eq!(most_unknown(shape(4, 4), 4, true, 41..44), 2);
}

#[test]
fn drives_that_do_not_see_each_other_are_found() {
    plant(Some(Sabotage::AdoptUnseen));
    let seen = most_unknown(shape(2, 2), 2, false, 1..7);
    plant(None);
    assert_eq!(seen, 2);
}
