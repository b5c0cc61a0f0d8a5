//! Handles of simulated resources. Dropping one is noted, and acted on when the world is next entered: a drop may happen while the
//! world is in use.

use std::cell::RefCell;
use std::rc::Rc;

/// Numbers of resources whose last handle was dropped.
pub(crate) type ClosedList = Rc<RefCell<Vec<u64>>>;

pub(crate) struct SimulatedHandle {
    pub(crate) resource: u64,
    pub(crate) closed: ClosedList,
}

impl Drop for SimulatedHandle {
    fn drop(&mut self) {
        self.closed.borrow_mut().push(self.resource);
    }
}

impl SimulatedHandle {
    /// The resource, which from now on nobody closes.
    pub(crate) fn into_number(self) -> u64 {
        let number = self.resource;
        // Both fields are dropped but `drop` above must not run: its list forgets the entry again.
        let closed = self.closed.clone();
        drop(self);
        closed.borrow_mut().pop();
        number
    }
}

/// What a handle stands for.
#[derive(Clone)]
pub(crate) enum Resource {
    File(OpenFile),
    Listener(u64),
    Socket(End),
}

/// An open file of a node's life.
#[derive(Clone)]
pub(crate) struct OpenFile {
    pub(crate) node: u32,
    pub(crate) life: u64,
    pub(crate) inode: u64,
    pub(crate) direct: bool,
    pub(crate) writable: bool,
    pub(crate) holds_lock: bool,
    pub(crate) path: std::path::PathBuf,
}

/// One side (0: who connected, 1: who accepted) of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) connection: u64,
    pub(crate) side: usize,
}
