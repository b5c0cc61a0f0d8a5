//! Tasks in a slab, and the wakers that name them.

use super::ready::{ReadyQueue, Work};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// Index of the future that `Core::run` itself holds.
const MAIN: usize = usize::MAX;

/// What a waker points to: which task, where to queue it, and whether it is queued already.
pub(crate) struct TaskHeader {
    index: usize,
    scheduled: AtomicBool,
    ready: Arc<ReadyQueue>,
}

impl TaskHeader {
    /// The header of a future that is not in the slab.
    pub(crate) fn main(ready: &Arc<ReadyQueue>) -> Arc<TaskHeader> {
        Arc::new(TaskHeader {
            index: MAIN,
            scheduled: AtomicBool::new(false),
            ready: ready.clone(),
        })
    }

    pub(crate) fn is_main(&self) -> bool {
        self.index == MAIN
    }

    /// Queues the task unless it is queued.
    pub(crate) fn schedule(self: &Arc<Self>) {
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            self.ready.push(Work::Task(self.clone()));
        }
    }

    /// A wake from now on queues the task again.
    pub(crate) fn begin_poll(&self) {
        self.scheduled.swap(false, Ordering::AcqRel);
    }
}

impl Wake for TaskHeader {
    fn wake(self: Arc<Self>) {
        self.schedule();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.schedule();
    }
}

/// A future and its waker, made once.
pub(crate) struct Task {
    pub(crate) future: Pin<Box<dyn Future<Output = ()>>>,
    pub(crate) waker: Waker,
}

struct Slot {
    /// Tells a waker of this task from one of an earlier task of the same index.
    header: Arc<TaskHeader>,
    /// Absent while the task is being polled.
    task: Option<Task>,
}

/// All tasks of a runtime.
#[derive(Default)]
pub(crate) struct Tasks {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
}

impl Tasks {
    pub(crate) fn insert(&mut self, future: Pin<Box<dyn Future<Output = ()>>>, ready: &Arc<ReadyQueue>) -> Arc<TaskHeader> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let header = Arc::new(TaskHeader {
            index,
            scheduled: AtomicBool::new(false),
            ready: ready.clone(),
        });
        let waker = Waker::from(header.clone());
        self.slots[index] = Some(Slot {
            header: header.clone(),
            task: Some(Task { future, waker }),
        });
        header
    }

    fn slot(&mut self, header: &Arc<TaskHeader>) -> Option<&mut Slot> {
        self.slots
            .get_mut(header.index)?
            .as_mut()
            .filter(|slot| Arc::ptr_eq(&slot.header, header))
    }

    /// Takes a task out to poll it; `None` when it has ended.
    pub(crate) fn take(&mut self, header: &Arc<TaskHeader>) -> Option<Task> {
        self.slot(header)?.task.take()
    }

    pub(crate) fn put_back(&mut self, header: &Arc<TaskHeader>, task: Task) {
        if let Some(slot) = self.slot(header) {
            slot.task = Some(task);
        }
    }

    pub(crate) fn remove(&mut self, header: &Arc<TaskHeader>) {
        if self.slot(header).is_some() {
            self.slots[header.index] = None;
            self.free.push(header.index);
        }
    }

    /// Empties the slab, in order of the indices.
    pub(crate) fn take_all(&mut self) -> Vec<Task> {
        self.free.clear();
        std::mem::take(&mut self.slots)
            .into_iter()
            .flatten()
            .filter_map(|slot| slot.task)
            .collect()
    }
}
