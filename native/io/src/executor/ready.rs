//! The queue of ready work: the only part of a runtime that other threads touch.
//!
//! A mutex without contention costs about ten nanoseconds, so one queue serves wakes from both sides and the order stays plain
//! first-in first-out. Only a wake that finds the runtime asleep pays for a system call.

use super::tasks::TaskHeader;
use crate::Runtime;
use crate::engine::WakeUp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// A thing to do on the runtime's thread.
pub(crate) enum Work {
    Task(Arc<TaskHeader>),
    Post(Box<dyn FnOnce(&Runtime) + Send>),
}

pub(crate) struct ReadyQueue {
    state: Mutex<State>,
    sleeper: Arc<dyn WakeUp>,
}

struct State {
    work: VecDeque<Work>,
    /// The runtime sleeps, or is about to, with an empty queue.
    asleep: bool,
    closed: bool,
}

impl ReadyQueue {
    /// An empty queue of a runtime that is not running yet, thus asleep.
    pub(crate) fn new(sleeper: Arc<dyn WakeUp>) -> ReadyQueue {
        ReadyQueue {
            state: Mutex::new(State {
                work: VecDeque::new(),
                asleep: true,
                closed: false,
            }),
            sleeper,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside the lock is impossible short of memory exhaustion; the queue is whole in any case.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Appends work and wakes the runtime if it sleeps; drops it when the runtime has ended.
    pub(crate) fn push(&self, work: Work) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return;
        }
        state.work.push_back(work);
        if std::mem::take(&mut state.asleep) {
            drop(state);
            self.sleeper.wake_up();
        }
    }

    /// Moves all work behind what `batch` holds.
    pub(crate) fn take(&self, batch: &mut VecDeque<Work>) {
        let mut state = self.lock();
        state.asleep = false;
        if batch.is_empty() {
            std::mem::swap(batch, &mut state.work);
        } else {
            batch.append(&mut state.work);
        }
    }

    /// Declares the runtime asleep, unless work is waiting (false).
    pub(crate) fn begin_sleep(&self) -> bool {
        let mut state = self.lock();
        state.asleep = state.work.is_empty();
        state.asleep
    }

    /// Wakes need no system call from now on.
    pub(crate) fn end_sleep(&self) {
        self.lock().asleep = false;
    }

    /// Refuses all later work; returns what was queued, to be dropped outside the lock.
    pub(crate) fn close(&self) -> VecDeque<Work> {
        let mut state = self.lock();
        state.closed = true;
        std::mem::take(&mut state.work)
    }
}
