//! What a drive holds at the beginning of a life, with nothing under way: all of it is asked for, and judged.

use super::checks::{Expected, check_blocks};
use super::requests::{BUCKETS, SPACES};
use super::shift::{Shift, show};
use super::simulation::is_excused;
use bytes::Bytes;
use openlake_drive::{Answer, Ballot, Covers, Key, KeyState, Kind, Request, ScanRow, Space, Want};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a drive said of all keys.
pub type Contents = BTreeMap<Key, KeyState>;

/// Asks for everything and holds it against the model. `expected`: what the drive said before it was closed in peace.
pub async fn audit(shift: Rc<Shift>, expected: Option<Contents>) {
    let state = shift.drive.status().state;
    let is_damaged = shift.plan.is_doubtful();
    if !is_excused(&state, &shift.plan) && !is_damaged {
        shift.check("a drive whose device never failed", Err(format!("{state:?}")));
    }
    let contents = read_all(&shift).await;
    for (key, state) in &contents {
        let result = shift.model.borrow_mut().key(key).recovered(state);
        shift.check(&format!("at the start {}", show(key)), result);
        let justified = shift.model.borrow().check_floor(state.floor);
        shift.check(&format!("at the start {}", show(key)), justified);
        if state.dirty.is_some() && !is_damaged {
            shift.check(
                &show(key),
                Err(format!("unknown up to {:?}, though nothing was damaged", state.dirty)),
            );
        }
        read_versions(&shift, key, state, is_damaged).await;
    }
    if let Some(expected) = expected {
        compare(&shift, &expected, &contents);
    }
    if !is_damaged {
        scan_all(&shift, &contents).await;
    }
    let status = shift.drive.status();
    if status.corrupt_blocks > 0 && !is_damaged {
        shift.check(
            "a drive whose device never failed",
            Err(format!("{} corrupt blocks", status.corrupt_blocks)),
        );
    }
    if status.used_bytes > status.capacity_bytes {
        shift.check(
            "space",
            Err(format!("{} of {} bytes are used", status.used_bytes, status.capacity_bytes)),
        );
    }
}

/// The state of every key that was ever asked about.
pub async fn read_all(shift: &Shift) -> Contents {
    let keys: Vec<Key> = shift.model.borrow().keys().map(|(key, _)| key.clone()).collect();
    let mut contents = Contents::new();
    for key in keys {
        let request = Request::Read {
            key: key.clone(),
            want: Want::Heads,
        };
        match shift.drive.handle(request).await {
            Answer::State { state, .. } => {
                contents.insert(key, state);
            }
            Answer::Failed(_) if !shift.plan.is_sound() => {}
            other => shift.check(&show(&key), Err(format!("a read answers {other:?}"))),
        }
    }
    contents
}

/// Reads all bytes of all versions of a key.
async fn read_versions(shift: &Shift, key: &Key, state: &KeyState, is_damaged: bool) {
    for head in state.records.iter().filter(|head| head.kind == Kind::Data) {
        let request = Request::Blocks {
            key: key.clone(),
            write_id: head.write_id,
            first: 0,
            count: u32::MAX,
        };
        let payload = shift.model.borrow().payload(head.write_id);
        let result = match (shift.drive.handle(request).await, payload) {
            (Answer::Blocks(shard), Some(payload)) if shard.write_id == head.write_id => {
                match check_blocks(&shard, &Expected::of_head(head, payload), 0, u32::MAX) {
                    Ok(missing) if missing > 0 && !is_damaged => Err(format!("{missing} blocks are missing")),
                    other => other.map(drop),
                }
            }
            (Answer::Failed(_) | Answer::Gone, _) if is_damaged => Ok(()),
            (other, _) => Err(format!("a read of it answers {other:?}")),
        };
        shift.check(&format!("at the start {} {}", show(key), head.ballot), result);
    }
}

/// After an end in peace everything is as it was.
fn compare(shift: &Shift, expected: &Contents, found: &Contents) {
    for (key, before) in expected {
        let Some(now) = found.get(key) else { continue };
        if (&before.records, before.stable) != (&now.records, now.stable) {
            let text = format!("closed in peace with {before:?}, opened with {now:?}");
            shift.check(&show(key), Err(text));
        }
    }
}

/// Scans everything, in pages of all sizes: the rows are the keys with records, in the states that reads tell.
async fn scan_all(shift: &Shift, contents: &Contents) {
    let mut keys = 0;
    for (bucket, space) in BUCKETS.iter().flat_map(|bucket| SPACES.iter().map(|space| (*bucket, *space))) {
        let expected = contents
            .iter()
            .filter(|(key, state)| (key.bucket, key.space) == (bucket, space) && !state.records.is_empty());
        let expected: Vec<ScanRow> = expected
            .map(|(key, state)| ScanRow {
                name: key.name.clone(),
                state: state.clone(),
            })
            .collect();
        keys += expected.len();
        let limit = 1 + (contents.len() as u32 * 7 + bucket as u32) % 40;
        let Some(found) = scan(shift, bucket, space, limit).await else {
            continue;
        };
        // A scan does not know promises for keys; floors are compared by reads.
        let same = |(one, other): (&ScanRow, &ScanRow)| {
            (&one.name, &one.state.records, one.state.stable, one.state.dirty)
                == (&other.name, &other.state.records, other.state.stable, other.state.dirty)
        };
        if found.len() != expected.len() || !found.iter().zip(&expected).all(same) {
            let names = |rows: &[ScanRow]| {
                rows.iter()
                    .map(|row| row.name.escape_ascii().to_string().chars().take(24).collect::<String>())
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let text = format!("a scan gives [{}], reads give [{}]", names(&found), names(&expected));
            shift.check("at the start", Err(text));
        }
    }
    let told = shift.drive.status().keys;
    // A collected key leaves a trace for a while, which counts.
    let is_exact = shift.counts_exactly && shift.model.borrow().keys().all(|(_, key)| !key.may_be_gone(Ballot::ZERO));
    if told != keys as u64 && is_exact {
        shift.check("at the start", Err(format!("the status tells of {told} keys, {keys} have records")));
    }
}

async fn scan(shift: &Shift, bucket: u64, space: Space, limit: u32) -> Option<Vec<ScanRow>> {
    let mut all = Vec::new();
    let mut from = Bytes::new();
    loop {
        let request = Request::Scan {
            bucket,
            space,
            prefix: Bytes::new(),
            from: from.clone(),
            limit,
        };
        match shift.drive.handle(request).await {
            Answer::Page { rows, covers, .. } => {
                all.extend(rows.to_rows());
                match covers {
                    Covers::End => return Some(all),
                    Covers::UpTo(name) => from = [&name[..], b"\0"].concat().into(),
                }
            }
            other => {
                shift.check("a scan", Err(format!("{other:?}")));
                return None;
            }
        }
    }
}
