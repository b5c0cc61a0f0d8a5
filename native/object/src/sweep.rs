//! Removes parts and records of multipart uploads that nothing refers to any more: of objects since replaced or deleted, of aborted uploads
//! whose removal was interrupted, and of completions that never came to an end.
//!
//! Writes look at nothing that was there before, so they cannot do this themselves. An upload is only touched when its record is older than
//! any request under way can be, and only after a quorum read of the object showed that it is another one.

use crate::StoreError;
use crate::core::Core;
use crate::multipart::UploadId;
use crate::operation::Operation;
use crate::set_cursor::SetCursor;
use crate::upload::{Upload, UploadState};
use bytes::Bytes;
use openlake_drive::{Key, Space};
use std::rc::Rc;
use std::time::Duration;

/// Upload records read at once.
const PAGE: usize = 256;
/// A completion may be repeated by the client for so many times the least age.
const COMPLETING_AGES: u64 = 24;

/// Sweeps one bucket in the sets that `is_ours` names. How many uploads were removed.
pub(crate) async fn sweep(core: &Rc<Core>, bucket: u64, is_ours: &dyn Fn(u32) -> bool, least_age: Duration) -> Result<usize, StoreError> {
    let layout = core.slots.layout();
    let mut removed = 0;
    for position in (0..layout.sets.len()).filter(|position| layout.sets.get(*position).is_some_and(|set| is_ours(set.id))) {
        let key = Key {
            bucket,
            space: Space::Upload,
            name: Bytes::new(),
        };
        let operation = Operation::in_set(core, key, None, layout.clone(), position)?;
        let mut cursor = SetCursor::new(operation, Bytes::new(), Bytes::new());
        loop {
            cursor.fill(PAGE).await?;
            let Some((name, head)) = cursor.pop() else { break };
            let age_ms = core.runtime.wall_ms().saturating_sub(head.origin.time_ms());
            let least_ms = least_age.as_millis() as u64;
            if age_ms < least_ms {
                continue;
            }
            let Some((object, suffix)) = name.len().checked_sub(Space::Upload.suffix_bytes()).map(|at| name.split_at(at)) else {
                continue;
            };
            let Some(upload) = suffix.get(1..).and_then(|id| <[u8; 16]>::try_from(id).ok()) else {
                continue;
            };
            let object = Bytes::copy_from_slice(object);
            let id = UploadId {
                core,
                bucket,
                fence: None,
                object: &object,
                upload,
            };
            let record = Upload::of_head(&head)?;
            let is_orphan = match record.state {
                UploadState::Open => false,
                UploadState::Aborted => true,
                UploadState::Completing { write_id, .. } => age_ms >= least_ms * COMPLETING_AGES && !id.is_current(write_id).await?,
                UploadState::Done { write_id, .. } => !id.is_current(write_id).await?,
            };
            if is_orphan {
                id.remove(&record).await?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
