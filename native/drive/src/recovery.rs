//! From roots to the state of a drive: the newest checkpoint that is whole and the log behind it, or, without one, everything the
//! log ever said.

use crate::Key;
use crate::backlog::BACKLOG_ROWS;
use crate::blob::Blob;
use crate::checkpoint::{KEPT, RootBase};
use crate::core::Core;
use crate::format::{AcceptorState, Manifest, ManifestPlace, Root};
use crate::index::{Index, MergeCursor, Run, SpecialKey, decode_special_key, special_range_start};
use crate::log::{KnownSegments, LogStart, Recovered, recover};
use crate::rebuild::rebuild;
use crate::replay::{Follower, load_rows};
use crate::space::{BitmapImage, Extent, ExtentRegistry, LogSegmentImage, SegmentClass, Space};
use openlake_checksum::crc64;
use std::rc::Rc;

/// Reads of the runs at a start.
const SCAN_BYTES: usize = 256 << 10;
/// Rows loaded at once.
const LOADS: usize = 64;

/// How a drive was recovered.
pub(crate) struct RecoveredDrive {
    pub log: Recovered,
    /// Why not from the newest checkpoint, if so.
    pub refused: Vec<String>,
    /// No checkpoint was of use: one must be made before anything is promised.
    pub rebuilt: bool,
}

/// Recovers rows, space and checkpoints of a fresh `core`, whose log is not touched. `roots`: newest first, at least one. In words,
/// why nothing could be recovered.
pub(crate) async fn recover_drive(core: &Rc<Core>, roots: &[Root]) -> Result<RecoveredDrive, String> {
    match from_checkpoint(core, roots).await? {
        Ok(recovered) => Ok(recovered),
        Err(refused) => from_log(core, roots, refused).await,
    }
}

/// The same from the newest checkpoint that is whole. `Ok(Err)`: there is none, and why not of each; the log has to be read.
pub(crate) async fn from_checkpoint(core: &Rc<Core>, roots: &[Root]) -> Result<Result<RecoveredDrive, Vec<String>>, String> {
    let mut refused = Vec::new();
    let newest = newest_of(roots)?;
    // Behind an older checkpoint segments of the log may be used again, which looks like damage; the log as a whole tells what is.
    let overwritten = |log: &Recovered, tried: usize| log.damage.first().filter(|_| tried > 1).cloned();
    let mut tried: Vec<&Option<ManifestPlace>> = Vec::new();
    if newest.rebuild {
        refused.push("some of the index could not be read".to_owned());
    } else {
        for root in roots {
            if tried.contains(&&root.manifest) {
                continue;
            }
            if tried.len() == KEPT {
                // What older ones rest on may be used for something else.
                break;
            }
            tried.push(&root.manifest);
            core.forget_recovered();
            match from_root(core, root).await {
                Ok(log) => match ends_early(&log, newest).or_else(|| overwritten(&log, tried.len())) {
                    None => {
                        let rebuilt = false;
                        return Ok(Ok(RecoveredDrive { log, refused, rebuilt }));
                    }
                    Some(text) => refused.push(text),
                },
                Err(text) => refused.push(text),
            }
        }
    }
    Ok(Err(refused))
}

/// The same from all that the log ever said. `refused`: why not from a checkpoint.
pub(crate) async fn from_log(core: &Rc<Core>, roots: &[Root], refused: Vec<String>) -> Result<RecoveredDrive, String> {
    let newest = newest_of(roots)?;
    core.forget_recovered();
    let mut log = rebuild(core, newest.state).await?;
    if log.segments == 0 && newest.last_sequence > 0 {
        return Err(format!("the log is gone; batch {} had been written", newest.last_sequence));
    }
    log.damage.extend(ends_early(&log, newest));
    Ok(RecoveredDrive {
        log,
        refused,
        rebuilt: true,
    })
}

fn newest_of(roots: &[Root]) -> Result<&Root, String> {
    roots.first().ok_or_else(|| "no root is readable".to_owned())
}

fn ends_early(log: &Recovered, newest: &Root) -> Option<String> {
    let last = log.head.sequence;
    (last < newest.last_sequence).then(|| format!("the log ends with batch {last}, but batch {} was durable", newest.last_sequence))
}

impl Core {
    /// Back to knowing nothing of rows and space.
    pub fn forget_recovered(&self) {
        self.checkpoints.forget();
        self.index_damaged.set(false);
        let limit_bytes = self.index.borrow().limit_bytes() as u64;
        drop(self.index.replace(Index::new(limit_bytes)));
        self.extents.take_returned();
        self.extents.take_changed();
        *self.space.borrow_mut() = Space::new(*self.medium.geometry(), self.medium.made_segments());
    }
}

/// One checkpoint and the log behind it.
async fn from_root(core: &Rc<Core>, root: &Root) -> Result<Recovered, String> {
    let base = RootBase {
        log_start: root.log_start,
        log_start_generation: root.log_start_generation,
        manifest: root.manifest.clone(),
    };
    let start = match &root.manifest {
        None => {
            core.checkpoints.begin(base, 0, Vec::new(), None);
            LogStart::Segment {
                segment: root.log_start.segment(),
                generation: root.log_start_generation,
            }
        }
        Some(place) => {
            let manifest = take_in(core, place, base).await?;
            LogStart::Behind(manifest.log)
        }
    };
    let mut follower = Follower::new(core);
    let mut recovered = recover(&core.medium, core.seed, start, root.state, &mut follower).await?;
    recovered.damage.append(&mut follower.conflicts);
    Ok(recovered)
}

