//! The kernel's facts about a disk: sysfs and statfs, on Linux only.

use crate::StorageFacts;
use std::io;
use std::path::Path;

/// Facts about the storage that `path` lies on, or that it is.
#[cfg(target_os = "linux")]
pub(crate) fn facts(path: &Path) -> io::Result<StorageFacts> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let metadata = std::fs::metadata(path)?;
    let is_device = metadata.file_type().is_block_device();
    let number = if is_device { metadata.rdev() } else { metadata.dev() };
    let (filesystem, copy_on_write) = if is_device { (None, false) } else { filesystem(path)? };
    let mut facts = StorageFacts {
        filesystem,
        copy_on_write,
        ..StorageFacts::default()
    };
    let (major, minor) = (libc::major(number), libc::minor(number));
    // Anonymous devices (btrfs, overlay, network filesystems) have no entry: then nothing is known.
    if let Ok(entry) = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")) {
        describe_disk(&entry, &mut facts);
    }
    if let Some(disk) = facts.disk.as_ref().filter(|disk| disk.starts_with("nvme")) {
        facts.wear_percent = super::wear::percent(&Path::new("/dev").join(disk));
    }
    Ok(facts)
}

/// Facts about the storage that `path` lies on: none are known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn facts(_path: &Path) -> io::Result<StorageFacts> {
    Ok(StorageFacts::default())
}

#[cfg(target_os = "linux")]
fn describe_disk(entry: &Path, facts: &mut StorageFacts) {
    // A partition's queue is that of the disk above it.
    let disk = if entry.join("partition").exists() {
        entry.parent()
    } else {
        Some(entry)
    };
    let Some(disk) = disk else { return };
    let read = |name: &str| std::fs::read_to_string(disk.join("queue").join(name)).ok();
    facts.disk = disk.file_name().map(|name| name.to_string_lossy().into_owned());
    facts.volatile_cache = read("write_cache").map(|text| text.trim() != "write through");
    facts.force_unit_access = read("fua").map(|text| text.trim() == "1");
    facts.logical_block_bytes = read("logical_block_size").and_then(|text| text.trim().parse().ok());
}

/// Name and kind of the filesystem of a path, by the magic numbers of linux/magic.h.
#[cfg(target_os = "linux")]
fn filesystem(path: &Path) -> io::Result<(Option<&'static str>, bool)> {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: statfs is plain old data, for which all zeros is a valid value.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `name` ends with a zero byte and both outlive the call.
    super::calls::check(unsafe { libc::statfs(name.as_ptr(), &mut found) })?;
    Ok(match found.f_type as u32 {
        0xef53 => (Some("ext4"), false),
        0x5846_5342 => (Some("xfs"), false),
        0x9123_683e => (Some("btrfs"), true),
        0xca45_1a4e => (Some("bcachefs"), true),
        0x2fc1_2fc1 => (Some("zfs"), true),
        0x794c_7630 => (Some("overlay"), true),
        0x0102_1994 => (Some("tmpfs"), false),
        0xf2f5_2010 => (Some("f2fs"), true),
        0x6969 => (Some("nfs"), false),
        _ => (Some("unknown"), false),
    })
}
