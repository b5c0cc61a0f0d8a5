//! Looking at a drive that no node has open: what is on it, whether it is sound, its index made anew. All of them take the drive's
//! lock, so a running node is never disturbed; only [`rebuild_index`] and [`rebuild_at_start`] change anything.

use crate::core::Core;
use crate::format::{ROOT_BYTES, ROOT_SLOTS, Root, Superblock, SuperblockError};
use crate::home::{Home, SUPERBLOCK_COPIES, opening};
use crate::open::{Tuning, judge, recovered};
use crate::recovery::{RecoveredDrive, read_manifest};
use crate::roots::Roots;
use crate::space::SegmentClass;
use crate::verify::{Verification, verify as verify_core};
use crate::{Adoption, Ballot, Drive, DriveOptions, DriveState, Identity, MountCheck, OpenError};
use openlake_io::Runtime;
use std::path::Path;
use std::rc::Rc;

/// Memory for rows and filters.
const INDEX_BYTES: u64 = 256 << 20;

/// What is on a drive.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub identity: Identity,
    pub state: DriveState,
    /// Boot number of the node that used it last.
    pub boot: u32,
    pub drive_floor: Ballot,
    /// For ballots up to this one a missing record is unknown.
    pub dirty: Option<Ballot>,
    pub segment_bytes: u32,
    pub segments: u32,
    pub granule_bytes: u32,
    pub container_bytes: u64,
    /// Containers that exist hold so many segments.
    pub made_segments: u32,
    pub capacity_bytes: u64,
    pub used_bytes: u64,
    pub log_segments: u32,
    pub live_log_bytes: u64,
    pub bulk_segments: u32,
    pub bulk_bytes: u64,
    pub keys: u64,
    /// Newest first.
    pub roots: Vec<InspectedRoot>,
    /// Runs of the index in use, newest first.
    pub runs: Vec<InspectedRun>,
    /// Segments of the log read behind the checkpoint, and the last batch in them.
    pub replayed_segments: u32,
    pub last_sequence: u64,
    /// Why not from the newest checkpoint, if so; damage found in the log.
    pub notes: Vec<String>,
}

/// A root.
#[derive(Clone, Debug)]
pub struct InspectedRoot {
    pub sequence: u64,
    pub clean: bool,
    /// The index is to be rebuilt.
    pub rebuild: bool,
    pub last_sequence: u64,
    /// Number of its checkpoint; `None`: it names none, or one whose manifest is unreadable.
    pub checkpoint: Option<u64>,
    pub has_manifest: bool,
    /// Where its log begins.
    pub log_segment: u32,
    pub log_offset: u32,
    pub log_generation: u64,
}

/// A run of the index.
#[derive(Clone, Debug)]
pub struct InspectedRun {
    pub id: u64,
    pub level: u8,
    pub entries: u64,
    pub bytes: u64,
    pub extents: u32,
}

/// What a rebuild made.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    pub state: DriveState,
    pub keys: u64,
    pub boot: u32,
}

/// Reads a drive's roots, newest checkpoint and the log behind it. Errors as of [`Drive::open`].
pub async fn inspect(runtime: &Runtime, path: &Path) -> Result<Inspection, OpenError> {
    let options = stored_options(runtime, path).await?;
    let (core, found, _) = recovered(runtime, &options, Tuning::default()).await?;
    let mut roots = Vec::new();
    for root in core.roots.read_all().await {
        roots.push(inspect_root(&core, &root).await);
    }
    let geometry = *core.medium.geometry();
    let space = core.space.borrow();
    let count = |class: SegmentClass| space.segments().filter(|(_, segment)| segment.class == class).count() as u32;
    let index = core.index.borrow();
    let runs = index.runs();
    Ok(Inspection {
        identity: core.identity.clone(),
        state: judge(&found),
        boot: found.log.state.boot,
        drive_floor: found.log.state.drive_floor,
        dirty: found.log.state.dirty,
        segment_bytes: geometry.segment_bytes,
        segments: geometry.segments,
        granule_bytes: geometry.granule_bytes,
        container_bytes: geometry.container_bytes,
        made_segments: core.medium.made_segments(),
        capacity_bytes: geometry.capacity_bytes(),
        used_bytes: space.used_bytes(),
        log_segments: count(SegmentClass::Log),
        live_log_bytes: space.live_log_bytes(),
        bulk_segments: count(SegmentClass::Bulk),
        bulk_bytes: space.used_granule_bytes(),
        keys: index.keys(),
        roots,
        runs: runs
            .iter()
            .map(|run| InspectedRun {
                id: run.id(),
                level: run.level,
                entries: run.entries(),
                bytes: run.blob.length,
                extents: run.blob.extents.to_vec().len() as u32,
            })
            .collect(),
        replayed_segments: found.log.segments as u32,
        last_sequence: found.log.head.sequence,
        notes: notes(&found),
    })
}

