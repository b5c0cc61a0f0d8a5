//! What must hold once nothing is broken any more, and what must have held all the time.

use crate::client::{Client, Upload};
use crate::cluster::Cluster;
use crate::history::History;
use crate::linearizability::{Value, Violation, When, check};
use crate::listing::Listing;
use crate::node::Serving;
use crate::random::Random;
use crate::redundancy;
use crate::simulation::PATIENCE;
use crate::values::Values;
use openlake_drive::{Answer, Key, Request, Space, Want};
use openlake_io::Instant;
use openlake_object::place;
use openlake_peer::SlotId;
use std::rc::Rc;
use std::time::Duration;

/// Every key has one order of its operations that explains all replies.
pub fn check_histories(history: &History, values: &Values, now: Instant) {
    for key in 0..values.keys.len() {
        let (operations, numbers) = history.of_key(key);
        let entries = |indices: &[usize]| -> Vec<usize> { indices.iter().map(|&index| numbers[index]).collect() };
        match check(&operations) {
            Ok(()) => {}
            Err(Violation::Unexplained { explained, stuck }) => {
                let last: Vec<usize> = explained.iter().rev().take(12).rev().copied().collect();
                let text = format!(
                    "the history of key {key} ({:?}) has no explanation; of {} operations {} fit in this order (the last {} shown):\n{}  \
                     and then none of these fits:\n{}",
                    values.keys[key],
                    operations.len(),
                    explained.len(),
                    last.len(),
                    history.describe(&entries(&last)),
                    history.describe(&entries(&stuck)),
                );
                history.problem(now, text);
            }
            Err(other) => history.problem(now, format!("the history of key {key} cannot be judged: {other:?}")),
        }
    }
}

fn client(cluster: &Cluster, values: &Rc<Values>, node: usize) -> Option<Client> {
    let serving = cluster.serving(node)?;
    let (runtime, store) = (serving.runtime.clone(), serving.store.clone());
    Some(Client {
        name: format!("checker {node}"),
        runtime,
        store,
        history: cluster.history().clone(),
        values: values.clone(),
    })
}

/// Every key can be read at every node that serves, all nodes agree, and their lists say what their reads say.
pub fn read_everything(cluster: &mut Cluster, values: &Rc<Values>, when: &str) {
    let keys: Vec<usize> = (0..values.keys.len()).collect();
    read_keys(cluster, values, &keys, when);
}

/// The same for some keys; lists are asked only if these are all.
pub fn read_keys(cluster: &mut Cluster, values: &Rc<Values>, keys: &[usize], when: &str) {
    cluster.history().event(cluster.now(), &format!("keys {keys:?} are read {when}"));
    let mut first: Option<(usize, Vec<Option<Value>>)> = None;
    for node in 0..cluster.nodes() {
        let Some(client) = client(cluster, values, node) else { continue };
        let (runtime, keys) = (client.runtime.clone(), keys.to_vec());
        let found = cluster.run_on(&runtime, PATIENCE * 4, async move { read_all(&client, &keys).await });
        let problem = match (&found, &first) {
            (None, _) => Some("reading does not end".to_owned()),
            (Some(Err(problem)), _) => Some(problem.clone()),
            (Some(Ok(found)), Some((other, before))) if found != before => Some(format!("found {found:?}, node {other} found {before:?}")),
            _ => None,
        };
        if let Some(problem) = problem {
            cluster.history().problem(cluster.now(), format!("node {node} {when}: {problem}"));
        }
        if let (None, Some(Ok(found))) = (&first, found) {
            first = Some((node, found));
        }
    }
    if first.is_none() {
        cluster
            .history()
            .problem(cluster.now(), format!("no node could read everything {when}"));
    }
}

async fn read_all(client: &Client, keys: &[usize]) -> Result<Vec<Option<Value>>, String> {
    let mut found = Vec::new();
    for &key in keys {
        let value = retry(client, || client.get(key, None)).await;
        found.push(value.ok_or_else(|| format!("key {key} ({:?}) cannot be read", client.values.keys[key]))?);
    }
    if keys.len() < client.values.keys.len() {
        return Ok(found);
    }
    let everything = Listing {
        prefix: "",
        delimiter: "",
        limit: 3,
    };
    let listed = retry(client, || async { client.list(everything).await.then_some(()) }).await;
    listed.ok_or("keys cannot be listed")?;
    Ok(found)
}

