//! The engine over io_uring: operations go to the kernel in batches, one system call per turn of the executor.
//!
//! The ring belongs to one thread (SINGLE_ISSUER) and completes operations only when that thread asks (DEFER_TASKRUN), where the
//! kernel knows these modes (6.1). Sockets are blocking, so that the kernel itself waits for readiness.

mod slot;
mod wake;

use crate::engine::{Completion, Engine, Operation, Platform, Token, WakeUp};
use crate::system::System;
use crate::{EngineKind, Instant};
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};
use slot::{Progress, Slot};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use wake::WakeEvent;

/// Submissions per system call; more only cost a further call.
const SUBMISSION_ENTRIES: u32 = 512;
/// Four completions per submission: multi-turn operations pile up while the executor runs tasks.
const COMPLETION_ENTRIES: u32 = 4 * SUBMISSION_ENTRIES;

/// Marks completions that are not operations: of cancel requests, and of the read that waits for wakes.
const CANCEL_DATA: u64 = u64::MAX;
const WAKE_DATA: u64 = u64::MAX - 1;

pub(crate) struct UringEngine {
    ring: IoUring,
    system: System,
    /// Indexed by token; boxed, as the kernel holds addresses inside.
    #[expect(clippy::vec_box, reason = "a growing vector moves its elements, which the kernel points into")]
    slots: Vec<Box<Slot>>,
    /// Operations under way.
    active: usize,
    /// Results that needed no kernel.
    finished: Vec<Completion>,
    /// Completion entries copied out of the ring: (data, result).
    harvest: Vec<(u64, i32)>,
    wake: Box<WakeEvent>,
}

impl UringEngine {
    /// An engine over a ring in the best mode that this kernel has.
    pub(crate) fn new() -> io::Result<UringEngine> {
        match deferred_ring() {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => UringEngine::over(plain_ring()?),
            result => UringEngine::over(result?),
        }
    }

    fn over(ring: IoUring) -> io::Result<UringEngine> {
        let mut engine = UringEngine {
            ring,
            system: System::new(false),
            slots: Vec::new(),
            active: 0,
            finished: Vec::new(),
            harvest: Vec::new(),
            wake: Box::new(WakeEvent::new()?),
        };
        engine.listen_for_wakes();
        Ok(engine)
    }

    fn listen_for_wakes(&mut self) {
        let entry = self.wake.read_entry().user_data(WAKE_DATA);
        // SAFETY: the entry points into the boxed `wake`, which is dropped only after the ring has ended all operations (`drop`).
        unsafe { self.push(entry) };
    }

    /// Queues an entry for the next system call.
    ///
    /// # Safety
    /// What the entry points to must stay valid and in place until its completion.
    unsafe fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: promised by the caller.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            // The queue is full: hand it over early. An error here (the completion queue is full) is cured by harvesting.
            if self.ring.submit().is_err() {
                self.copy_completions();
            }
        }
    }

    /// Moves completion entries out of the ring.
    fn copy_completions(&mut self) {
        self.harvest
            .extend(self.ring.completion().map(|entry| (entry.user_data(), entry.result())));
    }

    /// Acts on all completion entries; partial operations go on, the others are appended to `completions`.
    fn reap(&mut self, completions: &mut Vec<Completion>) {
        self.copy_completions();
        let mut harvest = std::mem::take(&mut self.harvest);
        for (data, code) in harvest.drain(..) {
            match data {
                CANCEL_DATA => {}
                WAKE_DATA => self.listen_for_wakes(),
                token => self.advance(token as Token, code, completions),
            }
        }
        if self.harvest.is_empty() {
            self.harvest = harvest;
        }
    }

    fn advance(&mut self, token: Token, code: i32, completions: &mut Vec<Completion>) {
        match self.slots[token].advance(code) {
            Progress::Again => self.start(token),
            Progress::Ended(result) => {
                self.active -= 1;
                completions.push(Completion { token, result });
            }
        }
    }

    fn start(&mut self, token: Token) {
        let entry = self.slots[token].entry().user_data(token as u64);
        // SAFETY: the entry points into the boxed slot and into buffers it owns; both stay until the completion is reaped, which
        // `drop` waits for too.
        unsafe { self.push(entry) };
    }

    /// No submissions, and no deferred completions that only a system call brings.
    fn has_nothing_to_enter_for(&mut self) -> bool {
        let queue = self.ring.submission();
        queue.is_empty() && !queue.taskrun() && !queue.cq_overflow()
    }

    /// One system call: submits everything and, with `sleep`, waits for a completion at most that long.
    fn enter(&mut self, sleep: Option<Duration>) {
        let result = match sleep {
            Some(Duration::ZERO) if self.has_nothing_to_enter_for() => return,
            Some(Duration::ZERO) => self.ring.submit(),
            None => self.ring.submit_and_wait(1),
            Some(duration) => {
                let time = Timespec::new().sec(duration.as_secs()).nsec(duration.subsec_nanos());
                self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
        };
        match result.map_err(|error| error.raw_os_error()) {
            // The timeout passed; a signal came; the completion queue is full or memory is short, and reaping helps.
            Ok(_) | Err(Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)) => {}
            Err(code) => panic!("io_uring_enter failed: {:?}", code.map(io::Error::from_raw_os_error)),
        }
    }
}

