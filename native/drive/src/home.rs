//! Where a drive lies: a directory on a filesystem, or a whole block device. Both hold the same parts (two superblocks, roots, data),
//! here as regions; nothing above this folder knows which of the two it is.
//!
//! ```text
//!  part            in a directory          on a device
//!  superblocks     superblock.0, .1        at 0 and 4 KiB
//!  format mark     formatting              at 8 KiB
//!  roots           roots                   at 64 KiB
//!  data            data.0000, data.0001 …  from 1 MiB on
//!  lock            lock                    the device itself, opened exclusively
//! ```

mod device;
mod directory;
mod region;

use crate::format::{ROOT_BYTES, ROOT_SLOTS, SUPERBLOCK_BYTES, Superblock};
use crate::space::Geometry;
use crate::{Adoption, DriveOptions, OpenError};
use device::Device;
use directory::Directory;
use openlake_io::{AlignedBuffer, Durability, File, OpenOptions, Runtime};
use std::io;
use std::path::Path;
use std::time::Duration;

pub(crate) use region::Region;

/// Copies of the superblock.
pub(crate) const SUPERBLOCK_COPIES: usize = 2;
/// A process that died holds its files until the kernel has finished its writes, and so do the last tasks of a drive that was closed:
/// on a device that stalls that takes seconds.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The place of one drive, locked against other processes.
pub(crate) enum Home {
    Directory(Directory),
    Device(Device),
}

/// What lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// A superblock: a drive of ours, or one that says whose it is.
    Drive,
    /// Nothing that anybody could miss.
    Blank,
}

