//! Multipart uploads: parts are objects of their own space beside the final key; completion is metadata only.
//!
//! A part's key holds its write id, so parts are immutable: whatever is sent late, the parts that a manifest names stay what they were.

use crate::StoreError;
use crate::body::Body;
use crate::core::Core;
use crate::get::{head, read_manifest};
use crate::locate::{Need, locate};
use crate::manifest::Manifest;
use crate::metadata::Metadata;
use crate::operation::Operation;
use crate::part_checksum::{self, PartChecksum};
use crate::put::{Label, put_body, put_tombstone};
use crate::set_cursor::SetCursor;
use crate::settle::publish_on_top;
use crate::store::Condition;
use crate::upload::{Upload, UploadState};
use crate::version::ReadError;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream;
use openlake_drive::{Ballot, Head, Key, Space, WriteId};
use openlake_peer::Fence;
use std::collections::HashSet;
use std::rc::Rc;

const MOST_PARTS: u16 = 10_000;
/// Parts removed at the same time.
const REMOVE_PARALLEL: usize = 16;

/// A part as the client names it in Complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletePart {
    pub number: u16,
    pub etag: [u8; 16],
}

/// A part as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    pub number: u16,
    pub size: u64,
    pub etag: [u8; 16],
    pub origin: Ballot,
    /// What it was sent with, if it was.
    pub checksum: Option<PartChecksum>,
}

/// What the name of an upload's record is, and what those of its parts begin with.
pub(crate) fn upload_name(object: &[u8], upload: [u8; 16]) -> BytesMut {
    let mut name = BytesMut::with_capacity(object.len() + 19);
    name.put_slice(object);
    name.put_u8(0);
    name.put_slice(&upload);
    name
}

/// Key of a part of an upload of `object`, by its number and write id.
pub(crate) fn part_key(bucket: u64, object: &[u8], upload: [u8; 16], (number, write_id): (u16, WriteId)) -> Key {
    let mut name = upload_name(object, upload);
    name.put_u16(number);
    name.put_slice(&write_id.0);
    Key {
        bucket,
        space: Space::Part,
        name: name.freeze(),
    }
}

/// An upload, as requests name it.
pub(crate) struct UploadId<'request> {
    pub core: &'request Rc<Core>,
    pub bucket: u64,
    /// `None` for the node's own housekeeping.
    pub fence: Option<Fence>,
    pub object: &'request Bytes,
    pub upload: [u8; 16],
}

