//! The engine of one life of a simulated node: a window into its world.

use super::handle::Resource;
use super::node::{Node, Pending};
use super::state::State;
use super::world::Shared;
use crate::engine::{Completion, Engine, Operation, Platform, Token, WakeUp, cancelled};
use crate::{EngineKind, Instant};
use std::cell::RefMut;
use std::io;
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
    pub(crate) fn enter(&self) -> io::Result<RefMut<'_, State>> {
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

    pub(crate) fn with_node<T>(&self, action: impl FnOnce(&mut Node) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.enter()?;
        match state.nodes.get_mut(&self.node) {
            Some(node) => action(node),
            None => Err(io::Error::other("no such node")),
        }
    }

    /// As `with_node`, for a path whose disk may have failed.
    pub(crate) fn with_path<T>(&self, path: &Path, action: impl FnOnce(&mut Node) -> io::Result<T>) -> io::Result<T> {
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
            (Operation::Connect { address, .. }, _) => state.submit_connect(self.node, token, address),
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
