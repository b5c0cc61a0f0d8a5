//! Multipart uploads: parts are objects of their own space beside the final key; completion is metadata only.

use crate::StoreError;
use crate::body::Body;
use crate::core::Core;
use crate::get::head;
use crate::metadata::Metadata;
use crate::operation::Operation;
use crate::part_checksum::{self, PartChecksum};
use crate::put::{Label, put_body, put_tombstone};
use crate::set_cursor::SetCursor;
use crate::store::Condition;
use crate::upload::{Upload, UploadState};
use bytes::{BufMut, Bytes, BytesMut};
use openlake_drive::{Ballot, Head, Key, Space, WriteId};
use openlake_peer::Fence;
use std::rc::Rc;

const MOST_PARTS: u16 = 10_000;

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

fn upload_name(object: &[u8], upload: [u8; 16]) -> BytesMut {
    let mut name = BytesMut::with_capacity(object.len() + 19);
    name.put_slice(object);
    name.put_u8(0);
    name.put_slice(&upload);
    name
}

/// Key of a part of an upload of `object`.
pub(crate) fn part_key(bucket: u64, object: &[u8], upload: [u8; 16], number: u16) -> Key {
    let mut name = upload_name(object, upload);
    name.put_u16(number);
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
    fn part(&self, number: u16) -> Result<Rc<Operation>, StoreError> {
        let key = part_key(self.bucket, self.object, self.upload, number);
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

    /// Stores a part while the upload is open.
    pub async fn put_part(&self, number: u16, body: &mut dyn Body) -> Result<(Ballot, Label), StoreError> {
        if number == 0 || number > MOST_PARTS {
            return Err(StoreError::Invalid(format!("part number {number}: must be 1 to {MOST_PARTS}")));
        }
        self.must_be_open().await?;
        put_body(&self.part(number)?, body, &Condition::None).await
    }

    /// Parts of an open upload, by number.
    pub async fn list_parts(&self) -> Result<Vec<PartInfo>, StoreError> {
        self.must_be_open().await?;
        Ok(self.parts().await?.iter().map(|(info, _)| info.clone()).collect())
    }

    pub(crate) async fn parts(&self) -> Result<Vec<(PartInfo, Head)>, StoreError> {
        let prefix = upload_name(self.object, self.upload).freeze();
        let operation = self.operation(Space::Part, prefix.clone())?;
        // Parts are placed by the object's key, which `beside` keeps.
        let operation = self.record()?.beside(operation.key.clone())?;
        let mut cursor = SetCursor::new(operation, prefix.clone(), prefix.clone());
        let mut parts = Vec::new();
        loop {
            cursor.fill(1000).await?;
            let Some((name, head)) = cursor.pop() else { return Ok(parts) };
            let Some(number) = name.get(prefix.len()..).and_then(|suffix| <[u8; 2]>::try_from(suffix).ok()) else {
                continue;
            };
            let info = PartInfo {
                number: u16::from_be_bytes(number),
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
            UploadState::Completing { .. } => return Err(StoreError::ConditionalConflict),
            UploadState::Done { .. } => return Err(StoreError::NoSuchUpload),
        };
        self.remove(&aborted).await
    }

    /// Removes all parts, then the record.
    pub async fn remove(&self, upload: &Upload) -> Result<(), StoreError> {
        for (part, _) in self.parts().await? {
            put_tombstone(&self.part(part.number)?, &Condition::None).await?;
        }
        put_tombstone(&self.record()?, &upload.unchanged()).await.map(drop)
    }

    /// Whether the object is, right now, the one that this upload became.
    pub async fn is_current(&self, write_id: WriteId) -> Result<bool, StoreError> {
        match head(&self.operation(Space::Object, self.object.clone())?).await {
            Ok(head) => Ok(head.write_id == write_id),
            Err(StoreError::NoSuchKey) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Parts that were uploaded but are not in the manifest are of no use any more.
    pub(crate) fn remove_parts_in_background(&self, keep: Vec<u16>) {
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
            let Ok(parts) = id.parts().await else { return };
            for (part, _) in parts.iter().filter(|(part, _)| keep.binary_search(&part.number).is_err()) {
                if let Ok(operation) = id.part(part.number) {
                    let _ = put_tombstone(&operation, &Condition::None).await;
                }
            }
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
