//! Formatting a blank drive. The superblock comes last: a drive has one or is blank.

use crate::counters::Counters;
use crate::format::{ROOT_BYTES, ROOT_SLOTS, Root, Superblock};
use crate::medium::Medium;
use crate::open::{Tuning, opening};
use crate::roots::Roots;
use crate::space::{Geometry, Place};
use crate::{Adoption, DriveOptions, Identity, OpenError};
use openlake_io::{AlignedBuffer, Durability, OpenOptions, Runtime};
use std::io;
use std::path::Path;
use std::rc::Rc;

/// Names of the files of a drive.
pub(crate) mod names {
    pub const SUPERBLOCKS: [&str; 2] = ["superblock.0", "superblock.1"];
    pub const ROOTS: &str = "roots";
    pub const LOCK: &str = "lock";
    /// Present while a format is under way: what else lies here then may be made anew.
    pub const FORMATTING: &str = "formatting";
    pub const CONTAINER_PREFIX: &str = "data.";
}

/// Kept free on the filesystem: this share of it, and no less than that many bytes.
const KEPT_FREE_SHARE: u64 = 20;
const KEPT_FREE_BYTES: u64 = 1 << 30;
/// Where a new log begins.
const FIRST_SEGMENT: u32 = 0;

/// Whether a drive without superblock may be formatted.
pub(crate) fn check_adoption(runtime: &Runtime, options: &DriveOptions) -> Result<(), OpenError> {
    let path = &options.path;
    let entries = runtime.list_directory(path).map_err(|error| opening(path, &error))?;
    if options.adoption == Adoption::Refuse {
        let text = format!(
            "{} is blank, but set {} slot {} was filled before",
            path.display(),
            options.set,
            options.slot
        );
        return Err(OpenError::Blank(format!("{text}; is the right device mounted there?")));
    }
    let interrupted = entries.iter().any(|name| name == names::FORMATTING);
    let containers = entries.iter().find(|name| name.starts_with(names::CONTAINER_PREFIX));
    match containers {
        Some(name) if !interrupted => {
            let text = format!("{} holds {name} but no superblock; it will not be formatted over", path.display());
            Err(OpenError::Damaged(text))
        }
        _ => Ok(()),
    }
}

/// Makes an empty drive; the caller holds its lock.
pub(crate) async fn format(runtime: &Runtime, options: &DriveOptions, tuning: Tuning) -> Result<(), OpenError> {
    let path = &options.path;
    let capacity = match options.capacity_bytes {
        Some(capacity) => capacity,
        None => {
            let (free, total) = runtime.space(path).map_err(|error| opening(path, &error))?;
            free.saturating_sub(KEPT_FREE_BYTES.max(total / KEPT_FREE_SHARE))
        }
    };
    let geometry = Geometry::for_capacity(capacity, tuning.segment_bytes)
        .ok_or_else(|| OpenError::Unavailable(format!("{}: {capacity} bytes are too few for a drive", path.display())))?;
    write(runtime, options, geometry).await.map_err(|error| opening(path, &error))
}

async fn write(runtime: &Runtime, options: &DriveOptions, geometry: Geometry) -> io::Result<()> {
    let path = &options.path;
    let create = OpenOptions {
        write: true,
        create: true,
        ..OpenOptions::default()
    };
    drop(runtime.open(&path.join(names::FORMATTING), &create)?);
    runtime.sync_directory(path)?;
    for name in runtime
        .list_directory(path)?
        .iter()
        .filter(|name| name.starts_with(names::CONTAINER_PREFIX))
    {
        runtime.remove(&path.join(name))?;
    }
    let medium = Medium::open(runtime, path, geometry, Rc::new(Counters::default())).await?;
    medium.make_container().await?;
    let mut drive = [0; 16];
    runtime.fill_random(&mut drive);
    let salt = runtime.random_u64();
    write_roots(runtime, path, salt).await?;
    let identity = Identity {
        cluster: options.cluster,
        drive,
        set: options.set,
        slot: options.slot,
        generation: 1,
        set_epoch: options.set_epoch,
    };
    let superblock = Superblock {
        sequence: 1,
        identity,
        salt,
        geometry,
    };
    for name in names::SUPERBLOCKS {
        let unfinished = path.join(format!("{name}.new"));
        write_page(runtime, &unfinished, &superblock).await?;
        runtime.rename(&unfinished, &path.join(name))?;
    }
    runtime.sync_directory(path)?;
    runtime.remove(&path.join(names::FORMATTING))?;
    runtime.sync_directory(path)
}

async fn write_roots(runtime: &Runtime, path: &Path, salt: u64) -> io::Result<()> {
    let create = OpenOptions {
        write: true,
        create: true,
        ..OpenOptions::default()
    };
    let file = runtime.open(&path.join(names::ROOTS), &create)?;
    let length = ROOT_BYTES * ROOT_SLOTS as usize;
    let mut zeros = AlignedBuffer::with_capacity(length);
    zeros.set_len(length);
    file.write(0, vec![zeros.freeze()], Durability::None).await?;
    file.flush().await?;
    let (roots, _) = Roots::open(file, salt).await;
    let first = Root {
        sequence: 0,
        clean: true,
        rebuild: false,
        log_start: Place::new(FIRST_SEGMENT, 0),
        log_start_generation: 1,
        last_sequence: 0,
        state: Default::default(),
        manifest: None,
    };
    roots.write(first).await
}

/// Writes both copies of a superblock, one after the other.
pub(crate) async fn write_superblock(runtime: &Runtime, path: &Path, superblock: &Superblock) -> io::Result<()> {
    for name in names::SUPERBLOCKS {
        write_page(runtime, &path.join(name), superblock).await?;
    }
    runtime.sync_directory(path)
}

async fn write_page(runtime: &Runtime, path: &Path, superblock: &Superblock) -> io::Result<()> {
    let file = runtime.open(
        path,
        &OpenOptions {
            write: true,
            create: true,
            ..OpenOptions::default()
        },
    )?;
    let bytes = superblock.encode();
    let mut page = AlignedBuffer::with_capacity(bytes.len());
    page.append(&bytes);
    file.write(0, vec![page.freeze()], Durability::Sync).await
}
