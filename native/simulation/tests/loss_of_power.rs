//! All nodes lose power at once and not all of them come back: those that do serve what all drives held, as soon as there are as many as
//! reads need.

use bytes::Bytes;
use openlake_io::SimOptions;
use openlake_object::{Condition, PutTarget, Store};
use openlake_simulation::cluster::Cluster;
use openlake_simulation::history::History;
use openlake_simulation::plan::Shape;
use openlake_simulation::value::{ValueBody, content};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const OBJECTS: u64 = 20;
const SIZE_BYTES: u64 = 20_000;

fn key(number: u64) -> Bytes {
    Bytes::from(format!("key-{number}"))
}

fn store(cluster: &Cluster, node: usize) -> Store {
    cluster.serving(node).expect("the node serves").store
}

/// Loses all nodes of a set of `data` + `parity`, starts all but `parity` of them again, and reads everything.
fn read_what_is_left(data: u8, parity: u8) {
    let nodes = usize::from(data + parity);
    let shape = Shape {
        data,
        parity,
        nodes,
        sets: 1,
    };
    let mut cluster = Cluster::new(7, (shape, 1), SimOptions::default(), History::default());
    cluster.start_all();
    assert!(cluster.wait_until_serving(LIMIT), "{:?}", cluster.joining());
    cluster.end_bootstrap();
    let (writing, runtime) = (store(&cluster, 0), cluster.serving(0).expect("node 0 serves").runtime);
    let bucket = cluster.run_on(&runtime, LIMIT, async move {
        let bucket = writing.create_bucket("b").await.expect("a bucket");
        for number in 0..OBJECTS {
            let target = PutTarget {
                bucket,
                key: key(number),
                condition: Condition::None,
            };
            let mut body = ValueBody::new(number, SIZE_BYTES, 1 << 16);
            writing.put(target, &mut body).await.expect("an object");
        }
        bucket
    });
    let bucket = bucket.expect("written in time");
    // Marks become durable.
    cluster.run_for(Duration::from_secs(6));
    for node in 0..nodes {
        cluster.cut_power(node);
    }
    for node in usize::from(parity)..nodes {
        cluster.start(node);
    }
    assert!(cluster.wait_until_serving(LIMIT), "{data}+{parity}: {:?}", cluster.joining());
    // A drive first waits for those that may never come back.
    cluster.run_for(Duration::from_secs(10));
    for node in usize::from(parity)..nodes {
        let (reading, runtime) = (store(&cluster, node), cluster.serving(node).expect("the node serves").runtime);
        let wrong = cluster.run_on(&runtime, LIMIT, async move {
            let mut wrong = Vec::new();
            for number in 0..OBJECTS {
                match reading.get(bucket, &key(number), None).await {
                    Ok((_, _, _, mut body)) => {
                        let mut bytes = Vec::new();
                        while let Some(Ok(piece)) = body.next().await {
                            bytes.extend_from_slice(&piece);
                        }
                        if bytes != content(number, 0, SIZE_BYTES as usize) {
                            wrong.push(format!("key {number} has other bytes"));
                        }
                    }
                    Err(error) => wrong.push(format!("key {number}: {error:?}")),
                }
            }
            wrong
        });
        assert_eq!(wrong.expect("read in time"), Vec::<String>::new(), "{data}+{parity}, node {node}");
    }
}

#[test]
fn two_of_2_and_2_are_enough() {
    read_what_is_left(2, 2);
}

#[test]
fn two_of_2_and_1_are_enough() {
    read_what_is_left(2, 1);
}

#[test]
fn one_of_1_and_1_is_enough() {
    read_what_is_left(1, 1);
}

#[test]
fn four_of_4_and_2_are_enough() {
    read_what_is_left(4, 2);
}
