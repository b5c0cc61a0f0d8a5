//! A drive on a whole block device: every part at a fixed offset, no filesystem in between.

use super::{Contents, Region, open_locked, opening};
use crate::OpenError;
use crate::format::{PAGE_BYTES, SUPERBLOCK_BYTES, Superblock};
use crate::space::Geometry;
use openlake_io::{File, OpenOptions, Runtime};
use std::io;
use std::path::{Path, PathBuf};

const FORMAT_MARK_OFFSET: u64 = 8 << 10;
const ROOTS_OFFSET: u64 = 64 << 10;
const DATA_OFFSET: u64 = 1 << 20;
const FORMAT_MARK: [u8; 8] = *b"OLFORMAT";

/// The device of a drive, opened exclusively: nobody can mount it meanwhile.
pub(crate) struct Device {
    path: PathBuf,
    file: File,
    size_bytes: u64,
}

impl Device {
    /// Opens a block device; `Busy` when it is mounted, part of an array, or another process's drive.
    pub async fn open(runtime: &Runtime, path: &Path) -> Result<Device, OpenError> {
        let opened = open_locked(runtime, path, &OpenOptions::default()).await;
        let file = opened.map_err(|error| opening(path, &error))?;
        let size_bytes = file.size_bytes().map_err(|error| opening(path, &error))?;
        let path = path.to_owned();
        Ok(Device { path, file, size_bytes })
    }
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Bytes behind the fixed parts.
    pub fn data_bytes(&self) -> u64 {
        self.size_bytes.saturating_sub(DATA_OFFSET)
    }
    /// A drive has a superblock. Anything else but zeros or an interrupted format belongs to somebody: refused.
    pub async fn contents(&self) -> Result<Contents, OpenError> {
        let failed = |error: io::Error| opening(&self.path, &error);
        if self.size_bytes < 2 * DATA_OFFSET {
            let text = format!("{} has {} bytes, too few for a drive", self.path.display(), self.size_bytes);
            return Err(OpenError::Unavailable(text));
        }
        for copy in 0..super::SUPERBLOCK_COPIES {
            // A damaged copy is still a sign that this is a drive.
            if let Ok(page) = self.superblock(copy).read(0, SUPERBLOCK_BYTES).await
                && Superblock::has_magic(page.as_slice())
            {
                return Ok(Contents::Drive);
            }
        }
        let start = match self.file.read(0, DATA_OFFSET as usize).await {
            Ok(start) => start,
            Err(_) if self.is_half_formatted().await => return Ok(Contents::Blank),
            Err(error) => return Err(failed(error)),
        };
        let start = start.as_slice();
        let mark = FORMAT_MARK_OFFSET as usize;
        if start[mark..].starts_with(&FORMAT_MARK) || start.iter().all(|byte| *byte == 0) {
            return Ok(Contents::Blank);
        }
        let at = start.iter().position(|byte| *byte != 0).unwrap_or(0);
        let text = format!(
            "{} is not blank (its byte {at} is {:#04x}) and no drive of this store; wipe it first (wipefs --all, or blkdiscard)",
            self.path.display(),
            start[at]
        );
        Err(OpenError::Damaged(text))
    }
    /// Of a start that cannot be read whole: whether a format was interrupted there, as a device may lose the pages that a power cut found
    /// it writing. The mark is written before all else; where itself is lost, nothing else was written yet.
    async fn is_half_formatted(&self) -> bool {
        if let Ok(page) = self.file.read(FORMAT_MARK_OFFSET, PAGE_BYTES).await {
            return page.as_slice().starts_with(&FORMAT_MARK);
        }
        for offset in (0..DATA_OFFSET).step_by(PAGE_BYTES).filter(|offset| *offset != FORMAT_MARK_OFFSET) {
            let page = self.file.read(offset, PAGE_BYTES).await;
            if !page.is_ok_and(|page| page.as_slice().iter().all(|byte| *byte == 0)) {
                return false;
            }
        }
        true
    }
    /// Sets or clears the mark of a format under way.
    pub async fn set_format_mark(&self, set: bool) -> io::Result<()> {
        let mut page = [0; PAGE_BYTES];
        if set {
            page[..FORMAT_MARK.len()].copy_from_slice(&FORMAT_MARK);
        }
        Region::new(self.file.clone(), FORMAT_MARK_OFFSET).write_page(0, &page).await
    }
    /// One copy of the superblock.
    pub fn superblock(&self, copy: usize) -> Region {
        Region::new(self.file.clone(), (copy * SUPERBLOCK_BYTES) as u64)
    }
    /// The roots.
    pub fn roots(&self) -> Region {
        Region::new(self.file.clone(), ROOTS_OFFSET)
    }
    /// All containers: the data region cut up.
    pub fn containers(&self, geometry: &Geometry) -> io::Result<Vec<Region>> {
        if geometry.capacity_bytes() > self.data_bytes() {
            let text = format!(
                "the drive was made for {} bytes of data, the device has room for {}",
                geometry.capacity_bytes(),
                self.data_bytes()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let regions = (0..geometry.containers()).map(|number| {
            let base = DATA_OFFSET + u64::from(number) * geometry.container_bytes;
            Region::new(self.file.clone(), base)
        });
        Ok(regions.collect())
    }
}
