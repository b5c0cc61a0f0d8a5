//! The load: puts, overwrites and deletes with many in flight, one at a time for each key, so that versions of a key have an order.

use crate::content::{BLOCK_SHIFT, INLINE_LIMIT_BYTES, coding, key, keys, mix, payload};
use crate::{open, runtime};
use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{Answer, Ballot, Drive, Kind, Record, Request, Shard, WriteId};
use openlake_io::{Instant, Runtime};
use std::cell::Cell;
use std::io::Write;
use std::time::Duration;

const IN_FLIGHT: u64 = 48;
const VERSIONS_PER_RUN: u64 = 1 << 24;
/// How long a lane lets others go on when the drive is full.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// So many refused writes are no accident: the drive is full.
const FULL_REFUSALS: u64 = 200;
/// A full drive that refuses a delete works at making room: within this time it writes something,
const PATIENCE: Duration = Duration::from_secs(60);
/// and before it has written so many times its capacity, there is room.
const CAPACITIES: u64 = 4;

/// When a load ends.
#[derive(Clone, Copy)]
pub enum Until {
    /// When the process is killed.
    Killed,
    Seconds(u64),
    /// When the drive is full.
    Full,
}

/// One version of a key.
#[derive(Clone, Copy)]
pub struct Version {
    pub number: u64,
    pub version: u64,
    pub delete: bool,
}

struct Writer<'writer> {
    drive: &'writer Drive,
    runtime: &'writer Runtime,
    counter: Cell<u64>,
    run: u64,
    keys: u64,
    end: Option<Instant>,
    /// Writes that found the drive full.
    refused: Cell<u64>,
    refused_limit: u64,
}

/// Opens and loads.
pub fn write(path: &str, run: u64, until: Until) -> Result<(), String> {
    let runtime = runtime()?;
    let result = runtime.run(async {
        let drive = open(&runtime, path).await?;
        tell(format_args!("O {run}"));
        let (seconds, refused_limit) = match until {
            Until::Killed => (None, u64::MAX),
            Until::Seconds(seconds) => (Some(seconds), u64::MAX),
            Until::Full => (None, FULL_REFUSALS),
        };
        let end = seconds.map(|seconds| runtime.now().after(Duration::from_secs(seconds)));
        let writer = Writer {
            drive: &drive,
            runtime: &runtime,
            counter: Cell::new(0),
            run,
            keys: keys(),
            end,
            refused: Cell::new(0),
            refused_limit,
        };
        let ends: Vec<Result<(), String>> = join_all((0..IN_FLIGHT).map(|lane| writer.lane(lane))).await;
        ends.into_iter().collect::<Result<(), String>>()?;
        let status = drive.status();
        eprintln!(
            "used {} of {} bytes, {} keys",
            status.used_bytes, status.capacity_bytes, status.keys
        );
        drive.close().await;
        Ok(())
    });
    runtime.shutdown();
    result
}

fn tell(line: std::fmt::Arguments<'_>) {
    // One write a line, so that a kill cuts between lines or in the last one only.
    let text = format!("{line}\n");
    let mut output = std::io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .expect("the reader of the lines went away");
}

impl Writer<'_> {
    /// Writes keys that no other lane writes.
    async fn lane(&self, lane: u64) -> Result<(), String> {
        let mut random = mix(self.run << 8 ^ lane);
        while self.goes_on() {
            random = mix(random.wrapping_add(0x9e37_79b9_7f4a_7c15));
            let number = random % (self.keys / IN_FLIGHT) * IN_FLIGHT + lane;
            let version = self.next_version();
            let delete = random >> 40 & 7 == 0;
            let kind = if delete { "delete" } else { "put" };
            tell(format_args!("B {number} {version} {kind}"));
            match self.publish(number, version, delete).await {
                Answer::Ack => tell(format_args!("A {number} {version} {kind}")),
                Answer::Full => {
                    self.refused.set(self.refused.get() + 1);
                    self.make_room(number).await?;
                }
                other => return Err(format!("a write was answered with {other:?}")),
            }
        }
        Ok(())
    }
    fn goes_on(&self) -> bool {
        self.end.is_none_or(|end| self.runtime.now() < end) && self.refused.get() < self.refused_limit
    }
    /// Deletes a key, as a user would whose drive is full; that may have to wait for the cleaner, but not for ever.
    async fn make_room(&self, number: u64) -> Result<(), String> {
        let first = self.drive.status();
        let (mut end, mut written) = (self.runtime.now().after(PATIENCE), first.written_bytes);
        loop {
            self.runtime.sleep(FULL_PAUSE).await;
            let version = self.next_version();
            tell(format_args!("B {number} {version} delete"));
            match self.publish(number, version, true).await {
                Answer::Ack => {
                    tell(format_args!("A {number} {version} delete"));
                    return Ok(());
                }
                Answer::Full => {}
                other => return Err(format!("a delete on a full drive was answered with {other:?}")),
            }
            let status = self.drive.status();
            if status.written_bytes > written {
                (end, written) = (self.runtime.now().after(PATIENCE), status.written_bytes);
            }
            let spent = written - first.written_bytes;
            if self.runtime.now() > end || spent > status.capacity_bytes * CAPACITIES {
                return Err(format!(
                    "a full drive takes no deletes, though it wrote {spent} bytes meanwhile: {status:?}"
                ));
            }
        }
    }
    fn next_version(&self) -> u64 {
        self.counter.set(self.counter.get() + 1);
        self.run * VERSIONS_PER_RUN + self.counter.get()
    }
    async fn publish(&self, number: u64, version: u64, delete: bool) -> Answer {
        let version = Version { number, version, delete };
        publish(self.runtime, self.drive, version).await
    }
}

/// Writes a version, and says that it is complete once it is acknowledged.
pub async fn publish(runtime: &Runtime, drive: &Drive, Version { number, version, delete }: Version) -> Answer {
    let mut write_id = WriteId::default();
    write_id.0[..8].copy_from_slice(&version.to_le_bytes());
    write_id.0[8..].copy_from_slice(&number.to_le_bytes());
    let bytes = if delete { Bytes::new() } else { payload(number, version) };
    let length = bytes.len() as u64;
    let shard = match bytes.len() {
        0 => Shard::None,
        1..=INLINE_LIMIT_BYTES => Shard::Inline(bytes),
        _ => {
            let stage = Request::Stage {
                key: key(number),
                write_id,
                block_shift: BLOCK_SHIFT,
                shard_length: length,
                offset: 0,
                bytes,
            };
            match drive.handle(stage).await {
                Answer::Staged { .. } => Shard::Staged { length },
                other => return other,
            }
        }
    };
    let ballot = Ballot {
        clock: (runtime.wall_ms() << 16) + (version & 0xffff),
        node: 1,
        boot: drive.boot(),
    };
    let record = Record {
        ballot,
        write_id,
        origin: ballot,
        base: None,
        kind: if delete { Kind::Tombstone } else { Kind::Data },
        unconditional: true,
        size: length,
        etag: [0; 16],
        etag_parts: 0,
        // Tells the checker which version this is.
        metadata: Bytes::copy_from_slice(&version.to_le_bytes()),
        coding: coding(),
        slot: 0,
        payload_size: length,
        shard,
    };
    let answer = drive.handle(Request::Publish { key: key(number), record }).await;
    if answer == Answer::Ack {
        drive.handle(Request::Stable { key: key(number), ballot }).await;
    }
    answer
}
