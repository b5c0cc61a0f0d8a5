//! Buckets are records of the reserved bucket, changed only by conditional writes; every node keeps a table of those it has read
//! (protocol.md section 14).
//!
//! Record: key `bucket/NAME`, no payload, metadata pairs `id` (16 hex digits), `state` (`live`, `deleting`), `created` (ms since 1970).
//! Its ETag is random and new with every version, so that a condition on it means "this very version". The bucket's revision is the
//! record's origin ballot.

use crate::StoreError;
use crate::bucket_reads::read_coalesced;
use crate::core::Core;
use crate::departed_buckets;
use crate::get::head;
use crate::list::{Listing, list_heads};
use crate::metadata::Metadata;
use crate::operation::Operation;
use crate::put::{Label, put_payload, put_tombstone};
use crate::quorum::Quorum;
use crate::store::{BucketState, BucketView, Condition, RESERVED_BUCKET};
use bytes::Bytes;
use openlake_drive::{Ballot, Head, Key, Space};
use openlake_peer::{NodeAnswer, NodeRequest};
use std::rc::Rc;
use std::time::Duration;

const PREFIX: &str = "bucket/";
/// How long requests wait for a deletion under way to be decided.
const DELETING_WAIT: Duration = Duration::from_secs(2);
const DELETING_POLL: Duration = Duration::from_millis(50);
/// A deletion that took so many deadlines was abandoned: its node died, or the client left. It is taken back by whoever meets it.
const ABANDONED_DEADLINES: u32 = 3;
/// Between looks whether writes under an older revision have come to their end.
const PASSING_POLL: Duration = Duration::from_millis(2);

/// A bucket's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketRecord {
    pub view: BucketView,
    pub state: BucketState,
    pub created_ms: u64,
    etag: [u8; 16],
}

/// The view under which requests on the reserved bucket are made.
pub(crate) const RESERVED_VIEW: BucketView = BucketView {
    id: RESERVED_BUCKET,
    revision: Ballot::ZERO,
};

/// A key of the reserved bucket.
pub(crate) fn reserved_key(name: String) -> Key {
    Key {
        bucket: RESERVED_BUCKET,
        space: Space::Object,
        name: name.into(),
    }
}

impl Core {
    /// The live bucket of a name: from the table, or by a quorum read. Waits a while for a deletion to be decided.
    pub(crate) async fn bucket(self: &Rc<Self>, name: &str) -> Result<BucketView, StoreError> {
        match self.options.state.buckets.fresh(name) {
            Some(view) => Ok(view),
            None => self.read_live(name).await,
        }
    }
    /// The bucket of an id as its record says now, for requests that met a newer revision.
    pub(crate) async fn renewed_view(self: &Rc<Self>, bucket: u64) -> Result<BucketView, StoreError> {
        match self.options.state.buckets.name_of(bucket) {
            Some(name) => self.read_live(&name).await,
            None => Err(StoreError::Unavailable(format!(
                "the name of bucket {bucket:016x} is not known here"
            ))),
        }
    }
    async fn read_live(self: &Rc<Self>, name: &str) -> Result<BucketView, StoreError> {
        let until = self.after(DELETING_WAIT);
        loop {
            let record = read_coalesced(self, name).await?;
            if record.state == BucketState::Live {
                return Ok(record.view);
            }
            if self.runtime.now() >= until {
                // Exactly one of this and the deletion's own tombstone takes effect, as both require this very version of the record.
                let age_ms = self.wall_ms().saturating_sub(record.view.revision.time_ms());
                if Duration::from_millis(age_ms) >= self.options.deadline * ABANDONED_DEADLINES {
                    match replace(self, name, &record, BucketState::Live).await {
                        Err(StoreError::ConditionalConflict) => {}
                        result => return Ok(result?.view),
                    }
                }
                return Err(StoreError::Unavailable(format!("bucket {name} is being deleted")));
            }
            self.runtime.sleep(DELETING_POLL).await;
        }
    }
    /// What a record says goes into the table and the fences of this node.
    fn learn(&self, name: &str, record: &BucketRecord) {
        let state = &self.options.state;
        state.fences.learn(record.view.id, record.view.revision);
        state.buckets.learn(name, record.view);
        if record.state == BucketState::Deleting {
            state.buckets.doubt(name);
        }
    }
}

