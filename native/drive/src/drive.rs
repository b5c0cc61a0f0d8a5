//! The drive's public face: open, ask, watch, close.

mod healing;

pub use healing::WorkBeside;

use crate::core::Core;
use crate::open::{Handover, Tuning, open};
use crate::stage::StagePart;
use crate::{Answer, Ballot, DriveMemory, Key, LatencySnapshot, RebuildProgress, Request};
use openlake_io::{DurabilityClass, Runtime, StorageFacts};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// Who a drive is; stored in its superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub cluster: [u8; 16],
    pub drive: [u8; 16],
    pub set: u32,
    pub slot: u32,
    pub generation: u32,
    pub set_epoch: u32,
}

/// Whether the path must be a mount of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountCheck {
    Strict,
    Directory,
}

/// What to do with a blank drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// Refuse it: the slot was filled before, and nobody said that this one is to be replaced.
    Refuse,
    /// Format it as generation 1, clean: the cluster is being bootstrapped.
    FormatNew,
    /// Format it without a generation: it replaces a drive that is lost, and answers nothing before it is adopted (protocol.md section 9).
    Replace,
}

/// How to open a drive.
#[derive(Clone, Debug)]
pub struct DriveOptions {
    /// A directory on XFS or ext4, or a block device.
    pub path: PathBuf,
    pub cluster: [u8; 16],
    pub set: u32,
    pub slot: u32,
    pub set_epoch: u32,
    pub mount_check: MountCheck,
    pub adoption: Adoption,
    /// Bytes the drive may use; `None`: free space less max(5 %, 1 GiB).
    pub capacity_bytes: Option<u64>,
    /// Budget of the cache of inline payloads.
    pub cache_bytes: u64,
    /// Budget of the index in memory: rows in use, filters and fences, cached blocks.
    pub index_bytes: u64,
    /// The node's boot number is max(stored + 1, this).
    pub boot_at_least: u32,
}

/// Why a drive could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The path is missing or unreadable.
    Unavailable(String),
    /// Blank, but may not be adopted.
    Blank(String),
    /// Belongs to another cluster, set or slot; the text names both.
    Foreign(String),
    /// Another process holds it.
    Busy(String),
    /// Its contents cannot be used; the text says what was expected.
    Damaged(String),
}

impl OpenError {
    /// What is the matter, without the kind of it.
    pub fn text(&self) -> &str {
        let (OpenError::Unavailable(text)
        | OpenError::Blank(text)
        | OpenError::Foreign(text)
        | OpenError::Busy(text)
        | OpenError::Damaged(text)) = self;
        text
    }
}

/// Healthy, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriveState {
    Healthy,
    Suspect(String),
    /// It serves nothing yet: its index is being made anew beside the work of the others.
    Rebuilding(String),
    Failed(String),
}

/// Counters and state for status and metrics.
#[derive(Clone, Debug)]
pub struct DriveStatus {
    pub identity: Identity,
    pub state: DriveState,
    pub durability_class: DurabilityClass,
    pub storage: StorageFacts,
    pub boot: u32,
    pub keys: u64,
    pub capacity_bytes: u64,
    pub used_bytes: u64,
    pub reads: u64,
    pub read_bytes: u64,
    pub writes: u64,
    pub written_bytes: u64,
    pub flushes: u64,
    pub batches: u64,
    pub records: u64,
    pub errors: u64,
    pub corrupt_blocks: u64,
    pub cache_hits: u64,
    pub cache_misses: u64,
    pub read_latency: LatencySnapshot,
    pub write_latency: LatencySnapshot,
    pub flush_latency: LatencySnapshot,
    /// What memory is used for, and how much of it may be.
    pub memory: DriveMemory,
    /// Requests that waited because too many rows were unwritten.
    pub memory_waits: u64,
    /// How far the rebuild of the index is that keeps the drive from serving.
    pub rebuild: Option<RebuildProgress>,
}

