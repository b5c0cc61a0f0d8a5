//! Opening a drive: who it is, whether it is ours, its log replayed, a new boot number durable. Only then it serves.

use crate::ailments::Ailments;
use crate::blank;
use crate::cache::Cache;
use crate::checkpoint::{Checkpoints, LOG_BYTES_BETWEEN};
use crate::cleaner::Cleaner;
use crate::core::Core;
use crate::counters::Counters;
use crate::flush_gate::FlushGate;
use crate::format::{AcceptorState, DriveSeed, Root, STATE_RECORD_BYTES, Superblock, SuperblockError};
use crate::home::{Contents, Home, SUPERBLOCK_COPIES, opening};
use crate::index::Index;
use crate::log::{Head, Log};
use crate::medium::Medium;
use crate::rebuilding::Rebuilding;
use crate::recovery::{RecoveredDrive, from_checkpoint, from_log, known_state, recover_drive};
use crate::replay::{next_state, unsettled};
use crate::roots::Roots;
use crate::settle::SWEEP_LENGTH;
use crate::space::{Segment, SegmentClass, Space};
use crate::turns::Turns;
use crate::{Adoption, DriveOptions, DriveState, MountCheck, OpenError};
use openlake_io::{Runtime, StorageFacts};
use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;

/// Sizes that tests make small.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tuning {
    /// Segment size of a drive to be formatted, instead of the one that its capacity asks for.
    pub segment_bytes: Option<u32>,
    /// The cleaner works without pause and whatever it gains.
    pub clean_always: Option<bool>,
    /// A checkpoint is made when so much log was written since the one before.
    pub log_bytes_between_checkpoints: Option<u64>,
    /// Coordinators are answered at once, also on contended keys: then every answer follows from the requests before it alone.
    pub without_turns: Option<bool>,
}

/// When a drive is given out whose index has to be rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handover {
    /// When it serves.
    Whole,
    /// When it is known who it is; it serves later.
    Early,
}

/// Opens or formats, recovers, and starts the drive's tasks.
pub(crate) async fn open(runtime: &Runtime, options: DriveOptions, tuning: Tuning, handover: Handover) -> Result<Rc<Core>, OpenError> {
    let (core, found) = located(runtime, &options, tuning).await?;
    let damaged = |text: String| OpenError::Damaged(format!("{}: {text}", options.path.display()));
    match from_checkpoint(&core, &found).await.map_err(damaged)? {
        Ok(recovered) => serve(&core, &options, &recovered, known_state(&found)).await?,
        Err(refused) if handover == Handover::Whole => rebuild_and_serve(&core, &options, &found, refused).await?,
        Err(refused) => {
            let boot = known_state(&found).boot.saturating_add(1).max(options.boot_at_least);
            core.rebuilding.begin(boot);
            let rebuilt = core.clone();
            runtime.spawn(async move {
                let result = rebuild_and_serve(&rebuilt, &options, &found, refused).await;
                if let Err(error) = &result {
                    rebuilt.fail(error.text().to_owned());
                }
                rebuilt.rebuilding.end(result);
            });
            core.rebuilding.begun().await?;
        }
    }
    Ok(core)
}

async fn rebuild_and_serve(core: &Rc<Core>, options: &DriveOptions, found: &[Root], refused: Vec<String>) -> Result<(), OpenError> {
    let recovered = from_log(core, found, refused).await;
    let recovered = recovered.map_err(|text| OpenError::Damaged(format!("{}: {text}", options.path.display())))?;
    let told = core.rebuilding.boot().unwrap_or_default();
    let options = DriveOptions {
        boot_at_least: options.boot_at_least.max(told),
        ..options.clone()
    };
    serve(core, &options, &recovered, known_state(found)).await
}

