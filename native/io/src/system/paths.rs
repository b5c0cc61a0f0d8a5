//! Opening, naming and listing files.

use super::calls::check;
use crate::{FileInfo, OpenOptions};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Opens as asked; direct I/O unless `buffered`.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> io::Result<OwnedFd> {
    let mut open = std::fs::OpenOptions::new();
    open.read(true)
        .write(options.write)
        .create(options.create)
        .create_new(options.create && options.create_new);
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let direct = if options.buffered { 0 } else { libc::O_DIRECT };
        // On a block device this also keeps out whoever would mount it, and fails when it is mounted.
        let is_device = || std::fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device());
        let exclusive = if options.lock && is_device() { libc::O_EXCL } else { 0 };
        open.custom_flags(direct | exclusive);
    }
    let descriptor = OwnedFd::from(open.open(path)?);
    #[cfg(target_os = "macos")]
    if !options.buffered {
        // SAFETY: a plain flag of an open descriptor.
        check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_NOCACHE, 1) })?;
    }
    if options.lock {
        // SAFETY: no pointers are involved.
        check(unsafe { libc::flock(descriptor.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) })?;
    }
    Ok(descriptor)
}

/// Metadata, following symbolic links.
pub(crate) fn info(path: &Path) -> io::Result<FileInfo> {
    let metadata = std::fs::metadata(path)?;
    let kind = metadata.file_type();
    Ok(FileInfo {
        size_bytes: metadata.len(),
        is_directory: kind.is_dir(),
        is_block_device: kind.is_block_device(),
        device: metadata.dev(),
        inode: metadata.ino(),
    })
}

/// Names in a directory, sorted; names that are not UTF-8 are none of ours and left out.
pub(crate) fn list_directory(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Creates one directory; fine if it exists.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result,
    }
}

/// Bytes free to users without privilege, and bytes in all.
pub(crate) fn space(path: &Path) -> io::Result<(u64, u64)> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: statvfs is plain old data, for which all zeros is a valid value.
    let mut facts: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `name` ends with a zero byte and both outlive the call.
    check(unsafe { libc::statvfs(name.as_ptr(), &mut facts) })?;
    let block_bytes = facts.f_frsize as u64;
    Ok((facts.f_bavail as u64 * block_bytes, facts.f_blocks as u64 * block_bytes))
}
