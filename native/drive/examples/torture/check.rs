//! The judgement: every key holds a version that was begun and none older than the last acknowledged one, whole and exact; a list
//! shows just these keys.

use crate::content::{key, number_of, payload};
use crate::{open, runtime};
use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{Answer, Covers, Drive, Head, Kind, Request, Space, Want};
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

/// Keys read at once.
const READS_IN_FLIGHT: usize = 64;

/// What the lines say of a key.
#[derive(Default)]
struct Known {
    begun: BTreeSet<(u64, bool)>,
    acknowledged: u64,
}

/// Compares the drive at `path` with the lines on the standard input; fails with all that does not fit.
pub fn check(path: &str, lagging: bool) -> Result<(), String> {
    let known = read_lines()?;
    let runtime = runtime()?;
    let faults = runtime.run(async {
        let drive = open(&runtime, path).await?;
        let mut faults = Vec::new();
        let mut newest = BTreeMap::new();
        let numbers: Vec<u64> = known.keys().copied().collect();
        for some in numbers.chunks(READS_IN_FLIGHT) {
            let checks = some.iter().map(|number| check_key(&drive, *number, &known[number], lagging));
            for (number, found) in some.iter().zip(join_all(checks).await) {
                match found {
                    Ok(Some(head)) => drop(newest.insert(*number, head)),
                    Ok(None) => {}
                    Err(text) => faults.push(text),
                }
            }
        }
        // Where lines may be missing, a list may show keys that were never heard of.
        let expected = |number: u64| !lagging || known.contains_key(&number);
        check_list(&drive, &newest, expected, &mut faults).await;
        let state = drive.status().state;
        drive.close().await;
        println!("{} keys checked, {} held, drive {state:?}", known.len(), newest.len());
        Ok::<_, String>(faults)
    })?;
    runtime.shutdown();
    match faults.first() {
        None => Ok(()),
        Some(first) => Err(format!("{} faults, the first: {first}", faults.len())),
    }
}

fn read_lines() -> Result<BTreeMap<u64, Known>, String> {
    let mut known: BTreeMap<u64, Known> = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let words: Vec<&str> = line.split_whitespace().collect();
        // A line that a kill cut short was not read by anybody else either.
        let [mark @ ("A" | "B"), number, version, kind @ ("put" | "delete")] = words[..] else {
            continue;
        };
        let (Ok(number), Ok(version)) = (number.parse(), version.parse()) else {
            continue;
        };
        let known = known.entry(number).or_default();
        match mark {
            "B" => drop(known.begun.insert((version, kind == "delete"))),
            _ => known.acknowledged = known.acknowledged.max(version),
        }
    }
    Ok(known)
}

/// The newest version of a key if it is data, or what is wrong with it.
async fn check_key(drive: &Drive, number: u64, known: &Known, lagging: bool) -> Result<Option<Head>, String> {
    let want = Want::Blocks { first: 0, count: u32::MAX };
    let answer = drive.handle(Request::Read { key: key(number), want }).await;
    let Answer::State { state, shard } = answer else {
        return Err(format!("key {number}: a read was answered with {answer:?}"));
    };
    let Some(head) = state.records.first() else {
        return if known.acknowledged == 0 {
            Ok(None)
        } else {
            Err(format!(
                "key {number}: version {} was acknowledged, nothing is there",
                known.acknowledged
            ))
        };
    };
    let version = head.metadata.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let is_delete = head.kind == Kind::Tombstone;
    if version < known.acknowledged {
        return Err(format!(
            "key {number}: version {} was acknowledged, {version} is there",
            known.acknowledged
        ));
    }
    let unseen = lagging && known.begun.last().is_none_or(|last| version > last.0);
    if !unseen && !known.begun.contains(&(version, is_delete)) {
        return Err(format!("key {number}: version {version} is there, which nobody wrote"));
    }
    if is_delete {
        return Ok(Some(head.clone()));
    }
    let blocks = shard.map(|shard| shard.blocks).unwrap_or_default();
    let held: Option<Vec<Bytes>> = blocks.into_iter().map(|block| block.map(|block| block.bytes)).collect();
    match held {
        Some(held) if held.concat() == payload(number, version) => Ok(Some(head.clone())),
        Some(_) => Err(format!("key {number}: version {version} has other bytes than were written")),
        None => Err(format!("key {number}: version {version} has damaged blocks")),
    }
}

async fn check_list(drive: &Drive, newest: &BTreeMap<u64, Head>, expected: impl Fn(u64) -> bool, faults: &mut Vec<String>) {
    let mut listed = BTreeMap::new();
    let mut from = Bytes::new();
    loop {
        let scan = Request::Scan {
            bucket: 1,
            space: Space::Object,
            prefix: Bytes::new(),
            from,
            limit: 500,
        };
        let Answer::Page { rows, covers, .. } = drive.handle(scan).await else {
            return faults.push("a scan gave no page".to_owned());
        };
        for row in rows.to_rows() {
            let number = number_of(&row.name).unwrap_or(u64::MAX);
            if let Some(head) = row.state.records.into_iter().next().filter(|_| expected(number)) {
                listed.insert(number, head);
            }
        }
        match covers {
            Covers::End => break,
            Covers::UpTo(last) => from = [&last[..], &[0]].concat().into(),
        }
    }
    if listed != *newest {
        faults.push(format!("a list shows {} keys, reads found {}", listed.len(), newest.len()));
    }
}