/// What was recovered is in memory: the drive begins its next run. `known`: what the newest root knows of the acceptor.
async fn serve(core: &Rc<Core>, options: &DriveOptions, recovered: &RecoveredDrive, known: AcceptorState) -> Result<(), OpenError> {
    if core.closed.get() {
        return Err(OpenError::Unavailable("the drive is closed".to_owned()));
    }
    let runtime = &core.runtime;
    // What was read may lie in the device's cache alone: a write that failed, or whose writer died before it was told. The log goes on
    // behind it, so it must not go away any more.
    core.medium.flush().await.map_err(|error| opening(&options.path, &error))?;
    *core.health.borrow_mut() = judge(recovered);
    let acceptor = next_state(runtime, &recovered.log, known, options, !recovered.log.damage.is_empty());
    core.acceptor.set(acceptor);
    core.durable_bound.set(acceptor.bound_clock);
    core.highest_promise.set(acceptor.drive_floor);
    let segment_bytes = core.medium.geometry().segment_bytes;
    *core.log.borrow_mut() = Log::new(core.seed, segment_bytes, recovered.log.head, acceptor);
    let waiting = unsettled(core).await;
    *core.unsettled.borrow_mut() = waiting.map_err(OpenError::Unavailable)?;
    start(core, &options.path, recovered).await?;
    core.restore_progress().await;
    core.restore_succession().await;
    Ok(())
}

/// Opens or formats and recovers; nothing is written to a drive that was formatted before, but for a lost superblock copy. Also what
/// the newest root knows of the acceptor.
pub(crate) async fn recovered(
    runtime: &Runtime,
    options: &DriveOptions,
    tuning: Tuning,
) -> Result<(Rc<Core>, RecoveredDrive, AcceptorState), OpenError> {
    let (core, found) = located(runtime, options, tuning).await?;
    let recovered = recover_drive(&core, &found).await;
    let recovered = recovered.map_err(|text| OpenError::Damaged(format!("{}: {text}", options.path.display())))?;
    Ok((core, recovered, known_state(&found)))
}

/// Opens or formats: a drive of which nothing is known yet but who it is, and its roots, newest first.
async fn located(runtime: &Runtime, options: &DriveOptions, tuning: Tuning) -> Result<(Rc<Core>, Vec<Root>), OpenError> {
    let (mut home, contents) = Home::open(runtime, options).await?;
    if contents == Contents::Blank {
        home = blank::format(runtime, home, options, tuning).await?;
    }
    let storage = judge_storage(runtime, options)?;
    let superblock = own_superblock(&home, options).await?;
    let failed = |error: io::Error| opening(&options.path, &error);
    let medium = Medium::open(runtime, home, superblock.geometry, Rc::new(Counters::default()));
    let medium = medium.await.map_err(failed)?;
    let roots = medium.home().roots().map_err(failed)?;
    let (roots, found) = Roots::open(roots, superblock.salt).await;
    let core = unopened(runtime, options, &tuning, superblock, medium, roots, storage);
    Ok((core, found))
}

/// A drive of which nothing is known yet but where it lies.
fn unopened(
    runtime: &Runtime,
    options: &DriveOptions,
    tuning: &Tuning,
    superblock: Superblock,
    medium: Medium,
    roots: Roots,
    storage: StorageFacts,
) -> Rc<Core> {
    let seed = DriveSeed {
        salt: superblock.salt,
        drive: superblock.identity.drive,
    };
    let geometry = superblock.geometry;
    let log = Log::new(seed, geometry.segment_bytes, Head::before_first(0), AcceptorState::default());
    Rc::new(Core {
        runtime: runtime.clone(),
        generation: Cell::new(superblock.identity.generation),
        superseded: RefCell::default(),
        held: Cell::default(),
        succession: Default::default(),
        identity: superblock.identity,
        seed,
        counters: medium.counters().clone(),
        storage,
        roots,
        log: RefCell::new(log),
        pump_work: Cell::new(false),
        pump: Default::default(),
        log_changed: Default::default(),
        provision: Default::default(),
        growing: Cell::new(false),
        prewritten: RefCell::default(),
        last_log_error: Cell::new(None),
        index: RefCell::new(Index::new(options.index_bytes)),
        index_bytes: Cell::new(0),
        index_damaged: Cell::new(false),
        runs_changed: Default::default(),
        memory_changed: Default::default(),
        space: RefCell::new(Space::new(geometry, medium.made_segments())),
        medium,
        extents: Rc::default(),
        checkpoints: Checkpoints::new(tuning.log_bytes_between_checkpoints.unwrap_or(LOG_BYTES_BETWEEN)),
        departed: RefCell::default(),
        staged: RefCell::default(),
        flush_gate: FlushGate::default(),
        cache: RefCell::new(Cache::new(options.cache_bytes)),
        leases: Default::default(),
        cleaner: Cleaner::new(tuning.clean_always.unwrap_or(false)),
        strain: Default::default(),
        marks: RefCell::default(),
        unsettled: RefCell::default(),
        sweep_at: Cell::new(SWEEP_LENGTH),
        backlog: Default::default(),
        acceptor: Cell::default(),
        durable_bound: Cell::new(0),
        promises: RefCell::default(),
        highest_promise: Cell::default(),
        turns: Turns::new(!tuning.without_turns.unwrap_or(false)),
        highest_record: Cell::default(),
        ailments: Ailments::default(),
        last_prepare_ms: Cell::new(0),
        rebuilding: Rebuilding::default(),
        health: RefCell::new(DriveState::Healthy),
        closing: Cell::new(false),
        closed: Cell::new(false),
    })
}

