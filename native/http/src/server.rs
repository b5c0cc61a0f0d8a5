//! One core's S3 listener.

use crate::{Control, Tables};
use openlake_io::Runtime;
use openlake_object::Store;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

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

/// A running listener. A cheap handle.
#[derive(Clone)]
pub struct Server {}

impl Server {
    /// Binds and serves until shut down. `GET /-/live` is answered at once; everything else 503 until `open`.
    pub fn start(runtime: &Runtime, store: &Store, control: Rc<dyn Control>, options: ServerOptions) -> std::io::Result<Server> {
        let _ = (runtime, store, control, options);
        todo!()
    }
    /// The bound address.
    pub fn local_address(&self) -> SocketAddr {
        todo!()
    }
    /// From now on S3 requests are served.
    pub fn open(&self) {
        todo!()
    }
    /// Swaps the tables; requests under way keep the old ones.
    pub fn set_tables(&self, tables: Arc<Tables>) {
        let _ = tables;
        todo!()
    }
    /// Stops accepting, says `Connection: close` on every reply, resolves when all connections are done.
    pub async fn drain(&self) {
        todo!()
    }
    /// Counters so far.
    pub fn counters(&self) -> ServerCounters {
        todo!()
    }
}