/// A ring of one thread that completes operations when this thread asks: fewest interrupts of running tasks.
fn deferred_ring() -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_cqsize(COMPLETION_ENTRIES)
        .build(SUBMISSION_ENTRIES)
}

/// What kernels before 6.1 have.
fn plain_ring() -> io::Result<IoUring> {
    IoUring::builder().setup_cqsize(COMPLETION_ENTRIES).build(SUBMISSION_ENTRIES)
}

impl Engine for UringEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Uring
    }

    fn submit(&mut self, token: Token, operation: Operation) {
        while self.slots.len() <= token {
            self.slots.push(Box::default());
        }
        match self.slots[token].prepare(operation) {
            Progress::Again => {
                self.active += 1;
                self.start(token);
            }
            Progress::Ended(result) => self.finished.push(Completion { token, result }),
        }
    }

    fn cancel(&mut self, token: Token) {
        if self.slots[token].ask_to_cancel() {
            let entry = opcode::AsyncCancel::new(token as u64).build().user_data(CANCEL_DATA);
            // SAFETY: the entry points to nothing.
            unsafe { self.push(entry) };
        }
    }

    fn wait(&mut self, until: Option<Instant>, completions: &mut Vec<Completion>) {
        completions.append(&mut self.finished);
        self.reap(completions);
        let sleep = if completions.is_empty() {
            until.map(|until| until.since(self.system.now()))
        } else {
            Some(Duration::ZERO)
        };
        self.enter(sleep);
        self.reap(completions);
    }

    fn wake_handle(&self) -> Arc<dyn WakeUp> {
        self.wake.handle()
    }

    fn platform(&mut self) -> &mut dyn Platform {
        &mut self.system
    }
}

impl Drop for UringEngine {
    /// Ends all operations before their memory goes: the kernel may write into it until each has completed.
    fn drop(&mut self) {
        let mut ended = Vec::new();
        for token in 0..self.slots.len() {
            self.cancel(token);
        }
        while self.active > 0 {
            self.enter(Some(Duration::from_millis(100)));
            self.reap(&mut ended);
        }
        // The read of the wake event ends by a wake.
        let waker = self.wake.handle();
        waker.wake_up();
        loop {
            self.enter(Some(Duration::from_millis(100)));
            self.copy_completions();
            if self.harvest.drain(..).any(|(data, _)| data == WAKE_DATA) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlignedBuffer, Runtime};
    use bytes::Bytes;

    #[test]
    fn a_plain_ring_does_the_same() {
        let Ok(ring) = plain_ring() else {
            return eprintln!("skipped: io_uring is refused here");
        };
        let runtime = Runtime::over(Box::new(UringEngine::over(ring).expect("eventfd works")));
        let remote = runtime.remote();
        let (sender, receiver) = futures_channel::oneshot::channel();
        runtime.run(async {
            let listener = runtime.listen(([127, 0, 0, 1], 0).into(), false).expect("loopback works");
            let connect = runtime.connect(listener.local_address().expect("it is bound"));
            let (client, server) = futures_util::join!(connect, listener.accept());
            let (client, (server, _)) = (client.expect("it listens"), server.expect("it connects"));
            // More entries than the submission queue holds at once.
            let buffers: Vec<Bytes> = (0..5000u32).map(|index| Bytes::copy_from_slice(&index.to_le_bytes())).collect();
            let sending = async {
                for chunk in buffers.chunks(100) {
                    client.send(chunk.to_vec()).await.expect("the peer reads");
                }
            };
            let receiving = async {
                let mut all = Vec::new();
                while all.len() < 20_000 {
                    let (buffer, _) = server.receive(AlignedBuffer::with_capacity(4096)).await.expect("the peer sends");
                    all.extend_from_slice(buffer.as_slice());
                }
                all
            };
            let ((), all) = futures_util::join!(sending, receiving);
            assert_eq!(all, buffers.concat());
            let sleeps = (0..600).map(|_| runtime.timeout(Duration::from_millis(1), listener_of(&runtime)));
            assert!(
                futures_util::future::join_all(sleeps).await.iter().all(Result::is_err),
                "nobody connects"
            );
            crate::spawn_thread("waker", move || {
                std::thread::sleep(Duration::from_millis(10));
                remote.post(Box::new(move |_| sender.send(()).expect("the receiver waits")));
            })
            .expect("a thread starts");
            receiver.await.expect("the post runs");
        });
        runtime.shutdown();
    }

    /// An accept that lasts until it is cancelled.
    async fn listener_of(runtime: &Runtime) {
        let listener = runtime.listen(([127, 0, 0, 1], 0).into(), false).expect("loopback works");
        let _ = listener.accept().await;
    }
}