/// Reads everything on a drive and compares it: see [`Verification`]. Bulk bytes are not read. Errors as of [`Drive::open`].
pub async fn verify(runtime: &Runtime, path: &Path) -> Result<Verification, OpenError> {
    let options = stored_options(runtime, path).await?;
    let (core, found, _) = recovered(runtime, &options, Tuning::default()).await?;
    let damaged = |text: String| OpenError::Damaged(format!("{}: {text}", path.display()));
    let mut verification = verify_core(&core).await.map_err(damaged)?;
    verification.add(notes(&found));
    Ok(verification)
}

/// Forgets every checkpoint and makes the index anew from the log, as a start does that finds no checkpoint; the drive counts a boot.
/// Errors as of [`Drive::open`].
pub async fn rebuild_index(runtime: &Runtime, path: &Path) -> Result<Rebuilt, OpenError> {
    rebuild_index_within(runtime, path, INDEX_BYTES).await
}

/// The same with so much memory for the index: with little, rows are written out on the way.
pub async fn rebuild_index_within(runtime: &Runtime, path: &Path, index_bytes: u64) -> Result<Rebuilt, OpenError> {
    let options = DriveOptions {
        index_bytes,
        ..stored_options(runtime, path).await?
    };
    order_rebuild(runtime, path, &options).await?;
    let drive = Drive::open(runtime, options).await?;
    let status = drive.status();
    drive.close().await;
    Ok(Rebuilt {
        state: status.state,
        keys: status.keys,
        boot: status.boot,
    })
}

/// Lets the next start rebuild the index, beside the work of its node. Errors as of [`Drive::open`].
pub async fn rebuild_at_start(runtime: &Runtime, path: &Path) -> Result<(), OpenError> {
    let options = stored_options(runtime, path).await?;
    order_rebuild(runtime, path, &options).await
}

/// Writes a root that says that the index is not to be trusted.
async fn order_rebuild(runtime: &Runtime, path: &Path, options: &DriveOptions) -> Result<(), OpenError> {
    let in_words = |error: std::io::Error| opening(path, &error);
    let (home, _) = Home::open(runtime, options).await?;
    let superblock = stored_superblock(&home).await?;
    let (roots, found) = Roots::open(home.roots().map_err(in_words)?, superblock.salt).await;
    let newest = found.first().ok_or_else(|| {
        let text = format!("none of {ROOT_SLOTS} roots of {ROOT_BYTES} bytes is readable");
        OpenError::Damaged(format!("{}: {text}", path.display()))
    })?;
    let rebuild = Root {
        rebuild: true,
        ..newest.clone()
    };
    roots.write(rebuild).await.map_err(in_words)
}

fn notes(found: &RecoveredDrive) -> Vec<String> {
    found.refused.iter().chain(&found.log.damage).cloned().collect()
}

async fn inspect_root(core: &Rc<Core>, root: &Root) -> InspectedRoot {
    let manifest = match &root.manifest {
        Some(place) => read_manifest(core, place).await.ok(),
        None => None,
    };
    InspectedRoot {
        sequence: root.sequence,
        clean: root.clean,
        rebuild: root.rebuild,
        last_sequence: root.last_sequence,
        checkpoint: manifest.map(|(manifest, _)| manifest.checkpoint),
        has_manifest: root.manifest.is_some(),
        log_segment: root.log_start.segment(),
        log_offset: root.log_start.offset(),
        log_generation: root.log_start_generation,
    }
}

/// Options that fit whatever drive lies there.
async fn stored_options(runtime: &Runtime, path: &Path) -> Result<DriveOptions, OpenError> {
    let mut options = DriveOptions {
        path: path.to_owned(),
        cluster: [0; 16],
        set: 0,
        slot: 0,
        set_epoch: 0,
        mount_check: MountCheck::Directory,
        adoption: Adoption::Refuse,
        capacity_bytes: None,
        cache_bytes: 0,
        index_bytes: INDEX_BYTES,
        boot_at_least: 0,
    };
    let no_drive = |error: OpenError| match error {
        OpenError::Blank(_) => OpenError::Blank(format!("{} holds no superblock: it is no drive", path.display())),
        other => other,
    };
    let (home, _) = Home::open(runtime, &options).await.map_err(no_drive)?;
    let identity = stored_superblock(&home).await?.identity;
    (options.cluster, options.set, options.slot) = (identity.cluster, identity.set, identity.slot);
    options.set_epoch = identity.set_epoch;
    Ok(options)
}

/// The newer valid superblock.
async fn stored_superblock(home: &Home) -> Result<Superblock, OpenError> {
    let path = home.path().display();
    let mut newest: Option<Superblock> = None;
    for copy in 0..SUPERBLOCK_COPIES {
        let Some(page) = home.read_superblock(copy).await else { continue };
        match Superblock::decode(page.as_slice()) {
            Ok(found) if newest.as_ref().is_none_or(|newest| found.sequence > newest.sequence) => newest = Some(found),
            Ok(_) | Err(SuperblockError::Invalid) => {}
            Err(SuperblockError::OtherVersion(text)) => return Err(OpenError::Damaged(format!("{path}: {text}"))),
        }
    }
    newest.ok_or_else(|| OpenError::Damaged(format!("{path}: neither superblock is readable")))
}
