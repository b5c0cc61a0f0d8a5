//! Staged bytes: a bulk shard before its record. Written in place at once, invisible until published, in memory only: a restart
//! simply never marks their space as used.

use crate::core::Core;
use crate::format::{PAGE_BYTES, block_count, round_to_page};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::{ExtentSet, Place, pieces};
use crate::{Answer, Key, WriteId};
use bytes::Bytes;
use futures_channel::oneshot;
use openlake_checksum::crc64;
use openlake_io::{AlignedBuffer, Durability, Instant};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// Staged bytes that nobody published or unstaged, and to which nothing was added for so long: their writer is gone. A body that still
/// comes brings a stripe more often than that.
const STAGED_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// A part that comes so long after its shard was unstaged was overtaken by that.
const UNSTAGED_MEMORY: Duration = Duration::from_secs(10);
/// So many unstaged shards are remembered.
const MOST_UNSTAGED: usize = 4096;
/// Space is taken in steps, each as long as all before it but at least this: what was announced and never comes takes none.
const STEP_BYTES: u64 = 1 << 20;
/// Counted for each shard beside its blocks: table slot, extents.
const SHARD_OVERHEAD_BYTES: usize = 256;
/// Room that a record needs beside its block checksums: header, longest name, metadata, extents.
const RECORD_ROOM_BYTES: usize = 64 << 10;

/// One block of a staged shard.
#[derive(Clone, Copy, Default)]
struct StagedBlock {
    checksum: u64,
    /// 0: not written yet.
    bytes: u32,
}

/// A shard on its way in.
pub(crate) struct Staged {
    pub extents: Rc<ExtentSet>,
    block_shift: u8,
    /// 0: not known.
    shard_length: Cell<u64>,
    /// When the last part came.
    touched: Cell<Instant>,
    blocks: RefCell<Vec<StagedBlock>>,
    writes_under_way: Cell<u32>,
    poisoned: Cell<bool>,
}

/// A staged shard of which every byte was written.
pub(crate) struct CompleteShard {
    pub length: u64,
    /// 8 little-endian bytes a block.
    pub checksums: Bytes,
}

impl Staged {
    /// The shard, if all its blocks were written and its length (where not given: the one that its parts announced) and block size are
    /// those.
    pub fn complete(&self, length: Option<u64>, block_shift: u8) -> Option<CompleteShard> {
        let blocks = self.blocks.borrow();
        let held: u64 = blocks.iter().map(|block| u64::from(block.bytes)).sum();
        let announced = if is_planted(Sabotage::HeldFromStage) {
            held
        } else {
            self.shard_length.get()
        };
        let length = length.unwrap_or(announced);
        let (last, whole) = blocks.split_last()?;
        let gapless = whole.iter().all(|block| u64::from(block.bytes) == 1 << self.block_shift) && last.bytes > 0;
        let settled = self.writes_under_way.get() == 0 && !self.poisoned.get();
        let fits = held == length && block_shift == self.block_shift && block_count(length, block_shift) == blocks.len() as u64;
        let checksums = || {
            blocks
                .iter()
                .flat_map(|block| block.checksum.to_le_bytes())
                .collect::<Vec<u8>>()
                .into()
        };
        (gapless && settled && fits).then(|| CompleteShard {
            length,
            checksums: checksums(),
        })
    }
}

/// Staged shards by write id.
#[derive(Default)]
pub(crate) struct StageTable {
    shards: HashMap<WriteId, Rc<Staged>>,
    /// Shards that their writers gave up lately, oldest first.
    unstaged: VecDeque<(Instant, WriteId)>,
}

impl StageTable {
    /// A shard.
    pub fn get(&self, write_id: WriteId) -> Option<Rc<Staged>> {
        self.shards.get(&write_id).cloned()
    }
    /// Forgets a shard; its space goes back unless a record took it over.
    pub fn remove(&mut self, write_id: WriteId) {
        self.shards.remove(&write_id);
    }
    /// Forgets a shard whose writer gave it up, and its parts that are still on the way.
    pub fn unstage(&mut self, write_id: WriteId, now: Instant) {
        self.remove(write_id);
        let past = |since: Instant| now.0.saturating_sub(since.0) >= UNSTAGED_MEMORY.as_nanos() as u64;
        while self.unstaged.len() >= MOST_UNSTAGED || self.unstaged.front().is_some_and(|(since, _)| past(*since)) {
            self.unstaged.pop_front();
        }
        self.unstaged.push_back((now, write_id));
    }
    /// Forgets that a shard was unstaged.
    pub fn allow(&mut self, write_id: WriteId) {
        self.unstaged.retain(|(_, id)| *id != write_id);
    }
    /// Whether a shard was given up just now.
    fn was_unstaged(&self, write_id: WriteId, now: Instant) -> bool {
        let recent = |since: Instant| now.0.saturating_sub(since.0) < UNSTAGED_MEMORY.as_nanos() as u64;
        self.unstaged.iter().any(|(since, id)| *id == write_id && recent(*since))
    }
    /// Memory of what is known of them; their bytes are on the device.
    pub fn memory_bytes(&self) -> usize {
        let blocks = self
            .shards
            .values()
            .map(|staged| staged.blocks.borrow().capacity() * size_of::<StagedBlock>());
        blocks.sum::<usize>() + self.unstaged.capacity() * size_of::<(Instant, WriteId)>() + self.shards.len() * SHARD_OVERHEAD_BYTES
    }
    /// Forgets shards that nobody came back for.
    fn expire(&mut self, now: Instant) {
        let lifetime = STAGED_LIFETIME.as_nanos() as u64;
        self.shards
            .retain(|_, staged| now.0.saturating_sub(staged.touched.get().0) < lifetime);
    }
}

