//! One drive measured alone, below all networking: what a disk gives through the store's own log, index and cache, beside the floor
//! that the same disk gave in the same run.

mod floor;
mod load;

use crate::report::OperationReport;
use openlake_drive::{Adoption, Drive, DriveOptions, MountCheck};
use openlake_io::{EngineKind, Runtime, process_time};
use std::path::PathBuf;
use std::time::Duration;

/// What to run.
#[derive(Clone, Debug)]
pub struct DriveBenchOptions {
    /// An empty directory, or a blank block device; a drive is made there and left to the caller to remove.
    pub path: PathBuf,
    /// Records to store.
    pub count: u64,
    /// Payload of each, at most 64 KiB (what the log holds itself).
    pub size_bytes: usize,
    /// Requests in flight.
    pub concurrency: usize,
    /// Extents of 1 MiB to append.
    pub bulk_count: u64,
    /// Budget of the record cache while reading hot; cold reads have none.
    pub cache_bytes: u64,
    /// Budget of the index in memory.
    pub index_bytes: u64,
    /// Bytes that the drive may use.
    pub capacity_bytes: Option<u64>,
}

/// One phase.
#[derive(Clone, Debug)]
pub struct DrivePhase {
    pub name: &'static str,
    /// Measures the bare disk, not the store.
    pub floor: bool,
    pub figures: OperationReport,
    pub elapsed: Duration,
    /// Of the whole process; kernel workers are not in it.
    pub processor: Duration,
}

/// All phases, and what the drive says of itself in the end.
#[derive(Clone, Debug)]
pub struct DriveReport {
    pub phases: Vec<DrivePhase>,
    pub durability_class: String,
    pub keys: u64,
    pub used_bytes: u64,
    /// Memory of the index with all records in it, estimated; bounded by its budget.
    pub index_used_bytes: u64,
    pub records_per_batch: f64,
    /// Time of a start with all records there, after a clean close and after a crash (no close).
    pub open_clean: Duration,
    pub open_crashed: Duration,
}

impl DrivePhase {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.figures.count as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Runs it all on the calling thread. Fails when the path cannot be made a drive, or the disk gives an error.
pub fn run_drive(options: &DriveBenchOptions, engine: EngineKind) -> Result<DriveReport, String> {
    let runtime = Runtime::new(engine).map_err(|error| format!("there is no I/O engine: {error}"))?;
    let report = runtime.run(measure(&runtime, options));
    runtime.shutdown();
    report
}

async fn measure(runtime: &Runtime, options: &DriveBenchOptions) -> Result<DriveReport, String> {
    let mut phases = Vec::new();
    phases.extend(floor::measure(runtime, options).await?);
    let drive = open(runtime, options, Adoption::FormatNew, options.cache_bytes).await?;
    let load = load::Load::new(runtime, &drive, options);
    phases.push(timed("put", load.put_all()).await?);
    let status = drive.status();
    let records_per_batch = status.records as f64 / status.batches.max(1) as f64;
    let index_used_bytes = status.memory.index_used();
    phases.push(timed("get hot", load.get_all(1000)).await?);
    phases.push(timed("list", load.list_all()).await?);
    phases.push(timed("append 1 MiB", load.append_bulk()).await?);
    drop(load);
    // Dropped without a close: what a crash leaves.
    drop(drive);
    runtime.sleep(Duration::from_millis(100)).await;
    let start = runtime.now();
    let drive = open(runtime, options, Adoption::Refuse, 0).await?;
    let open_crashed = runtime.now().since(start);
    drive.close().await;
    drop(drive);
    runtime.sleep(Duration::from_millis(100)).await;
    let start = runtime.now();
    let drive = open(runtime, options, Adoption::Refuse, 0).await?;
    let open_clean = runtime.now().since(start);
    phases.push(timed("get cold", load::Load::new(runtime, &drive, options).get_all(u64::MAX)).await?);
    let status = drive.status();
    drive.close().await;
    Ok(DriveReport {
        phases,
        durability_class: format!("{:?}", status.durability_class),
        keys: status.keys,
        used_bytes: status.used_bytes,
        index_used_bytes,
        records_per_batch,
        open_clean,
        open_crashed,
    })
}

async fn open(runtime: &Runtime, options: &DriveBenchOptions, adoption: Adoption, cache_bytes: u64) -> Result<Drive, String> {
    let options = DriveOptions {
        path: options.path.clone(),
        cluster: [0xbe; 16],
        set: 0,
        slot: 0,
        set_epoch: 1,
        mount_check: MountCheck::Directory,
        adoption,
        capacity_bytes: options.capacity_bytes,
        cache_bytes,
        index_bytes: options.index_bytes,
        boot_at_least: 0,
    };
    Drive::open(runtime, options).await.map_err(|error| format!("{error:?}"))
}

/// Runs a phase and says what it took.
async fn timed(name: &'static str, work: impl Future<Output = Result<OperationReport, String>>) -> Result<DrivePhase, String> {
    let (start, processor) = (std::time::Instant::now(), process_time());
    let figures = work.await?;
    Ok(DrivePhase {
        name,
        floor: false,
        figures,
        elapsed: start.elapsed(),
        processor: process_time().saturating_sub(processor),
    })
}