/// What was found of the drive's health, in words.
pub(crate) fn judge(recovered: &RecoveredDrive) -> DriveState {
    let (damage, refused) = (&recovered.log.damage, &recovered.refused);
    match (damage.first(), refused.first()) {
        (Some(first), _) => DriveState::Suspect(format!("{} damages found in the log, the first: {first}", damage.len())),
        (None, Some(first)) if recovered.rebuilt => DriveState::Suspect(format!("the index was rebuilt from the log: {first}")),
        (None, Some(first)) => DriveState::Suspect(format!("the newest checkpoint is of no use: {first}")),
        (None, None) => DriveState::Healthy,
    }
}

/// Opens the first segment of this run, its boot number in it, and starts the tasks.
async fn start(core: &Rc<Core>, path: &Path, recovered: &RecoveredDrive) -> Result<(), OpenError> {
    let full = || OpenError::Unavailable(format!("{}: no free segment is left for the log", path.display()));
    core.note_index_bytes();
    core.free_emptied().await;
    let named = core.log.borrow().durable_head().next;
    while named != u32::MAX && core.medium.made_segments() <= named {
        core.grow().await.map_err(|_| full())?;
    }
    let empty_log = |segment: &Segment| segment.class == SegmentClass::Log && segment.live_records == 0;
    let was_retired = core.space.borrow().segment(named).is_some_and(empty_log);
    if was_retired && named != core.log.borrow().durable_head().segment {
        // When the checkpoint was made; chosen as the next one behind it.
        core.space.borrow_mut().free_log(named);
    }
    let is_free = |segment: &Segment| segment.class == SegmentClass::Free;
    let follows = core.space.borrow().segment(named).is_some_and(is_free);
    if follows {
        core.space.borrow_mut().claim_log(named, 0);
    } else {
        // The segment that named its successor is damaged, or the successor is used for something else; any free one will do.
        let found = core.space.borrow_mut().take_log(0).ok_or_else(full)?;
        core.log.borrow_mut().set_next(found);
    }
    let goes_on = follows && core.may_go_on(recovered);
    let begun = if goes_on {
        core.append_bound(core.acceptor.get().bound_clock).is_ok()
    } else {
        core.add_ready(0).await && core.log.borrow_mut().roll()
    };
    if !begun {
        return Err(full());
    }
    core.runtime.spawn(core.clone().run_pump());
    core.wake_pump();
    let opened = core.log_changed.until(|| match (core.log.borrow().is_idle(), core.failure()) {
        (_, Some(text)) => Some(Err(OpenError::Unavailable(text))),
        (true, None) => Some(Ok(())),
        (false, None) => None,
    });
    opened.await?;
    core.runtime.spawn(core.clone().run_provision());
    core.runtime.spawn(core.clone().run_prewrite());
    if recovered.rebuilt || !follows || !recovered.refused.is_empty() {
        // What was hard to find shall not have to be found again.
        let made = core.checkpoint_while_open().await;
        let made = made.unwrap_or_else(|| Err("the drive is closed".to_owned()));
        made.map_err(|text| OpenError::Unavailable(format!("{}: no checkpoint can be made: {text}", path.display())))?;
    } else {
        core.write_root(false).await.map_err(|error| opening(path, &error))?;
    }
    core.runtime.spawn(core.clone().run_checkpoints());
    core.find_traces();
    core.runtime.spawn(core.clone().run_cleaner());
    core.runtime.spawn(core.clone().run_merges());
    core.runtime.spawn(core.clone().run_backlog());
    Ok(())
}

