//! Quorum reads of bucket records, coalesced: all who ask while a read is under way share the next one, which starts after they asked.

use crate::StoreError;
use crate::bucket::{BucketRecord, read_record};
use crate::core::Core;
use futures_channel::oneshot;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Names read at the same time on one core; a flood of unknown names gets 503 beyond that.
const MOST_NAMES: usize = 64;

type Reading = Result<BucketRecord, StoreError>;

/// Who waits for which record.
#[derive(Default)]
pub(crate) struct BucketReads {
    waiting: RefCell<HashMap<String, Vec<oneshot::Sender<Reading>>>>,
}

/// The record of the bucket `name` as of some time after this call.
pub(crate) async fn read_coalesced(core: &Rc<Core>, name: &str) -> Reading {
    let (sender, receiver) = oneshot::channel();
    let is_first = {
        let mut waiting = core.bucket_reads.waiting.borrow_mut();
        let names = waiting.len();
        match waiting.get_mut(name) {
            Some(list) => {
                list.push(sender);
                false
            }
            None if names >= MOST_NAMES => {
                return Err(StoreError::Unavailable(format!(
                    "more than {MOST_NAMES} bucket names are being looked up: slow down"
                )));
            }
            None => {
                waiting.insert(name.to_owned(), vec![sender]);
                true
            }
        }
    };
    if is_first {
        let (core, name) = (core.clone(), name.to_owned());
        let runtime = core.runtime.clone();
        runtime.spawn(async move {
            loop {
                let list = {
                    let mut waiting = core.bucket_reads.waiting.borrow_mut();
                    let list = waiting.get_mut(&name).map(std::mem::take).unwrap_or_default();
                    if list.is_empty() {
                        waiting.remove(&name);
                        break;
                    }
                    list
                };
                let reading = read_record(&core, &name).await;
                for sender in list {
                    let _ = sender.send(reading.clone());
                }
            }
        });
    }
    receiver
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable("the runtime is shutting down".to_owned())))
}
