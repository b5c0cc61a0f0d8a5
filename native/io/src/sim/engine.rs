//! The engine of one life of a simulated node: a window into its world.

use super::file_system::Entry;
use super::handle::{End, OpenFile, Resource};
use super::node::{Node, Pending};
use super::state::State;
use super::world::Shared;
use crate::detached::DetachedHandle;
use crate::engine::{Completion, Engine, Handle, Operation, Platform, Token, WakeUp, cancelled};
use crate::{EngineKind, FileInfo, Instant, OpenOptions};
use std::cell::RefMut;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

pub(crate) struct SimEngine {
    pub(crate) shared: Rc<Shared>,
    pub(crate) node: u32,
    pub(crate) life: u64,
}

impl SimEngine {
    /// The world and this engine's node, or an error when this life has ended.
    fn enter(&self) -> io::Result<RefMut<'_, State>> {
        let state = self.shared.enter();
        if state
            .nodes
            .get(&self.node)
            .is_some_and(|node| node.running && node.life == self.life)
        {
            return Ok(state);
        }
        Err(io::Error::other(format!("this life of node {} has ended", self.node)))
    }

    fn with_node<T>(&self, action: impl FnOnce(&mut Node) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.enter()?;
        match state.nodes.get_mut(&self.node) {
            Some(node) => action(node),
            None => Err(io::Error::other("no such node")),
        }
    }

    /// As `with_node`, for a path whose disk may have failed.
    fn with_path<T>(&self, path: &Path, action: impl FnOnce(&mut Node) -> io::Result<T>) -> io::Result<T> {
        self.with_node(|node| {
            if node.is_failed(path) {
                Err(io::Error::from_raw_os_error(libc::EIO))
            } else {
                action(node)
            }
        })
    }

    fn start(&self, token: Token, operation: Operation) -> io::Result<()> {
        let mut state = self.enter()?;
        let resource = match &operation {
            Operation::Read { file, .. } | Operation::Write { file, .. } | Operation::Flush { file } | Operation::Allocate { file, .. } => {
                Some(state.resource(file)?.clone())
            }
            Operation::Accept { listener } => Some(state.resource(listener)?.clone()),
            Operation::Receive { socket, .. } | Operation::Send { socket, .. } => Some(state.resource(socket)?.clone()),
            Operation::Connect { .. } => None,
        };
        match (operation, resource) {
            (Operation::Connect { address }, _) => state.submit_connect(self.node, token, address),
            (Operation::Accept { .. }, Some(Resource::Listener(listener))) => state.submit_accept(self.node, token, listener),
            (Operation::Receive { buffer, .. }, Some(Resource::Socket(end))) => state.submit_receive(self.node, token, end, buffer),
            (Operation::Send { buffers, .. }, Some(Resource::Socket(end))) => state.submit_send(self.node, token, end, buffers),
            (operation, Some(Resource::File(file))) => state.submit_disk(self.node, token, file, operation),
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the handle is of another kind than the operation",
                ));
            }
        }
        Ok(())
    }
}

impl Engine for SimEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Sim
    }

    fn submit(&mut self, token: Token, operation: Operation) {
        // After the end of this life nothing completes: nobody is left to wait for it.
        if let Err(error) = self.start(token, operation)
            && let Ok(mut state) = self.enter()
        {
            state.complete(self.node, token, Err(error));
        }
    }

    fn cancel(&mut self, token: Token) {
        let Ok(mut state) = self.enter() else { return };
        let Some(node) = state.nodes.get_mut(&self.node) else { return };
        let Some(pending) = node.pending.remove(&token) else { return };
        match pending {
            // Like the kernel's, disk operations cannot be called back.
            pending @ Pending::Disk { .. } => {
                node.pending.insert(token, pending);
                return;
            }
            Pending::Accept { listener } => {
                if let Some(listener) = state.listeners.get_mut(&listener) {
                    listener.accept = None;
                }
            }
            Pending::Connect { connection } => {
                if let Some(connection) = state.connections.get_mut(&connection) {
                    connection.ends[0].connect = None;
                }
            }
            Pending::Receive { end, .. } => {
                if let Some(connection) = state.connections.get_mut(&end.connection) {
                    connection.ends[end.side].receive = None;
                }
            }
            Pending::Send { end, .. } => {
                if let Some(connection) = state.connections.get_mut(&end.connection) {
                    connection.ends[end.side].send = None;
                }
            }
        }
        state.complete(self.node, token, Err(cancelled()));
    }

    /// Never sleeps: the world decides when the next turn comes.
    fn wait(&mut self, _until: Option<Instant>, completions: &mut Vec<Completion>) {
        if let Ok(mut state) = self.enter()
            && let Some(node) = state.nodes.get_mut(&self.node)
        {
            completions.append(&mut node.completions);
        }
    }

    fn wake_handle(&self) -> Arc<dyn WakeUp> {
        Arc::new(SimWake {
            node: self.node,
            life: self.life,
            woken: self.shared.woken.clone(),
        })
    }

    fn platform(&mut self) -> &mut dyn Platform {
        self
    }
}

/// Nodes to be given a turn: the one thing that real threads could touch.
pub(crate) type WokenList = Arc<Mutex<Vec<(u32, u64)>>>;

struct SimWake {
    node: u32,
    life: u64,
    woken: WokenList,
}

impl WakeUp for SimWake {
    fn wake_up(&self) {
        self.woken
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .push((self.node, self.life));
    }
}

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
            let (size_bytes, is_directory) = match node.files.entry(path)? {
                Entry::Directory => (0, true),
                Entry::File(inode) => (node.files.inodes.get(&inode).map_or(0, |inode| inode.size), false),
            };
            Ok(FileInfo {
                size_bytes,
                is_directory,
                is_block_device: false,
                device,
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
