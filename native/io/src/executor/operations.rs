//! Operations under way: a slab of slots whose index is the engine's token.
//!
//! A dropped future leaves its slot behind as an orphan: the engine still owns the buffers and the token until it completes.

use super::Core;
use crate::engine::{Completion, Operation, Output, Token};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

enum Slot {
    Free,
    Waiting(Option<Waker>),
    Done(io::Result<Output>),
    Orphan,
}

#[derive(Default)]
pub(crate) struct Operations {
    slots: Vec<Slot>,
    free: Vec<Token>,
}

impl Operations {
    fn insert(&mut self) -> Token {
        let token = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::Free);
            self.slots.len() - 1
        });
        self.slots[token] = Slot::Waiting(None);
        token
    }

    fn release(&mut self, token: Token) -> Slot {
        self.free.push(token);
        std::mem::replace(&mut self.slots[token], Slot::Free)
    }

    /// Stores a result and wakes who waits; the result of an orphan is handed back to be dropped.
    pub(crate) fn complete(&mut self, completion: Completion) -> Option<io::Result<Output>> {
        let Completion { token, result } = completion;
        match std::mem::replace(&mut self.slots[token], Slot::Free) {
            Slot::Waiting(waker) => {
                self.slots[token] = Slot::Done(result);
                if let Some(waker) = waker {
                    waker.wake();
                }
                None
            }
            Slot::Orphan => {
                self.free.push(token);
                Some(result)
            }
            Slot::Free | Slot::Done(_) => unreachable!("the engine completed token {token} twice"),
        }
    }
}

/// An operation that the engine is working on. Dropping it cancels the operation.
pub(crate) struct PendingOperation {
    core: Rc<Core>,
    token: Option<Token>,
}

impl PendingOperation {
    /// Starts an operation.
    pub(crate) fn submit(core: &Rc<Core>, operation: Operation) -> PendingOperation {
        let token = core.operations.borrow_mut().insert();
        core.engine.borrow_mut().submit(token, operation);
        PendingOperation {
            core: core.clone(),
            token: Some(token),
        }
    }

    /// Asks the engine to end it early; it still has to be awaited.
    pub(crate) fn cancel(&self) {
        if let Some(token) = self.token {
            let waiting = matches!(self.core.operations.borrow().slots[token], Slot::Waiting(_));
            if waiting {
                self.core.engine.borrow_mut().cancel(token);
            }
        }
    }
}

impl Future for PendingOperation {
    type Output = io::Result<Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(token) = self.token else {
            return Poll::Ready(Err(io::Error::other("an operation was awaited after its end")));
        };
        let core = self.core.clone();
        let mut operations = core.operations.borrow_mut();
        match &mut operations.slots[token] {
            Slot::Waiting(Some(waker)) => {
                if !waker.will_wake(context.waker()) {
                    waker.clone_from(context.waker());
                }
                Poll::Pending
            }
            Slot::Waiting(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            _ => {
                self.token = None;
                match operations.release(token) {
                    Slot::Done(result) => Poll::Ready(result),
                    _ => unreachable!("token {token} belongs to a future, thus is waiting or done"),
                }
            }
        }
    }
}

impl Drop for PendingOperation {
    fn drop(&mut self) {
        let Some(token) = self.token else { return };
        let mut operations = self.core.operations.borrow_mut();
        if matches!(operations.slots[token], Slot::Waiting(_)) {
            let waiting = std::mem::replace(&mut operations.slots[token], Slot::Orphan);
            drop(operations);
            drop(waiting);
            self.core.engine.borrow_mut().cancel(token);
        } else {
            let done = operations.release(token);
            drop(operations);
            drop(done);
        }
    }
}
