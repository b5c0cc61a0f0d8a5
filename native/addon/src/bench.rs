//! The load generator for JavaScript: plain options in, a plain report out, progress on the way.

use napi::bindgen_prelude::{AsyncTask, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Error, Result, Task};
use napi_derive::napi;
use openlake_bench::{BenchOptions, DriveBenchOptions, DriveReport, Endpoint, OperationMix, OperationReport, Progress, Report};
use openlake_io::Runtime;
use std::time::Duration;

/// A server: numeric address with port, and its Host header.
#[napi(object)]
pub struct BenchEndpoint {
    pub address: String,
    pub host: String,
}

/// A run; units stand last in the names.
#[napi(object)]
pub struct BenchConfig {
    pub endpoints: Vec<BenchEndpoint>,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
    pub bucket: String,
    pub prefix: String,
    /// A name that `OperationMix::named` knows.
    pub mix: String,
    pub size_bytes: f64,
    pub objects: f64,
    pub concurrency: u32,
    pub threads: u32,
    pub duration_ms: Option<f64>,
    pub count: Option<f64>,
    pub prepared: bool,
    pub verify: bool,
    pub seed: f64,
    pub retries: u32,
    pub cleanup: bool,
}

/// Figures of one operation; latencies in microseconds.
#[napi(object)]
pub struct BenchOperation {
    pub name: String,
    pub count: f64,
    pub errors: f64,
    pub retries: f64,
    pub bytes: f64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

/// A finished run.
#[napi(object)]
pub struct BenchReport {
    pub elapsed_ms: f64,
    pub operations: Vec<BenchOperation>,
    pub violations: f64,
    pub failures: Vec<String>,
}

/// Totals so far.
#[napi(object)]
pub struct BenchProgress {
    pub operations: f64,
    pub bytes: f64,
    pub errors: f64,
}

type ProgressFunction = ThreadsafeFunction<BenchProgress, (), BenchProgress, napi::Status, false>;

/// A run on a worker thread.
pub struct BenchRun {
    options: Option<BenchOptions>,
    progress: ProgressFunction,
}

impl Task for BenchRun {
    type Output = Report;
    type JsValue = BenchReport;

    fn compute(&mut self) -> Result<Report> {
        let options = self.options.take().ok_or_else(|| Error::from_reason("the run was started twice"))?;
        let (engine, _reason) = Runtime::probe();
        let tell = |progress: Progress| {
            let totals = BenchProgress {
                operations: progress.operations as f64,
                bytes: progress.bytes as f64,
                errors: progress.errors as f64,
            };
            self.progress.call(totals, ThreadsafeFunctionCallMode::NonBlocking);
        };
        openlake_bench::run(options, engine, tell).map_err(Error::from_reason)
    }

    fn resolve(&mut self, _env: Env, report: Report) -> Result<BenchReport> {
        let operations = report.operations.iter().map(|(name, figures)| operation(name, figures));
        Ok(BenchReport {
            elapsed_ms: report.elapsed.as_secs_f64() * 1000.0,
            operations: operations.collect(),
            violations: report.violations as f64,
            failures: report.failures,
        })
    }
}

fn operation(name: &str, figures: &OperationReport) -> BenchOperation {
    BenchOperation {
        name: name.to_owned(),
        count: figures.count as f64,
        errors: figures.errors as f64,
        retries: figures.retries as f64,
        bytes: figures.bytes as f64,
        mean_us: figures.mean_us(),
        p50_us: figures.quantile_us(0.5),
        p90_us: figures.quantile_us(0.9),
        p99_us: figures.quantile_us(0.99),
        p999_us: figures.quantile_us(0.999),
        max_us: figures.max_us(),
    }
}

/// Runs the load generator; the promise resolves with its report.
#[napi]
pub fn run_bench(config: BenchConfig, progress: Function<'_, BenchProgress, ()>) -> Result<AsyncTask<BenchRun>> {
    let progress = progress
        .build_threadsafe_function::<BenchProgress>()
        .callee_handled::<false>()
        .build()?;
    let mix = OperationMix::named(&config.mix).ok_or_else(|| {
        Error::from_reason(format!(
            "the operation is '{}': expected put, get, head, delete, list or mixed",
            config.mix
        ))
    })?;
    let endpoints = config.endpoints.into_iter().map(|endpoint| {
        let address = endpoint
            .address
            .parse()
            .map_err(|_| Error::from_reason(format!("the endpoint is '{}': expected address:port", endpoint.address)))?;
        Ok(Endpoint {
            address,
            host: endpoint.host,
        })
    });
    let options = BenchOptions {
        endpoints: endpoints.collect::<Result<_>>()?,
        access_key: config.access_key,
        secret_key: config.secret_key,
        region: config.region,
        bucket: config.bucket,
        prefix: config.prefix,
        mix,
        size_bytes: config.size_bytes as u64,
        objects: config.objects as u64,
        concurrency: config.concurrency,
        threads: config.threads,
        duration: config.duration_ms.map(|duration_ms| Duration::from_millis(duration_ms as u64)),
        count: config.count.map(|count| count as u64),
        prepared: config.prepared,
        verify: config.verify,
        seed: config.seed as u64,
        retries: config.retries,
        cleanup: config.cleanup,
    };
    Ok(AsyncTask::new(BenchRun {
        options: Some(options),
        progress,
    }))
}

/// A drive to be measured.
#[napi(object)]
pub struct DriveBenchConfig {
    pub path: String,
    pub count: f64,
    pub size_bytes: f64,
    pub concurrency: u32,
    pub bulk_count: f64,
    pub cache_bytes: f64,
    pub index_bytes: f64,
    pub capacity_bytes: Option<f64>,
}

/// Figures of one phase; `floor`: of the bare disk.
#[napi(object)]
pub struct DriveBenchPhase {
    pub floor: bool,
    pub per_second: f64,
    /// Processor time of the process per operation.
    pub processor_us: f64,
    pub figures: BenchOperation,
}

/// A measured drive.
#[napi(object)]
pub struct DriveBenchReport {
    pub phases: Vec<DriveBenchPhase>,
    pub durability_class: String,
    pub keys: f64,
    pub used_bytes: f64,
    pub index_used_bytes: f64,
    pub records_per_batch: f64,
    pub open_clean_ms: f64,
    pub open_crashed_ms: f64,
}

/// A drive's measurement on a worker thread.
pub struct DriveBenchRun {
    options: DriveBenchOptions,
}

impl Task for DriveBenchRun {
    type Output = DriveReport;
    type JsValue = DriveBenchReport;