/// Bytes of one `Stage` request and where they belong.
pub(crate) struct StagePart {
    pub write_id: WriteId,
    pub block_shift: u8,
    /// 0: not known yet.
    pub shard_length: u64,
    pub offset: u64,
    pub bytes: Bytes,
}

impl Core {
    /// Writes part of a shard to space of its own; answers when the device has it (not yet durably).
    pub async fn stage(self: &Rc<Core>, key: Key, part: StagePart) -> Answer {
        if let Some(text) = self.failure() {
            return Answer::Failed(text);
        }
        if let Err(answer) = self.load(&key).await {
            return answer;
        }
        let floor = self.floor(&key);
        if let Some(text) = self.unfit_part(&part) {
            return Answer::Failed(text);
        }
        if part.bytes.is_empty() {
            return Answer::Staged { floor };
        }
        let staged = match self.staged_for(&part).await {
            Ok(staged) => staged,
            Err(answer) => return answer,
        };
        match self.write_part(&staged, part).await {
            Ok(()) => match self.load(&key).await {
                Ok(()) => Answer::Staged { floor: self.floor(&key) },
                Err(answer) => answer,
            },
            Err(error) => {
                self.counters.errors.add(1);
                let text = format!("a write of bulk bytes failed: {error}");
                self.suspect(text.clone());
                Answer::Failed(text)
            }
        }
    }

    fn unfit_part(&self, part: &StagePart) -> Option<String> {
        if !(12..=30).contains(&part.block_shift) {
            return Some(format!("staged blocks are 4 KiB to 1 GiB, block shift {} is not", part.block_shift));
        }
        let block = 1_u64 << part.block_shift;
        if !part.offset.is_multiple_of(block) {
            return Some(format!("offset {} is not at a block of {block} bytes", part.offset));
        }
        let length = part.shard_length.max(part.offset.saturating_add(part.bytes.len() as u64));
        // All checksums live in the record, and a record in one batch.
        let limit = (self.log.borrow().record_limit_bytes().saturating_sub(RECORD_ROOM_BYTES) / 8) as u64;
        let blocks = block_count(length, part.block_shift);
        (blocks > limit).then(|| format!("a shard has at most {limit} blocks, {length} bytes in blocks of {block} are {blocks}"))
    }

    /// The shard that a part belongs to, with space for the part.
    async fn staged_for(self: &Rc<Core>, part: &StagePart) -> Result<Rc<Staged>, Answer> {
        let granule = u64::from(self.medium.geometry().granule_bytes);
        let end = part.offset + part.bytes.len() as u64;
        loop {
            let known = self.staged.borrow().get(part.write_id);
            let held = known.as_ref().map_or(0, |staged| staged.extents.granules() * granule);
            let step = end.max(held.saturating_mul(2)).next_multiple_of(STEP_BYTES);
            let wanted = if part.shard_length > 0 {
                step.min(part.shard_length).max(end)
            } else {
                step
            };
            if let Some(staged) = known
                .as_ref()
                .filter(|staged| staged.block_shift != part.block_shift || staged.poisoned.get())
            {
                let text = format!(
                    "the shard was staged in blocks of 1 << {}, or a write of it failed: stage it anew",
                    staged.block_shift
                );
                return Err(Answer::Failed(text));
            }
            if known.is_none() && self.staged.borrow().was_unstaged(part.write_id, self.runtime.now()) {
                return Err(Answer::Failed("the shard was given up by its writer".to_owned()));
            }
            if let Some(staged) = known.as_ref().filter(|_| held >= end) {
                staged.touched.set(self.runtime.now());
                staged.shard_length.set(staged.shard_length.get().max(part.shard_length));
                return Ok(staged.clone());
            }
            if let Some(extents) = self.allocate(wanted - held) {
                let staged = known.unwrap_or_else(|| self.new_staged(part));
                staged.extents.extend(extents);
                continue;
            }
            if self.may_gain_bulk_by_growing(wanted - held) {
                match self.grow().await {
                    Ok(()) => continue,
                    Err(Answer::Full) => {}
                    Err(other) => return Err(other),
                }
            }
            self.await_bulk(wanted - held).await?;
        }
    }

