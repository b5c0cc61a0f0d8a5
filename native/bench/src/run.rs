//! A run: bucket, prepared objects, measured phase, final check, clean-up; spread over threads.

use crate::options::BenchOptions;
use crate::report::Report;
use crate::worker::{Shared, Worker};
use futures_util::future::join_all;
use openlake_io::{EngineKind, Runtime};
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Progress of the phase under way.
#[derive(Clone, Debug)]
pub struct Progress {
    pub operations: u64,
    pub bytes: u64,
    pub errors: u64,
}

/// Runs it all; blocks the calling thread. `progress` is called about once a second.
///
/// Fails when the bucket can't be created, or no thread could start; failed operations are counted in the report instead.
pub fn run(options: BenchOptions, engine: EngineKind, mut progress: impl FnMut(Progress)) -> Result<Report, String> {
    if options.endpoints.is_empty() {
        return Err("there is no endpoint to talk to: expected at least one".to_owned());
    }
    let options = Arc::new(options);
    let shared = Arc::new(Shared::default());
    create_bucket(&options, engine)?;
    let threads = u64::from(options.threads.clamp(1, options.concurrency.max(1)));
    let barrier = Arc::new(Barrier::new(threads as usize));
    let (sender, receiver) = mpsc::channel();
    for thread in 0..threads {
        let (options, shared, barrier, sender) = (options.clone(), shared.clone(), barrier.clone(), sender.clone());
        openlake_io::spawn_thread(&format!("bench-{thread}"), move || {
            let result = Runtime::new(engine)
                .map_err(|error| format!("thread {thread} has no I/O engine: {error}"))
                .map(|runtime| run_thread(&runtime, &options, &shared, &barrier, thread, threads));
            // The receiver only goes away together with the whole run.
            let _ = sender.send(result);
        })
        .map_err(|error| format!("thread {thread} could not start: {error}"))?;
    }
    drop(sender);
    let mut report = Report::default();
    loop {
        match receiver.recv_timeout(PROGRESS_EVERY) {
            Ok(part) => report.merge(part?),
            Err(mpsc::RecvTimeoutError::Timeout) => progress(Progress {
                operations: shared.done.load(Ordering::Relaxed),
                bytes: shared.bytes.load(Ordering::Relaxed),
                errors: shared.errors.load(Ordering::Relaxed),
            }),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(report),
        }
    }
}

fn create_bucket(options: &Arc<BenchOptions>, engine: EngineKind) -> Result<(), String> {
    let runtime = Runtime::new(engine).map_err(|error| format!("there is no I/O engine: {error}"))?;
    let mut worker = Worker::new(&runtime, options, &Arc::new(Shared::default()), 0);
    runtime.run(worker.create_bucket())
}

/// The workers `thread`, `thread + threads`, ... of a run.
fn run_thread(
    runtime: &Runtime,
    options: &Arc<BenchOptions>,
    shared: &Arc<Shared>,
    barrier: &Barrier,
    thread: u64,
    threads: u64,
) -> Report {
    let numbers = (thread..u64::from(options.concurrency)).step_by(threads as usize);
    let mut workers: Vec<Worker> = numbers.map(|number| Worker::new(runtime, options, shared, number)).collect();
    if options.mix.needs_objects() && !options.prepared {
        runtime.run(join_all(workers.iter_mut().map(Worker::prepare)));
    }
    barrier.wait();
    let started = runtime.now();
    if let Some(duration) = options.duration {
        let (runtime_of_timer, shared) = (runtime.clone(), shared.clone());
        runtime.spawn(async move {
            runtime_of_timer.sleep(duration).await;
            shared.stop.store(true, Ordering::Relaxed);
        });
    }
    if options.mix.is_measured() {
        runtime.run(join_all(workers.iter_mut().map(Worker::measure)));
    }
    let elapsed_ns = runtime.now().0 - started.0;
    if options.verify {
        runtime.run(join_all(workers.iter_mut().map(Worker::check_all)));
    }
    if options.cleanup {
        runtime.run(join_all(workers.iter_mut().map(Worker::clean_up)));
    }
    let mut report = Report {
        elapsed: Duration::from_nanos(elapsed_ns),
        ..Report::default()
    };
    for worker in workers {
        report.merge(worker.report);
    }
    report
}
