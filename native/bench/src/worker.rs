//! One connection's loop: choose an operation and a key, do it (retrying as an SDK would), time it, check what came back.

use crate::client::{Call, Client, Reply};
use crate::content;
use crate::options::BenchOptions;
use crate::plan::KeyRecord;
use crate::report::Report;
use crate::sign::Signer;
use bytes::Bytes;
use openlake_io::Runtime;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// First pause before a retry; doubles each time.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause between retries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the threads of a run share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Operations begun in the measured phase.
    pub begun: AtomicU64,
    /// Operations done and bytes moved so far, for the progress line.
    pub done: AtomicU64,
    pub bytes: AtomicU64,
    pub errors: AtomicU64,
    /// The run is to end.
    pub stop: AtomicBool,
}

/// A worker: one connection and the keys it owns.
pub struct Worker {
    runtime: Runtime,
    options: Arc<BenchOptions>,
    shared: Arc<Shared>,
    clients: Vec<Client>,
    /// Which endpoint is used now; moves on when one fails.
    current: usize,
    number: u64,
    keys: Vec<KeyRecord>,
    chance: u64,
    pub report: Report,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Put,
    Get,
    Head,
    Delete,
    List,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Put => "put",
            Operation::Get => "get",
            Operation::Head => "head",
            Operation::Delete => "delete",
            Operation::List => "list",
        }
    }
}

/// The outcome of a call with its retries.
struct Outcome {
    reply: Result<Reply, io::Error>,
    /// An earlier attempt may have taken effect.
    doubtful: bool,
}

impl Worker {
    /// Worker `number` of `options.concurrency`.
    pub fn new(runtime: &Runtime, options: &Arc<BenchOptions>, shared: &Arc<Shared>, number: u64) -> Worker {
        let signer = || Signer::new(&options.access_key, &options.secret_key, &options.region);
        let clients = options
            .endpoints
            .iter()
            .map(|endpoint| Client::new(runtime, endpoint, signer()))
            .collect::<Vec<_>>();
        let concurrency = u64::from(options.concurrency.max(1));
        let owned = options.objects.saturating_sub(number).div_ceil(concurrency).max(1);
        Worker {
            runtime: runtime.clone(),
            options: options.clone(),
            shared: shared.clone(),
            current: number as usize % clients.len().max(1),
            clients,
            number,
            keys: vec![
                if options.prepared {
                    KeyRecord::first()
                } else {
                    KeyRecord::absent()
                };
                owned as usize
            ],
            chance: content::mix(options.seed ^ content::mix(number)),
            report: Report::default(),
        }
    }
    fn random(&mut self, below: u64) -> u64 {
        self.chance = content::mix(self.chance);
        self.chance % below.max(1)
    }
    fn key_number(&self, index: usize) -> u64 {
        index as u64 * u64::from(self.options.concurrency.max(1)) + self.number
    }
    fn path(&self, index: usize) -> String {
        format!("/{}/{}{:010}", self.options.bucket, self.options.prefix, self.key_number(index))
    }

    /// Writes version 1 of every key it owns.
    pub async fn prepare(&mut self) {
        for index in 0..self.keys.len() {
            if !self.shared.stop.load(Ordering::Relaxed) {
                self.put(index, "prepare").await;
            }
        }
    }
    /// Runs operations until the run's count or duration is used up.
    pub async fn measure(&mut self) {
        let count = self.options.count.unwrap_or(u64::MAX);
        while !self.shared.stop.load(Ordering::Relaxed) && self.shared.begun.fetch_add(1, Ordering::Relaxed) < count {
            let index = self.random(self.keys.len() as u64) as usize;
            match self.choose() {
                Operation::Put => self.put(index, "put").await,
                Operation::Delete => self.delete(index, "delete").await,
                Operation::List => self.list(index).await,
                operation => self.read(index, operation, operation.name()).await,
            }
        }
    }
    /// Reads every key it owns once and checks it.
    pub async fn check_all(&mut self) {
        for index in 0..self.keys.len() {
            self.read(index, Operation::Get, "check").await;
        }
    }
    /// Deletes every key it owns.
    pub async fn clean_up(&mut self) {
        for index in 0..self.keys.len() {
            self.delete(index, "clean-up").await;
        }
    }

    fn choose(&mut self) -> Operation {
        let mix = self.options.mix.clone();
        let weights = [
            (Operation::Put, mix.put),
            (Operation::Get, mix.get),
            (Operation::Head, mix.head),
            (Operation::Delete, mix.delete),
            (Operation::List, mix.list),
        ];
        let mut draw = self.random(weights.iter().map(|(_, weight)| u64::from(*weight)).sum());
        for (operation, weight) in weights {
            if draw < u64::from(weight) {
                return operation;
            }
            draw -= u64::from(weight);
        }
        Operation::Get
    }