/// Reads a bucket's record by quorum.
pub(crate) async fn read_record(core: &Rc<Core>, name: &str) -> Result<BucketRecord, StoreError> {
    let operation = Operation::new(core, reserved_key(format!("{PREFIX}{name}")), None)?;
    match head(&operation).await {
        Ok(head) => {
            let record = parse(name, &head)?;
            core.learn(name, &record);
            Ok(record)
        }
        Err(StoreError::NoSuchKey) => {
            core.options.state.buckets.doubt(name);
            Err(StoreError::NoSuchBucket)
        }
        Err(error) => Err(error),
    }
}

fn parse(name: &str, head: &Head) -> Result<BucketRecord, StoreError> {
    let metadata = Metadata::decode(&head.metadata);
    let id = metadata.get("id").and_then(|id| u64::from_str_radix(id, 16).ok());
    let state = match metadata.get("state") {
        Some("live") => Some(BucketState::Live),
        Some("deleting") => Some(BucketState::Deleting),
        _ => None,
    };
    let created_ms = metadata.get("created").and_then(|created| created.parse().ok());
    match (id, state, created_ms) {
        (Some(id), Some(state), Some(created_ms)) => Ok(BucketRecord {
            view: BucketView { id, revision: head.origin },
            state,
            created_ms,
            etag: head.etag,
        }),
        _ => Err(StoreError::Unavailable(format!(
            "the record of bucket {name} cannot be read: {:?}",
            metadata.pairs
        ))),
    }
}

/// Writes a bucket's record under a condition.
async fn write_record(
    core: &Rc<Core>,
    name: &str,
    id: u64,
    state: BucketState,
    created_ms: u64,
    condition: &Condition,
) -> Result<BucketRecord, StoreError> {
    let operation = Operation::new(core, reserved_key(format!("{PREFIX}{name}")), None)?;
    let state_name = if state == BucketState::Live { "live" } else { "deleting" };
    let pairs = [
        ("id", format!("{id:016x}")),
        ("state", state_name.to_owned()),
        ("created", created_ms.to_string()),
    ];
    let metadata = Metadata {
        pairs: pairs.map(|(name, value)| (name.to_owned(), value)).to_vec(),
    };
    let etag = core.new_write_id().0;
    let label = Label {
        etag,
        metadata: metadata.encode(),
        ..Label::default()
    };
    let revision = put_payload(&operation, core.new_write_id(), &Bytes::new(), &label, condition).await?;
    let record = BucketRecord {
        view: BucketView { id, revision },
        state,
        created_ms,
        etag,
    };
    core.learn(name, &record);
    Ok(record)
}

/// Creates a bucket; `PreconditionFailed` if it exists.
pub(crate) async fn create(core: &Rc<Core>, name: &str) -> Result<BucketView, StoreError> {
    let id = core.runtime.random_u64().max(1);
    let record = write_record(core, name, id, BucketState::Live, core.wall_ms(), &Condition::Absent).await?;
    Ok(record.view)
}

/// All buckets' records, by name; fills the table.
pub(crate) async fn list_records(core: &Rc<Core>) -> Result<Vec<(String, BucketRecord)>, StoreError> {
    let (prefix, mut after, mut records) = (Bytes::from_static(PREFIX.as_bytes()), Bytes::new(), Vec::new());
    loop {
        let listing = Listing {
            prefix: &prefix,
            delimiter: b"",
            after: &after,
            limit: 1000,
        };
        let page = list_heads(core, RESERVED_VIEW, &listing).await?;
        for (key, head) in &page.rows {
            let name = String::from_utf8_lossy(key.get(PREFIX.len()..).unwrap_or_default()).into_owned();
            let record = parse(&name, head)?;
            core.learn(&name, &record);
            records.push((name, record));
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(records),
        }
    }
}

