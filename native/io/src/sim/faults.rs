//! The world's faults: pauses, partitions, broken disks and wrong clocks. Each lasts until it is taken back.

use super::device_faults::DeviceFaults;
use super::node::Node;
use super::options::SimOptions;
use super::world::SimWorld;
use std::io;
use std::path::Path;

impl SimWorld {
    /// Freezes a node's process (SIGSTOP): its kernel goes on.
    pub fn pause_node(&self, node: u32) {
        if let Some(node) = self.shared.enter().nodes.get_mut(&node) {
            node.paused = true;
        }
    }

    /// Lets a paused process go on.
    pub fn resume_node(&self, node: u32) {
        let mut state = self.shared.enter();
        let missed = state.nodes.get_mut(&node).is_some_and(|node| {
            node.paused = false;
            std::mem::take(&mut node.turn_missed)
        });
        if missed {
            state.schedule_turn_soon(node);
        }
    }

    /// Bytes from one node to another vanish from now on; connections break when that lasts.
    pub fn block(&self, from: u32, to: u32) {
        self.shared.enter().blocked.insert((from, to));
    }

    /// Bytes from one node to another get through again.
    pub fn unblock(&self, from: u32, to: u32) {
        self.shared.enter().blocked.remove(&(from, to));
    }

    /// Ends all blocks.
    pub fn unblock_all(&self) {
        self.shared.enter().blocked.clear();
    }

    /// Flips all bits of the byte at `offset` of a file, in the cache and on the device.
    pub fn corrupt(&self, node: u32, path: &Path, offset: u64) -> io::Result<()> {
        self.with_node(node, |node| {
            let inode = node.files.file(path)?;
            node.files
                .inodes
                .get_mut(&inode)
                .map(|inode| inode.flip(offset, 0xff))
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    /// Makes the sector that holds the byte at `offset` of a file unreadable until it is written.
    pub fn make_unreadable(&self, node: u32, path: &Path, offset: u64) -> io::Result<()> {
        let sector_bytes = self.shared.enter().options.sector_bytes as u64;
        self.with_node(node, |node| {
            let inode = node.files.file(path)?;
            let inode = node.files.inodes.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?;
            inode.make_unreadable(offset / sector_bytes);
            Ok(())
        })
    }

    /// What a node's devices did wrong so far, by kind.
    pub fn device_faults(&self, node: u32) -> DeviceFaults {
        self.shared
            .enter()
            .nodes
            .get(&node)
            .map_or(DeviceFaults::default(), |node| node.device_faults)
    }

    /// Names in a directory of a node, running or not, sorted.
    pub fn list_files(&self, node: u32, path: &Path) -> io::Result<Vec<String>> {
        self.with_node(node, |node| node.files.list(path))
    }

    /// The contents of a file of a node, running or not.
    pub fn read_file(&self, node: u32, path: &Path) -> io::Result<Vec<u8>> {
        self.with_node(node, |node| {
            let inode = node.files.file(path)?;
            let inode = node.files.inodes.get(&inode).ok_or(io::ErrorKind::NotFound)?;
            let mut bytes = vec![0; inode.size as usize];
            inode.read(0, &mut bytes)?;
            Ok(bytes)
        })
    }

    /// Makes everything below a path fail with EIO, as a dead drive does, until it is mended.
    pub fn fail_path(&self, node: u32, path: &Path) {
        let _ = self.with_node(node, |node| Ok(node.failed_paths.insert(path.to_owned())));
    }

    /// Ends the failure of a path.
    pub fn mend_path(&self, node: u32, path: &Path) {
        let _ = self.with_node(node, |node| Ok(node.failed_paths.remove(path)));
    }

    /// Lets nothing below a path complete any more, until it is released: a drive that hangs.
    pub fn stall_path(&self, node: u32, path: &Path) {
        let _ = self.with_node(node, |node| Ok(node.stalled_paths.insert(path.to_owned())));
    }

    /// Ends the stall of a path.
    pub fn release_path(&self, node: u32, path: &Path) {
        let _ = self.with_node(node, |node| Ok(node.stalled_paths.remove(path)));
    }

    /// Replaces everything below a path (or on a block device) by nothing, as a new drive in its place is. Only while the node does
    /// not run.
    pub fn wipe_path(&self, node: u32, path: &Path) -> io::Result<()> {
        self.with_node(node, |node| {
            assert!(!node.running, "the files of a running node cannot be wiped");
            node.files.wipe(path)
        })
    }

    /// Exchanges the drives that are mounted at two paths. Only while the node does not run.
    pub fn exchange_paths(&self, node: u32, one: &Path, other: &Path) -> io::Result<()> {
        self.with_node(node, |node| {
            assert!(!node.running, "the drives of a running node cannot be exchanged");
            node.files.exchange(one, other)
        })
    }

    /// Creates a directory that is a device of its own (its `FileInfo::device` differs from its parent's), durably.
    pub fn mount(&self, node: u32, path: &Path) -> io::Result<()> {
        self.with_node(node, |node| node.files.mount(path))
    }

    /// Adds a blank block device of `size_bytes`. Its directory must exist.
    pub fn add_block_device(&self, node: u32, path: &Path, size_bytes: u64) -> io::Result<()> {
        self.with_node(node, |node| node.files.add_block_device(path, size_bytes))
    }

    /// Sets the size of a node's disk: smaller than what is used, it is full.
    pub fn set_disk_capacity(&self, node: u32, bytes: u64) {
        let _ = self.with_node(node, |node| {
            node.disk_capacity_bytes = bytes;
            Ok(())
        });
    }

    /// Sets how far a node's wall clock is ahead of the world's.
    pub fn set_clock_offset(&self, node: u32, offset_ms: i64) {
        let _ = self.with_node(node, |node| {
            node.clock_offset_ms = offset_ms;
            Ok(())
        });
    }

    fn with_node<T>(&self, number: u32, action: impl FnOnce(&mut Node) -> io::Result<T>) -> io::Result<T> {
        match self.shared.enter().nodes.get_mut(&number) {
            Some(node) => action(node),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("node {number} was never started"))),
        }
    }

    /// Changes chances and speeds from now on (sector size and capacity of known nodes stay).
    pub fn change_options(&self, change: impl FnOnce(&mut SimOptions)) {
        change(&mut self.shared.enter().options);
    }
}
