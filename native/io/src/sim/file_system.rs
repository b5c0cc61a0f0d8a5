//! Names of a node's files: directories whose changes are volatile until the directory is flushed, and then durable in order.

use super::inode::Inode;
use super::random::SimRandom;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    File(u64),
    Directory,
}

/// A change of names; a rename is one change.
#[derive(Clone)]
enum Change {
    Add(String, Entry),
    Remove(String),
    Rename(String, String),
}

type Names = BTreeMap<String, Entry>;

#[derive(Clone, Default)]
struct Directory {
    names: Names,
    durable: Names,
    /// Changes since the last flush.
    pending: Vec<Change>,
}

impl Directory {
    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.pending.push(change);
    }
}

fn apply(names: &mut Names, change: &Change) {
    match change {
        Change::Add(name, entry) => {
            names.insert(name.clone(), *entry);
        }
        Change::Remove(name) => {
            names.remove(name);
        }
        Change::Rename(from, to) => {
            if let Some(entry) = names.remove(from) {
                names.insert(to.clone(), entry);
            }
        }
    }
}

pub(crate) struct FileSystem {
    sector_bytes: usize,
    directories: BTreeMap<PathBuf, Directory>,
    pub(crate) inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// Directories that are devices of their own, with their numbers.
    mounts: BTreeMap<PathBuf, u64>,
}

