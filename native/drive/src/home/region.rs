//! A range of a file or device that one part of a drive lies in; offsets count from its start.

use bytes::Bytes;
use openlake_io::{AlignedBuffer, Durability, File};
use std::io;

/// Part of a file. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Region {
    file: File,
    base: u64,
}

impl Region {
    /// What lies in `file` from byte `base` on.
    pub fn new(file: File, base: u64) -> Region {
        Region { file, base }
    }
    /// The file beneath, to be flushed or allocated as a whole.
    pub fn file(&self) -> &File {
        &self.file
    }
    /// Reads up to `length` bytes at `offset`; whole aligned pages.
    pub async fn read(&self, offset: u64, length: usize) -> io::Result<AlignedBuffer> {
        self.file.read(self.base + offset, length).await
    }
    /// Writes whole aligned pages at `offset`.
    pub async fn write(&self, offset: u64, buffers: Vec<Bytes>, durability: Durability) -> io::Result<()> {
        self.file.write(self.base + offset, buffers, durability).await
    }
    /// Writes the start of a zero-filled page durably.
    pub async fn write_page(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut page = AlignedBuffer::with_capacity(bytes.len());
        page.append(bytes);
        self.write(offset, vec![page.freeze()], Durability::Sync).await
    }
}