impl Core {
    /// Whether a start goes on in the segment in which the log ended. It does where free segments are few: else starts that are cut
    /// short, one upon the other, would use them up.
    ///
    /// That is as safe as a segment of its own: what the run before had in flight behind the log's end names a batch before it that is
    /// there no more, for the first one of this run has a boot number that no other had.
    fn may_go_on(&self, recovered: &RecoveredDrive) -> bool {
        let supply = self.supply();
        let space = self.space.borrow();
        let is_sound = recovered.log.damage.is_empty() && recovered.refused.is_empty() && !recovered.rebuilt;
        let has_ended = recovered.log.head.generation > 0 && self.log.borrow().has_room(STATE_RECORD_BYTES, false);
        is_sound && has_ended && space.reachable_free_segments() <= space.kept_from_bulk(supply)
    }
}

/// What lies beneath, refused where a drive cannot keep its promises.
fn judge_storage(runtime: &Runtime, options: &DriveOptions) -> Result<StorageFacts, OpenError> {
    let facts = runtime.storage(&options.path).map_err(|error| opening(&options.path, &error))?;
    if facts.copy_on_write && options.mount_check == MountCheck::Strict {
        let filesystem = facts.filesystem.unwrap_or("its filesystem");
        let text = format!(
            "{}: {filesystem} writes nothing in place, so drives on it fragment and fill early; use xfs, ext4 or a raw device",
            options.path.display()
        );
        return Err(OpenError::Unavailable(text));
    }
    Ok(facts)
}

/// Reads both copies, takes the newer valid one, checks that it is ours, and repairs the other copy.
async fn own_superblock(home: &Home, options: &DriveOptions) -> Result<Superblock, OpenError> {
    let path = &options.path;
    let mut newest: Option<Superblock> = None;
    let mut copies = [const { None }; SUPERBLOCK_COPIES];
    for (number, copy) in copies.iter_mut().enumerate() {
        let Some(page) = home.read_superblock(number).await else { continue };
        match Superblock::decode(page.as_slice()) {
            Ok(found) => *copy = Some(found),
            Err(SuperblockError::OtherVersion(text)) => return Err(OpenError::Damaged(format!("{}: {text}", path.display()))),
            Err(SuperblockError::Invalid) => {}
        }
        if let Some(found) = copy
            .as_ref()
            .filter(|found| newest.as_ref().is_none_or(|newest| found.sequence > newest.sequence))
        {
            newest = Some(found.clone());
        }
    }
    let Some(mut superblock) = newest else {
        return Err(OpenError::Damaged(format!("{}: neither superblock is readable", path.display())));
    };
    let identity = &superblock.identity;
    if identity.cluster != options.cluster {
        let (own, wanted) = (hexadecimal(&identity.cluster), hexadecimal(&options.cluster));
        return Err(OpenError::Foreign(format!(
            "{} belongs to cluster {own}, this is cluster {wanted}",
            path.display()
        )));
    }
    if (identity.set, identity.slot) != (options.set, options.slot) {
        return Err(OpenError::Foreign(format!(
            "{} is set {} slot {}, but is configured as set {} slot {}",
            path.display(),
            identity.set,
            identity.slot,
            options.set,
            options.slot
        )));
    }
    if identity.generation == 0 && options.adoption == Adoption::Refuse {
        return Err(OpenError::Blank(format!(
            "{} was formatted as a replacement but never adopted",
            path.display()
        )));
    }
    let newer_epoch = options.set_epoch > identity.set_epoch;
    if newer_epoch || copies.iter().any(|copy| copy.as_ref() != Some(&superblock)) {
        superblock.sequence += 1;
        superblock.identity.set_epoch = superblock.identity.set_epoch.max(options.set_epoch);
        home.write_superblock(&superblock).await.map_err(|error| opening(path, &error))?;
    }
    Ok(superblock)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
