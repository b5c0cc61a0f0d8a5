//! What all connections of one core share.

use crate::Control;
use crate::Tables;
use crate::counters::Counters;
use crate::date::http_date;
use crate::errors::{Failure, lookup};
use crate::keys::Keys;
use crate::reply::{Content, Reply, fill_template};
use crate::watch::Watches;
use openlake_checksum::DigestLanes;
use openlake_io::Runtime;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// One version of the tables, made ready for requests.
pub(crate) struct Settings {
    pub tables: Arc<Tables>,
    pub keys: Keys,
    /// Code -> place in `tables.errors`.
    errors: HashMap<String, usize>,
}

impl Settings {
    pub(crate) fn new(tables: Arc<Tables>) -> Settings {
        let errors = tables
            .errors
            .iter()
            .enumerate()
            .map(|(place, (code, _, _))| (code.clone(), place))
            .collect();
        Settings {
            keys: Keys::new(&tables),
            errors,
            tables,
        }
    }
    /// Status and message of a code: the table's, or our own where the table lacks it.
    fn error(&self, code: &str) -> (u16, &str) {
        match (self.errors.get(code).and_then(|place| self.tables.errors.get(*place)), lookup(code)) {
            (Some((_, status, message)), _) => (*status, message),
            (None, Some(row)) => (row.status, row.message),
            (None, None) => (500, "The server met an unexpected condition."),
        }
    }
}

/// A core's shared state.
pub(crate) struct Core<O> {
    pub runtime: Runtime,
    pub objects: O,
    pub control: Rc<dyn Control>,
    pub counters: Counters,
    pub watches: Watches,
    /// Where the ETags of large bodies are computed.
    pub digest_lanes: DigestLanes,
    /// S3 requests are served.
    pub open: Cell<bool>,
    /// No new connections, and none outlives its request.
    pub draining: Cell<bool>,
    settings: RefCell<Rc<Settings>>,
    next_id: Cell<u64>,
    /// The second for which the text was made, and `date` and `server` lines.
    date: RefCell<(u64, Rc<[u8]>)>,
}

impl<O> Core<O> {
    pub(crate) fn new(runtime: &Runtime, objects: O, control: Rc<dyn Control>, tables: Arc<Tables>) -> Core<O> {
        Core {
            runtime: runtime.clone(),
            objects,
            control,
            counters: Counters::default(),
            watches: Watches::default(),
            digest_lanes: DigestLanes::new(),
            open: Cell::new(false),
            draining: Cell::new(false),
            settings: RefCell::new(Rc::new(Settings::new(tables))),
            next_id: Cell::new(runtime.random_u64()),
            date: RefCell::new((u64::MAX, Rc::from([]))),
        }
    }
    /// The current tables; a request keeps those it started with.
    pub(crate) fn settings(&self) -> Rc<Settings> {
        self.settings.borrow().clone()
    }
    /// Swaps the tables.
    pub(crate) fn set_tables(&self, tables: Arc<Tables>) {
        *self.settings.borrow_mut() = Rc::new(Settings::new(tables));
    }
    /// Sixteen hex digits, different for every request of a core; an odd step visits all numbers before it repeats one.
    pub(crate) fn new_request_id(&self) -> String {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(0x9e37_79b9_7f4a_7c15));
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |place: u32| char::from(DIGITS[(id >> (4 * place) & 15) as usize]);
        (0..16).rev().map(digit).collect()
    }
    /// The lines that every reply has.
    pub(crate) fn common_lines(&self) -> Rc<[u8]> {
        let seconds = self.runtime.wall_ms() / 1000;
        let mut date = self.date.borrow_mut();
        if date.0 != seconds {
            *date = (
                seconds,
                Rc::from(format!("server: OpenLake\r\ndate: {}\r\n", http_date(seconds)).into_bytes()),
            );
        }
        date.1.clone()
    }
}

/// The reply to a failed request. `described`: to a HEAD, which has no body.
pub(crate) fn failure_reply<R>(settings: &Settings, failure: &Failure, resource: &str, request_id: &str, described: bool) -> Reply<R> {
    let (status, default_message) = settings.error(failure.code);
    let mut reply = Reply::new(status);
    for (name, value) in &failure.headers {
        reply.header(name, value);
    }
    if described {
        return reply.with(Content::Described(0));
    }
    let message = if failure.message.is_empty() {
        default_message
    } else {
        &failure.message
    };
    let values = [
        ("code", failure.code),
        ("message", message),
        ("resource", resource),
        ("request_id", request_id),
    ];
    reply.header("content-type", "application/xml");
    reply.with(Content::Bytes(fill_template(&settings.tables.error_template, &values).into()))
}
