//! Deadlines of connections: one sweep over all of a core's connections a few times a second, instead of a timer for every wait.
//!
//! A wait notes its deadline and its waker, which costs two stores; only the sweep reads them. So a deadline may be met up to one
//! period late, which none of ours minds.

use openlake_io::{Elapsed, Instant, Runtime};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

/// One connection's current deadline.
pub(crate) struct Watch {
    deadline: Cell<Instant>,
    expired: Cell<bool>,
    /// Waits for the next request: may be ended at any time.
    idle: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

const NEVER: Instant = Instant(u64::MAX);

impl Watch {
    /// `future`'s result, or `Elapsed` when `deadline` passes first. One wait at a time.
    pub(crate) async fn limit<T>(&self, deadline: Instant, future: impl Future<Output = T>) -> Result<T, Elapsed> {
        let mut future = pin!(future);
        self.expired.set(false);
        self.deadline.set(deadline);
        let result = std::future::poll_fn(|context| {
            if let Poll::Ready(result) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(result));
            }
            if self.expired.get() {
                return Poll::Ready(Err(Elapsed));
            }
            let mut waker = self.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
        self.deadline.set(NEVER);
        result
    }

    /// As [`Watch::limit`], for the wait between two requests, which [`Watches::end_idle`] may cut short.
    pub(crate) async fn limit_idle<T>(&self, deadline: Instant, future: impl Future<Output = T>) -> Result<T, Elapsed> {
        self.idle.set(true);
        let result = self.limit(deadline, future).await;
        self.idle.set(false);
        result
    }

    fn expire(&self) {
        self.expired.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// All connections of a core.
#[derive(Default)]
pub(crate) struct Watches {
    all: RefCell<Vec<Weak<Watch>>>,
}

impl Watches {
    /// A watch for a new connection; it is forgotten when the connection drops it.
    pub(crate) fn add(&self) -> Rc<Watch> {
        let watch = Rc::new(Watch {
            deadline: Cell::new(NEVER),
            expired: Cell::new(false),
            idle: Cell::new(false),
            waker: RefCell::new(None),
        });
        self.all.borrow_mut().push(Rc::downgrade(&watch));
        watch
    }
    /// Ends every wait between two requests.
    pub(crate) fn end_idle(&self) {
        self.visit(|watch| {
            if watch.idle.get() {
                watch.expire();
            }
        });
    }
    /// Ends every wait whose deadline has passed, for as long as `going` holds.
    pub(crate) async fn sweep(&self, runtime: &Runtime, period: Duration, going: impl Fn() -> bool) {
        while going() {
            runtime.sleep(period).await;
            let now = runtime.now();
            self.visit(|watch| {
                if watch.deadline.get() <= now {
                    watch.expire();
                }
            });
        }
    }

    fn visit(&self, act: impl Fn(&Watch)) {
        self.all.borrow_mut().retain(|watch| match watch.upgrade() {
            Some(watch) => {
                act(&watch);
                true
            }
            None => false,
        });
    }
}
