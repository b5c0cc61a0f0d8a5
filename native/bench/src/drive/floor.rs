//! What the bare disk gives: the same sizes and depths by direct I/O on one plain file, without any of the store's work.

use super::load::{BULK_CONCURRENCY, noise};
use super::{DriveBenchOptions, DrivePhase, timed};
use crate::report::OperationReport;
use bytes::Bytes;
use futures_util::future::join_all;
use openlake_io::{AlignedBuffer, Durability, File, OpenOptions, Runtime};
use std::cell::{Cell, RefCell};

const FILE: &str = "floor";
const SMALL_BYTES: u64 = 4096;
const LARGE_BYTES: u64 = 1 << 20;
/// Enough that a disk's own cache does not hold it all.
const LEAST_LARGE_WRITES: u64 = 256;
/// Reads and durable writes of 4 KiB.
const SMALL_OPERATIONS: u64 = 50_000;

/// Measures plain writes of 1 MiB with one flush, durable writes of 4 KiB, and random reads of 4 KiB. A device is left out: it must
/// stay blank for the drive.
pub(super) async fn measure(runtime: &Runtime, options: &DriveBenchOptions) -> Result<Vec<DrivePhase>, String> {
    let path = options.path.join(FILE);
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if !runtime.info(&options.path).map_err(failed)?.is_directory {
        return Ok(Vec::new());
    }
    let create = OpenOptions {
        write: true,
        create: true,
        ..OpenOptions::default()
    };
    let file = runtime.open(&path, &create).map_err(failed)?;
    let writes = options.bulk_count.max(LEAST_LARGE_WRITES);
    file.allocate(0, writes * LARGE_BYTES).await.map_err(failed)?;
    let floor = Floor {
        runtime,
        file,
        path: path.display().to_string(),
    };
    let mut phases = vec![
        timed("raw 1 MiB writes", floor.write_large(writes)).await?,
        timed("raw durable 4 KiB writes", floor.write_small(options.concurrency)).await?,
        timed("raw 4 KiB reads", floor.read_small(writes * LARGE_BYTES, options.concurrency)).await?,
    ];
    phases.iter_mut().for_each(|phase| phase.floor = true);
    drop(floor);
    runtime.remove(&path).map_err(failed)?;
    Ok(phases)
}

struct Floor<'floor> {
    runtime: &'floor Runtime,
    file: File,
    path: String,
}

/// Noise as direct I/O wants it, and as stripes come from the network.
pub(super) fn aligned(length: u64) -> Bytes {
    let mut buffer = AlignedBuffer::with_capacity(length as usize);
    buffer.append(&noise(length as usize));
    buffer.freeze()
}

impl Floor<'_> {
    async fn repeat<W, F>(&self, count: u64, in_flight: usize, work: W) -> Result<OperationReport, String>
    where
        W: Fn(u64) -> F,
        F: Future<Output = std::io::Result<u64>>,
    {
        let (next, figures) = (Cell::new(0), RefCell::new(OperationReport::default()));
        let worker = || async {
            while next.get() < count {
                let number = next.replace(next.get() + 1);
                let start = self.runtime.now();
                let bytes = work(number).await?;
                let mut figures = figures.borrow_mut();
                figures.count += 1;
                figures.bytes += bytes;
                figures.latency.record(self.runtime.now().since(start).as_nanos() as u64);
            }
            Ok(())
        };
        let ends: Vec<std::io::Result<()>> = join_all((0..in_flight.max(1)).map(|_| worker())).await;
        let end: std::io::Result<()> = ends.into_iter().collect();
        end.map_err(|error| format!("{}: {error}", self.path))?;
        Ok(figures.into_inner())
    }
    async fn write_large(&self, count: u64) -> Result<OperationReport, String> {
        let bytes = &aligned(LARGE_BYTES);
        let write = |number: u64| async move {
            self.file.write(number * LARGE_BYTES, vec![bytes.clone()], Durability::None).await?;
            Ok(LARGE_BYTES)
        };
        let figures = self.repeat(count, BULK_CONCURRENCY, write).await?;
        self.file.flush().await.map_err(|error| format!("{}: {error}", self.path))?;
        Ok(figures)
    }
    async fn write_small(&self, in_flight: usize) -> Result<OperationReport, String> {
        let bytes = &aligned(SMALL_BYTES);
        let write = |number: u64| async move {
            self.file
                .write(number % 8192 * SMALL_BYTES, vec![bytes.clone()], Durability::Sync)
                .await?;
            Ok(SMALL_BYTES)
        };
        self.repeat(SMALL_OPERATIONS / 5, in_flight, write).await
    }
    async fn read_small(&self, file_bytes: u64, in_flight: usize) -> Result<OperationReport, String> {
        let pages = file_bytes / SMALL_BYTES;
        let read = |number: u64| async move {
            let page = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
            self.file
                .read(page % pages * SMALL_BYTES, SMALL_BYTES as usize)
                .await
                .map(|buffer| buffer.len() as u64)
        };
        self.repeat(SMALL_OPERATIONS, in_flight, read).await
    }
}
