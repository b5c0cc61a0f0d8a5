//! Looking at a drive that no node has open, for JavaScript: what is on it, whether it is sound, its index made anew.

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Error, Result, Task};
use napi_derive::napi;
use openlake_drive::offline::{Inspection, Rebuilt, inspect, rebuild_at_start, rebuild_index, verify};
use openlake_drive::{Ballot, DriveState, OpenError, Verification};
use openlake_io::Runtime;
use std::path::PathBuf;

/// A root; numbers that may pass 2^53 are texts.
#[napi(object)]
pub struct DriveRootObject {
    pub sequence: f64,
    pub clean: bool,
    pub rebuild: bool,
    pub last_sequence: f64,
    /// Absent: the root names no checkpoint, or (`hasManifest`) one that is unreadable.
    pub checkpoint: Option<f64>,
    pub has_manifest: bool,
    pub log_segment: u32,
    pub log_offset: u32,
    pub log_generation: f64,
}

/// A run of the index.
#[napi(object)]
pub struct DriveRunObject {
    /// 16 hex digits.
    pub id: String,
    pub level: u32,
    pub entries: f64,
    pub bytes: f64,
    pub extents: u32,
}

/// What is on a drive.
#[napi(object)]
pub struct DriveInspection {
    /// 32 hex digits.
    pub cluster: String,
    pub drive: String,
    pub set: u32,
    pub slot: u32,
    pub generation: u32,
    pub set_epoch: u32,
    /// `Healthy` or `Suspect`, and why.
    pub state: String,
    pub reason: String,
    pub boot: u32,
    pub drive_floor: String,
    /// Absent: the drive is clean.
    pub dirty: Option<String>,
    pub segment_bytes: u32,
    pub segments: u32,
    pub granule_bytes: u32,
    pub container_bytes: f64,
    pub made_segments: u32,
    pub capacity_bytes: f64,
    pub used_bytes: f64,
    pub log_segments: u32,
    pub live_log_bytes: f64,
    pub bulk_segments: u32,
    pub bulk_bytes: f64,
    pub keys: f64,
    pub roots: Vec<DriveRootObject>,
    pub runs: Vec<DriveRunObject>,
    pub replayed_segments: u32,
    pub last_sequence: f64,
    pub notes: Vec<String>,
}

/// What `verify` found.
#[napi(object)]
pub struct DriveVerification {
    pub rows: f64,
    pub records: f64,
    pub bulk_extents: f64,
    pub log_segments: f64,
    pub error_count: f64,
    pub errors: Vec<String>,
}

/// What a rebuild made.
#[napi(object)]
pub struct DriveRebuilt {
    pub state: String,
    pub reason: String,
    pub keys: f64,
    pub boot: u32,
}

/// A look on a worker thread.
pub struct InspectDrive(PathBuf);

impl Task for InspectDrive {
    type Output = Inspection;
    type JsValue = DriveInspection;

    fn compute(&mut self) -> Result<Inspection> {
        let runtime = runtime()?;
        runtime.run(inspect(&runtime, &self.0)).map_err(in_words)
    }
    fn resolve(&mut self, _env: Env, found: Inspection) -> Result<DriveInspection> {
        Ok(inspection_object(found))
    }
}

/// A verification on a worker thread.
pub struct VerifyDrive(PathBuf);

impl Task for VerifyDrive {
    type Output = Verification;
    type JsValue = DriveVerification;

    fn compute(&mut self) -> Result<Verification> {
        let runtime = runtime()?;
        runtime.run(verify(&runtime, &self.0)).map_err(in_words)
    }
    fn resolve(&mut self, _env: Env, found: Verification) -> Result<DriveVerification> {
        Ok(DriveVerification {
            rows: found.rows as f64,
            records: found.records as f64,
            bulk_extents: found.bulk_extents as f64,
            log_segments: found.log_segments as f64,
            error_count: found.error_count as f64,
            errors: found.errors,
        })
    }
}

/// A rebuild on a worker thread.
pub struct RebuildDrive(PathBuf);

impl Task for RebuildDrive {
    type Output = Rebuilt;
    type JsValue = DriveRebuilt;