    fn new_staged(&self, part: &StagePart) -> Rc<Staged> {
        let staged = Rc::new(Staged {
            extents: ExtentSet::new(Vec::new(), &self.extents),
            block_shift: part.block_shift,
            shard_length: Cell::new(part.shard_length),
            touched: Cell::new(self.runtime.now()),
            blocks: RefCell::default(),
            writes_under_way: Cell::new(0),
            poisoned: Cell::new(false),
        });
        self.staged.borrow_mut().shards.insert(part.write_id, staged.clone());
        staged
    }

    /// Takes bulk space, letting go of what is no longer needed first.
    fn allocate(&self, bytes: u64) -> Option<Vec<crate::space::Extent>> {
        self.take_back_space(false);
        let supply = self.supply();
        let first = self.space.borrow_mut().allocate(bytes, supply);
        if first.is_some() || self.medium.may_grow() {
            // Containers first: only a drive that cannot grow cuts the grace of dropped versions short.
            return first;
        }
        self.take_back_space(true);
        self.space.borrow_mut().allocate(bytes, supply)
    }
    /// Marks space as free that nothing refers to any more. `all`: dropped versions lose their grace.
    pub fn take_back_space(&self, all: bool) {
        let now = self.runtime.now();
        self.staged.borrow_mut().expire(now);
        self.departed.borrow_mut().expire(now, all);
        let mut space = self.space.borrow_mut();
        let returned = self.extents.take_returned();
        returned.into_iter().for_each(|extent| space.release(extent));
    }

    async fn write_part(self: &Rc<Core>, staged: &Rc<Staged>, part: StagePart) -> io::Result<()> {
        let block = 1_usize << part.block_shift;
        let first = (part.offset >> part.block_shift) as usize;
        let blocks: Vec<StagedBlock> = part
            .bytes
            .chunks(block)
            .map(|bytes| StagedBlock {
                checksum: crc64(bytes),
                bytes: bytes.len() as u32,
            })
            .collect();
        let granule = self.medium.geometry().granule_bytes;
        let length = round_to_page(part.bytes.len()) as u64;
        let targets = pieces(&staged.extents.to_vec(), granule, part.offset, length);
        let buffers = aligned(part.bytes);
        staged.writes_under_way.set(staged.writes_under_way.get() + 1);
        let (done, wait) = oneshot::channel();
        let (core, staged) = (self.clone(), staged.clone());
        // A task of its own: if the caller goes away, the space must stay taken until the device is done with it.
        self.runtime.spawn(async move {
            let result = core.write_pieces(targets, buffers).await;
            staged.writes_under_way.set(staged.writes_under_way.get() - 1);
            match &result {
                Ok(()) => {
                    let mut held = staged.blocks.borrow_mut();
                    if held.len() < first + blocks.len() {
                        held.resize(first + blocks.len(), StagedBlock::default());
                    }
                    held[first..first + blocks.len()].copy_from_slice(&blocks);
                }
                Err(_) => staged.poisoned.set(true),
            }
            done.send(result).ok();
        });
        wait.await.unwrap_or_else(|_| Err(io::Error::other("the write was abandoned")))
    }

    async fn write_pieces(&self, targets: Vec<(u32, u32, u64)>, mut buffers: Vec<Bytes>) -> io::Result<()> {
        let mut writes = Vec::with_capacity(targets.len());
        buffers.reverse();
        for (segment, offset, length) in targets {
            let mut taken = Vec::new();
            let mut missing = length as usize;
            while missing > 0 {
                let Some(mut buffer) = buffers.pop() else { break };
                if buffer.len() > missing {
                    buffers.push(buffer.split_off(missing));
                }
                missing -= buffer.len();
                taken.push(buffer);
            }
            writes.push(self.medium.write(Place::new(segment, offset), taken, Durability::None));
        }
        // All of them end before the space may go back: a write that is still on its way would hit what lies there next.
        let results = futures_util::future::join_all(writes).await;
        results.into_iter().try_for_each(|result| result.map(drop))
    }
}

/// The bytes as buffers fit for direct I/O: what is aligned stays where it is, the rest (and the last partial page) is copied.
fn aligned(bytes: Bytes) -> Vec<Bytes> {
    let starts_on_page = bytes.as_ptr().addr().is_multiple_of(PAGE_BYTES);
    let in_place = if starts_on_page { bytes.len() / PAGE_BYTES * PAGE_BYTES } else { 0 };
    let mut buffers = Vec::with_capacity(2);
    if in_place > 0 {
        buffers.push(bytes.slice(..in_place));
    }
    if in_place < bytes.len() {
        let rest = &bytes[in_place..];
        let mut buffer = AlignedBuffer::with_stale_capacity(round_to_page(rest.len()));
        buffer.append(rest);
        buffer.spare_mut().fill(0);
        buffer.set_len(round_to_page(rest.len()));
        buffers.push(buffer.freeze());
    }
    buffers
}
