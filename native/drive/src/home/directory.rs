//! A drive in a directory: every part is a file, and containers are made as the data grows.

use super::{Contents, Region, open_locked, opening};
use crate::format::Superblock;
use crate::space::Geometry;
use crate::{MountCheck, OpenError};
use openlake_io::{File, OpenOptions, Runtime};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const SUPERBLOCKS: [&str; super::SUPERBLOCK_COPIES] = ["superblock.0", "superblock.1"];
const ROOTS: &str = "roots";
const LOCK: &str = "lock";
/// Present while a format is under way: what else lies here then may be made anew.
const FORMATTING: &str = "formatting";
const CONTAINER_PREFIX: &str = "data.";
/// Kept free on the filesystem: this share of it, and no less than that many bytes.
const KEPT_FREE_SHARE: u64 = 20;
const KEPT_FREE_BYTES: u64 = 1 << 30;

/// The directory of a drive.
pub(crate) struct Directory {
    runtime: Runtime,
    path: PathBuf,
    /// The filesystem it was found on.
    device: u64,
    lock: Option<File>,
    /// Filesystem and number of each file that is open, by its name.
    open: RefCell<BTreeMap<String, (u64, u64)>>,
}

fn container_name(number: u32) -> String {
    format!("{CONTAINER_PREFIX}{number:04}")
}

fn writing(create: bool) -> OpenOptions {
    OpenOptions {
        write: true,
        create,
        ..OpenOptions::default()
    }
}

