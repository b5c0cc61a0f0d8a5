//! Open files and block devices: positioned reads and writes of whole aligned ranges, flush, allocation.
//!
//! Files are opened for direct I/O unless asked otherwise: offsets, lengths and memory are multiples of 4 KiB then.

use crate::AlignedBuffer;
use crate::engine::{Handle, Operation, Output};
use crate::executor::{Core, PendingOperation};
use bytes::Bytes;
use std::io;
use std::rc::Rc;

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
    /// `st_ino`: which file of the device it is, to tell it from a later one of the same name.
    pub inode: u64,
}

/// An open file; closed when the last clone is dropped.
///
/// Dropping the future of an operation does not undo it: a write or allocation may still happen, in part or as a whole. The
/// memory it uses stays alive until the engine is done with it.
#[derive(Clone)]
pub struct File {
    core: Rc<Core>,
    handle: Handle,
}

impl File {
    pub(crate) fn new(core: Rc<Core>, handle: Handle) -> File {
        File { core, handle }
    }

    /// Reads up to `length` bytes at `offset` into a new aligned buffer; shorter only at the end of the file.
    pub async fn read(&self, offset: u64, length: usize) -> io::Result<AlignedBuffer> {
        self.read_into(AlignedBuffer::with_stale_capacity(length), offset, length).await
    }

    /// As [`File::read`], into the given buffer, whose former contents are replaced. `InvalidInput` when it is too small.
    pub async fn read_into(&self, mut buffer: AlignedBuffer, offset: u64, length: usize) -> io::Result<AlignedBuffer> {
        buffer.set_len(0);
        if buffer.capacity() < length {
            let text = format!("a read of {length} bytes does not fit a buffer of {}", buffer.capacity());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        if length == 0 {
            return Ok(buffer);
        }
        let file = self.handle.clone();
        match PendingOperation::submit(
            &self.core,
            Operation::Read {
                file,
                offset,
                buffer,
                length,
            },
        )
        .await?
        {
            Output::Read(buffer) => Ok(buffer),
            _ => Err(mismatch()),
        }
    }

    /// Writes all of `buffers` one behind the other at `offset`. For direct I/O every buffer is aligned and of aligned length.
    pub async fn write(&self, offset: u64, buffers: Vec<Bytes>, durability: Durability) -> io::Result<()> {
        let file = self.handle.clone();
        self.done(Operation::Write {
            file,
            offset,
            buffers,
            durability,
        })
        .await
    }

    /// Makes all writes that completed before this call durable (fdatasync).
    pub async fn flush(&self) -> io::Result<()> {
        self.done(Operation::Flush { file: self.handle.clone() }).await
    }

    /// Reserves space for a range and extends the size (fallocate). The new range reads as zeros.
    pub async fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        self.done(Operation::Allocate {
            file: self.handle.clone(),
            offset,
            length,
        })
        .await
    }

    /// Size in bytes (a device's capacity).
    pub fn size_bytes(&self) -> io::Result<u64> {
        self.core.engine.borrow_mut().platform().size_bytes(&self.handle)
    }

    async fn done(&self, operation: Operation) -> io::Result<()> {
        match PendingOperation::submit(&self.core, operation).await? {
            Output::Done => Ok(()),
            _ => Err(mismatch()),
        }
    }
}

/// An engine answered an operation with another one's output: a bug, reported rather than trusted.
pub(crate) fn mismatch() -> io::Error {
    io::Error::other("the engine answered with the output of another operation")
}