/// Tries until something is known, for [`PATIENCE`].
async fn retry<T, Attempt: Future<Output = Option<T>>>(client: &Client, mut attempt: impl FnMut() -> Attempt) -> Option<T> {
    let until = client.runtime.now().0 + PATIENCE.as_nanos() as u64;
    loop {
        if let Some(result) = attempt().await {
            return Some(result);
        }
        if client.runtime.now().0 >= until {
            return None;
        }
        client.runtime.sleep(Duration::from_millis(100)).await;
    }
}

/// Every key can be written at some node: each gets a new value while nothing is broken.
pub fn write_everything(cluster: &mut Cluster, values: &Rc<Values>, random: &mut Random) {
    for key in 0..values.keys.len() {
        let node = random.below(cluster.nodes() as u64) as usize;
        let size = if random.percent(40) {
            random.between(100_000, 400_000)
        } else {
            random.below(10_000)
        };
        let Some(client) = client(cluster, values, node) else { continue };
        let runtime = client.runtime.clone();
        let upload = Upload {
            size,
            piece_bytes: 65_536,
            breaks_at: None,
        };
        let written = cluster.run_on(&runtime, PATIENCE * 2, async move {
            retry(&client, || async { client.put(key, When::Always, upload).await.then_some(()) }).await
        });
        if written.flatten().is_none() {
            cluster.history().problem(
                cluster.now(),
                format!("node {node}: key {key} cannot be written though nothing is broken"),
            );
        }
    }
}

/// Longest that healing may take once nothing is broken any more.
const HEALING: Duration = Duration::from_secs(120);

/// Lets time pass until all drives are filled and every key is fully redundant, which must happen.
pub fn wait_until_healed(cluster: &mut Cluster, values: &Rc<Values>) {
    cluster.history().event(cluster.now(), "healing is waited for");
    let until = cluster.now().0 + HEALING.as_nanos() as u64;
    loop {
        cluster.run_for(Duration::from_millis(500));
        let dirty = (0..cluster.nodes()).find(|node| !cluster.is_filled(*node));
        let problem = match dirty {
            Some(node) => Some(format!("node {node} is not filled: {}", cluster.healing(node))),
            None => not_redundant(cluster, values),
        };
        match problem {
            None => return,
            Some(_) if cluster.now().0 < until => {}
            Some(problem) => {
                let text = format!("not fully redundant again after {} s: {problem}", HEALING.as_secs());
                cluster.history().problem(cluster.now(), text);
                return;
            }
        }
    }
}

/// The first key that is not fully redundant, and why.
fn not_redundant(cluster: &mut Cluster, values: &Rc<Values>) -> Option<String> {
    for key in 0..values.keys.len() {
        let (client, serving) = (client(cluster, values, 0)?, cluster.serving(0)?);
        let runtime = client.runtime.clone();
        let missing = cluster.run_on(&runtime, PATIENCE, async move { redundancy::missing(&client, &serving, key).await });
        match missing {
            Some(None) => {}
            Some(Some(problem)) => return Some(format!("key {key}: {problem}")),
            None => return Some(format!("key {key}: looking does not end")),
        }
    }
    None
}

/// Keys whose newest version all drives of their set hold and know to be complete: such a version survives m lost drives. Others
/// missed a publish, and wait for the healer.
pub fn whole_keys(cluster: &mut Cluster, values: &Rc<Values>) -> Vec<usize> {
    let mut whole = Vec::new();
    for key in 0..values.keys.len() {
        let Some(client) = client(cluster, values, 0) else { continue };
        let Some(serving) = cluster.serving(0) else { continue };
        let runtime = client.runtime.clone();
        let is_whole = cluster.run_on(&runtime, PATIENCE, async move { is_whole(&client, &serving, key).await });
        if is_whole == Some(true) {
            whole.push(key);
        }
    }
    whole
}

async fn is_whole(client: &Client, serving: &Serving, key: usize) -> bool {
    let Some(bucket) = client.bucket().await else { return false };
    let key = Key {
        bucket: bucket.id,
        space: Space::Object,
        name: client.key(key),
    };
    let layout = serving.mesh.layout();
    let Some(set) = place(key.bucket, key.placement_name(), &layout.sets).and_then(|position| layout.sets.get(position)) else {
        return false;
    };
    let mut newest = Vec::new();
    for slot in 0..set.slots.len() as u8 {
        let request = Request::Read {
            key: key.clone(),
            want: Want::Heads,
        };
        let id = SlotId { set: set.id, slot };
        let Ok(Answer::State { state, .. }) = serving.mesh.call(id, None, request, Duration::from_secs(2)).await else {
            return false;
        };
        newest.push(
            state
                .records
                .first()
                .map(|head| head.ballot)
                .filter(|ballot| state.stable == Some(*ballot)),
        );
    }
    newest.iter().all(|ballot| ballot.is_some() && *ballot == newest[0])
}