impl Directory {
    /// The directory at `path`, which lies on the filesystem `device`; with a strict check it must be a mount of its own.
    pub fn find(runtime: &Runtime, path: &Path, check: MountCheck, device: u64) -> Result<Directory, OpenError> {
        if check == MountCheck::Strict {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new(".."));
            let above = runtime.info(parent).map_err(|error| opening(parent, &error))?;
            if above.device == device {
                let (path, parent) = (path.display(), parent.display());
                let text = format!("{path} is not a mount of its own (it lies on the device of {parent})");
                return Err(OpenError::Unavailable(text));
            }
        }
        Ok(Directory {
            runtime: runtime.clone(),
            path: path.to_owned(),
            device,
            lock: None,
            open: RefCell::default(),
        })
    }
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// A drive has a superblock. Data without one is not formatted over, unless a format was interrupted.
    pub fn contents(&self) -> Result<Contents, OpenError> {
        let path = &self.path;
        let entries = self.runtime.list_directory(path).map_err(|error| opening(path, &error))?;
        if entries.iter().any(|name| SUPERBLOCKS.contains(&name.as_str())) {
            return Ok(Contents::Drive);
        }
        let interrupted = entries.iter().any(|name| name == FORMATTING);
        let container = entries.iter().find(|name| name.starts_with(CONTAINER_PREFIX));
        match container {
            Some(name) if !interrupted => {
                let text = format!("{} holds {name} but no superblock; it will not be formatted over", path.display());
                Err(OpenError::Damaged(text))
            }
            _ => Ok(Contents::Blank),
        }
    }
    /// Keeps other processes out as long as this lives.
    pub async fn lock(&mut self) -> Result<(), OpenError> {
        let locked = open_locked(&self.runtime, &self.path.join(LOCK), &writing(true)).await;
        self.lock = Some(locked.map_err(|error| opening(&self.path, &error))?);
        self.note_open(LOCK).map_err(|error| opening(&self.path, &error))
    }
    /// Remembers which file has the name now.
    fn note_open(&self, name: &str) -> io::Result<()> {
        let info = self.runtime.info(&self.path.join(name))?;
        self.open.borrow_mut().insert(name.to_owned(), (info.device, info.inode));
        Ok(())
    }
    /// What became of the files that are open, where their names do not lead to them any more: what is written to them then is there
    /// until this process ends and no longer.
    pub fn what_is_gone(&self) -> Option<String> {
        let open = self.open.borrow();
        open.iter()
            .find_map(|(name, known)| match self.runtime.info(&self.path.join(name)) {
                Ok(info) if (info.device, info.inode) == *known => None,
                Ok(info) if info.device != known.0 => Some(format!("{name} lies on another filesystem now")),
                Ok(_) => Some(format!("{name} is another file now")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Some(format!("{name} is gone")),
                // Not known: its reads and writes will tell.
                Err(_) => None,
            })
    }
    /// Free space less what the filesystem itself should keep.
    pub fn default_capacity_bytes(&self) -> io::Result<u64> {
        let (free, total) = self.runtime.space(&self.path)?;
        Ok(free.saturating_sub(KEPT_FREE_BYTES.max(total / KEPT_FREE_SHARE)))
    }
    /// Marks the format and removes containers of an interrupted one.
    pub fn begin_format(&self) -> io::Result<()> {
        drop(self.runtime.open(&self.path.join(FORMATTING), &writing(true))?);
        self.sync()?;
        let entries = self.runtime.list_directory(&self.path)?;
        for name in entries.iter().filter(|name| name.starts_with(CONTAINER_PREFIX)) {
            self.runtime.remove(&self.path.join(name))?;
        }
        Ok(())
    }
    /// The superblocks appear whole, under their names only once written.
    pub async fn finish_format(&self, superblock: &Superblock) -> io::Result<()> {
        for name in SUPERBLOCKS {
            let unfinished = self.path.join(format!("{name}.new"));
            let region = Region::new(self.runtime.open(&unfinished, &writing(true))?, 0);
            region.write_page(0, &superblock.encode()).await?;
            self.runtime.rename(&unfinished, &self.path.join(name))?;
        }
        self.sync()?;
        self.runtime.remove(&self.path.join(FORMATTING))?;
        self.sync()
    }
    /// One copy of the superblock.
    pub fn superblock(&self, copy: usize, write: bool) -> io::Result<Region> {
        let options = if write { writing(true) } else { OpenOptions::default() };
        let file = self.runtime.open(&self.path.join(SUPERBLOCKS[copy]), &options)?;
        Ok(Region::new(file, 0))
    }
    /// Makes the file of roots.
    pub fn make_roots(&self) -> io::Result<Region> {
        Ok(Region::new(self.runtime.open(&self.path.join(ROOTS), &writing(true))?, 0))
    }
    /// The file of roots.
    pub fn roots(&self) -> io::Result<Region> {
        Ok(Region::new(self.runtime.open(&self.path.join(ROOTS), &writing(false))?, 0))
    }
    /// Opens the containers that exist.
    pub async fn containers(&self, geometry: &Geometry) -> io::Result<Vec<Region>> {
        let mut found = Vec::new();
        for number in 0..geometry.containers() {
            match open_locked(&self.runtime, &self.path.join(container_name(number)), &writing(false)).await {
                Ok(file) => {
                    self.note_open(&container_name(number))?;
                    found.push(Region::new(file, 0));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
    /// Makes a container under another name, allocated and flushed, then renamed, then the directory flushed.
    pub async fn make_container(&self, number: u32, length: u64) -> io::Result<Region> {
        // Open files outlive their mount; a new one would lie on whatever is under it, and be gone when the mount is back.
        if self.runtime.info(&self.path)?.device != self.device {
            let text = format!(
                "{} is not the filesystem any more that it was: its mount is gone",
                self.path.display()
            );
            return Err(io::Error::other(text));
        }
        let path = self.path.join(container_name(number));
        let unfinished = self.path.join(format!("{}.new", container_name(number)));
        let file = open_locked(&self.runtime, &unfinished, &writing(true)).await?;
        if let Err(error) = file.allocate(0, length).await {
            // What was allocated of it is others' again.
            self.runtime.remove(&unfinished).ok();
            return Err(error);
        }
        file.flush().await?;
        self.runtime.rename(&unfinished, &path)?;
        self.sync()?;
        self.note_open(&container_name(number))?;
        Ok(Region::new(file, 0))
    }
    /// Makes names durable.
    pub fn sync(&self) -> io::Result<()> {
        self.runtime.sync_directory(&self.path)
    }
}
