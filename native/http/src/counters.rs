//! What a core's port has done, counted by kind of request.

use crate::ServerCounters;
use std::cell::{Cell, RefCell};

/// Kinds of requests, as metrics name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    GetObject,
    HeadObject,
    PutObject,
    DeleteObject,
    UploadPart,
    /// Answered by the control plane.
    Control,
    /// Refused before an operation was known: malformed, not signed, too many.
    Refused,
    /// `GET /-/live`
    Live,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::GetObject,
        Kind::HeadObject,
        Kind::PutObject,
        Kind::DeleteObject,
        Kind::UploadPart,
        Kind::Control,
        Kind::Refused,
        Kind::Live,
    ];
    fn name(self) -> &'static str {
        match self {
            Kind::GetObject => "GetObject",
            Kind::HeadObject => "HeadObject",
            Kind::PutObject => "PutObject",
            Kind::DeleteObject => "DeleteObject",
            Kind::UploadPart => "UploadPart",
            Kind::Control => "Control",
            Kind::Refused => "Refused",
            Kind::Live => "Live",
        }
    }
}

/// One finished request.
pub(crate) struct Sample {
    pub kind: Kind,
    pub status: u16,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub duration_us: u64,
}

/// The counters of one core.
#[derive(Default)]
pub(crate) struct Counters {
    pub connections: Cell<u64>,
    pub connections_total: Cell<u64>,
    /// In the order of [`Kind::ALL`]; the columns of [`ServerCounters::operations`].
    rows: RefCell<[[u64; 5]; 8]>,
}

impl Counters {
    /// Counts a request.
    pub(crate) fn count(&self, sample: &Sample) {
        let mut rows = self.rows.borrow_mut();
        if let Some([requests, errors, received, sent, microseconds]) = rows.get_mut(sample.kind as usize) {
            *requests += 1;
            *errors += u64::from(sample.status >= 500);
            *received += sample.request_bytes;
            *sent += sample.response_bytes;
            *microseconds += sample.duration_us;
        }
    }
    /// All of them so far.
    pub(crate) fn snapshot(&self) -> ServerCounters {
        let rows = self.rows.borrow();
        let operations = Kind::ALL
            .iter()
            .zip(rows.iter())
            .map(|(kind, row)| (kind.name().to_owned(), *row))
            .collect();
        ServerCounters {
            connections: self.connections.get(),
            connections_total: self.connections_total.get(),
            operations,
        }
    }
}