    fn compute(&mut self) -> Result<Rebuilt> {
        let runtime = runtime()?;
        runtime.run(rebuild_index(&runtime, &self.0)).map_err(in_words)
    }
    fn resolve(&mut self, _env: Env, made: Rebuilt) -> Result<DriveRebuilt> {
        let (state, reason) = state_words(made.state);
        Ok(DriveRebuilt {
            state,
            reason,
            keys: made.keys as f64,
            boot: made.boot,
        })
    }
}

/// An order to rebuild, on a worker thread.
pub struct OrderRebuild(PathBuf);

impl Task for OrderRebuild {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> Result<()> {
        let runtime = runtime()?;
        runtime.run(rebuild_at_start(&runtime, &self.0)).map_err(in_words)
    }
    fn resolve(&mut self, _env: Env, (): ()) -> Result<()> {
        Ok(())
    }
}

/// Lets the next start of a drive's node rebuild the index, beside its work; rejects as `inspectDrive`.
#[napi]
pub fn order_drive_rebuild(path: String) -> AsyncTask<OrderRebuild> {
    AsyncTask::new(OrderRebuild(path.into()))
}

/// What is on the drive in a directory; the promise rejects when there is none, or a process holds it.
#[napi]
pub fn inspect_drive(path: String) -> AsyncTask<InspectDrive> {
    AsyncTask::new(InspectDrive(path.into()))
}

/// Whether everything on a drive fits together; rejects as `inspectDrive`.
#[napi]
pub fn verify_drive(path: String) -> AsyncTask<VerifyDrive> {
    AsyncTask::new(VerifyDrive(path.into()))
}

/// Makes a drive's index anew from its log; rejects as `inspectDrive`.
#[napi]
pub fn rebuild_drive_index(path: String) -> AsyncTask<RebuildDrive> {
    AsyncTask::new(RebuildDrive(path.into()))
}

fn runtime() -> Result<Runtime> {
    let (engine, _reason) = Runtime::probe();
    Runtime::new(engine).map_err(|error| Error::from_reason(format!("no engine can be started: {error}")))
}

fn in_words(error: OpenError) -> Error {
    Error::from_reason(error.text())
}

fn state_words(state: DriveState) -> (String, String) {
    match state {
        DriveState::Healthy => ("Healthy".to_owned(), String::new()),
        DriveState::Suspect(reason) => ("Suspect".to_owned(), reason),
        DriveState::Rebuilding(reason) => ("Rebuilding".to_owned(), reason),
        DriveState::Failed(reason) => ("Failed".to_owned(), reason),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn inspection_object(found: Inspection) -> DriveInspection {
    let (state, reason) = state_words(found.state);
    let roots = found.roots.iter().map(|root| DriveRootObject {
        sequence: root.sequence as f64,
        clean: root.clean,
        rebuild: root.rebuild,
        last_sequence: root.last_sequence as f64,
        checkpoint: root.checkpoint.map(|number| number as f64),
        has_manifest: root.has_manifest,
        log_segment: root.log_segment,
        log_offset: root.log_offset,
        log_generation: root.log_generation as f64,
    });
    let runs = found.runs.iter().map(|run| DriveRunObject {
        id: format!("{:016x}", run.id),
        level: run.level.into(),
        entries: run.entries as f64,
        bytes: run.bytes as f64,
        extents: run.extents,
    });
    DriveInspection {
        cluster: hexadecimal(&found.identity.cluster),
        drive: hexadecimal(&found.identity.drive),
        set: found.identity.set,
        slot: found.identity.slot,
        generation: found.identity.generation,
        set_epoch: found.identity.set_epoch,
        state,
        reason,
        boot: found.boot,
        drive_floor: found.drive_floor.to_string(),
        dirty: found.dirty.map(|ballot: Ballot| ballot.to_string()),
        segment_bytes: found.segment_bytes,
        segments: found.segments,
        granule_bytes: found.granule_bytes,
        container_bytes: found.container_bytes as f64,
        made_segments: found.made_segments,
        capacity_bytes: found.capacity_bytes as f64,
        used_bytes: found.used_bytes as f64,
        log_segments: found.log_segments,
        live_log_bytes: found.live_log_bytes as f64,
        bulk_segments: found.bulk_segments,
        bulk_bytes: found.bulk_bytes as f64,
        keys: found.keys as f64,
        roots: roots.collect(),
        runs: runs.collect(),
        replayed_segments: found.replayed_segments,
        last_sequence: found.last_sequence as f64,
        notes: found.notes,
    }
}
