//! Deleting the bucket under everybody's feet. It succeeds only while no key is there, so for the keys it is no event: their histories go
//! on in the bucket that takes its place. A write that slipped into the old one would be missing from them.

use crate::client::Client;
use crate::linearizability::When;
use crate::values::BUCKET;
use openlake_object::{BucketView, StoreError};

impl Client {
    /// Deletes all keys, then the bucket, then makes it anew.
    pub async fn replace_bucket(&self) {
        for key in 0..self.values.keys.len() {
            self.delete(key, When::Always).await;
        }
        self.values.note_bucket_deleted();
        let deleted = self.store.delete_bucket(BUCKET).await;
        self.history
            .event(self.runtime.now(), &format!("{} deletes the bucket: {deleted:?}", self.name));
        match deleted {
            Ok(true) => {
                self.history.count("bucket deleted");
                let _ = self.create_bucket().await;
            }
            Ok(false) => self.history.count("bucket not empty"),
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::ConditionalConflict | StoreError::NoSuchBucket) => {
                self.history.count("bucket deletion failed");
            }
            Err(error) => self.problem(format!("deleting the bucket ended with {error:?}")),
        }
    }

    /// Makes the bucket again; `None` while it cannot be done, or somebody else was faster.
    pub(crate) async fn create_bucket(&self) -> Option<BucketView> {
        let created = self.store.create_bucket(BUCKET).await;
        self.history
            .event(self.runtime.now(), &format!("{} creates the bucket: {created:?}", self.name));
        match created {
            Ok(view) => return Some(view),
            Err(StoreError::PreconditionFailed | StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::ConditionalConflict) => {
                self.history.count("bucket unavailable")
            }
            Err(error) => self.problem(format!("creating the bucket ended with {error:?}")),
        }
        None
    }
}
