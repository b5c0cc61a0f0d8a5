//! A finished run: its filter and fences in memory, its blocks on the drive.

use super::block::{Block, RunSeed};
use super::fences::Fences;
use super::filter::{Filter, KeyHash};
use super::run_encoder::EncodedRun;
use super::run_footer::RunFooter;
use super::run_key::special_range_start;
use crate::blob::Blob;
use crate::format::PAGE_BYTES;
use crate::medium::Medium;
use bytes::Bytes;
use std::fmt;
use std::io;
use std::ops::Range;

/// A block is given up after so many reads: an index is long to rebuild.
const ATTEMPTS: u32 = 3;

/// Why a run cannot be used.
#[derive(Debug)]
pub(crate) enum RunError {
    /// The device did not give its bytes.
    Unreadable(io::Error),
    /// It gave others than were written; what and where.
    Damaged(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Unreadable(error) => write!(formatter, "a run of the index is unreadable: {error}"),
            RunError::Damaged(text) => write!(formatter, "a run of the index is damaged: {text}"),
        }
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> RunError {
        RunError::Unreadable(error)
    }
}

/// An immutable run. Its space is given back when the last holder is gone: running reads count.
pub(crate) struct Run {
    pub blob: Blob,
    /// How many merges lie behind it: 0 for one that a checkpoint wrote.
    pub level: u8,
    seed: RunSeed,
    entries: u64,
    fences: Fences,
    filter: Filter,
    /// The highest key that is not special (empty: there is none), where it is known.
    last_plain: Option<Vec<u8>>,
}

