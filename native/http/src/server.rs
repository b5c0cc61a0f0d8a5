//! One core's S3 listener.

use crate::connection::serve;
use crate::core::Core;
use crate::objects::Objects;
use crate::{Control, Tables};
use openlake_io::{Instant, Listener, Runtime};
use openlake_object::Store;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Connections beyond the limit that are still read from, so that they get a 503 with its reason, or the liveness answer.
const EXCESS_CONNECTIONS: u64 = 64;
/// Pause after a failed accept: the process is out of descriptors, and trying at once would only burn its CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often a drain looks whether connections are left.
const DRAIN_PERIOD: Duration = Duration::from_millis(10);

/// Where and with what to serve.
#[derive(Clone)]
pub struct ServerOptions {
    pub listen: SocketAddr,
    pub tables: Arc<Tables>,
}

/// Counters of one core for metrics.
#[derive(Clone, Debug, Default)]
pub struct ServerCounters {
    pub connections: u64,
    pub connections_total: u64,
    /// Per operation name: requests, errors (status >= 500), request bytes, response bytes, summed microseconds.
    pub operations: Vec<(String, [u64; 5])>,
}

/// What a [`Server`] needs of its core, whatever stores its objects.
trait Port {
    fn open(&self);
    fn set_tables(&self, tables: Arc<Tables>);
    fn counters(&self) -> ServerCounters;
    /// Begins or goes on draining; true when no connection is left.
    fn drain(&self) -> bool;
}

impl<O: Objects> Port for Core<O> {
    fn open(&self) {
        self.open.set(true);
    }
    fn set_tables(&self, tables: Arc<Tables>) {
        Core::set_tables(self, tables);
    }
    fn counters(&self) -> ServerCounters {
        self.counters.snapshot()
    }
    fn drain(&self) -> bool {
        self.draining.set(true);
        self.watches.end_idle();
        self.counters.connections.get() == 0
    }
}

/// A running listener. A cheap handle.
#[derive(Clone)]
pub struct Server {
    port: Rc<dyn Port>,
    runtime: Runtime,
    local_address: SocketAddr,
}

impl Server {
    /// Binds and serves until shut down. `GET /-/live` is answered at once; everything else 503 until `open`.
    pub fn start(runtime: &Runtime, store: &Store, control: Rc<dyn Control>, options: ServerOptions) -> std::io::Result<Server> {
        Server::start_over(runtime, store.clone(), control, options)
    }
    /// As `start`, over anything that keeps objects.
    pub fn start_over<O: Objects>(
        runtime: &Runtime,
        objects: O,
        control: Rc<dyn Control>,
        options: ServerOptions,
    ) -> std::io::Result<Server> {
        let listener = runtime.listen(options.listen, true)?;
        let local_address = listener.local_address()?;
        let limits = &options.tables.limits;
        // An eighth of the shortest limit, so that it is met within 12 %.
        let period = u64::from(limits.head_timeout_ms.min(limits.idle_timeout_ms) / 8).clamp(5, 250);
        let core = Rc::new(Core::new(runtime, objects, control, options.tables));
        runtime.spawn(accept(core.clone(), listener));
        let watched = core.clone();
        runtime.spawn(async move {
            let going = || !watched.draining.get() || watched.counters.connections.get() > 0;
            watched.watches.sweep(&watched.runtime, Duration::from_millis(period), going).await;
        });
        Ok(Server {
            port: core,
            runtime: runtime.clone(),
            local_address,
        })
    }
    /// The bound address.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }
    /// From now on S3 requests are served.
    pub fn open(&self) {
        self.port.open();
    }
    /// Swaps the tables; requests under way keep the old ones.
    pub fn set_tables(&self, tables: Arc<Tables>) {
        self.port.set_tables(tables);
    }
    /// Stops accepting, says `Connection: close` on every reply, resolves when all connections are done.
    pub async fn drain(&self) {
        while !self.port.drain() {
            self.runtime.sleep(DRAIN_PERIOD).await;
        }
    }
    /// Counters so far.
    pub fn counters(&self) -> ServerCounters {
        self.port.counters()
    }
}

/// Accepts until the core drains.
async fn accept<O: Objects>(core: Rc<Core<O>>, listener: Listener) {
    let watch = core.watches.add();
    while !core.draining.get() {
        let socket = match watch.limit_idle(Instant(u64::MAX), listener.accept()).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(_)) => {
                core.runtime.sleep(ACCEPT_PAUSE).await;
                continue;
            }
            Err(_) => continue,
        };
        let limit = u64::from(core.settings().tables.limits.connections);
        let open = core.counters.connections.get();
        if open >= limit + EXCESS_CONNECTIONS {
            socket.shutdown();
            continue;
        }
        core.counters.connections.set(open + 1);
        core.counters.connections_total.set(core.counters.connections_total.get() + 1);
        let served = core.clone();
        core.runtime.spawn(async move {
            serve(served.clone(), socket, open >= limit).await;
            served.counters.connections.set(served.counters.connections.get().saturating_sub(1));
        });
    }
}
