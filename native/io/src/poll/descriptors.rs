//! Who waits for which descriptor: at most one reader and one writer each.
//!
//! Interests are one-shot. A descriptor stays registered after its operations end, as the same socket will wait again soon; the
//! kernel forgets it when it is closed, and a reused number is then found to be unregistered.

use crate::engine::Token;
use polling::{Event, Poller};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;

/// What an operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Readable,
    Writable,
}

#[derive(Clone, Default)]
struct Waiting {
    reader: Option<Token>,
    writer: Option<Token>,
}

pub(crate) struct Descriptors {
    poller: Arc<Poller>,
    /// Indexed by descriptor.
    waiting: Vec<Waiting>,
}

impl Descriptors {
    pub(crate) fn new(poller: Arc<Poller>) -> Descriptors {
        Descriptors {
            poller,
            waiting: Vec::new(),
        }
    }

    /// Arms a descriptor for an operation. `AlreadyExists` when another operation waits in this direction.
    pub(crate) fn wait_for(&mut self, raw: RawFd, direction: Direction, token: Token) -> io::Result<()> {
        let index = raw as usize;
        if self.waiting.len() <= index {
            self.waiting.resize(index + 1, Waiting::default());
        }
        let slot = match direction {
            Direction::Readable => &mut self.waiting[index].reader,
            Direction::Writable => &mut self.waiting[index].writer,
        };
        if slot.is_some() {
            let text = format!("descriptor {raw} already has an operation that waits until it is {direction:?}");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        *slot = Some(token);
        self.arm(raw)
    }

    /// The operation no longer waits. The interest stays armed: an event without an operation is ignored.
    pub(crate) fn forget(&mut self, raw: RawFd, direction: Direction) {
        let waiting = &mut self.waiting[raw as usize];
        match direction {
            Direction::Readable => waiting.reader = None,
            Direction::Writable => waiting.writer = None,
        }
    }

    /// The operations that an event wakes; they no longer wait.
    pub(crate) fn ready(&mut self, event: &Event) -> impl Iterator<Item = Token> + use<> {
        let mut woken = Waiting::default();
        if let Some(waiting) = self.waiting.get_mut(event.key) {
            if event.readable {
                woken.reader = waiting.reader.take();
            }
            if event.writable {
                woken.writer = waiting.writer.take();
            }
        }
        woken.reader.into_iter().chain(woken.writer)
    }

    /// After an event, which disarms all: arms again what still waits.
    pub(crate) fn rearm(&mut self, key: usize) {
        let still = self
            .waiting
            .get(key)
            .is_some_and(|waiting| waiting.reader.is_some() || waiting.writer.is_some());
        if still {
            // It was armed a moment ago; if that fails now, the operation waits until it is cancelled.
            let _ = self.arm(key as RawFd);
        }
    }

    fn arm(&self, raw: RawFd) -> io::Result<()> {
        let waiting = &self.waiting[raw as usize];
        let interest = Event::new(raw as usize, waiting.reader.is_some(), waiting.writer.is_some());
        // SAFETY: an operation that waits holds the descriptor's handle, so it is open during this call.
        let source = unsafe { BorrowedFd::borrow_raw(raw) };
        match self.poller.modify(source, interest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // SAFETY: the operation's handle keeps the descriptor open while it waits. It is not deleted from the poller before
                // it is closed; closing the only descriptor of a socket removes it from epoll and kqueue.
                unsafe { self.poller.add(raw, interest) }
            }
            result => result,
        }
    }
}
