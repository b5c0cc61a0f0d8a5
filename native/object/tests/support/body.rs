//! Bodies for tests.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use openlake_io::Runtime;
use openlake_object::{Body, BodyError, Finish, ObjectBody, StoreError};
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Bytes in pieces; may fail at the end.
pub struct TestBody {
    length: u64,
    pieces: VecDeque<Bytes>,
    etag: [u8; 16],
    pub error: Option<BodyError>,
    read: Rc<Cell<usize>>,
}

impl TestBody {
    /// How many of its bytes were read so far.
    pub fn read(&self) -> Rc<Cell<usize>> {
        self.read.clone()
    }
    pub fn new(bytes: &[u8], piece_bytes: usize, etag: [u8; 16]) -> TestBody {
        let pieces = bytes.chunks(piece_bytes.max(1)).map(Bytes::copy_from_slice).collect();
        TestBody {
            length: bytes.len() as u64,
            pieces,
            etag,
            error: None,
            read: Rc::default(),
        }
    }
}

impl Body for TestBody {
    fn length(&self) -> u64 {
        self.length
    }
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Bytes>, BodyError>> {
        let next = self.pieces.pop_front();
        self.read.set(self.read.get() + next.as_ref().map_or(0, Bytes::len));
        let result = match (&next, &self.error) {
            (None, Some(error)) => Err(error.clone()),
            _ => Ok(next),
        };
        async move { result }.boxed_local()
    }
    fn finish(&mut self) -> Finish {
        Finish {
            etag: self.etag,
            metadata: Bytes::new(),
        }
    }
}

/// A body with a pause before each of its pieces.
pub struct SlowBody {
    body: TestBody,
    runtime: Runtime,
    pause: Duration,
}

impl SlowBody {
    pub fn new(body: TestBody, runtime: &Runtime, pause: Duration) -> SlowBody {
        SlowBody {
            body,
            runtime: runtime.clone(),
            pause,
        }
    }
}

impl Body for SlowBody {
    fn length(&self) -> u64 {
        self.body.length()
    }
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Bytes>, BodyError>> {
        async move {
            self.runtime.sleep(self.pause).await;
            self.body.next().await
        }
        .boxed_local()
    }
    fn finish(&mut self) -> Finish {
        self.body.finish()
    }
}

/// Bytes that look random but follow from `seed`.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// All bytes of a body.
pub async fn collect(mut body: ObjectBody) -> Result<Vec<u8>, StoreError> {
    let mut all = Vec::new();
    while let Some(bytes) = body.next().await {
        all.extend_from_slice(&bytes?);
    }
    Ok(all)
}
