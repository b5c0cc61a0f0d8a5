//! The contents of a simulated file: per sector the durable bytes, and the versions that only the cache holds.

use super::random::SimRandom;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

/// Bytes of a sector; absent: all zeros, which keeps pre-written files small.
type Contents = Option<Rc<[u8]>>;

/// Versions of a sector remembered between flushes: more would only cost memory.
const VERSIONS_KEPT: usize = 4;

#[derive(Default)]
struct Sector {
    durable: Contents,
    /// Cached versions, oldest first, with the number of the write that made them.
    cached: Vec<(u64, Contents)>,
    /// What the last write replaced: a device that reads stale data gives this out.
    replaced: Option<Contents>,
}

impl Sector {
    fn newest(&self) -> &Contents {
        self.cached.last().map_or(&self.durable, |(_, contents)| contents)
    }
}

pub(crate) struct Inode {
    sector_bytes: usize,
    pub(crate) size: u64,
    durable_size: u64,
    sectors: BTreeMap<u64, Sector>,
    /// Sectors with cached versions.
    dirty: BTreeSet<u64>,
    unreadable: BTreeSet<u64>,
    /// Open handles.
    pub(crate) opened: u32,
    pub(crate) locked: bool,
    /// A block device: its size is fixed, and no part of the filesystem's space.
    pub(crate) is_device: bool,
}

impl Inode {
    pub(crate) fn new(sector_bytes: usize) -> Inode {
        Inode {
            sector_bytes,
            size: 0,
            durable_size: 0,
            sectors: BTreeMap::new(),
            dirty: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            opened: 0,
            locked: false,
            is_device: false,
        }
    }

    /// A blank block device.
    pub(crate) fn device(sector_bytes: usize, size: u64) -> Inode {
        Inode {
            size,
            durable_size: size,
            is_device: true,
            ..Inode::new(sector_bytes)
        }
    }

    /// The bytes of a range, as far as the file reaches; EIO on an unreadable sector.
    pub(crate) fn read(&self, offset: u64, target: &mut [u8]) -> io::Result<usize> {
        let length = (target.len() as u64).min(self.size.saturating_sub(offset)) as usize;
        let mut done = 0;
        while done < length {
            let position = offset + done as u64;
            let (index, start) = self.locate(position);
            if self.unreadable.contains(&index) {
                return Err(io::Error::from_raw_os_error(libc::EIO));
            }
            let count = (self.sector_bytes - start).min(length - done);
            let piece = &mut target[done..done + count];
            match self.sectors.get(&index).map(Sector::newest) {
                Some(Some(contents)) => piece.copy_from_slice(&contents[start..start + count]),
                _ => piece.fill(0),
            }
            done += count;
        }
        Ok(length)
    }

    /// As [`Inode::read`], but about half of the sectors that were written more than once show what they held before; the number of
    /// these.
    pub(crate) fn read_stale(&self, offset: u64, target: &mut [u8], random: &mut SimRandom) -> io::Result<(usize, u64)> {
        let length = self.read(offset, target)?;
        let (mut done, mut stale) = (0, 0);
        while done < length {
            let (index, start) = self.locate(offset + done as u64);
            let count = (self.sector_bytes - start).min(length - done);
            let replaced = self.sectors.get(&index).and_then(|sector| sector.replaced.as_ref());
            if let Some(contents) = replaced.filter(|_| random.below(2) == 0) {
                let piece = &mut target[done..done + count];
                match contents {
                    Some(contents) => piece.copy_from_slice(&contents[start..start + count]),
                    None => piece.fill(0),
                }
                stale += 1;
            }
            done += count;
        }
        Ok((length, stale))
    }

    fn locate(&self, position: u64) -> (u64, usize) {
        let sector_bytes = self.sector_bytes as u64;
        (position / sector_bytes, (position % sector_bytes) as usize)
    }

    /// Writes `source` into the cache as write number `number`.
    pub(crate) fn write(&mut self, offset: u64, source: &[u8], number: u64) {
        let mut done = 0;
        while done < source.len() {
            let (index, start) = self.locate(offset + done as u64);
            let count = (self.sector_bytes - start).min(source.len() - done);
            self.write_sector(index, start, &source[done..done + count], number);
            done += count;
        }
        if !self.is_device {
            self.size = self.size.max(offset + source.len() as u64);
        }
    }