impl Run {
    /// A run that was just written to `blob`.
    pub fn written(blob: Blob, level: u8, salt: u64, encoded: EncodedRun) -> Run {
        let seed = RunSeed {
            salt,
            run: encoded.footer.run,
        };
        Run {
            blob,
            level,
            seed,
            entries: encoded.footer.entries,
            fences: encoded.fences,
            filter: encoded.filter,
            last_plain: Some(encoded.last_plain),
        }
    }
    /// Reads footer, fences and filter of a run.
    pub async fn open(medium: &Medium, salt: u64, blob: Blob, level: u8) -> Result<Run, RunError> {
        let damaged = |what: &str| RunError::Damaged(format!("{what} of a run of {} bytes", blob.length));
        let last = blob.length.checked_sub(PAGE_BYTES as u64).ok_or_else(|| damaged("the footer"))?;
        let page = blob.read_at(medium, last, PAGE_BYTES).await?;
        let footer = RunFooter::decode(&page, salt, blob.length).ok_or_else(|| damaged("the footer"))?;
        let seed = RunSeed { salt, run: footer.run };
        let (fences_at, filter_at) = (footer.data_bytes, footer.data_bytes + footer.fences_bytes);
        let bytes = blob.read_at(medium, fences_at, footer.fences_bytes as usize).await?;
        let fences = (seed.checksum(fences_at, &bytes) == footer.fences_crc)
            .then(|| Fences::decode(&bytes, footer.blocks, footer.data_bytes))
            .flatten()
            .ok_or_else(|| damaged("the fences"))?;
        let bytes = blob.read_at(medium, filter_at, footer.filter_bytes as usize).await?;
        let filter = (seed.checksum(filter_at, &bytes) == footer.filter_crc)
            .then(|| Filter::decode(&bytes))
            .flatten()
            .ok_or_else(|| damaged("the filter"))?;
        let mut run = Run {
            blob,
            level,
            seed,
            entries: footer.entries,
            fences,
            filter,
            last_plain: None,
        };
        run.last_plain = run.find_last_plain(medium).await;
        Ok(run)
    }
    async fn find_last_plain(&self, medium: &Medium) -> Option<Vec<u8>> {
        let special = special_range_start();
        let mut number = self.fences.find(&special);
        while let Some(block) = number {
            let read = self.read_span(medium, block..block + 1).await.ok()?;
            let (block_read, mut last) = (read.first()?, None);
            let mut position = block_read.start();
            while block_read.advance(&mut position)? && position.key() < &special[..] {
                last = Some(position.key().to_vec());
            }
            if last.is_some() {
                return last;
            }
            number = block.checked_sub(1);
        }
        Some(Vec::new())
    }
    /// Its random number.
    pub fn id(&self) -> u64 {
        self.seed.run
    }
    /// Entries, those of removed keys included.
    pub fn entries(&self) -> u64 {
        self.entries
    }
    /// Bytes of filter and fences.
    pub fn memory_bytes(&self) -> usize {
        self.filter_bytes() + self.fences_bytes() + self.last_plain.as_ref().map_or(0, Vec::capacity)
    }
    /// Bytes of the filter.
    pub fn filter_bytes(&self) -> usize {
        self.filter.bytes()
    }
    /// Bytes of the fences.
    pub fn fences_bytes(&self) -> usize {
        self.fences.memory_bytes()
    }
    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.fences.len()
    }
    /// The one block that may hold a key; `None` when the run certainly lacks it.
    pub fn block_for(&self, key: &[u8], hash: KeyHash) -> Option<usize> {
        if !self.filter.may_hold(hash) {
            return None;
        }
        self.fences.find(key)
    }
    /// The first block to look at for keys from `key` on.
    pub fn block_from(&self, key: &[u8]) -> usize {
        self.fences.find(key).unwrap_or(0)
    }
    /// The block that may hold a key, filter or not; `None`: it lies before all.
    pub fn block_of(&self, key: &[u8]) -> Option<usize> {
        self.fences.find(key)
    }
    /// Whether all keys that are not special are below `key`, which is not special either.
    pub fn ends_before(&self, key: &[u8]) -> bool {
        self.last_plain.as_deref().is_some_and(|last| last < key)
    }
    /// Where a block begins; `None` behind the last.
    pub fn fence(&self, block: usize) -> Option<&[u8]> {
        (block < self.fences.len()).then(|| self.fences.fence(block))
    }
    /// Bytes of a block.
    pub fn block_bytes(&self, block: usize) -> usize {
        self.fences.block(block).map_or(0, |(_, length)| length)
    }
    /// Reads blocks from `first` on with one read: as many as `limit_bytes` holds, at least one; none behind the last.
    pub async fn read_blocks(&self, medium: &Medium, first: usize, limit_bytes: usize) -> Result<Vec<Block>, RunError> {
        let (mut end, mut bytes) = (first, 0);
        while let Some((_, length)) = self.fences.block(end) {
            if end > first && bytes + length > limit_bytes {
                break;
            }
            bytes += length;
            end += 1;
        }
        self.read_span(medium, first..end).await
    }
    /// Reads blocks with one read; those that there are.
    pub async fn read_span(&self, medium: &Medium, blocks: Range<usize>) -> Result<Vec<Block>, RunError> {
        let first = blocks.start;
        let spans: Vec<(u64, usize)> = blocks.map_while(|number| self.fences.block(number)).collect();
        let Some((start, _)) = spans.first().copied() else {
            return Ok(Vec::new());
        };
        let bytes = spans.iter().map(|(_, length)| length).sum();
        let mut attempt = 1;
        loop {
            let blocks = match self.blob.read_at(medium, start, bytes).await {
                Ok(read) => self.verify(read, first, &spans),
                Err(error) => Err(error.into()),
            };
            if blocks.is_ok() || attempt == ATTEMPTS {
                return blocks;
            }
            attempt += 1;
        }
    }
    fn verify(&self, read: Bytes, first: usize, spans: &[(u64, usize)]) -> Result<Vec<Block>, RunError> {
        let mut rest = read;
        let blocks = spans.iter().enumerate().map(|(number, (offset, length))| {
            let block = Block::verify(rest.split_to((*length).min(rest.len())), self.seed, *offset);
            block.ok_or_else(|| self.damaged(first + number))
        });
        blocks.collect()
    }
    /// The error of a block that makes no sense.
    pub fn damaged(&self, block: usize) -> RunError {
        let (run, blocks) = (self.id(), self.blocks());
        RunError::Damaged(format!("block {block} of {blocks} of run {run:016x}"))
    }
}
