//! The executor of one core: a first-in first-out queue of ready tasks, timers, and the slots of operations under way.
//!
//! One turn: run what is ready (in order, up to a budget), fire timers, then hand all new operations to the engine in one step and
//! collect completions, sleeping there if nothing is ready. Nothing depends on addresses or hashing, so under `sim` the same
//! events give the same schedule.

mod operations;
mod ready;
mod tasks;
mod timers;

pub(crate) use operations::PendingOperation;
pub(crate) use ready::{ReadyQueue, Work};
pub(crate) use timers::Sleep;

use crate::engine::{Completion, Engine};
use crate::{Instant, Runtime};
use operations::Operations;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tasks::{TaskHeader, Tasks};
use timers::Timers;

/// Polls between two visits of the engine: bounds how long completions wait behind busy tasks; large enough to batch submissions.
const POLLS_PER_TURN: usize = 128;

/// State of a runtime, shared by its handles, files, sockets and futures.
pub(crate) struct Core {
    pub(crate) engine: RefCell<Box<dyn Engine>>,
    pub(crate) ready: Arc<ReadyQueue>,
    /// Work taken from `ready`, run before the rest.
    batch: RefCell<VecDeque<Work>>,
    tasks: RefCell<Tasks>,
    timers: RefCell<Timers>,
    operations: RefCell<Operations>,
    completions: RefCell<Vec<Completion>>,
    /// A task panicked: the state of its neighbours can no longer be trusted.
    poisoned: Cell<bool>,
    ended: Cell<bool>,
}

impl Core {
    pub(crate) fn new(engine: Box<dyn Engine>) -> Rc<Core> {
        let ready = Arc::new(ReadyQueue::new(engine.wake_handle()));
        Rc::new(Core {
            engine: RefCell::new(engine),
            ready,
            batch: RefCell::default(),
            tasks: RefCell::default(),
            timers: RefCell::default(),
            operations: RefCell::default(),
            completions: RefCell::default(),
            poisoned: Cell::new(false),
            ended: Cell::new(false),
        })
    }

    /// Queues a new task; after the end the task is dropped unrun.
    pub(crate) fn spawn(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        if self.ended.get() {
            return;
        }
        let header = self.tasks.borrow_mut().insert(task, &self.ready);
        header.schedule();
    }

    /// Turns until `main` is ready.
    pub(crate) fn run<T>(self: &Rc<Self>, main: impl Future<Output = T>) -> T {
        assert!(!self.poisoned.get(), "the runtime is poisoned: one of its tasks panicked earlier");
        assert!(!self.ended.get(), "the runtime was shut down");
        let header = TaskHeader::main(&self.ready);
        let waker = Waker::from(header.clone());
        let mut main = pin!(main);
        let mut result = None;
        header.schedule();
        loop {
            self.turn(true, &mut |woken| {
                if Arc::ptr_eq(woken, &header)
                    && let Poll::Ready(value) = main.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    result = Some(value);
                }
                result.is_some()
            });
            if let Some(value) = result.take() {
                return value;
            }
        }
    }

    /// One turn of a runtime whose engine never sleeps. True when more work is ready already; otherwise the next wake uses the
    /// engine's wake handle.
    pub(crate) fn turn_once(self: &Rc<Self>) -> bool {
        self.turn(false, &mut |_| false);
        !self.batch.borrow().is_empty() || !self.ready.begin_sleep()
    }

    pub(crate) fn now(&self) -> Instant {
        self.engine.borrow_mut().platform().now()
    }

    /// When the next timer is due.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.borrow().next()
    }

    fn turn(self: &Rc<Self>, may_sleep: bool, poll_main: &mut dyn FnMut(&Arc<TaskHeader>) -> bool) {
        let poison = PoisonOnUnwind(self);
        if !may_sleep {
            self.visit_engine(false);
        }
        for _ in 0..POLLS_PER_TURN {
            match self.next_work() {
                None => break,
                Some(Work::Post(work)) => work(&Runtime { core: self.clone() }),
                Some(Work::Task(header)) if header.is_main() => {
                    header.begin_poll();
                    if poll_main(&header) {
                        std::mem::forget(poison);
                        return;
                    }
                }
                Some(Work::Task(header)) => self.poll_task(&header),
            }
        }
        if may_sleep {
            self.visit_engine(true);
        }
        std::mem::forget(poison);
    }

    fn next_work(&self) -> Option<Work> {
        let mut batch = self.batch.borrow_mut();
        if batch.is_empty() {
            self.ready.take(&mut batch);
        }
        batch.pop_front()
    }

    fn poll_task(&self, header: &Arc<TaskHeader>) {
        let Some(mut task) = self.tasks.borrow_mut().take(header) else {
            return;
        };
        header.begin_poll();
        let ended = task.future.as_mut().poll(&mut Context::from_waker(&task.waker)).is_ready();
        if ended || self.ended.get() {
            self.tasks.borrow_mut().remove(header);
        } else {
            self.tasks.borrow_mut().put_back(header, task);
        }
    }

    /// Fires timers, lets the engine work (and sleep, if nothing is ready) and wakes what completed.
    fn visit_engine(&self, may_sleep: bool) {
        let now = self.now();
        self.timers.borrow_mut().fire(now);
        let busy = !may_sleep || !self.batch.borrow().is_empty() || !self.ready.begin_sleep();
        let until = if busy { Some(now) } else { self.next_timer() };
        let mut completions = self.completions.take();
        self.engine.borrow_mut().wait(until, &mut completions);
        if !busy {
            self.ready.end_sleep();
            let now = self.now();
            self.timers.borrow_mut().fire(now);
        }
        for completion in completions.drain(..) {
            // Dropped outside the borrow: an orphan's buffers may be anything.
            let orphan = self.operations.borrow_mut().complete(completion);
            drop(orphan);
        }
        self.completions.replace(completions);
    }

    /// Drops all tasks and queued work; nothing runs afterwards.
    pub(crate) fn shut_down(&self) {
        self.ended.set(true);
        let work = self.ready.close();
        drop(work);
        self.batch.take();
        // Taken out first: destructors of tasks call back into the runtime.
        let tasks = self.tasks.borrow_mut().take_all();
        drop(tasks);
        self.batch.take();
        // Lets the engine end what was cancelled, which closes sockets and files.
        self.visit_engine(false);
    }
}

/// Marks the runtime unusable when a task's panic passes through.
struct PoisonOnUnwind<'a>(&'a Rc<Core>);

impl Drop for PoisonOnUnwind<'_> {
    fn drop(&mut self) {
        self.0.poisoned.set(true);
        drop(self.0.ready.close());
    }
}
