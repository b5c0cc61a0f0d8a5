//! A few threads for file operations, which no readiness interface covers. Started when the first file is used.

use crate::engine::{Completion, Operation, Output, Token};
use crate::system::{SystemHandle, files};
use crate::{AlignedBuffer, Durability};
use bytes::Bytes;
use polling::Poller;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Enough to let a device merge flushes of concurrent writes, few enough that runtimes on many cores stay cheap.
const THREADS: usize = 4;

/// A file operation in a form that may change threads.
pub(crate) struct Job {
    token: Token,
    file: Arc<SystemHandle>,
    work: Work,
}

enum Work {
    Read {
        offset: u64,
        buffer: AlignedBuffer,
        length: usize,
    },
    Write {
        offset: u64,
        buffers: Vec<Bytes>,
        durability: Durability,
    },
    Flush,
    Allocate {
        offset: u64,
        length: u64,
    },
}

impl Job {
    /// The job that an operation on a file is; any other operation comes back.
    pub(crate) fn new(token: Token, operation: Operation) -> Result<Job, Operation> {
        let handle = match &operation {
            Operation::Read { file, .. } | Operation::Write { file, .. } | Operation::Flush { file } | Operation::Allocate { file, .. } => {
                file.system()
            }
            _ => return Err(operation),
        };
        let Ok(file) = handle.cloned() else { return Err(operation) };
        let work = match operation {
            Operation::Read {
                offset, buffer, length, ..
            } => Work::Read { offset, buffer, length },
            Operation::Write {
                offset,
                buffers,
                durability,
                ..
            } => Work::Write {
                offset,
                buffers,
                durability,
            },
            Operation::Flush { .. } => Work::Flush,
            Operation::Allocate { offset, length, .. } => Work::Allocate { offset, length },
            other => return Err(other),
        };
        Ok(Job { token, file, work })
    }

    fn run(self) -> Done {
        let file = &self.file;
        let result = match self.work {
            Work::Read { offset, buffer, length } => files::read(file, offset, buffer, length),
            Work::Write {
                offset,
                buffers,
                durability,
            } => files::write(file, offset, &buffers, durability).map(|()| None),
            Work::Flush => files::flush(file).map(|()| None),
            Work::Allocate { offset, length } => files::allocate(file, offset, length).map(|()| None),
        };
        Done { token: self.token, result }
    }
}

/// A result that may change threads: a read's buffer, or nothing.
struct Done {
    token: Token,
    result: io::Result<Option<AlignedBuffer>>,
}

pub(crate) struct Pool {
    shared: Arc<Shared>,
    started: bool,
}

struct Shared {
    state: Mutex<State>,
    work_came: Condvar,
    poller: Arc<Poller>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    done: Vec<Done>,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The life of a thread: jobs until the pool closes.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                let done = job.run();
                state = self.lock();
                state.done.push(done);
                if state.done.len() == 1 {
                    // The first result since the last visit: the engine may be asleep.
                    drop(state);
                    let _ = self.poller.notify();
                    state = self.lock();
                }
            } else if state.closed {
                return;
            } else {
                state = self.work_came.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
        }
    }
}

impl Pool {
    pub(crate) fn new(poller: Arc<Poller>) -> Pool {
        Pool {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                work_came: Condvar::new(),
                poller,
            }),
            started: false,
        }
    }

    /// Queues a job. When no thread can be started it runs here and now.
    pub(crate) fn submit(&mut self, job: Job) {
        if !self.started {
            let threads = (0..THREADS).filter(|number| self.start_thread(*number).is_ok()).count();
            self.started = threads > 0;
        }
        if self.started {
            self.shared.lock().jobs.push_back(job);
            self.shared.work_came.notify_one();
        } else {
            let done = job.run();
            self.shared.lock().done.push(done);
        }
    }

    fn start_thread(&self, number: usize) -> io::Result<()> {
        let shared = self.shared.clone();
        crate::spawn_thread(&format!("file-{number}"), move || shared.work())
    }

    /// Appends the completions of jobs done.
    pub(crate) fn collect(&mut self, completions: &mut Vec<Completion>) {
        if !self.started && self.shared.lock().done.is_empty() {
            return;
        }
        let done = std::mem::take(&mut self.shared.lock().done);
        completions.extend(done.into_iter().map(|done| Completion {
            token: done.token,
            result: done.result.map(|buffer| buffer.map_or(Output::Done, Output::Read)),
        }));
    }
}

impl Drop for Pool {
    /// Lets the threads end after the jobs under way.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.jobs.clear();
        drop(state);
        self.shared.work_came.notify_all();
    }
}