    /// Writes within one sector.
    pub(crate) fn write_sector(&mut self, index: u64, start: usize, piece: &[u8], number: u64) {
        self.unreadable.remove(&index);
        let sector = self.sectors.entry(index).or_default();
        sector.replaced = Some(sector.newest().clone());
        let contents = if piece.len() == self.sector_bytes {
            compact(piece)
        } else {
            let mut whole = sector
                .newest()
                .as_ref()
                .map_or_else(|| vec![0; self.sector_bytes], |contents| contents.to_vec());
            whole[start..start + piece.len()].copy_from_slice(piece);
            compact(&whole)
        };
        if sector.cached.len() == VERSIONS_KEPT {
            sector.cached.remove(0);
        }
        sector.cached.push((number, contents));
        self.dirty.insert(index);
    }

    pub(crate) fn allocate(&mut self, offset: u64, length: u64) {
        self.size = self.size.max(offset + length);
    }

    /// Makes writes up to `number` durable, and the size.
    pub(crate) fn flush(&mut self, number: u64) {
        let dirty: Vec<u64> = self.dirty.iter().copied().collect();
        for index in dirty {
            self.flush_sector(index, number);
        }
        self.durable_size = self.size;
    }

    /// Makes the newest contents of a range durable (and the size that it needs).
    pub(crate) fn persist(&mut self, offset: u64, length: u64) {
        if length == 0 {
            return;
        }
        for index in self.locate(offset).0..=self.locate(offset + length - 1).0 {
            self.flush_sector(index, u64::MAX);
        }
        self.durable_size = self.durable_size.max(offset + length);
    }

    fn flush_sector(&mut self, index: u64, number: u64) {
        let Some(sector) = self.sectors.get_mut(&index) else { return };
        let count = sector.cached.partition_point(|(write, _)| *write <= number);
        if let Some((_, contents)) = sector.cached.drain(..count).next_back() {
            sector.durable = contents;
        }
        if sector.cached.is_empty() {
            self.dirty.remove(&index);
            if sector.durable.is_none() {
                self.sectors.remove(&index);
            }
        }
    }

    /// A power cut: every dirty sector keeps one of its versions, old or new; so does a size that was not flushed.
    pub(crate) fn crash(&mut self, random: &mut SimRandom) {
        for index in std::mem::take(&mut self.dirty) {
            if let Some(sector) = self.sectors.get_mut(&index) {
                let choice = random.below(sector.cached.len() as u64 + 1) as usize;
                if let Some((_, contents)) = sector.cached.drain(..).nth(choice) {
                    sector.durable = contents;
                }
            }
        }
        if self.size != self.durable_size && random.below(2) == 0 {
            self.size = self.durable_size;
            let end = self.size.div_ceil(self.sector_bytes as u64);
            self.sectors.split_off(&end);
        }
        self.durable_size = self.size;
        self.locked = false;
        self.opened = 0;
    }

    /// A sector that the device can no longer read, until it is written.
    pub(crate) fn make_unreadable(&mut self, index: u64) {
        self.unreadable.insert(index);
    }

    /// Inverts the bits of `mask` in a byte, in the cache and beneath.
    pub(crate) fn flip(&mut self, offset: u64, mask: u8) {
        let (index, start) = self.locate(offset);
        let sector_bytes = self.sector_bytes;
        let sector = self.sectors.entry(index).or_default();
        let versions = sector.cached.iter_mut().map(|(_, contents)| contents);
        for contents in versions.chain([&mut sector.durable]) {
            let mut bytes = contents
                .as_ref()
                .map_or_else(|| vec![0; sector_bytes], |contents| contents.to_vec());
            bytes[start] ^= mask;
            *contents = compact(&bytes);
        }
    }

    /// A new device in the place of this one: everything is forgotten.
    pub(crate) fn blank(&mut self) {
        self.sectors.clear();
        self.dirty.clear();
        self.unreadable.clear();
    }
}

fn compact(bytes: &[u8]) -> Contents {
    bytes.iter().any(|byte| *byte != 0).then(|| Rc::from(bytes))
}