    /// Sends a request, again after 5xx and broken connections, and counts it under `name`.
    async fn call(&mut self, name: &'static str, method: &'static str, path: &str, query: &str, body: Bytes) -> Outcome {
        let started = self.runtime.now();
        let mut doubtful = false;
        let mut pause = RETRY_PAUSE;
        let mut attempt = 0;
        let moved = body.len() as u64;
        loop {
            let call = Call {
                method,
                path,
                query,
                body: body.clone(),
            };
            let reply = match self.clients.get_mut(self.current) {
                Some(client) => client.call(call).await,
                None => Err(io::Error::new(io::ErrorKind::NotConnected, "there is no endpoint")),
            };
            let good = reply.as_ref().is_ok_and(|reply| reply.status < 500);
            if good || attempt >= self.options.retries {
                let elapsed_ns = self.runtime.now().0 - started.0;
                let bytes = moved + reply.as_ref().map_or(0, |reply| reply.body.len() as u64);
                let figures = self.report.operation(name);
                figures.count += 1;
                figures.bytes += bytes;
                figures.latency.record(elapsed_ns);
                figures.errors += u64::from(!good);
                self.shared.done.fetch_add(1, Ordering::Relaxed);
                self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
                if !good {
                    self.shared.errors.fetch_add(1, Ordering::Relaxed);
                    let reason = match &reply {
                        Ok(reply) => format!("status {}: {}", reply.status, String::from_utf8_lossy(&reply.body)),
                        Err(error) => error.to_string(),
                    };
                    self.report.failure(format!("{method} {path}: {reason}"));
                }
                return Outcome {
                    reply,
                    doubtful: doubtful || !good,
                };
            }
            doubtful = true;
            attempt += 1;
            self.report.operation(name).retries += 1;
            self.current = (self.current + 1) % self.clients.len();
            self.runtime.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn violation(&mut self, text: String) {
        self.report.violations += 1;
        self.report.failure(format!("VIOLATION {text}"));
    }

    async fn put(&mut self, index: usize, name: &'static str) {
        let (seed, number, size) = (self.options.seed, self.key_number(index), self.options.size_bytes);
        self.keys[index].sent += 1;
        let version = self.keys[index].sent;
        let body = Bytes::from(content::body(seed, number, version, size));
        let path = self.path(index);
        let outcome = self.call(name, "PUT", &path, "", body).await;
        if outcome.doubtful {
            self.keys[index].doubt(version);
        }
        match outcome.reply {
            Ok(reply) if reply.status == 200 => self.keys[index].acknowledge(version),
            Ok(reply) if reply.status < 500 => self.violation(format!("PUT {path}: status {}", reply.status)),
            _ => {}
        }
    }

    async fn delete(&mut self, index: usize, name: &'static str) {
        let path = self.path(index);
        let outcome = self.call(name, "DELETE", &path, "", Bytes::new()).await;
        if outcome.doubtful {
            self.keys[index].doubt(0);
        }
        match outcome.reply {
            Ok(reply) if reply.status == 204 => self.keys[index].acknowledge(0),
            Ok(reply) if reply.status < 500 => self.violation(format!("DELETE {path}: status {}", reply.status)),
            _ => {}
        }
    }

    async fn read(&mut self, index: usize, operation: Operation, name: &'static str) {
        let path = self.path(index);
        let method = if operation == Operation::Head { "HEAD" } else { "GET" };
        let Ok(reply) = self.call(name, method, &path, "", Bytes::new()).await.reply else {
            return;
        };
        match reply.status {
            200 if operation == Operation::Get && self.options.verify => self.verify(index, &reply.body),
            200 if self.options.verify && !(1..=self.keys[index].sent).any(|version| self.keys[index].allows(version)) => {
                self.violation(format!("{method} {path}: there, expected {}", self.keys[index].expectation()));
            }
            200 => {}
            404 if self.keys[index].allows(0) => {}
            404 => self.violation(format!("{method} {path}: absent, expected {}", self.keys[index].expectation())),
            status if status >= 500 => {}
            status => self.violation(format!("{method} {path}: status {status}")),
        }
    }

    fn verify(&mut self, index: usize, body: &[u8]) {
        let (seed, number, size) = (self.options.seed, self.key_number(index), self.options.size_bytes);
        let key = &self.keys[index];
        match content::verify(seed, number, body, size, 1..=key.sent) {
            Ok(version) if size < 16 || key.allows(version) => {}
            Ok(version) => {
                let text = format!("GET key {number}: version {version} came back, expected {}", key.expectation());
                self.violation(text);
            }
            Err(text) => self.violation(format!("GET {text}")),
        }
    }

    async fn list(&mut self, index: usize) {
        let start = format!("{}{:010}", self.options.prefix, self.key_number(index));
        let query = format!(
            "list-type=2&max-keys=1000&prefix={}&start-after={}",
            escape(&self.options.prefix),
            escape(&start)
        );
        let path = format!("/{}", self.options.bucket);
        let outcome = self.call("list", "GET", &path, &query, Bytes::new()).await;
        if let Ok(reply) = outcome.reply
            && reply.status != 200
            && reply.status < 500
        {
            self.violation(format!("list {path}?{query}: status {}", reply.status));
        }
        // A list right behind a key that is certainly there must show it.
        if self.options.verify && self.keys[index].is_present() {
            let query = format!("list-type=2&max-keys=1&prefix={}", escape(&start));
            let outcome = self.call("list", "GET", &path, &query, Bytes::new()).await;
            if let Ok(reply) = outcome.reply
                && reply.status == 200
                && !String::from_utf8_lossy(&reply.body).contains(&start)
            {
                self.violation(format!("list {path}?{query}: does not show {start}"));
            }
        }
    }

    /// Creates the bucket; fine if it is there.
    pub async fn create_bucket(&mut self) -> Result<(), String> {
        let path = format!("/{}", self.options.bucket);
        let outcome = self.call("create-bucket", "PUT", &path, "", Bytes::new()).await;
        match outcome.reply {
            Ok(reply) if reply.status == 200 || reply.status == 409 => Ok(()),
            Ok(reply) => Err(format!(
                "creating bucket {}: status {}: {}",
                self.options.bucket,
                reply.status,
                String::from_utf8_lossy(&reply.body)
            )),
            Err(error) => Err(format!("creating bucket {}: {error}", self.options.bucket)),
        }
    }
}

/// Percent-encodes a query value as SigV4 wants it.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