    fn compute(&mut self) -> Result<DriveReport> {
        let (engine, _reason) = Runtime::probe();
        openlake_bench::run_drive(&self.options, engine).map_err(Error::from_reason)
    }

    fn resolve(&mut self, _env: Env, report: DriveReport) -> Result<DriveBenchReport> {
        let phases = report.phases.iter().map(|phase| DriveBenchPhase {
            floor: phase.floor,
            per_second: phase.rate(),
            processor_us: phase.processor.as_secs_f64() * 1e6 / phase.figures.count.max(1) as f64,
            figures: operation(phase.name, &phase.figures),
        });
        Ok(DriveBenchReport {
            phases: phases.collect(),
            durability_class: report.durability_class,
            keys: report.keys as f64,
            used_bytes: report.used_bytes as f64,
            index_used_bytes: report.index_used_bytes as f64,
            records_per_batch: report.records_per_batch,
            open_clean_ms: report.open_clean.as_secs_f64() * 1000.0,
            open_crashed_ms: report.open_crashed.as_secs_f64() * 1000.0,
        })
    }
}

/// Measures a drive that is made in `path`, an empty directory or a blank device.
#[napi]
pub fn run_drive_bench(config: DriveBenchConfig) -> AsyncTask<DriveBenchRun> {
    AsyncTask::new(DriveBenchRun {
        options: DriveBenchOptions {
            path: config.path.into(),
            count: config.count as u64,
            size_bytes: config.size_bytes as usize,
            concurrency: config.concurrency as usize,
            bulk_count: config.bulk_count as u64,
            cache_bytes: config.cache_bytes as u64,
            index_bytes: config.index_bytes as u64,
            capacity_bytes: config.capacity_bytes.map(|bytes| bytes as u64),
        },
    })
}

/// The floor: answers every request on `address` with `body_bytes` bytes, on a thread of its own, until the process ends. Returns the
/// bound address.
#[napi]
pub fn start_responder(address: String, body_bytes: u32) -> Result<String> {
    let address = address
        .parse()
        .map_err(|_| Error::from_reason(format!("the address is '{address}': expected address:port")))?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let (engine, _reason) = Runtime::probe();
    let failed = sender.clone();
    openlake_io::spawn_thread("responder", move || {
        let started = |bound: std::net::SocketAddr| {
            // The caller waits for exactly one message.
            let _ = sender.send(Ok(bound.to_string()));
        };
        if let Err(error) = openlake_bench::respond(engine, address, body_bytes as usize, started) {
            let _ = failed.send(Err(error.to_string()));
        }
    })
    .map_err(|error| Error::from_reason(error.to_string()))?;
    receiver
        .recv()
        .map_err(|_| Error::from_reason("the responder ended before it started"))?
        .map_err(Error::from_reason)
}
