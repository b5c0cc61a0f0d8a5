//! A simulated machine: a process that lives and dies, and a disk that stays.

use super::device_faults::DeviceFaults;
use super::event::EventKey;
use super::file_system::FileSystem;
use super::handle::{End, OpenFile};
use super::random::SimRandom;
use crate::AlignedBuffer;
use crate::engine::{Completion, Operation, Token};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::path::PathBuf;

/// The first of the ports given to who does not ask for one.
pub(crate) const FIRST_EPHEMERAL_PORT: u16 = 32768;

pub(crate) struct Node {
    pub(crate) address: IpAddr,
    /// Counts starts and ends: what belongs to an earlier life is void.
    pub(crate) life: u64,
    pub(crate) running: bool,
    /// The machine answers, though no process may run.
    pub(crate) powered: bool,
    pub(crate) paused: bool,
    pub(crate) turn: Option<EventKey>,
    /// A turn came while the process was paused.
    pub(crate) turn_missed: bool,
    pub(crate) completions: Vec<Completion>,
    /// Operations under way.
    pub(crate) pending: BTreeMap<Token, Pending>,
    pub(crate) random: SimRandom,
    pub(crate) clock_offset_ms: i64,
    pub(crate) files: FileSystem,
    /// Numbers writes in the order of their completion.
    pub(crate) writes_completed: u64,
    pub(crate) next_port: u16,
    pub(crate) failed_paths: BTreeSet<PathBuf>,
    /// Below these, operations take their time: they complete when the path is released.
    pub(crate) stalled_paths: BTreeSet<PathBuf>,
    /// What the device did wrong so far.
    pub(crate) device_faults: DeviceFaults,
    pub(crate) disk_capacity_bytes: u64,
}

pub(crate) enum Pending {
    /// `writes_before`: writes completed before the submission, which is what a flush covers.
    Disk {
        file: OpenFile,
        operation: Operation,
        writes_before: u64,
    },
    Accept {
        listener: u64,
    },
    Connect {
        connection: u64,
    },
    Receive {
        end: End,
        buffer: AlignedBuffer,
    },
    Send {
        end: End,
        buffers: VecDeque<Bytes>,
    },
}

impl Node {
    pub(crate) fn new(address: IpAddr, files: FileSystem, disk_capacity_bytes: u64) -> Node {
        Node {
            address,
            life: 0,
            running: false,
            powered: false,
            paused: false,
            turn: None,
            turn_missed: false,
            completions: Vec::new(),
            pending: BTreeMap::new(),
            random: SimRandom::new(0),
            clock_offset_ms: 0,
            files,
            writes_completed: 0,
            next_port: FIRST_EPHEMERAL_PORT,
            failed_paths: BTreeSet::new(),
            stalled_paths: BTreeSet::new(),
            device_faults: DeviceFaults::default(),
            disk_capacity_bytes,
        }
    }

    /// A port that was not given out for long.
    pub(crate) fn new_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port == u16::MAX { FIRST_EPHEMERAL_PORT } else { port + 1 };
        port
    }

    /// Whether the disk beneath a path was made to fail.
    pub(crate) fn is_failed(&self, path: &std::path::Path) -> bool {
        self.failed_paths.iter().any(|prefix| path.starts_with(prefix))
    }

    /// Whether the disk beneath a path was made to answer nothing.
    pub(crate) fn is_stalled(&self, path: &std::path::Path) -> bool {
        self.stalled_paths.iter().any(|prefix| path.starts_with(prefix))
    }
}
