//! A node of which one drive must rebuild its index: it starts, joins and serves without that drive, which joins when it is done.

use bytes::Bytes;
use openlake_drive::{Answer, DriveState, Key, Request, Space, Want};
use openlake_io::SimOptions;
use openlake_object::{BucketView, Condition, PutTarget, Store};
use openlake_simulation::cluster::Cluster;
use openlake_simulation::history::History;
use openlake_simulation::plan::Shape;
use openlake_simulation::value::{ValueBody, content};
use std::time::Duration;

/// Two drives on every node, one of each set.
const TWICE_FOUR: Shape = Shape {
    data: 2,
    parity: 2,
    nodes: 4,
    sets: 2,
};
const LIMIT: Duration = Duration::from_secs(120);
const BEFORE: u64 = 120;
const ALL: u64 = 160;
/// The node, and its drive that is opened last.
const NODE: usize = 1;
const DRIVE: usize = 1;

fn key(number: u64) -> Bytes {
    Bytes::from(format!("key-{number:04}"))
}

fn size(number: u64) -> u64 {
    [0, 100, 5_000, 120_000][number as usize % 4]
}

fn store(cluster: &Cluster, node: usize) -> Store {
    cluster.serving(node).expect("the node serves").store
}

async fn put_all(store: Store, bucket: BucketView, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let target = PutTarget {
            bucket,
            key: key(number),
            condition: Condition::None,
        };
        let mut body = ValueBody::new(number, size(number), 65_536);
        store.put(target, &mut body).await.expect("an object is stored");
    }
}

async fn reads_all(store: Store, bucket: BucketView, numbers: std::ops::Range<u64>) -> bool {
    for number in numbers {
        let (_, _, _, mut body) = store.get(bucket, &key(number), None).await.expect("an object is found");
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.expect("a piece"));
        }
        if bytes != content(number, 0, size(number) as usize) {
            return false;
        }
    }
    true
}

fn state(cluster: &Cluster, drive: usize) -> DriveState {
    cluster.serving(NODE).expect("the node serves").drives[drive].status().state
}

#[test]
fn a_node_serves_while_one_of_its_drives_rebuilds_its_index() {
    let history = History::default();
    let mut cluster = Cluster::new(11, (TWICE_FOUR, 1), SimOptions::default(), history.clone());
    cluster.start_all();
    assert!(cluster.wait_until_serving(LIMIT), "{:?}", cluster.joining());
    cluster.end_bootstrap();
    let filling = store(&cluster, 0);
    let runtime = cluster.serving(0).expect("node 0 serves").runtime;
    let bucket = cluster.run_on(&runtime, LIMIT, async move {
        let bucket = filling.create_bucket("b").await.expect("a bucket");
        put_all(filling, bucket, 0..BEFORE).await;
        bucket
    });
    let bucket = bucket.expect("the objects are written in time");
    cluster.kill(NODE);
    cluster.lose_index(NODE, DRIVE);

    // Reads take long enough that the rebuild is still under way when the drives were opened; then the drive hangs in it.
    cluster.set_read_delay(Duration::from_millis(20));
    cluster.start(NODE);
    let opening = |cluster: &Cluster| cluster.joining().iter().any(|(_, waits)| waits == "opening its drives");
    while opening(&cluster) {
        cluster.run_for(Duration::from_millis(1));
    }
    cluster.set_drive_hangs(NODE, DRIVE, true);
    cluster.set_read_delay(Duration::ZERO);
    assert!(cluster.wait_until_serving(LIMIT), "{:?}", cluster.joining());
    assert!(
        matches!(state(&cluster, DRIVE), DriveState::Rebuilding(_)),
        "{:?}",
        state(&cluster, DRIVE)
    );
    assert_eq!(state(&cluster, 0), DriveState::Healthy);
    assert!(!cluster.is_filled(NODE));

    // It takes writes and serves reads, of both sets, for as long as that lasts.
    let (coordinator, runtime) = (store(&cluster, NODE), cluster.serving(NODE).expect("it serves").runtime);
    let read = cluster.run_on(&runtime, LIMIT, async move {
        put_all(coordinator.clone(), bucket, BEFORE..ALL).await;
        reads_all(coordinator, bucket, 0..ALL).await
    });
    assert_eq!(read, Some(true));
    cluster.run_for(Duration::from_secs(600));
    assert!(matches!(state(&cluster, DRIVE), DriveState::Rebuilding(_)));

    // The drive goes on, joins, and gets what it missed.
    cluster.set_drive_hangs(NODE, DRIVE, false);
    cluster.run_for(Duration::from_secs(60));
    assert!(matches!(state(&cluster, DRIVE), DriveState::Suspect(text) if text.contains("rebuilt")));
    assert!(cluster.is_filled(NODE));
    let serving = cluster.serving(NODE).expect("it serves");
    let drives = serving.drives.clone();
    let lacking = cluster.run_on(&serving.runtime, LIMIT, async move {
        let mut lacking = Vec::new();
        for number in 0..ALL {
            let mut held = 0;
            for drive in &drives {
                let key = Key {
                    bucket: bucket.id,
                    space: Space::Object,
                    name: key(number),
                };
                let want = Want::Heads;
                let answer = drive.handle(Request::Read { key, want }).await;
                held += usize::from(matches!(answer, Answer::State { state, .. } if state.stable.is_some()));
            }
            if held != 1 {
                lacking.push(number);
            }
        }
        lacking
    });
    assert_eq!(lacking, Some(Vec::new()));
    assert_eq!(history.problems(), Vec::<String>::new());
}
