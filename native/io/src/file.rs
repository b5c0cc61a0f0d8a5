//! Open files and block devices: positioned reads and writes of whole aligned ranges, flush, allocation.
//!
//! Files are opened for direct I/O unless asked otherwise: offsets, lengths and memory are multiples of 4 KiB then.

use crate::AlignedBuffer;
use bytes::Bytes;
use std::io;

/// What a completed write means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Handed to the device; durable after a later completed `flush`.
    None,
    /// This write (and no other) survives a power cut once it completes (RWF_DSYNC; under `poll` pwritev2 or write + fdatasync).
    Sync,
}

/// How to open.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    pub write: bool,
    /// Create if missing.
    pub create: bool,
    /// Fail if it exists (with `create`).
    pub create_new: bool,
    /// Page cache instead of direct I/O.
    pub buffered: bool,
    /// Take an exclusive advisory lock, released on close or death; `WouldBlock` when another process holds it.
    pub lock: bool,
}

/// Facts about a path.
#[derive(Clone, Debug)]
pub struct FileInfo {
    pub size_bytes: u64,
    pub is_directory: bool,
    pub is_block_device: bool,
    /// `st_dev`, to tell a mount from its parent.
    pub device: u64,
}

/// An open file; closed when the last clone is dropped.
#[derive(Clone)]
pub struct File {}

impl File {
    /// Reads up to `length` bytes at `offset` into a new aligned buffer; shorter only at the end of the file.
    pub async fn read(&self, offset: u64, length: usize) -> io::Result<AlignedBuffer> {
        let _ = (offset, length);
        todo!()
    }
    /// Writes all of `buffers` one behind the other at `offset`. For direct I/O every buffer is aligned and of aligned length.
    pub async fn write(&self, offset: u64, buffers: Vec<Bytes>, durability: Durability) -> io::Result<()> {
        let _ = (offset, buffers, durability);
        todo!()
    }
    /// Makes all writes that completed before this call durable (fdatasync).
    pub async fn flush(&self) -> io::Result<()> {
        todo!()
    }
    /// Reserves space for a range and extends the size (fallocate).
    pub async fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        let _ = (offset, length);
        todo!()
    }
    /// Size in bytes (a device's capacity).
    pub fn size_bytes(&self) -> io::Result<u64> {
        todo!()
    }
}
