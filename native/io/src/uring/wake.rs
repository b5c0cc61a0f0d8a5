//! An eventfd whose pending read in the ring ends a sleep.

use crate::engine::WakeUp;
use crate::system::calls::check;
use io_uring::{opcode, squeue, types};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// The event and the memory that its read fills.
pub(crate) struct WakeEvent {
    event: Arc<Event>,
    count: u64,
}

struct Event(OwnedFd);

impl WakeEvent {
    pub(crate) fn new() -> io::Result<WakeEvent> {
        // SAFETY: no pointers are involved.
        let raw = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })?;
        // SAFETY: `raw` was just opened and nobody else owns it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(WakeEvent {
            event: Arc::new(Event(descriptor)),
            count: 0,
        })
    }

    /// The read that completes at the next wake. It points into `self`.
    pub(crate) fn read_entry(&mut self) -> squeue::Entry {
        let target = (&raw mut self.count).cast();
        opcode::Read::new(types::Fd(self.event.0.as_raw_fd()), target, size_of::<u64>() as u32).build()
    }

    pub(crate) fn handle(&self) -> Arc<dyn WakeUp> {
        self.event.clone()
    }
}

impl WakeUp for Event {
    fn wake_up(&self) {
        let one: u64 = 1;
        // SAFETY: the pointer and length describe `one`, alive during the call. A full counter means that a wake is pending anyway.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }
}
