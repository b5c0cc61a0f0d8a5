//! Completions of uploads as one write each: whoever repeats an unfinished CompleteMultipartUpload, and however often, the object is
//! written at most once, between the first call and the first reply that says so.
//!
//! The pool outlives the clients: when a client dies in the middle, others complete what it began, from other nodes, at the same time as
//! each other and as all other writes.

use crate::client::Client;
use crate::history::Ticket;
use crate::linearizability::{Outcome, When};
use openlake_object::{BucketView, CompletePart, StoreError};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The least and most pause before the same client tries again, in microseconds.
const AGAIN_US: (u64, u64) = (1_000, 800_000);

/// A completion that began and has no reply yet that says what became of it.
pub struct Completion {
    pub bucket: BucketView,
    pub key: usize,
    pub when: When,
    pub upload: [u8; 16],
    pub part: CompletePart,
    /// Taken by the reply that tells.
    ticket: RefCell<Option<Ticket>>,
    calls: Cell<usize>,
    ended: Cell<usize>,
    /// Somebody called Abort.
    abort_begun: Cell<bool>,
    /// Abort was answered with success.
    aborted: Cell<bool>,
}

/// Completions that anyone may repeat.
#[derive(Default)]
pub struct Completions(RefCell<Vec<Rc<Completion>>>);

impl Completions {
    /// A completion that is about to be called for the first time.
    pub fn begin(&self, completion: Completion) -> Rc<Completion> {
        let completion = Rc::new(completion);
        self.0.borrow_mut().push(completion.clone());
        completion
    }
    /// One of them, chosen by a random number.
    pub fn any(&self, number: u64) -> Option<Rc<Completion>> {
        let all = self.0.borrow();
        all.get(number.checked_rem(all.len() as u64)? as usize).cloned()
    }
    fn remove(&self, completion: &Rc<Completion>) {
        self.0.borrow_mut().retain(|other| !Rc::ptr_eq(other, completion));
    }
}

impl Completion {
    /// Of `upload`, as the write that `ticket` stands for.
    pub fn new(bucket: BucketView, key: usize, when: When, upload: [u8; 16], part: CompletePart, ticket: Ticket) -> Completion {
        Completion {
            bucket,
            key,
            when,
            upload,
            part,
            ticket: RefCell::new(Some(ticket)),
            calls: Cell::new(0),
            ended: Cell::new(0),
            abort_begun: Cell::default(),
            aborted: Cell::default(),
        }
    }
    /// Whether it is still open what became of it.
    pub fn is_open(&self) -> bool {
        self.ticket.borrow().is_some()
    }
}

impl Client {
    /// Calls Complete once, and tells the history what the reply says of the write as a whole.
    pub async fn complete(&self, completion: &Rc<Completion>) {
        completion.calls.set(completion.calls.get() + 1);
        if completion.calls.get() > 1 {
            self.history.count("complete repeated");
        }
        let text = format!(
            "{} completes upload {:02x?}, call {}",
            self.name,
            &completion.upload[..4],
            completion.calls.get()
        );
        self.history.event(self.runtime.now(), &text);
        let (name, condition) = (self.key(completion.key), self.condition(completion.when));
        let too_late = completion.aborted.get();
        let parts = std::slice::from_ref(&completion.part);
        let result = self
            .store
            .complete_upload(completion.bucket, &name, completion.upload, parts, condition)
            .await;
        completion.ended.set(completion.ended.get() + 1);
        if let Ok(info) = &result
            && let Err(wrong) = self.values.of_head(info)
        {
            self.problem(format!("completing an upload of key {}: {wrong}", completion.key));
        }
        if too_late && result.is_ok() {
            self.problem(format!("an upload of key {} was completed after it was aborted", completion.key));
        }
        let outcome = match result.as_ref().err() {
            // Another Complete or Abort of the same upload was faster to change its record.
            Some(StoreError::ConditionalConflict) => None,
            Some(StoreError::NoSuchUpload) if completion.abort_begun.get() => None,
            error => self.outcome_of_write(completion.when, error),
        };
        let detail = format!("{:?}", result.map(|info| info.version));
        self.history.event(
            self.runtime.now(),
            &format!("{} has a reply to its complete: {outcome:?} {detail}", self.name),
        );
        let alone = completion.calls.get() == 1;
        let tells = match outcome {
            Some(Outcome::Done) => true,
            // What failed or had no effect does so for all calls only if none is under way; and calls before that had no known outcome may
            // have had an effect, unless a condition was judged after them.
            Some(Outcome::ConditionFailed) => completion.calls.get() == completion.ended.get(),
            None => alone,
            Some(_) => false,
        };
        if !tells {
            return;
        }
        if let Some(ticket) = completion.ticket.borrow_mut().take() {
            self.values.completions.remove(completion);
            self.history.end(self.runtime.now(), ticket, outcome, &detail);
        }
    }

    /// Aborts an upload whose completion has no known outcome: either it turns out to be complete, or it never will be.
    pub async fn abort_completion(&self, completion: &Rc<Completion>) {
        completion.abort_begun.set(true);
        let name = self.key(completion.key);
        let result = self.store.abort_upload(completion.bucket, &name, completion.upload).await;
        let text = format!("{} aborts upload {:02x?}: {result:?}", self.name, &completion.upload[..4]);
        self.history.event(self.runtime.now(), &text);
        match result {
            Ok(()) => {
                completion.aborted.set(true);
                self.history.count("complete aborted");
            }
            Err(StoreError::NoSuchUpload) => self.history.count("complete not to be aborted"),
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::ConditionalConflict | StoreError::Full) => {}
            Err(StoreError::NoSuchBucket) if self.values.is_bucket_deleted() => {}
            Err(error) => self.problem(format!("aborting an upload that is being completed ended with {error:?}")),
        }
    }

    /// Repeats a completion until its outcome is known, a few times at most. `numbers`: random numbers, one for each try.
    pub async fn complete_again(&self, completion: &Rc<Completion>, numbers: &[u64]) {
        for number in numbers {
            let pause_us = AGAIN_US.0 + number % (AGAIN_US.1 - AGAIN_US.0);
            self.runtime.sleep(std::time::Duration::from_micros(pause_us)).await;
            if !completion.is_open() {
                return;
            }
            self.complete(completion).await;
        }
    }
}