impl Home {
    /// Finds and locks the place that the options name. A blank one is taken only where they allow to format it.
    pub async fn open(runtime: &Runtime, options: &DriveOptions) -> Result<(Home, Contents), OpenError> {
        let path = &options.path;
        let info = runtime.info(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::Unavailable(format!("{} does not exist", path.display())),
            _ => opening(path, &error),
        })?;
        if info.is_block_device {
            let device = Device::open(runtime, path).await?;
            let contents = device.contents().await?;
            if contents == Contents::Blank {
                check_allowed(options)?;
            }
            return Ok((Home::Device(device), contents));
        }
        if !info.is_directory {
            let text = format!("{} is neither a directory nor a block device", path.display());
            return Err(OpenError::Unavailable(text));
        }
        let mut directory = Directory::find(runtime, path, options.mount_check, info.device)?;
        let contents = directory.contents()?;
        if contents == Contents::Blank {
            check_allowed(options)?;
        }
        directory.lock().await?;
        Ok((Home::Directory(directory), contents))
    }
    /// Where, for people.
    pub fn path(&self) -> &Path {
        match self {
            Home::Directory(directory) => directory.path(),
            Home::Device(device) => device.path(),
        }
    }
    /// The disk beneath has no filesystem, so its data region needs neither files nor zeros written ahead.
    pub fn is_device(&self) -> bool {
        matches!(self, Home::Device(_))
    }
    /// What became of its files, where they are not at their place any more.
    pub fn what_is_gone(&self) -> Option<String> {
        match self {
            Home::Directory(directory) => directory.what_is_gone(),
            // A device that was taken away answers with errors.
            Home::Device(_) => None,
        }
    }
    /// Bytes that a drive of default size may use.
    pub fn default_capacity_bytes(&self) -> io::Result<u64> {
        match self {
            Home::Directory(directory) => directory.default_capacity_bytes(),
            Home::Device(device) => Ok(device.data_bytes()),
        }
    }
    /// Most bytes that a drive here can use, where that is known.
    pub fn capacity_limit_bytes(&self) -> Option<u64> {
        match self {
            Home::Directory(_) => None,
            Home::Device(device) => Some(device.data_bytes()),
        }
    }
    /// Marks that a format is under way, and removes what an interrupted one left.
    pub async fn begin_format(&self) -> io::Result<()> {
        match self {
            Home::Directory(directory) => directory.begin_format(),
            Home::Device(device) => device.set_format_mark(true).await,
        }
    }
    /// Makes the region of roots, all zeros.
    pub async fn make_roots(&self) -> io::Result<Region> {
        let roots = match self {
            Home::Directory(directory) => directory.make_roots()?,
            Home::Device(device) => device.roots(),
        };
        let length = ROOT_BYTES * ROOT_SLOTS as usize;
        let mut zeros = AlignedBuffer::with_capacity(length);
        zeros.set_len(length);
        roots.write(0, vec![zeros.freeze()], Durability::None).await?;
        roots.file().flush().await?;
        Ok(roots)
    }
    /// Writes the first superblocks of a formatted drive: it is one from then on.
    pub async fn finish_format(&self, superblock: &Superblock) -> io::Result<()> {
        match self {
            Home::Directory(directory) => directory.finish_format(superblock).await,
            Home::Device(device) => {
                self.write_superblock(superblock).await?;
                device.set_format_mark(false).await
            }
        }
    }
    /// The page of one copy of the superblock, if it can be read.
    pub async fn read_superblock(&self, copy: usize) -> Option<AlignedBuffer> {
        let region = match self {
            Home::Directory(directory) => directory.superblock(copy, false).ok()?,
            Home::Device(device) => device.superblock(copy),
        };
        region.read(0, SUPERBLOCK_BYTES).await.ok()
    }
    /// Writes both copies, one after the other.
    pub async fn write_superblock(&self, superblock: &Superblock) -> io::Result<()> {
        for copy in 0..SUPERBLOCK_COPIES {
            let region = match self {
                Home::Directory(directory) => directory.superblock(copy, true)?,
                Home::Device(device) => device.superblock(copy),
            };
            region.write_page(0, &superblock.encode()).await?;
        }
        match self {
            Home::Directory(directory) => directory.sync(),
            Home::Device(_) => Ok(()),
        }
    }
    /// The region of roots.
    pub fn roots(&self) -> io::Result<Region> {
        match self {
            Home::Directory(directory) => directory.roots(),
            Home::Device(device) => Ok(device.roots()),
        }
    }
    /// The containers that exist, in order of their numbers up to the first that is missing.
    pub async fn containers(&self, geometry: &Geometry) -> io::Result<Vec<Region>> {
        match self {
            Home::Directory(directory) => directory.containers(geometry).await,
            Home::Device(device) => device.containers(geometry),
        }
    }
    /// Makes a container of `length` bytes, durably.
    pub async fn make_container(&self, number: u32, length: u64) -> io::Result<Region> {
        match self {
            Home::Directory(directory) => directory.make_container(number, length).await,
            Home::Device(_) => Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "a device has all its containers from the start",
            )),
        }
    }
}

/// Whether the options allow to format a blank drive.
fn check_allowed(options: &DriveOptions) -> Result<(), OpenError> {
    if options.adoption != Adoption::Refuse {
        return Ok(());
    }
    let (path, set, slot) = (options.path.display(), options.set, options.slot);
    let text = format!("{path} is blank, but set {set} slot {slot} was filled before; is the right device mounted there?");
    Err(OpenError::Blank(text))
}

/// Opens with a lock, waiting a moment for a dying holder.
async fn open_locked(runtime: &Runtime, path: &Path, options: &OpenOptions) -> io::Result<File> {
    let options = OpenOptions {
        write: true,
        lock: true,
        ..options.clone()
    };
    let began = runtime.now();
    loop {
        match runtime.open(path, &options) {
            // ResourceBusy: a device that somebody else holds exclusively.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy)
                    && runtime.now().since(began) < LOCK_PATIENCE =>
            {
                runtime.sleep(LOCK_PAUSE).await;
            }
            other => return other,
        }
    }
}

/// The error of a path that could not be opened or read.
pub(crate) fn opening(path: &Path, error: &io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Busy(format!("{} is in use by another process", path.display())),
        io::ErrorKind::ResourceBusy => OpenError::Busy(format!("{} is mounted or in use by the system", path.display())),
        _ => OpenError::Unavailable(format!("{} cannot be used: {error}", path.display())),
    }
}
