//! Ids of deleted buckets, kept for a while in the reserved bucket: a bucket counts as empty while uploads to it are open, so their records
//! and parts outlive it, and with the bucket's own record nobody would find them any more.
//!
//! Record: key `departed/ID` (16 hex digits), no payload. It is as old as the deletion.

use crate::StoreError;
use crate::bucket::{RESERVED_VIEW, reserved_key};
use crate::core::Core;
use crate::list::{Listing, list_heads};
use crate::operation::Operation;
use crate::put::{Label, put_payload, put_tombstone};
use crate::store::Condition;
use bytes::Bytes;
use std::rc::Rc;
use std::time::Duration;

const PREFIX: &str = "departed/";

fn record(core: &Rc<Core>, id: u64) -> Result<Rc<Operation>, StoreError> {
    Operation::new(core, reserved_key(format!("{PREFIX}{id:016x}")), None)
}

/// Keeps the id of a bucket that is about to be deleted.
pub(crate) async fn note(core: &Rc<Core>, id: u64) -> Result<(), StoreError> {
    let write = put_payload(
        &record(core, id)?,
        core.new_write_id(),
        &Bytes::new(),
        &Label::default(),
        &Condition::None,
    )
    .await;
    write.map(drop)
}

/// The ids kept, and for how long by now.
pub(crate) async fn list(core: &Rc<Core>) -> Result<Vec<(u64, Duration)>, StoreError> {
    let (prefix, mut after, mut departed) = (Bytes::from_static(PREFIX.as_bytes()), Bytes::new(), Vec::new());
    loop {
        let listing = Listing {
            prefix: &prefix,
            delimiter: b"",
            after: &after,
            limit: 1000,
        };
        let page = list_heads(core, RESERVED_VIEW, &listing).await?;
        for (key, head) in &page.rows {
            let id = key.get(PREFIX.len()..).and_then(|text| std::str::from_utf8(text).ok());
            if let Some(id) = id.and_then(|text| u64::from_str_radix(text, 16).ok()) {
                let age_ms = core.wall_ms().saturating_sub(head.origin.time_ms());
                departed.push((id, Duration::from_millis(age_ms)));
            }
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(departed),
        }
    }
}

/// Forgets an id.
pub(crate) async fn forget(core: &Rc<Core>, id: u64) -> Result<(), StoreError> {
    put_tombstone(&record(core, id)?, &Condition::None).await.map(drop)
}
