//! Blocking file transfers, as the threads of the `poll` engine make them, and the rules both engines share for partial ones.

use super::SystemHandle;
use super::calls::{check, retry};
use crate::{AlignedBuffer, Durability};
use bytes::Bytes;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Vectors per call: the limit of Linux and macOS (IOV_MAX).
pub(crate) const VECTORS_PER_CALL: usize = 1024;

/// Size in bytes; of a block device its capacity.
pub(crate) fn size_bytes(raw: RawFd) -> io::Result<u64> {
    // SAFETY: the caller holds the handle, so the descriptor is open and stays so during this call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
    let file = std::fs::File::from(borrowed.try_clone_to_owned()?);
    let metadata = file.metadata()?;
    if std::os::unix::fs::FileTypeExt::is_block_device(&metadata.file_type()) {
        // The duplicate shares its position with the original, which nothing here uses.
        // SAFETY: no pointers are involved.
        let end = check(unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_END) })?;
        return Ok(end as u64);
    }
    Ok(metadata.len())
}

/// Whether a read that brought `count` of `wanted` bytes must be the last: the file ended. Direct reads only break off at an
/// unaligned position where the file ends, and could not go on from there.
pub(crate) fn read_ended(direct: bool, count: usize, wanted: usize) -> bool {
    count == 0 || count >= wanted || (direct && !count.is_multiple_of(512))
}

/// Points `vectors` at what is left of `buffers` after `done` bytes: at most [`VECTORS_PER_CALL`], none empty.
pub(crate) fn fill_vectors(vectors: &mut Vec<libc::iovec>, buffers: &[Bytes], mut done: usize) {
    vectors.clear();
    for buffer in buffers {
        if done >= buffer.len() {
            done -= buffer.len();
            continue;
        }
        let rest = &buffer[done..];
        done = 0;
        vectors.push(libc::iovec {
            iov_base: rest.as_ptr().cast_mut().cast(),
            iov_len: rest.len(),
        });
        if vectors.len() == VECTORS_PER_CALL {
            break;
        }
    }
}

pub(crate) fn total_bytes(buffers: &[Bytes]) -> usize {
    buffers.iter().map(Bytes::len).sum()
}

/// Reads until `length` bytes are there or the file ends.
pub(crate) fn read(file: &SystemHandle, offset: u64, mut buffer: AlignedBuffer, length: usize) -> io::Result<Option<AlignedBuffer>> {
    buffer.set_len(0);
    loop {
        let done = buffer.len();
        let room = &mut buffer.spare_mut()[..length - done];
        let position = (offset + done as u64) as libc::off_t;
        // SAFETY: pointer and length describe `room`, exclusively borrowed during the call.
        let count = retry(|| unsafe { libc::pread(file.raw(), room.as_mut_ptr().cast(), room.len(), position) })? as usize;
        buffer.set_len(done + count);
        if read_ended(file.direct, count, length - done) {
            return Ok(Some(buffer));
        }
    }
}

/// Writes all bytes, durably if asked.
pub(crate) fn write(file: &SystemHandle, offset: u64, buffers: &[Bytes], durability: Durability) -> io::Result<()> {
    let total = total_bytes(buffers);
    let mut vectors = Vec::with_capacity(buffers.len().min(VECTORS_PER_CALL));
    let mut done = 0;
    while done < total {
        fill_vectors(&mut vectors, buffers, done);
        done += write_vectors(file.raw(), &vectors, offset + done as u64, durability)?;
    }
    #[cfg(not(target_os = "linux"))]
    if durability == Durability::Sync {
        flush(file)?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn write_vectors(raw: RawFd, vectors: &[libc::iovec], offset: u64, durability: Durability) -> io::Result<usize> {
    let flags = if durability == Durability::Sync { libc::RWF_DSYNC } else { 0 };
    // SAFETY: every vector points into buffers that the caller borrows during the call; the kernel only reads them.
    let count = retry(|| unsafe { libc::pwritev2(raw, vectors.as_ptr(), vectors.len() as i32, offset as libc::off_t, flags) })?;
    written(count as usize, offset)
}

#[cfg(not(target_os = "linux"))]
fn write_vectors(raw: RawFd, vectors: &[libc::iovec], offset: u64, _durability: Durability) -> io::Result<usize> {
    // SAFETY: as on Linux.
    let count = retry(|| unsafe { libc::pwritev(raw, vectors.as_ptr(), vectors.len() as i32, offset as libc::off_t) })?;
    written(count as usize, offset)
}

/// A write that makes no progress would be repeated for ever.
pub(crate) fn written(count: usize, offset: u64) -> io::Result<usize> {
    if count == 0 {
        return Err(io::Error::new(
            io::ErrorKind::WriteZero,
            format!("a write at offset {offset} took no bytes"),
        ));
    }
    Ok(count)
}

/// Makes completed writes durable.
pub(crate) fn flush(file: &SystemHandle) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    // SAFETY: no pointers are involved.
    retry(|| unsafe { libc::fdatasync(file.raw()) })?;
    // Elsewhere fsync does not empty the device's own cache.
    #[cfg(target_os = "macos")]
    // SAFETY: as above.
    retry(|| unsafe { libc::fcntl(file.raw(), libc::F_FULLFSYNC) })?;
    Ok(())
}

/// Reserves space and extends the size.
pub(crate) fn allocate(file: &SystemHandle, offset: u64, length: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    // SAFETY: no pointers are involved.
    retry(|| unsafe { libc::fallocate(file.raw(), 0, offset as libc::off_t, length as libc::off_t) })?;
    #[cfg(not(target_os = "linux"))]
    if size_bytes(file.raw())? < offset + length {
        // SAFETY: as above.
        retry(|| unsafe { libc::ftruncate(file.raw(), (offset + length) as libc::off_t) })?;
    }
    Ok(())
}
