//! One client: it calls a coordinator, writes call and reply into the history, and judges every byte it gets.

use crate::history::History;
use crate::linearizability::{Action, Outcome, Value, When};
use crate::value::{ValueBody, first_wrong_byte};
use crate::values::{BUCKET, Values};
use bytes::Bytes;
use openlake_io::Runtime;
use openlake_object::{BucketView, Condition, ObjectInfo, PutTarget, Range, Store, StoreError};
use std::rc::Rc;

/// A client and the coordinator that serves it. A cheap handle.
#[derive(Clone)]
pub struct Client {
    pub name: String,
    pub runtime: Runtime,
    pub store: Store,
    pub history: History,
    pub values: Rc<Values>,
}

/// How a body is sent.
#[derive(Clone, Copy, Debug)]
pub struct Upload {
    pub size: u64,
    pub piece_bytes: u64,
    /// The client fails there.
    pub breaks_at: Option<u64>,
}

impl Client {
    pub(crate) fn problem(&self, text: String) {
        self.history.problem(self.runtime.now(), format!("{}: {text}", self.name));
    }

    pub(crate) fn key(&self, key: usize) -> Bytes {
        self.values.keys.get(key).cloned().unwrap_or_default()
    }

    /// The bucket as this coordinator knows it now; `None` while it cannot tell.
    pub(crate) async fn bucket(&self) -> Option<BucketView> {
        match self.store.bucket(BUCKET).await {
            Ok(view) => Some(view),
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => {
                self.history.count("bucket unavailable");
                None
            }
            Err(StoreError::NoSuchBucket) if self.values.is_bucket_deleted() => self.create_bucket().await,
            Err(error) => {
                self.problem(format!("resolving the bucket: {error:?}"));
                None
            }
        }
    }

    pub(crate) fn condition(&self, when: When) -> Condition {
        match when {
            When::Always => Condition::None,
            When::Absent => Condition::Absent,
            When::Holds(value) => {
                let (etag, parts) = self.values.etag(value).unwrap_or_default();
                Condition::Matches { etag, parts }
            }
        }
    }

    /// Writes a new value. True when it is known to have taken effect.
    pub async fn put(&self, key: usize, when: When, upload: Upload) -> bool {
        let Some(bucket) = self.bucket().await else { return false };
        let value = self.values.create(upload.size);
        let mut body = ValueBody::new(value, upload.size, upload.piece_bytes);
        if let Some(position) = upload.breaks_at {
            body = body.breaking_at(position);
        }
        let action = Action::Put { value, when };
        let ticket = self
            .history
            .begin(self.runtime.now(), key, &self.name, action, &format!("{upload:?}"));
        let target = PutTarget {
            bucket,
            key: self.key(key),
            condition: self.condition(when),
        };
        let result = self.store.put(target, &mut body).await;
        if let Ok(info) = &result
            && self.values.of_head(info) != Ok(value)
        {
            self.problem(format!("put of value {value} to key {key} answered {info:?}"));
        }
        if upload.breaks_at.is_some() && result.is_ok() {
            self.problem(format!("put of value {value} to key {key} succeeded though its body failed"));
        }
        let outcome = self.outcome_of_write(when, result.as_ref().err());
        self.history.end(
            self.runtime.now(),
            ticket,
            outcome,
            &format!("{:?}", result.map(|info| info.version)),
        );
        outcome == Some(Outcome::Done)
    }

    /// Deletes a key.
    pub async fn delete(&self, key: usize, when: When) {
        let Some(bucket) = self.bucket().await else { return };
        let ticket = self.history.begin(self.runtime.now(), key, &self.name, Action::Delete { when }, "");
        let target = PutTarget {
            bucket,
            key: self.key(key),
            condition: self.condition(when),
        };
        let result = self.store.delete(target).await;
        let outcome = self.outcome_of_write(when, result.as_ref().err());
        self.history.end(self.runtime.now(), ticket, outcome, &format!("{result:?}"));
    }

    /// What the reply to a write says (protocol.md section 11); `None`: provably no effect.
    pub(crate) fn outcome_of_write(&self, when: When, error: Option<&StoreError>) -> Option<Outcome> {
        match error {
            None => {
                self.history.count("write done");
                Some(Outcome::Done)
            }
            Some(StoreError::PreconditionFailed) if when != When::Always => {
                self.history.count("write condition failed");
                Some(Outcome::ConditionFailed)
            }
            // If-Match on a key that is absent.
            Some(StoreError::NoSuchKey) if matches!(when, When::Holds(_)) => {
                self.history.count("write condition failed");
                Some(Outcome::ConditionFailed)
            }
            Some(StoreError::ConditionalConflict) if when != When::Always => {
                self.history.count("write conflict");
                None
            }
            // A drive that fails while it grows says that it is full.
            Some(StoreError::Unavailable(_) | StoreError::Full) => {
                self.history.count("write unavailable");
                None
            }
            // It was deleted, and too few drives took the write before that for anyone to have seen it.
            Some(StoreError::NoSuchBucket) if self.values.is_bucket_deleted() => {
                self.history.count("write without bucket");
                None
            }
            Some(StoreError::Body(_)) => None,
            Some(StoreError::Unknown(_)) => {
                self.history.count("write unknown");
                Some(Outcome::Unknown)
            }
            Some(other) => {
                self.problem(format!("a write with condition {when:?} ended with {other:?}"));
                Some(Outcome::Unknown)
            }
        }
    }

