//! The engine over readiness (epoll, kqueue): sockets are tried, and waited for when they would block; files go to a few threads.
//!
//! It runs everywhere, also where containers forbid io_uring.

mod descriptors;
mod pool;
mod transfer;

use crate::engine::{Completion, Engine, Operation, Platform, Token, WakeUp, cancelled};
use crate::system::System;
use crate::{EngineKind, Instant};
use descriptors::Descriptors;
use polling::{Events, Poller};
use pool::{Job, Pool};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use transfer::{Step, Transfer};

pub(crate) struct PollEngine {
    poller: Arc<Poller>,
    events: Events,
    system: System,
    descriptors: Descriptors,
    /// Socket operations that wait for readiness, by token.
    transfers: Vec<Option<Transfer>>,
    pool: Pool,
    /// Completions not yet handed over.
    finished: Vec<Completion>,
}

impl PollEngine {
    pub(crate) fn new() -> io::Result<PollEngine> {
        let poller = Arc::new(Poller::new()?);
        Ok(PollEngine {
            pool: Pool::new(poller.clone()),
            descriptors: Descriptors::new(poller.clone()),
            poller,
            events: Events::new(),
            system: System::new(true),
            transfers: Vec::new(),
            finished: Vec::new(),
        })
    }

    /// Goes on with a transfer as far as it can without blocking.
    fn advance(&mut self, token: Token, mut transfer: Transfer) {
        let result = match transfer.step() {
            Step::Ended(result) => result,
            Step::Blocked => match self.descriptors.wait_for(transfer.raw(), transfer.direction(), token) {
                Ok(()) => {
                    while self.transfers.len() <= token {
                        self.transfers.push(None);
                    }
                    self.transfers[token] = Some(transfer);
                    return;
                }
                Err(error) => Err(error),
            },
        };
        self.finished.push(Completion { token, result });
    }

    fn poll_descriptors(&mut self, timeout: Option<Duration>) {
        self.events.clear();
        match self.poller.wait(&mut self.events, timeout) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(error) => panic!("waiting for events of the kernel failed: {error}"),
        }
        let events: Vec<_> = self.events.iter().collect();
        for event in events {
            for token in self.descriptors.ready(&event) {
                if let Some(transfer) = self.transfers[token].take() {
                    self.advance(token, transfer);
                }
            }
            self.descriptors.rearm(event.key);
        }
    }
}

impl Engine for PollEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Poll
    }

    fn submit(&mut self, token: Token, operation: Operation) {
        match Job::new(token, operation) {
            Ok(job) => self.pool.submit(job),
            Err(operation) => match Transfer::new(operation) {
                Ok(transfer) => self.advance(token, transfer),
                Err(error) => self.finished.push(Completion { token, result: Err(error) }),
            },
        }
    }

    /// File operations cannot be called back and end as if not cancelled.
    fn cancel(&mut self, token: Token) {
        if let Some(transfer) = self.transfers.get_mut(token).and_then(Option::take) {
            self.descriptors.forget(transfer.raw(), transfer.direction());
            self.finished.push(Completion {
                token,
                result: Err(cancelled()),
            });
        }
    }

    fn wait(&mut self, until: Option<Instant>, completions: &mut Vec<Completion>) {
        self.pool.collect(&mut self.finished);
        let timeout = if self.finished.is_empty() {
            until.map(|until| until.since(self.system.now()))
        } else {
            Some(Duration::ZERO)
        };
        self.poll_descriptors(timeout);
        self.pool.collect(&mut self.finished);
        completions.append(&mut self.finished);
    }

    fn wake_handle(&self) -> Arc<dyn WakeUp> {
        Arc::new(Notify(self.poller.clone()))
    }

    fn platform(&mut self) -> &mut dyn Platform {
        &mut self.system
    }
}

struct Notify(Arc<Poller>);

impl WakeUp for Notify {
    fn wake_up(&self) {
        // It fails only when the poller itself is broken, which the sleeper reports.
        let _ = self.0.notify();
    }
}
