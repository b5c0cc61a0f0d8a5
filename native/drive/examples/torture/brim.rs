//! A filesystem that is smaller than its drive was told: filled to the brim the drive says `Full`, serves reads and deletes, and takes
//! data again when enough was deleted, all without a restart and after one.

use crate::content::{key, payload};
use crate::write::{Version, publish};
use crate::{open, runtime};
use openlake_drive::{Answer, Drive, DriveState, Kind, Request, Want};
use openlake_io::Runtime;
use std::time::Duration;

/// So many new keys in a row that find no room are no accident.
const REFUSALS: u64 = 20;
/// Space of bulk comes back within a minute; a busy machine may take longer.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(20);
/// Every key has one version, and a second one where it was deleted.
const FIRST: u64 = 1;
const DELETED: u64 = 2;
const AGAIN: u64 = 3;

/// Does all that to the drive at `path`; in words, what was not as it should.
pub fn brim(path: &str) -> Result<(), String> {
    let runtime = runtime()?;
    let result = runtime.run(async {
        let drive = open(&runtime, path).await?;
        let keys = fill(&runtime, &drive).await?;
        let status = drive.status();
        println!(
            "full with {keys} keys, {} of {} bytes in use: {:?}",
            status.used_bytes, status.capacity_bytes, status.state
        );
        if !matches!(&status.state, DriveState::Suspect(text) if text.contains("cannot grow to its capacity")) {
            return Err(format!(
                "the drive does not say that its filesystem is too small: {:?}",
                status.state
            ));
        }
        check(&drive, keys, |_| Some(FIRST)).await?;
        for number in (0..keys).filter(|number| number % 2 == 0) {
            insist(&runtime, &drive, number, DELETED).await?;
        }
        check(&drive, keys, |number| (number % 2 > 0).then_some(FIRST)).await?;
        for number in (0..keys).filter(|number| number % 4 == 0) {
            insist(&runtime, &drive, number, AGAIN).await?;
        }
        println!("half of them deleted, a quarter written again");
        let expected = |number: u64| match number % 4 {
            0 => Some(AGAIN),
            2 => None,
            _ => Some(FIRST),
        };
        check(&drive, keys, expected).await?;
        drive.close().await;
        drop(drive);
        let drive = open(&runtime, path).await?;
        check(&drive, keys, expected).await?;
        println!("the same after a restart");
        drive.close().await;
        Ok(())
    });
    runtime.shutdown();
    result
}

/// Stores keys until no more fit; their number.
async fn fill(runtime: &Runtime, drive: &Drive) -> Result<u64, String> {
    let (mut keys, mut refused) = (0, 0);
    while refused < REFUSALS {
        match publish(runtime, drive, version(keys, FIRST)).await {
            Answer::Ack => (keys, refused) = (keys + 1, 0),
            Answer::Full => refused += 1,
            other => return Err(format!("a write to a filling drive was answered with {other:?}")),
        }
    }
    // Nothing of what was refused is there.
    let answer = drive
        .handle(Request::Read {
            key: key(keys),
            want: Want::Heads,
        })
        .await;
    match answer {
        Answer::State { state, .. } if state.records.is_empty() => Ok(keys),
        other => Err(format!("a refused write left {other:?}")),
    }
}

/// Writes until the drive takes it: it works at making room.
async fn insist(runtime: &Runtime, drive: &Drive, number: u64, which: u64) -> Result<(), String> {
    let end = runtime.now().after(PATIENCE);
    loop {
        match publish(runtime, drive, version(number, which)).await {
            Answer::Ack => return Ok(()),
            Answer::Full if runtime.now() < end => runtime.sleep(PAUSE).await,
            other => {
                let status = drive.status();
                return Err(format!("version {which} of key {number} was answered with {other:?}: {status:?}"));
            }
        }
    }
}

fn version(number: u64, which: u64) -> Version {
    Version {
        number,
        version: which,
        delete: which == DELETED,
    }
}

/// Every key holds the version expected, whole, or a tombstone.
async fn check(drive: &Drive, keys: u64, expected: impl Fn(u64) -> Option<u64>) -> Result<(), String> {
    for number in 0..keys {
        let want = Want::Blocks { first: 0, count: u32::MAX };
        let answer = drive.handle(Request::Read { key: key(number), want }).await;
        let Answer::State { state, shard } = answer else {
            return Err(format!("a read of key {number} on a full drive was answered with {answer:?}"));
        };
        let blocks = shard.map(|shard| shard.blocks).unwrap_or_default();
        let held: Option<Vec<_>> = blocks.into_iter().map(|block| block.map(|block| block.bytes)).collect();
        let kind = state.records.first().map(|head| head.kind);
        let fits = match expected(number) {
            Some(version) => kind == Some(Kind::Data) && held.map(|held| held.concat()) == Some(payload(number, version).to_vec()),
            None => kind == Some(Kind::Tombstone),
        };
        if !fits {
            return Err(format!(
                "key {number} holds something else than version {:?}: {state:?}",
                expected(number)
            ));
        }
    }
    Ok(())
}
