//! Requests straight to a drive, as a coordinator would make them: publish, mark stable, read, scan.

use super::DriveBenchOptions;
use super::floor::aligned;
use crate::report::OperationReport;
use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{Answer, Ballot, Coding, Covers, Drive, Key, Kind, Record, Request, Shard, Space, Want, WriteId};
use openlake_io::Runtime;
use std::cell::{Cell, RefCell};

const BUCKET: u64 = 1;
const BLOCK_SHIFT: u8 = 16;
const BULK_BYTES: usize = 1 << 20;
/// Bulk writes in flight, of the store and of its floor: enough to keep a disk busy while some wait for a flush.
pub(super) const BULK_CONCURRENCY: usize = 32;
const PAGE_ROWS: u32 = 1000;

/// Requests to one drive.
pub(super) struct Load<'load> {
    runtime: &'load Runtime,
    drive: &'load Drive,
    options: &'load DriveBenchOptions,
    payload: Bytes,
}

/// Bytes that no disk can compress or share.
pub(super) fn noise(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Keys in an order that is not that of their making, as hashes and random names are.
fn key(number: u64) -> Key {
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Key {
        bucket: BUCKET,
        space: Space::Object,
        name: format!("folder/of some depth/object {scattered:016x}").into(),
    }
}

fn write_id(number: u64) -> WriteId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    WriteId(id)
}

impl<'load> Load<'load> {
    pub fn new(runtime: &'load Runtime, drive: &'load Drive, options: &'load DriveBenchOptions) -> Load<'load> {
        Load {
            runtime,
            drive,
            options,
            payload: noise(options.size_bytes),
        }
    }
    /// `count` calls of `work` with rising numbers, `concurrency` at a time.
    async fn repeat<W, F>(&self, count: u64, concurrency: usize, work: W) -> Result<OperationReport, String>
    where
        W: Fn(u64) -> F,
        F: Future<Output = Result<usize, String>>,
    {
        let (next, figures) = (Cell::new(0), RefCell::new(OperationReport::default()));
        let worker = || async {
            loop {
                let number = next.replace(next.get() + 1);
                if number >= count {
                    return Ok(());
                }
                let start = self.runtime.now();
                let bytes = work(number).await?;
                let mut figures = figures.borrow_mut();
                figures.count += 1;
                figures.bytes += bytes as u64;
                figures.latency.record(self.runtime.now().since(start).as_nanos() as u64);
            }
        };
        let ends: Vec<Result<(), String>> = join_all((0..concurrency.max(1)).map(|_| worker())).await;
        ends.into_iter().collect::<Result<(), String>>()?;
        Ok(figures.into_inner())
    }
    fn record(&self, number: u64, size: usize, shard: Shard) -> Record {
        let ballot = Ballot {
            clock: (self.runtime.wall_ms() << 16) + (number & 0xffff),
            node: 1,
            boot: 1,
        };
        Record {
            ballot,
            write_id: write_id(number),
            origin: ballot,
            base: None,
            kind: Kind::Data,
            unconditional: true,
            size: size as u64,
            etag: [1; 16],
            etag_parts: 0,
            metadata: Bytes::from_static(b"\x01\x0c\x00content-type\x18\x00application/octet-stream"),
            coding: Coding {
                data: 1,
                parity: 0,
                block_shift: BLOCK_SHIFT,
                whole: true,
                manifest: false,
            },
            slot: 0,
            payload_size: size as u64,
            shard,
        }
    }
    async fn publish(&self, number: u64, record: Record) -> Result<(), String> {
        let (key, ballot) = (key(number), record.ballot);
        match self.drive.handle(Request::Publish { key: key.clone(), record }).await {
            Answer::Ack => {}
            other => return Err(format!("a publish was answered with {other:?}")),
        }
        self.drive.handle(Request::Stable { key, ballot }).await;
        Ok(())
    }
    /// Stores every record once, durably.
    pub async fn put_all(&self) -> Result<OperationReport, String> {
        let put = |number| async move {
            let record = self.record(number, self.payload.len(), Shard::Inline(self.payload.clone()));
            self.publish(number, record).await.map(|()| self.payload.len())
        };
        self.repeat(self.options.count, self.options.concurrency, put).await
    }
    /// Reads as many records as there are, scattered over the first `distinct` of them.
    pub async fn get_all(&self, distinct: u64) -> Result<OperationReport, String> {
        let distinct = distinct.min(self.options.count).max(1);
        let get = |number: u64| async move {
            let want = Want::Blocks { first: 0, count: 1 };
            let key = key(number.wrapping_mul(0x2545_f491_4f6c_dd1d) % distinct);
            match self.drive.handle(Request::Read { key, want }).await {
                Answer::State { shard: Some(shard), .. } if shard.blocks.iter().all(Option::is_some) => Ok(self.payload.len()),
                other => Err(format!("a read was answered with {other:?}")),
            }
        };
        self.repeat(self.options.count, self.options.concurrency, get).await
    }
    /// Lists all keys in pages, one after the other.
    pub async fn list_all(&self) -> Result<OperationReport, String> {
        let mut figures = OperationReport::default();
        let mut from = Bytes::new();
        loop {
            let start = self.runtime.now();
            let scan = Request::Scan {
                bucket: BUCKET,
                space: Space::Object,
                prefix: Bytes::new(),
                from,
                limit: PAGE_ROWS,
            };
            let Answer::Page { rows, covers, .. } = self.drive.handle(scan).await else {
                return Err("a scan gave no page".to_owned());
            };
            figures.count += 1;
            figures.bytes += rows.iter().map(|row| row.name.len() as u64).sum::<u64>();
            figures.latency.record(self.runtime.now().since(start).as_nanos() as u64);
            match covers {
                Covers::End => return Ok(figures),
                // The next name possible.
                Covers::UpTo(last) => from = [&last[..], &[0]].concat().into(),
            }
        }
    }
    /// Stages and publishes shards of 1 MiB.
    pub async fn append_bulk(&self) -> Result<OperationReport, String> {
        let bytes = &aligned(BULK_BYTES as u64);
        let append = |number: u64| async move {
            let number = self.options.count + number;
            let stage = Request::Stage {
                key: key(number),
                write_id: write_id(number),
                block_shift: BLOCK_SHIFT,
                shard_length: bytes.len() as u64,
                offset: 0,
                bytes: bytes.clone(),
            };
            match self.drive.handle(stage).await {
                Answer::Staged { .. } => {}
                other => return Err(format!("staging was answered with {other:?}")),
            }
            let length = bytes.len() as u64;
            let record = self.record(number, bytes.len(), Shard::Staged { length });
            self.publish(number, record).await.map(|()| bytes.len())
        };
        self.repeat(self.options.bulk_count, BULK_CONCURRENCY, append).await
    }
}
