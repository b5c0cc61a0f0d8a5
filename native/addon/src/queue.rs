//! The way up: everything that data cores have to say to JavaScript, in one bounded queue with one wake per batch.
//!
//! A producer appends under a short lock and wakes JavaScript only when nobody did since the last `take`. JavaScript then takes
//! all that has gathered, so a busy node pays one hand-over for many events. Requests are bounded by their admission
//! (`control.rs`), completions by the calls that JavaScript itself made, notices by the number of cores.

use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use openlake_http::ControlRequest;
use openlake_object::{ObjectInfo, PartInfo};
use std::sync::{Arc, Mutex, PoisonError};

use crate::status::StatusObject;

/// Calls the JavaScript function that was given at start, without arguments; it does not keep the process alive.
pub type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// A control request with the number that its reply has to name.
pub struct Asked {
    pub id: u64,
    pub request: ControlRequest,
}

/// What a call of JavaScript ended with.
pub enum Payload {
    Nothing,
    Flag(bool),
    /// Name and creation time (ms) of every bucket.
    Buckets(Vec<(String, u64)>),
    /// A packed list page, see `list_page.rs`.
    Page(Vec<u8>),
    Head(ObjectInfo),
    Upload([u8; 16]),
    Parts(Vec<PartInfo>),
    Status(Box<StatusObject>),
}

/// Why a call failed: a code of `node/engine/errors.ts` and a text for people.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
}

/// The end of one call.
pub struct Completed {
    pub id: u32,
    pub outcome: Result<Payload, Failure>,
}

/// Something that happened without being asked for.
#[derive(Clone, Debug)]
pub struct Notice {
    /// True when the process cannot go on: no drive is left.
    pub fatal: bool,
    pub message: String,
}

/// One batch.
#[derive(Default)]
pub struct Batch {
    pub requests: Vec<Asked>,
    pub completions: Vec<Completed>,
    pub notices: Vec<Notice>,
}

#[derive(Default)]
struct Inner {
    batch: Batch,
    woken: bool,
}

/// Shared by all cores and the JavaScript thread.
pub struct Queue {
    inner: Mutex<Inner>,
    wake: Wake,
}

impl Queue {
    /// An empty queue that calls `wake` when there is something to take.
    pub fn new(wake: Wake) -> Arc<Queue> {
        Arc::new(Queue {
            inner: Mutex::default(),
            wake,
        })
    }
    /// Hands a control request up.
    pub fn push_request(&self, asked: Asked) {
        self.push(|batch| batch.requests.push(asked));
    }
    /// Hands a notice up.
    pub fn push_notice(&self, notice: Notice) {
        self.push(|batch| batch.notices.push(notice));
    }
    /// All that has gathered since the last call. Only JavaScript's thread calls this.
    pub fn take(&self) -> Batch {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.woken = false;
        std::mem::take(&mut inner.batch)
    }
    fn push(&self, append: impl FnOnce(&mut Batch)) {
        let must_wake = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            append(&mut inner.batch);
            !std::mem::replace(&mut inner.woken, true)
        };
        if must_wake {
            // A closing environment refuses the call; nobody is left to be told then.
            let _ = self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// The duty to end one call. Dropped without being finished (its core died), it ends the call with an error.
pub struct Completion {
    id: u32,
    queue: Arc<Queue>,
    finished: bool,
}

impl Completion {
    /// The duty for call `id`.
    pub fn new(id: u32, queue: &Arc<Queue>) -> Completion {
        Completion {
            id,
            queue: queue.clone(),
            finished: false,
        }
    }
    /// Ends the call.
    pub fn finish(mut self, outcome: Result<Payload, Failure>) {
        self.complete(outcome);
    }
    fn complete(&mut self, outcome: Result<Payload, Failure>) {
        self.finished = true;
        let id = self.id;
        self.queue.push(|batch| batch.completions.push(Completed { id, outcome }));
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.finished {
            self.complete(Err(Failure {
                code: "CoreStopped",
                message: "the data core that ran this call has stopped".to_owned(),
            }));
        }
    }
}
