//! Streams a byte range of one version, some stripes at a time, a little ahead of the reader as far as the core's memory for bodies goes.

use crate::StoreError;
use crate::body_budget::Hold;
use crate::version::{ReadError, Version};
use bytes::Bytes;
use futures_channel::oneshot;
use std::collections::VecDeque;
use std::rc::Rc;

/// Read at a time, unless a single stripe is more: what a request costs a drive is then little beside its bytes.
const SPAN_BYTES: u64 = 1 << 20;
/// The same at first, and where memory is short.
const SHORT_SPAN_BYTES: u64 = 512 << 10;
/// Spans read ahead of the one being sent: enough to hide a round trip, few enough to bound memory.
const AHEAD_SPANS: usize = 2;

type Pieces = Result<Vec<Bytes>, StoreError>;

/// Reads `remaining` bytes from `position` on.
pub(crate) struct StripeReader {
    version: Rc<Version>,
    /// Where the next span to be asked for starts.
    position: u64,
    end: u64,
    ready: VecDeque<Bytes>,
    /// With the memory that each was allowed; the next one to be sent needs none.
    ahead: VecDeque<(oneshot::Receiver<Pieces>, Option<Hold>)>,
    failed: bool,
}

impl StripeReader {
    /// Payload bytes `first..first + length`. The first stripe is read before this returns, so that a version gone meanwhile is noticed
    /// while the request can still start again.
    pub async fn open(version: Version, first: u64, length: u64) -> Result<StripeReader, ReadError> {
        let version = Rc::new(version);
        let end = first.saturating_add(length).min(version.head.payload_size);
        let mut reader = StripeReader {
            version,
            position: first,
            end,
            ready: VecDeque::new(),
            ahead: VecDeque::new(),
            failed: false,
        };
        if let Some((first, length)) = reader.peek(SHORT_SPAN_BYTES) {
            reader.position += length;
            reader.ready = reader.version.read(first, length).await?.into();
        }
        Ok(reader)
    }

    /// The next bytes; `None` at the end or after an error.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        loop {
            if self.failed {
                return None;
            }
            self.read_ahead();
            if let Some(bytes) = self.ready.pop_front() {
                return Some(Ok(bytes));
            }
            let (next, _hold) = self.ahead.pop_front()?;
            match next.await {
                Ok(Ok(pieces)) => self.ready = pieces.into(),
                Ok(Err(error)) => {
                    self.failed = true;
                    return Some(Err(error));
                }
                Err(_) => {
                    self.failed = true;
                    return Some(Err(StoreError::Unavailable("the runtime is shutting down".to_owned())));
                }
            }
        }
    }

    fn read_ahead(&mut self) {
        while self.ahead.len() < AHEAD_SPANS {
            let Some((first, length, hold)) = self.next_span() else { return };
            self.position += length;
            let (sender, receiver) = oneshot::channel();
            let version = self.version.clone();
            version.operation.restart_clock();
            self.version.operation.core.runtime.spawn(async move {
                let pieces = version.read(first, length).await.map_err(|error| match error {
                    ReadError::Vanished => StoreError::Unavailable("the version was overwritten while it was being read".to_owned()),
                    ReadError::Failed(error) => error,
                });
                // The reader may be gone: then nobody wants the bytes.
                let _ = sender.send(pieces);
            });
            self.ahead.push_back((receiver, hold));
        }
    }

    /// Start and length of the span that may be read now, with memory for it. The one that is sent next needs none.
    fn next_span(&self) -> Option<(u64, u64, Option<Hold>)> {
        let budget = &self.version.operation.core.body_budget;
        let lengths = [SPAN_BYTES, SHORT_SPAN_BYTES].map(|bytes| self.peek(bytes));
        for (first, length) in lengths.into_iter().flatten() {
            if let Some(hold) = budget.take(usize::try_from(length).unwrap_or(usize::MAX)) {
                return Some((first, length, Some(hold)));
            }
        }
        let is_next = self.ahead.is_empty() && self.ready.is_empty();
        lengths[1].filter(|_| is_next).map(|(first, length)| (first, length, None))
    }

    /// Start and length of the next span of about `bytes`; it ends where a stripe does.
    fn peek(&self, bytes: u64) -> Option<(u64, u64)> {
        if self.position >= self.end {
            return None;
        }
        let stripe = self.version.geometry.stripe();
        let span = (bytes / stripe).max(1).saturating_mul(stripe);
        let first = self.position;
        Some((first, (span - first % stripe).min(self.end - first)))
    }

    /// Bytes that are at hand already; `None`: [`StripeReader::next`] has to be asked.
    pub fn next_ready(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }
}
