//! Timers in order of their deadlines; equal deadlines fire in order of their creation.

use super::Core;
use crate::Instant;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

#[derive(Default)]
pub(crate) struct Timers {
    waiting: BTreeMap<(Instant, u64), Waker>,
    created: u64,
}

impl Timers {
    pub(crate) fn next(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Wakes all whose deadline has come.
    pub(crate) fn fire(&mut self, now: Instant) {
        while let Some(entry) = self.waiting.first_entry()
            && entry.key().0 <= now
        {
            entry.remove().wake();
        }
    }
}

/// Ready once its deadline has come.
pub(crate) struct Sleep {
    core: Rc<Core>,
    deadline: Instant,
    /// Its number among the timers, once it waits.
    number: Option<u64>,
}

impl Sleep {
    pub(crate) fn new(core: Rc<Core>, deadline: Instant) -> Sleep {
        Sleep {
            core,
            deadline,
            number: None,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.core.now() >= this.deadline {
            return Poll::Ready(());
        }
        let mut timers = this.core.timers.borrow_mut();
        let number = *this.number.get_or_insert_with(|| {
            timers.created += 1;
            timers.created
        });
        let waker = timers
            .waiting
            .entry((this.deadline, number))
            .or_insert_with(|| context.waker().clone());
        if !waker.will_wake(context.waker()) {
            waker.clone_from(context.waker());
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.core.timers.borrow_mut().waiting.remove(&(self.deadline, number));
            drop(waker);
        }
    }
}