impl UploadId<'_> {
    pub(crate) fn operation(&self, space: Space, name: Bytes) -> Result<Rc<Operation>, StoreError> {
        let key = Key {
            bucket: self.bucket,
            space,
            name,
        };
        Operation::new(self.core, key, self.fence)
    }
    pub(crate) fn record(&self) -> Result<Rc<Operation>, StoreError> {
        self.operation(Space::Upload, upload_name(self.object, self.upload).freeze())
    }
    fn part(&self, number: u16, write_id: WriteId) -> Result<Rc<Operation>, StoreError> {
        let key = part_key(self.bucket, self.object, self.upload, (number, write_id));
        self.operation(Space::Part, key.name)
    }

    pub async fn create(&self, metadata: Metadata) -> Result<(), StoreError> {
        Upload::create(&self.record()?, metadata).await
    }

    async fn must_be_open(&self) -> Result<(), StoreError> {
        match Upload::read(&self.record()?).await?.state {
            UploadState::Open => Ok(()),
            _ => Err(StoreError::NoSuchUpload),
        }
    }

    /// Only an upload that ended loses parts: `NoSuchUpload` if this one did.
    pub(crate) async fn must_not_have_ended(&self) -> Result<(), StoreError> {
        match Upload::read(&self.record()?).await?.state {
            UploadState::Open | UploadState::Completing { .. } | UploadState::Aborting { .. } => Ok(()),
            UploadState::Aborted | UploadState::Done { .. } => Err(StoreError::NoSuchUpload),
        }
    }

    /// Stores a part while the upload is open.
    pub async fn put_part(&self, number: u16, body: &mut dyn Body) -> Result<(Ballot, Label), StoreError> {
        if number == 0 || number > MOST_PARTS {
            return Err(StoreError::Invalid(format!("part number {number}: must be 1 to {MOST_PARTS}")));
        }
        self.must_be_open().await?;
        let write_id = self.core.new_write_id();
        let part = self.part(number, write_id)?;
        let stored = put_body(&part, write_id, body, &Condition::None).await?;
        // The upload may have ended while the body was on its way: then nobody looks for this part any more.
        match self.is_lost(number, write_id).await {
            Ok(true) => {
                let _ = put_tombstone(&part, &Condition::None).await;
                Err(StoreError::NoSuchUpload)
            }
            // What cannot be told now is as good as a Complete or Abort that comes a moment later.
            Ok(false) | Err(_) => Ok(stored),
        }
    }

    /// Whether the upload ended without this part.
    async fn is_lost(&self, number: u16, write_id: WriteId) -> Result<bool, StoreError> {
        let record = self.record()?;
        let upload = match Upload::read(&record).await {
            Err(StoreError::NoSuchUpload) => return Ok(true),
            upload => upload?,
        };
        match upload.state {
            UploadState::Open => Ok(false),
            UploadState::Aborted => Ok(true),
            // What it is going to be is not known yet; if nothing, the sweep finds the part.
            UploadState::Aborting { .. } => Ok(false),
            UploadState::Completing { .. } => Ok(!upload.chosen(&record).await?.names(number, write_id)),
            UploadState::Done { write_id: object, .. } => match self.current_manifest(object).await? {
                Some(manifest) => Ok(!manifest.names(number, write_id)),
                None => Ok(true),
            },
        }
    }

    /// Parts of an open upload, by number: the newest of each.
    pub async fn list_parts(&self) -> Result<Vec<PartInfo>, StoreError> {
        let parts = self.parts().await?;
        // Only an upload that ended loses parts, and it is never opened again: so all of those of one that is open now were there.
        self.must_be_open().await?;
        let mut listed: Vec<PartInfo> = Vec::new();
        for (info, _) in parts {
            match listed.last_mut() {
                Some(last) if last.number == info.number && last.origin >= info.origin => {}
                Some(last) if last.number == info.number => *last = info,
                _ => listed.push(info),
            }
        }
        Ok(listed)
    }

    /// All parts that are there, in order of number; of each number as many as were sent.
    pub(crate) async fn parts(&self) -> Result<Vec<(PartInfo, Head)>, StoreError> {
        let prefix = upload_name(self.object, self.upload).freeze();
        let operation = self.operation(Space::Part, prefix.clone())?;
        // Parts are placed by the object's key, which `beside` keeps.
        let operation = self.record()?.beside(operation.key.clone())?;
        let mut cursor = SetCursor::new(operation, prefix.clone(), prefix.clone());
        let mut parts = Vec::new();
        loop {
            cursor.fill(1000).await?;
            let Some((name, head)) = cursor.pop() else {
                return cursor.end().map(|()| parts);
            };
            // Another object's name may begin like this upload's.
            let Some((number, _)) = name
                .get(prefix.len()..)
                .and_then(<[u8]>::split_first_chunk::<2>)
                .filter(|(_, write_id)| *write_id == head.write_id.0)
            else {
                continue;
            };
            let info = PartInfo {
                number: u16::from_be_bytes(*number),
                size: head.size,
                etag: head.etag,
                origin: head.origin,
                checksum: part_checksum::of_part(&Metadata::decode(&head.metadata)),
            };
            parts.push((info, head));
        }
    }

    /// Abort: afterwards no Complete can succeed; parts and record are removed as far as drives answer.
    pub async fn abort(&self) -> Result<(), StoreError> {
        let record = self.record()?;
        let upload = Upload::read(&record).await?;
        let aborted = match upload.state {
            UploadState::Open => upload.change(&record, UploadState::Aborted).await.map_err(raced)?,
            UploadState::Aborted => upload,
            UploadState::Completing { write_id, .. } | UploadState::Aborting { write_id, .. } => {
                self.withdraw(&record, upload, write_id).await?
            }
            UploadState::Done { .. } => upload,
        };
        if matches!(aborted.state, UploadState::Done { .. }) {
            return Err(StoreError::NoSuchUpload);
        }
        self.remove(&aborted).await
    }

    /// Ends a Complete whose outcome is not known: the record becomes `aborted` once the object can never be the one that was chosen, or
    /// `done` if it is.
    pub(crate) async fn withdraw(&self, record: &Rc<Operation>, upload: Upload, write_id: WriteId) -> Result<Upload, StoreError> {
        let upload = match upload.state {
            UploadState::Completing { write_id, since } => {
                let aborting = UploadState::Aborting { write_id, since };
                upload.change(record, aborting).await.map_err(raced)?
            }
            _ => upload,
        };
        // Nobody publishes it any more without having looked at the record after a promise; see `UploadId::permit`.
        let object = self.operation(Space::Object, self.object.clone())?;
        let found = publish_on_top(&object).await?.map(|located| located.head);
        let Some(head) = found.filter(|head| head.write_id == write_id) else {
            return upload.change(record, UploadState::Aborted).await.map_err(raced);
        };
        let done = UploadState::Done {
            write_id,
            size: head.size,
            etag: head.etag,
            parts: head.etag_parts,
            origin: head.origin,
        };
        let mut done = upload.change(record, done).await.map_err(raced)?;
        done.metadata = Metadata::decode(&head.metadata);
        if let Some(manifest) = self.current_manifest(write_id).await? {
            self.remove_parts_in_background(manifest);
        }
        Ok(done)
    }

    /// Removes all parts, then the record.
    pub async fn remove(&self, upload: &Upload) -> Result<(), StoreError> {
        self.remove_parts(|_, _| true).await?;
        match put_tombstone(&self.record()?, &upload.unchanged()).await {
            // Nothing else becomes of such a record: somebody else removed it.
            Ok(_) | Err(StoreError::PreconditionFailed | StoreError::NoSuchKey) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes the parts that `is_waste` says, by number and write id. The first error, once all were tried.
    pub(crate) async fn remove_parts(&self, is_waste: impl Fn(u16, WriteId) -> bool) -> Result<(), StoreError> {
        let parts = self.parts().await?;
        let waste = parts.iter().filter(|(part, head)| is_waste(part.number, head.write_id));
        let mut removals = stream::iter(waste)
            .map(|(part, head)| async move { put_tombstone(&self.part(part.number, head.write_id)?, &Condition::None).await })
            .buffer_unordered(REMOVE_PARALLEL);
        let mut result = Ok(());
        while let Some(removed) = removals.next().await {
            result = result.and(removed.map(drop));
        }
        result
    }

    /// Whether the object is, right now, the one that this upload became.
    pub async fn is_current(&self, write_id: WriteId) -> Result<bool, StoreError> {
        match head(&self.operation(Space::Object, self.object.clone())?).await {
            Ok(head) => Ok(head.write_id == write_id),
            Err(StoreError::NoSuchKey) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The manifest of the object, if that is, right now, the one that this upload became.
    async fn current_manifest(&self, write_id: WriteId) -> Result<Option<Manifest>, StoreError> {
        let operation = self.operation(Space::Object, self.object.clone())?;
        match locate(&operation, Need::Data { first: 0, count: 1 }).await? {
            Some(located) if located.head.write_id == write_id => match read_manifest(&operation, located).await {
                Ok(manifest) => Ok(Some(manifest)),
                Err(ReadError::Vanished) => Ok(None),
                Err(ReadError::Failed(error)) => Err(error),
            },
            _ => Ok(None),
        }
    }

    /// Parts that were uploaded but are not in the manifest are of no use any more.
    pub(crate) fn remove_parts_in_background(&self, manifest: Manifest) {
        let (core, bucket, fence, object, upload) = (self.core.clone(), self.bucket, self.fence, self.object.clone(), self.upload);
        let runtime = core.runtime.clone();
        runtime.spawn(async move {
            let id = UploadId {
                core: &core,
                bucket,
                fence,
                object: &object,
                upload,
            };
            let kept: HashSet<WriteId> = manifest.parts.iter().map(|part| part.write_id).collect();
            let _ = id.remove_parts(|_, write_id| !kept.contains(&write_id)).await;
        });
    }
}

/// Complete and Abort, or two of them, met on the upload's record.
pub(crate) fn raced(error: StoreError) -> StoreError {
    if error == StoreError::PreconditionFailed {
        StoreError::ConditionalConflict
    } else {
        error
    }
}