    /// Reads a key, all of it or a range. True when the reply said something.
    pub async fn get(&self, key: usize, range: Option<Range>) -> Option<Option<Value>> {
        let bucket = self.bucket().await?;
        let ticket = self
            .history
            .begin(self.runtime.now(), key, &self.name, Action::Read, &format!("get {range:?}"));
        let name = self.key(key);
        let result = self.store.get(bucket, &name, range).await;
        let (outcome, detail) = match result {
            Ok((info, first, length, mut body)) => match self.judge_head(key, &info) {
                Some(value) => {
                    self.judge_range(key, range.as_ref(), &info, (first, length));
                    let mut position = first;
                    let mut broken = None;
                    while let Some(piece) = body.next().await {
                        match piece {
                            Ok(bytes) => {
                                if let Some(wrong) = first_wrong_byte(value, position, &bytes) {
                                    self.problem(format!("get of key {key}: byte {wrong} of value {value} is wrong"));
                                }
                                position += bytes.len() as u64;
                            }
                            Err(error) => {
                                broken = Some(error);
                                break;
                            }
                        }
                    }
                    match broken {
                        None if position != first + length => {
                            self.problem(format!(
                                "get of key {key}: value {value} ended at {position}, not {}",
                                first + length
                            ));
                            (None, "short".to_owned())
                        }
                        None => (Some(Outcome::Found(Some(value))), format!("{}", info.version)),
                        Some(error) => {
                            self.history.count("read broken");
                            (None, format!("broke at {position}: {error:?}"))
                        }
                    }
                }
                None => (None, "wrong head".to_owned()),
            },
            Err(StoreError::InvalidRange { size }) => {
                self.history.count("read range invalid");
                (None, format!("invalid range of {size}"))
            }
            Err(error) => self.outcome_of_failed_read(key, &error),
        };
        self.finish_read(ticket, outcome, &detail)
    }

    /// Reads a key's head.
    pub async fn head(&self, key: usize) -> Option<Option<Value>> {
        let bucket = self.bucket().await?;
        let ticket = self.history.begin(self.runtime.now(), key, &self.name, Action::Read, "head");
        let (outcome, detail) = match self.store.head(bucket, &self.key(key)).await {
            Ok(info) => (
                self.judge_head(key, &info).map(|value| Outcome::Found(Some(value))),
                format!("{}", info.version),
            ),
            Err(error) => self.outcome_of_failed_read(key, &error),
        };
        self.finish_read(ticket, outcome, &detail)
    }

    fn finish_read(&self, ticket: crate::history::Ticket, outcome: Option<Outcome>, detail: &str) -> Option<Option<Value>> {
        self.history.end(self.runtime.now(), ticket, outcome, detail);
        match outcome {
            Some(Outcome::Found(found)) => {
                self.history.count("read done");
                Some(found)
            }
            _ => None,
        }
    }

    fn outcome_of_failed_read(&self, key: usize, error: &StoreError) -> (Option<Outcome>, String) {
        match error {
            StoreError::NoSuchKey => (Some(Outcome::Found(None)), String::new()),
            StoreError::Unavailable(_) | StoreError::Unknown(_) => {
                self.history.count("read unavailable");
                (None, format!("{error:?}"))
            }
            StoreError::NoSuchBucket if self.values.is_bucket_deleted() => (None, "no bucket".to_owned()),
            other => {
                self.problem(format!("read of key {key} ended with {other:?}"));
                (None, String::new())
            }
        }
    }

    fn judge_head(&self, key: usize, info: &ObjectInfo) -> Option<Value> {
        self.values
            .of_head(info)
            .map_err(|wrong| self.problem(format!("head of key {key}: {wrong}")))
            .ok()
    }

    /// The served range must be the one asked for, cut at the size.
    fn judge_range(&self, key: usize, range: Option<&Range>, info: &ObjectInfo, served: (u64, u64)) {
        let expected = match range {
            None => (0, info.size),
            Some(&Range::FromTo(first, last)) => (first, info.size.min(last.saturating_add(1)).saturating_sub(first)),
            Some(&Range::From(first)) => (first, info.size.saturating_sub(first)),
            Some(&Range::Last(count)) => (info.size.saturating_sub(count), count.min(info.size)),
        };
        if served != expected {
            self.problem(format!(
                "get of key {key}: {range:?} of {} bytes served {served:?}, not {expected:?}",
                info.size
            ));
        }
    }
}