/// An open drive. A cheap handle; all clones are the same drive. When the last one goes, the drive's tasks end.
#[derive(Clone)]
pub struct Drive {
    handle: Rc<Handle>,
}

struct Handle {
    core: Rc<Core>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.stop();
    }
}

impl Drive {
    /// Opens (or, where allowed, formats) a drive and recovers its log: every acknowledged record is there afterwards.
    pub async fn open(runtime: &Runtime, options: DriveOptions) -> Result<Drive, OpenError> {
        Drive::open_tuned(runtime, options, Tuning::default()).await
    }
    /// The same with sizes that tests make small.
    pub async fn open_tuned(runtime: &Runtime, options: DriveOptions, tuning: Tuning) -> Result<Drive, OpenError> {
        Ok(Drive::of(open(runtime, options, tuning, Handover::Whole).await?))
    }
    /// As [`Drive::open`], but without waiting where the index has to be rebuilt from the whole log: such a drive says who it is, and
    /// fails every request until [`Drive::serving`].
    pub async fn open_early(runtime: &Runtime, options: DriveOptions) -> Result<Drive, OpenError> {
        Drive::open_early_tuned(runtime, options, Tuning::default()).await
    }
    /// The same with sizes that tests make small.
    pub async fn open_early_tuned(runtime: &Runtime, options: DriveOptions, tuning: Tuning) -> Result<Drive, OpenError> {
        Ok(Drive::of(open(runtime, options, tuning, Handover::Early).await?))
    }
    fn of(core: Rc<Core>) -> Drive {
        Drive {
            handle: Rc::new(Handle { core }),
        }
    }
    /// Waits until the drive serves; or why it never will.
    pub async fn serving(&self) -> Result<(), OpenError> {
        self.handle.core.rebuilding.over().await
    }
    /// Answers a read at once, where memory holds all that is asked for.
    pub fn answer_in_memory(&self, request: &Request) -> Option<Answer> {
        let Request::Read { key, want } = request else { return None };
        if self.why_refused(request).is_some() {
            return None;
        }
        let answer = self.handle.core.read_in_memory(key, *want)?;
        self.handle.core.counters.requests.add(1);
        Some(answer)
    }
    /// Why the drive answers nothing, or not this.
    fn why_refused(&self, request: &Request) -> Option<String> {
        let core = &self.handle.core;
        if core.closed.get() || core.closing.get() {
            return Some("the drive is closed".to_owned());
        }
        let succeeds = matches!(request, Request::Succession { .. });
        core.rebuilding
            .reason()
            .or_else(|| core.superseded.borrow().clone())
            .or_else(|| (core.generation.get() == 0).then(|| "the drive is blank and waits for its adoption".to_owned()))
            .or_else(|| core.why_held().filter(|_| !succeeds).map(str::to_owned))
    }
    /// Decides one request (atomically per key) and answers when the answer is durable where it must be.
    pub async fn handle(&self, request: Request) -> Answer {
        if let Some(text) = self.why_refused(&request) {
            return Answer::Failed(text);
        }
        let core = &self.handle.core;
        if let Request::Read { .. } | Request::Blocks { .. } | Request::Stage { .. } | Request::Publish { .. } = &request {
            core.counters.requests.add(1);
        }
        match request {
            Request::Read { key, want } => core.read(key, want).await,
            Request::Blocks {
                key,
                write_id,
                first,
                count,
            } => core.read_by_write_id(key, write_id, first, count).await,
            Request::Stage {
                key,
                write_id,
                block_shift,
                shard_length,
                offset,
                bytes,
            } => {
                core.stage(
                    key,
                    StagePart {
                        write_id,
                        block_shift,
                        shard_length,
                        offset,
                        bytes,
                    },
                )
                .await
            }
            Request::Unstage { write_id } => {
                core.staged.borrow_mut().unstage(write_id, core.runtime.now());
                Answer::Nothing
            }
            Request::Prepare { key, ballot } => core.prepare(key, ballot).await,
            Request::Publish { key, record } => core.publish(key, record).await,
            Request::Stable { key, ballot } => {
                if let Err(answer) = core.load(&key).await {
                    return answer;
                }
                core.mark_stable(&key, ballot);
                core.turns.give_up(&key, ballot);
                core.start_mark_timer();
                Answer::Nothing
            }
            Request::Drop { key, ballot } => core.drop_key(key, ballot).await,
            Request::Scan {
                bucket,
                space,
                prefix,
                from,
                limit,
            } => core.scan(bucket, space, prefix, from, limit).await,
            Request::Barrier { floor } => core.barrier(floor).await,
            Request::NextSpace { after } => core.next_space(after).await,
            Request::HealScan {
                bucket,
                space,
                from,
                limit,
                barrier,
            } => core.heal_scan((bucket, space), from, limit, barrier).await,
            Request::Digest { bucket, space, from, to } => core.digest(bucket, space, from, to).await,
            Request::Missed { keys, lost } => {
                core.ailments.note_missed(keys, lost);
                Answer::Ack
            }
            Request::Succession { step } => core.succession(step).await,
        }
    }
    pub(crate) fn refuse_unless_serving(&self) -> Result<(), String> {
        self.handle.core.rebuilding.reason().map_or(Ok(()), Err)
    }
    /// Its insides.
    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.handle.core
    }
    /// Who it is.
    pub fn identity(&self) -> Identity {
        let core = &self.handle.core;
        Identity {
            generation: core.generation.get(),
            ..core.identity.clone()
        }
    }
    /// The node's boot number as persisted on this drive.
    pub fn boot(&self) -> u32 {
        let core = &self.handle.core;
        core.rebuilding.boot().unwrap_or_else(|| core.acceptor.get().boot)
    }
    /// Keys whose newest record is unmarked for longer than `age`, at most `limit`: to be settled with the set.
    pub fn unsettled(&self, age: Duration, limit: usize) -> Vec<(Key, Ballot)> {
        self.handle.core.unsettled_since(age, limit)
    }
    /// Looks whether its files are still where they were opened; a drive whose files are not takes no more writes, as what is written to
    /// them is gone when the process ends. Asks the filesystem what it has in memory, nothing of the device.
    pub fn check_place(&self) {
        self.handle.core.check_place();
    }
    /// Requests so far that read what it holds or bring more.
    pub fn requests(&self) -> u64 {
        self.handle.core.counters.requests.get()
    }
    /// State and counters.
    pub fn status(&self) -> DriveStatus {
        let core = &self.handle.core;
        let counters = &core.counters;
        DriveStatus {
            identity: self.identity(),
            state: core.state(),
            durability_class: core.storage.durability_class(),
            storage: core.storage.clone(),
            boot: self.boot(),
            keys: core.index.borrow().keys(),
            capacity_bytes: core.medium.geometry().capacity_bytes(),
            used_bytes: core.space.borrow().used_bytes(),
            reads: counters.reads.get(),
            read_bytes: counters.read_bytes.get(),
            writes: counters.writes.get(),
            written_bytes: counters.written_bytes.get(),
            flushes: counters.flushes.get(),
            batches: counters.batches.get(),
            records: counters.records.get(),
            errors: counters.errors.get(),
            corrupt_blocks: counters.corrupt_blocks.get(),
            cache_hits: counters.cache_hits.get(),
            cache_misses: counters.cache_misses.get(),
            read_latency: counters.read_latency.snapshot(),
            write_latency: counters.write_latency.snapshot(),
            flush_latency: counters.flush_latency.snapshot(),
            memory: core.memory(),
            memory_waits: counters.memory_waits.get(),
            rebuild: core.rebuilding.progress(),
        }
    }
    /// Writes pending marks and a clean-shutdown root; the drive answers `Failed` afterwards.
    pub async fn close(&self) {
        if !self.handle.core.end_rebuild().await {
            self.handle.core.close().await;
        }
    }
}