/// Reads a manifest and what it names; rows stay where they are, but for those that wait to be settled.
async fn take_in(core: &Rc<Core>, place: &ManifestPlace, base: RootBase) -> Result<Manifest, String> {
    let (manifest, blob) = read_manifest(core, place).await?;
    claim(core, &place.extents, "the manifest")?;
    let mut runs = Vec::with_capacity(manifest.runs.len());
    for run in &manifest.runs {
        claim(core, &run.extents, "a run")?;
        let blob = Blob::new(run.extents.clone(), run.length, &core.extents);
        let opened = Run::open(&core.medium, core.seed.salt, blob, run.level).await;
        runs.push(Rc::new(opened.map_err(|error| error.to_string())?));
    }
    for row in &manifest.log_segments {
        let mut space = core.space.borrow_mut();
        if space
            .segment(row.segment)
            .is_some_and(|segment| segment.class == SegmentClass::Bulk)
        {
            // Empty at the freeze, free soon after, and used for this very checkpoint.
            if row.live_records > 0 {
                return Err(format!("segment {} holds both a part of the index and records", row.segment));
            }
            continue;
        }
        let live = (row.live_bytes, row.live_records);
        space.restore_log(row.segment, row.generation, live, row.last_sequence);
    }
    {
        let mut index = core.index.borrow_mut();
        index.set_runs(runs.clone());
        index.set_keys(manifest.keys);
    }
    core.checkpoints.begin(base, manifest.checkpoint, runs.clone(), Some(blob.extents));
    let before = |row: &&LogSegmentImage| row.live_records == 0 && row.generation < manifest.log.generation;
    let emptied = manifest.log_segments.iter().filter(before).map(|row| (row.segment, row.generation));
    core.checkpoints.set_emptied(emptied.collect());
    let mut unsettled = scan_special(core, &runs).await?;
    if unsettled.len() > BACKLOG_ROWS {
        unsettled.truncate(BACKLOG_ROWS);
        core.index.borrow_mut().note_unsettled_elsewhere();
    }
    for keys in unsettled.chunks(LOADS) {
        load_rows(core, keys.iter().cloned()).await?;
        let mut index = core.index.borrow_mut();
        keys.iter().for_each(|key| index.set_marked(key));
    }
    Ok(manifest)
}

/// The segments of the log by the newest manifest that is readable; for a rebuild, which otherwise trusts none.
pub(crate) async fn known_segments(core: &Rc<Core>) -> Option<KnownSegments> {
    // Its space is not claimed here.
    let registry = Rc::default();
    for root in core.roots.read_all().await {
        let Some(place) = &root.manifest else { continue };
        if let Ok((manifest, _)) = read_manifest_in(core, place, &registry).await {
            // Empty ones may have been given back since.
            let lived_in = manifest.log_segments.iter().filter(|row| row.live_records > 0);
            let segments = lived_in.map(|row| (row.segment, row.generation));
            return Some(KnownSegments {
                generation: manifest.log.generation,
                segments: segments.collect(),
            });
        }
    }
    None
}

/// Reads and verifies a manifest.
pub(crate) async fn read_manifest(core: &Rc<Core>, place: &ManifestPlace) -> Result<(Manifest, Blob), String> {
    read_manifest_in(core, place, &core.extents).await
}

async fn read_manifest_in(core: &Rc<Core>, place: &ManifestPlace, registry: &Rc<ExtentRegistry>) -> Result<(Manifest, Blob), String> {
    let blob = Blob::new(place.extents.clone(), place.length, registry);
    let length = usize::try_from(place.length).map_err(|_| "the manifest's length makes no sense".to_owned())?;
    let bytes = blob.read_at(&core.medium, 0, length).await;
    let bytes = bytes.map_err(|error| format!("the manifest is unreadable: {error}"))?;
    let manifest = (crc64(&bytes) == place.crc).then(|| Manifest::decode(&bytes)).flatten();
    Ok((manifest.ok_or_else(|| "the manifest is damaged".to_owned())?, blob))
}

/// Restores the bitmaps; returns keys whose newest record nobody said to be complete, at most one more than the backlog takes.
async fn scan_special(core: &Rc<Core>, runs: &[Rc<Run>]) -> Result<Vec<Key>, String> {
    let mut unsettled = Vec::new();
    let in_words = |error: crate::index::RunError| error.to_string();
    let mut cursor = MergeCursor::seek(runs, &core.medium, &special_range_start(), SCAN_BYTES)
        .await
        .map_err(in_words)?;
    while let Some(key) = cursor.key() {
        let value = cursor.value();
        match decode_special_key(key).filter(|_| !value.is_empty()) {
            Some(SpecialKey::Bitmap(segment)) => {
                let words = value.chunks_exact(8).filter_map(|word| word.first_chunk());
                let words = words.map(|word| u64::from_le_bytes(*word)).collect();
                if !core.space.borrow_mut().restore_bitmap(&BitmapImage { segment, words }) {
                    return Err(format!("the bitmap of segment {segment} does not fit what else is known of it"));
                }
            }
            Some(SpecialKey::Unsettled(_)) if unsettled.len() > BACKLOG_ROWS => break,
            Some(SpecialKey::Unsettled(key)) => unsettled.push(key),
            None => {}
        }
        cursor.advance(&core.medium).await.map_err(in_words)?;
    }
    Ok(unsettled)
}

fn claim(core: &Core, extents: &[Extent], what: &str) -> Result<(), String> {
    let mut space = core.space.borrow_mut();
    let fits = extents.iter().all(|extent| space.claim_extent(*extent));
    fits.then_some(()).ok_or_else(|| format!("{what} lies where something else is"))
}

/// What the newest roots know of the acceptor, whatever the log says.
pub(crate) fn known_state(roots: &[Root]) -> AcceptorState {
    roots.first().map(|root| root.state).unwrap_or_default()
}