/// A path without a trailing slash or dots, and an error for a relative one.
fn normal(path: &Path) -> io::Result<PathBuf> {
    if !path.is_absolute() {
        let text = format!("a simulated path must be absolute: {}", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(path.components().collect())
}

fn code(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

impl FileSystem {
    pub(crate) fn new(sector_bytes: usize) -> FileSystem {
        FileSystem {
            sector_bytes,
            directories: BTreeMap::from([(PathBuf::from("/"), Directory::default())]),
            inodes: BTreeMap::new(),
            next_inode: 1,
            mounts: BTreeMap::from([(PathBuf::from("/"), 1)]),
        }
    }

    /// The directory that holds a path, and the path's name in it.
    fn parent(&mut self, path: &Path) -> io::Result<(&mut Directory, String)> {
        let path = normal(path)?;
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| code(libc::EINVAL))?
            .to_owned();
        let parent = path
            .parent()
            .and_then(|parent| self.directories.get_mut(parent))
            .ok_or_else(|| code(libc::ENOENT))?;
        Ok((parent, name))
    }

    pub(crate) fn entry(&self, path: &Path) -> io::Result<Entry> {
        let path = normal(path)?;
        if self.directories.contains_key(&path) {
            return Ok(Entry::Directory);
        }
        let names = path
            .parent()
            .and_then(|parent| self.directories.get(parent))
            .map(|directory| &directory.names);
        let name = path.file_name().and_then(|name| name.to_str());
        names
            .zip(name)
            .and_then(|(names, name)| names.get(name))
            .copied()
            .ok_or_else(|| code(libc::ENOENT))
    }

    /// The inode of a file, or an error.
    pub(crate) fn file(&self, path: &Path) -> io::Result<u64> {
        match self.entry(path)? {
            Entry::File(inode) => Ok(inode),
            Entry::Directory => Err(code(libc::EISDIR)),
        }
    }

    pub(crate) fn create_file(&mut self, path: &Path) -> io::Result<u64> {
        let inode = self.next_inode;
        let (parent, name) = self.parent(path)?;
        parent.change(Change::Add(name, Entry::File(inode)));
        self.next_inode += 1;
        self.inodes.insert(inode, Inode::new(self.sector_bytes));
        Ok(inode)
    }

    /// Adds a blank block device of `size` bytes under a name of its own; name and device are durable at once.
    pub(crate) fn add_block_device(&mut self, path: &Path, size: u64) -> io::Result<()> {
        let inode = self.create_file(path)?;
        self.inodes.insert(inode, Inode::device(self.sector_bytes, size));
        for directory in normal(path)?.ancestors().skip(1) {
            self.sync_directory(directory)?;
        }
        Ok(())
    }

    pub(crate) fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        match self.entry(path) {
            Ok(Entry::Directory) => return Ok(()),
            Ok(Entry::File(_)) => return Err(code(libc::EEXIST)),
            Err(_) => {}
        }
        let (parent, name) = self.parent(path)?;
        parent.change(Change::Add(name, Entry::Directory));
        self.directories.insert(normal(path)?, Directory::default());
        Ok(())
    }

    pub(crate) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        match self.entry(path)? {
            Entry::File(_) => Err(code(libc::ENOTDIR)),
            Entry::Directory => Ok(self
                .directories
                .get(&normal(path)?)
                .map_or(Vec::new(), |d| d.names.keys().cloned().collect())),
        }
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.file(from)?;
        if normal(from)?.parent() != normal(to)?.parent() {
            // The contract: renames stay within a directory, as only then one flush makes them durable.
            return Err(code(libc::EXDEV));
        }
        if self.entry(to).is_ok_and(|entry| entry == Entry::Directory) {
            return Err(code(libc::EISDIR));
        }
        let target = self.parent(to)?.1;
        let (parent, name) = self.parent(from)?;
        if name != target {
            parent.change(Change::Rename(name, target));
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let inode = self.file(path)?;
        if self.inodes.get(&inode).is_some_and(|inode| inode.is_device) {
            return Err(code(libc::EPERM));
        }
        let (parent, name) = self.parent(path)?;
        parent.change(Change::Remove(name));
        Ok(())
    }

    pub(crate) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        let path = normal(path)?;
        let directory = self.directories.get_mut(&path).ok_or_else(|| code(libc::ENOENT))?;
        directory.pending.clear();
        directory.durable.clone_from(&directory.names);
        self.forget_unreachable();
        Ok(())
    }

    /// Marks a directory as a device of its own, creating it if missing; both are durable at once.
    pub(crate) fn mount(&mut self, path: &Path) -> io::Result<()> {
        self.create_directory(path)?;
        let path = normal(path)?;
        for ancestor in path.ancestors().skip(1) {
            self.sync_directory(ancestor)?;
        }
        let number = self.mounts.len() as u64 + 1;
        self.mounts.entry(path).or_insert(number);
        Ok(())
    }

    /// Empties a directory or a block device, durably; the directory or device itself stays.
    pub(crate) fn wipe(&mut self, path: &Path) -> io::Result<()> {
        if let Ok(number) = self.file(path)
            && let Some(inode) = self.inodes.get_mut(&number).filter(|inode| inode.is_device)
        {
            inode.blank();
            return Ok(());
        }
        let path = normal(path)?;
        let directory = self.directories.get_mut(&path).ok_or_else(|| code(libc::ENOENT))?;
        *directory = Directory::default();
        self.directories.retain(|other, _| !(other.starts_with(&path) && *other != path));
        self.forget_unreachable();
        Ok(())
    }

    /// Exchanges what two directories without directories of their own hold.
    pub(crate) fn exchange(&mut self, one: &Path, other: &Path) -> io::Result<()> {
        let (one, other) = (normal(one)?, normal(other)?);
        let first = self.directories.get(&one).cloned().ok_or_else(|| code(libc::ENOENT))?;
        let second = self.directories.get_mut(&other).ok_or_else(|| code(libc::ENOENT))?;
        let second = std::mem::replace(second, first);
        self.directories.insert(one, second);
        Ok(())
    }

    /// The number of the device that holds a path.
    pub(crate) fn device(&self, path: &Path) -> u64 {
        path.ancestors()
            .find_map(|ancestor| self.mounts.get(ancestor))
            .copied()
            .unwrap_or(1)
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        let files = self.inodes.values().filter(|inode| !inode.is_device);
        files.map(|inode| inode.size).sum()
    }

    /// Drops inodes that neither a name (now or after a crash) nor a handle leads to.
    pub(crate) fn forget_unreachable(&mut self) {
        let mut named = BTreeSet::new();
        for directory in self.directories.values() {
            let added = directory.pending.iter().filter_map(|change| match change {
                Change::Add(_, entry) => Some(entry),
                _ => None,
            });
            for entry in directory.names.values().chain(directory.durable.values()).chain(added) {
                if let Entry::File(inode) = entry {
                    named.insert(*inode);
                }
            }
        }
        self.inodes.retain(|number, inode| inode.opened > 0 || named.contains(number));
    }

    /// A power cut: each directory keeps a random number of its first unflushed changes; sectors are old or new.
    pub(crate) fn crash(&mut self, random: &mut SimRandom) {
        for directory in self.directories.values_mut() {
            let kept = random.below(directory.pending.len() as u64 + 1) as usize;
            for change in directory.pending.drain(..).take(kept) {
                apply(&mut directory.durable, &change);
            }
            directory.names.clone_from(&directory.durable);
        }
        let lost: Vec<PathBuf> = self.directories.keys().filter(|path| !self.is_linked(path)).cloned().collect();
        for path in lost {
            self.directories.remove(&path);
        }
        for inode in self.inodes.values_mut() {
            inode.crash(random);
        }
        self.forget_unreachable();
    }

    /// Whether every directory on the way to this one has a name.
    fn is_linked(&self, path: &Path) -> bool {
        path.ancestors().filter(|ancestor| *ancestor != Path::new("/")).all(|ancestor| {
            let names = ancestor
                .parent()
                .and_then(|parent| self.directories.get(parent))
                .map(|directory| &directory.names);
            let name = ancestor.file_name().and_then(|name| name.to_str());
            names
                .zip(name)
                .is_some_and(|(names, name)| names.get(name) == Some(&Entry::Directory))
        })
    }

    /// The end of a process: handles and locks go, contents stay.
    pub(crate) fn close_all(&mut self) {
        for inode in self.inodes.values_mut() {
            inode.opened = 0;
            inode.locked = false;
        }
        self.forget_unreachable();
    }
}