/// Section 14 rule 4: mark it deleting, fence it everywhere, look whether it is empty, then bury or revive it. `false`: it is not empty.
/// A bucket that shows an object before anything is written is not disturbed at all; where the way ends early, the bucket is revived.
pub(crate) async fn delete(core: &Rc<Core>, name: &str) -> Result<bool, StoreError> {
    let mut record = read_record(core, name).await?;
    if record.state == BucketState::Live {
        if !is_empty(core, record.view).await? {
            return Ok(false);
        }
        record = match replace(core, name, &record, BucketState::Deleting).await {
            Ok(record) => record,
            // Another deletion came first: this one goes on with its record, or finds that it is done.
            Err(error @ (StoreError::ConditionalConflict | StoreError::Unknown(_))) => match read_record(core, name).await? {
                record if record.state == BucketState::Deleting => record,
                _ => return Err(error),
            },
            Err(error) => return Err(error),
        };
    }
    let deleted = delete_marked(core, name, &record).await;
    let Err(error) = deleted else { return deleted };
    // Nobody is to wait for what has failed. A tombstone may still take effect, this one or another deletion's: then this does not, as
    // both require the same version of the record.
    let is_over = match error {
        StoreError::NoSuchBucket => return Err(error),
        StoreError::ConditionalConflict => true,
        _ => replace(core, name, &record, BucketState::Live).await.is_err(),
    };
    match read_record(core, name).await {
        Err(StoreError::NoSuchBucket) if is_over && matches!(error, StoreError::Unknown(_)) => Ok(true),
        Err(StoreError::NoSuchBucket) if is_over => Err(StoreError::NoSuchBucket),
        _ => Err(error),
    }
}

/// Whether a list shows no object.
async fn is_empty(core: &Rc<Core>, view: BucketView) -> Result<bool, StoreError> {
    let empty = Bytes::new();
    let listing = Listing {
        prefix: &empty,
        delimiter: b"",
        after: &empty,
        limit: 1,
    };
    Ok(list_heads(core, view, &listing).await?.rows.is_empty())
}

/// The rest of the way, of a record that says `deleting`.
async fn delete_marked(core: &Rc<Core>, name: &str, record: &BucketRecord) -> Result<bool, StoreError> {
    touch_everywhere(core, name, record.view).await?;
    let is_empty = is_empty(core, record.view).await?;
    if is_empty {
        departed_buckets::note(core, record.view.id).await?;
        let operation = Operation::new(core, reserved_key(format!("{PREFIX}{name}")), None)?;
        let condition = Condition::Matches {
            etag: record.etag,
            parts: 0,
        };
        put_tombstone(&operation, &condition).await.map_err(raced)?;
        core.options.state.buckets.doubt(name);
    } else {
        let record = replace(core, name, record, BucketState::Live).await?;
        // Nobody has to know this at once: requests under the old revision read the record again.
        let _ = touch_everywhere(core, name, record.view).await;
    }
    Ok(is_empty)
}

async fn replace(core: &Rc<Core>, name: &str, old: &BucketRecord, state: BucketState) -> Result<BucketRecord, StoreError> {
    let condition = Condition::Matches { etag: old.etag, parts: 0 };
    write_record(core, name, old.view.id, state, old.created_ms, &condition)
        .await
        .map_err(raced)
}

/// Another change of the same record came first.
fn raced(error: StoreError) -> StoreError {
    if error == StoreError::PreconditionFailed {
        StoreError::ConditionalConflict
    } else {
        error
    }
}

/// Tells one node, until no write under an older revision is under way there. False: it gave no answer.
async fn touch(core: &Rc<Core>, node: u32, request: NodeRequest) -> bool {
    let until = core.after(core.options.deadline / 2);
    loop {
        match core.slots.call_node(node, request.clone(), core.options.deadline / 2).await {
            Ok(NodeAnswer::Done) => return true,
            Ok(NodeAnswer::Passing) if core.runtime.now() < until => core.runtime.sleep(PASSING_POLL).await,
            _ => return false,
        }
    }
}

/// Rule 3: a revision is in force once nodes that hold W drives of every set know it.
async fn touch_everywhere(core: &Rc<Core>, name: &str, view: BucketView) -> Result<(), StoreError> {
    let layout = core.slots.layout();
    let calls = layout.nodes.iter().map(|node| {
        let request = NodeRequest::Touched {
            bucket: view.id,
            revision: view.revision,
            name: name.to_owned(),
        };
        async move { (node.id, touch(core, node.id, request).await) }
    });
    let answers = futures_util::future::join_all(calls).await;
    let knows = |node: u32| answers.iter().any(|(id, done)| *id == node && *done);
    for set in &layout.sets {
        let reached = set.slots.iter().filter(|place| knows(place.node)).count();
        let needed = Quorum::new(set.data, set.parity).write();
        if reached < needed {
            let silent: Vec<String> = answers.iter().filter(|(_, done)| !done).map(|(id, _)| id.to_string()).collect();
            return Err(StoreError::Unavailable(format!(
                "bucket {name}: recorded, not yet in force everywhere: {reached} of {} slots of set {} reached, {needed} needed; no answer from node {}",
                set.slots.len(),
                set.id,
                silent.join(", "),
            )));
        }
    }
    Ok(())
}
