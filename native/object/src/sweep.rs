//! Removes parts and records of multipart uploads that nothing refers to any more: of objects since replaced or deleted, of aborted uploads
//! whose removal was interrupted, and of completions that never came to an end.
//!
//! Writes look at nothing that was there before, so they cannot do this themselves. An upload is only touched when its record is older than
//! any request under way can be, and only after a quorum read of the object showed that it is another one. Where a Complete never came to
//! an end, the object may lie on a few drives and be completed by any later reader; so its key is first published again, as what it is
//! without it.
//!
//! Parts whose upload has no record at all (an Abort was faster than they) are found by a walk over the parts.

use crate::StoreError;
use crate::core::Core;
use crate::multipart::{UploadId, upload_name};
use crate::operation::Operation;
use crate::set_cursor::{SetCursor, after_prefix};
use crate::upload::{Upload, UploadState};
use bytes::Bytes;
use openlake_drive::{Head, Key, Space};
use std::rc::Rc;
use std::time::Duration;

/// Upload records read at once.
const PAGE: usize = 256;
/// A completion may be repeated by the client for so many times the least age.
const COMPLETING_AGES: u64 = 24;

/// Sweeps one bucket in the sets that `is_ours` names. How many uploads were removed.
pub(crate) async fn sweep(core: &Rc<Core>, bucket: u64, is_ours: &dyn Fn(u32) -> bool, least_age: Duration) -> Result<usize, StoreError> {
    sweep_sets(core, (bucket, false), is_ours, least_age).await
}

/// The same for a bucket that was deleted: nothing of it is of use.
pub(crate) async fn sweep_departed(
    core: &Rc<Core>,
    bucket: u64,
    is_ours: &dyn Fn(u32) -> bool,
    least_age: Duration,
) -> Result<usize, StoreError> {
    sweep_sets(core, (bucket, true), is_ours, least_age).await
}

async fn sweep_sets(
    core: &Rc<Core>,
    (bucket, is_departed): (u64, bool),
    is_ours: &dyn Fn(u32) -> bool,
    least_age: Duration,
) -> Result<usize, StoreError> {
    let layout = core.slots.layout();
    let mut removed = 0;
    let mut result = Ok(());
    for position in (0..layout.sets.len()).filter(|position| layout.sets.get(*position).is_some_and(|set| is_ours(set.id))) {
        let cursor = |space| {
            let name = Bytes::new();
            let operation = Operation::in_set(core, Key { bucket, space, name }, None, layout.clone(), position)?;
            Ok::<_, StoreError>(SetCursor::new(operation, Bytes::new(), Bytes::new()))
        };
        let least_ms = least_age.as_millis() as u64;
        let sweeper = Sweeper {
            core,
            bucket,
            is_departed,
            least_ms,
        };
        // One upload, or one set, that cannot be swept now keeps none of the others.
        for swept in [
            sweeper.records(cursor(Space::Upload)?, &mut removed).await,
            sweeper.orphans(cursor(Space::Part)?, &mut removed).await,
        ] {
            result = result.and(swept);
        }
    }
    result.map(|()| removed)
}

struct Sweeper<'sweep> {
    core: &'sweep Rc<Core>,
    bucket: u64,
    is_departed: bool,
    least_ms: u64,
}

impl Sweeper<'_> {
    fn age_ms(&self, head: &Head) -> u64 {
        self.core.wall_ms().saturating_sub(head.origin.time_ms())
    }

    fn upload<'name>(&'name self, object: &'name Bytes, upload: [u8; 16]) -> UploadId<'name> {
        UploadId {
            core: self.core,
            bucket: self.bucket,
            fence: None,
            object,
            upload,
        }
    }

    /// Uploads by their records. The first error, once all were looked at.
    async fn records(&self, mut cursor: SetCursor, removed: &mut usize) -> Result<(), StoreError> {
        let mut result = Ok(());
        loop {
            cursor.fill(PAGE).await?;
            let Some((name, head)) = cursor.pop() else {
                return result.and(cursor.end());
            };
            if self.age_ms(&head) < self.least_ms {
                continue;
            }
            let Some((object, upload)) = parse(&name, Space::Upload) else {
                continue;
            };
            match self.record(&self.upload(&object, upload), &head).await {
                Ok(true) => *removed += 1,
                Ok(false) => {}
                Err(error) => result = result.and(Err(error)),
            }
        }
    }

    async fn record(&self, id: &UploadId<'_>, head: &Head) -> Result<bool, StoreError> {
        let record = Upload::of_head(head)?;
        let is_orphan = match record.state {
            _ if self.is_departed => true,
            UploadState::Open => false,
            UploadState::Aborted => true,
            UploadState::Completing { write_id, .. } | UploadState::Aborting { write_id, .. } => {
                let is_forgotten = self.age_ms(head) >= self.least_ms * COMPLETING_AGES;
                if !is_forgotten || id.is_current(write_id).await? {
                    return Ok(false);
                }
                let record = id.withdraw(&id.record()?, record, write_id).await?;
                if matches!(record.state, UploadState::Done { .. }) {
                    return Ok(false);
                }
                return id.remove(&record).await.map(|()| true);
            }
            UploadState::Done { write_id, .. } => !id.is_current(write_id).await?,
        };
        if is_orphan {
            id.remove(&record).await?;
        }
        Ok(is_orphan)
    }

    /// Parts without a record of their upload. One of each upload is looked at: removal takes them all.
    async fn orphans(&self, mut cursor: SetCursor, removed: &mut usize) -> Result<(), StoreError> {
        let mut result = Ok(());
        loop {
            cursor.fill(PAGE).await?;
            let Some((name, head)) = cursor.pop() else {
                return result.and(cursor.end());
            };
            let Some((object, upload)) = parse(&name, Space::Part) else {
                continue;
            };
            cursor.skip_to(after_prefix(&upload_name(&object, upload)).as_ref());
            if self.age_ms(&head) < self.least_ms {
                continue;
            }
            let id = self.upload(&object, upload);
            let outcome = match Upload::read(&id.record()?).await {
                Err(StoreError::NoSuchUpload) => {
                    *removed += 1;
                    id.remove_parts(|_, _| true).await
                }
                other => other.map(drop),
            };
            result = result.and(outcome);
        }
    }
}

/// Object and upload id of the name of an upload's record or part.
fn parse(name: &Bytes, space: Space) -> Option<(Bytes, [u8; 16])> {
    let at = name.len().checked_sub(space.suffix_bytes())?;
    let upload = name.get(at + 1..at + 17)?;
    Some((name.slice(..at), upload.try_into().ok()?))
}
