//! What a simulated node's engine offers at once: its clocks, its chance, its names.

use super::engine::SimEngine;
use super::file_system::Entry;
use super::handle::{End, OpenFile, Resource};
use super::node::Node;
use crate::detached::DetachedHandle;
use crate::engine::{Handle, Platform};
use crate::{FileInfo, Instant, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::Path;

impl Platform for SimEngine {
    fn now(&mut self) -> Instant {
        Instant(self.shared.enter().now)
    }

    fn wall_ms(&mut self) -> u64 {
        let state = self.shared.enter();
        let offset = state.nodes.get(&self.node).map_or(0, |node| node.clock_offset_ms);
        (state.options.start_wall_ms + state.now / 1_000_000).saturating_add_signed(offset)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        if let Some(node) = self.shared.enter().nodes.get_mut(&self.node) {
            node.random.fill(bytes);
        }
    }

    fn listen(&mut self, address: SocketAddr, shared: bool) -> io::Result<Handle> {
        self.enter()?.listen(self.node, address, shared)
    }

    fn local_address(&mut self, handle: &Handle) -> io::Result<SocketAddr> {
        let state = self.enter()?;
        let address = match state.resource(handle)? {
            Resource::Listener(listener) => state.listeners.get(listener).map(|listener| listener.address),
            Resource::Socket(end) => state
                .connections
                .get(&end.connection)
                .map(|connection| connection.ends[end.side].address),
            Resource::File(_) => None,
        };
        address.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn peer_address(&mut self, handle: &Handle) -> io::Result<SocketAddr> {
        let state = self.enter()?;
        let Resource::Socket(End { connection, side }) = *state.resource(handle)? else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let address = state
            .connections
            .get(&connection)
            .map(|connection| connection.ends[1 - side].address);
        address.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn shutdown(&mut self, handle: &Handle) {
        if let Ok(mut state) = self.enter()
            && let Ok(Resource::Socket(end)) = state.resource(handle).cloned()
        {
            state.shut_end(end);
        }
    }

    fn attach(&mut self, connection: DetachedHandle) -> io::Result<Handle> {
        let state = self.enter()?;
        match connection {
            DetachedHandle::Simulated(number) if state.resources.contains_key(&number) => Ok(state.handle_of(number)),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "only a connection of the same node's life can be attached",
            )),
        }
    }

    fn open(&mut self, path: &Path, options: &OpenOptions) -> io::Result<Handle> {
        let file = self.with_path(path, |node| open(node, self.node, path, options))?;
        Ok(self.enter()?.new_handle(Resource::File(file)))
    }

    fn size_bytes(&mut self, handle: &Handle) -> io::Result<u64> {
        let Resource::File(file) = self.enter()?.resource(handle)?.clone() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        self.with_node(|node| {
            node.files
                .inodes
                .get(&file.inode)
                .map(|inode| inode.size)
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn info(&mut self, path: &Path) -> io::Result<FileInfo> {
        self.with_path(path, |node| {
            let device = node.files.device(path);
            let entry = node.files.entry(path)?;
            let number = match entry {
                Entry::Directory => 0,
                Entry::File(inode) => inode,
            };
            let inode = node.files.inodes.get(&number).filter(|_| entry != Entry::Directory);
            let is_block_device = inode.is_some_and(|inode| inode.is_device);
            Ok(FileInfo {
                // A device's capacity is asked of the open device, as of a real one.
                size_bytes: inode.filter(|_| !is_block_device).map_or(0, |inode| inode.size),
                is_directory: entry == Entry::Directory,
                is_block_device,
                device,
                inode: number,
            })
        })
    }

    fn list_directory(&mut self, path: &Path) -> io::Result<Vec<String>> {
        self.with_path(path, |node| node.files.list(path))
    }
    fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        self.with_path(path, |node| node.files.create_directory(path))
    }
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.with_path(from, |node| node.files.rename(from, to))
    }
    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.with_path(path, |node| node.files.remove(path))
    }
    fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        self.with_path(path, |node| node.files.sync_directory(path))
    }
    fn space(&mut self, path: &Path) -> io::Result<(u64, u64)> {
        self.with_path(path, |node| {
            node.files.entry(path)?;
            Ok((
                node.disk_capacity_bytes.saturating_sub(node.files.used_bytes()),
                node.disk_capacity_bytes,
            ))
        })
    }
}

fn open(node: &mut Node, number: u32, path: &Path, options: &OpenOptions) -> io::Result<OpenFile> {
    let exists = match node.files.entry(path) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if exists && options.create && options.create_new {
        return Err(io::Error::from_raw_os_error(libc::EEXIST));
    }
    let inode = if exists || !options.create {
        node.files.file(path)?
    } else {
        node.files.create_file(path)?
    };
    let state = node
        .files
        .inodes
        .get_mut(&inode)
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
    if options.lock && state.locked {
        return Err(io::Error::from_raw_os_error(libc::EWOULDBLOCK));
    }
    state.opened += 1;
    state.locked |= options.lock;
    Ok(OpenFile {
        node: number,
        life: node.life,
        inode,
        direct: !options.buffered,
        writable: options.write,
        holds_lock: options.lock,
        path: path.to_owned(),
    })
}
