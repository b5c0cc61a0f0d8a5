//! Wakes tasks of one core that wait for a condition to change. The condition itself is kept elsewhere.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::task::{Poll, Waker};

/// Wakes everyone who waits; who comes later waits for the next time.
#[derive(Default)]
pub struct Notify {
    round: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Notify {
    /// Wakes all that wait now.
    pub fn notify(&self) {
        self.round.set(self.round.get() + 1);
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ready once `notify` was called after this call.
    pub fn wait(&self) -> impl Future<Output = ()> + '_ {
        let round = self.round.get();
        poll_fn(move |context| {
            if self.round.get() != round {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
    }
}
