//! Multipart uploads: parts are objects of their own space beside the final key; completion is metadata only.

use crate::StoreError;
use crate::body::{Body, BodyError};
use crate::core::Core;
use crate::get::head;
use crate::manifest::{Manifest, ManifestPart};
use crate::metadata::Metadata;
use crate::operation::Operation;
use crate::part_checksum::{self, PartChecksum};
use crate::put::{Label, put_body, put_payload, put_tombstone};
use crate::set_cursor::SetCursor;
use crate::store::{Condition, ObjectInfo};
use crate::upload::{Upload, UploadState};
use bytes::{BufMut, Bytes, BytesMut};
use openlake_checksum::md5;
use openlake_drive::{Ballot, Head, Key, Space, WriteId};
use openlake_peer::Fence;
use std::rc::Rc;

/// Least size of every part but the last.
const LEAST_PART_BYTES: u64 = 5 << 20;
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
    fn operation(&self, space: Space, name: Bytes) -> Result<Rc<Operation>, StoreError> {
        let key = Key {
            bucket: self.bucket,
            space,
            name,
        };
        Operation::new(self.core, key, self.fence)
    }
    fn record(&self) -> Result<Rc<Operation>, StoreError> {
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

    async fn parts(&self) -> Result<Vec<(PartInfo, Head)>, StoreError> {
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

    /// Complete: choose the manifest by a conditional write on the upload's record, publish the object, note that it is done.
    /// `expected`: header name and value of the checksum that the whole must turn out to have.
    pub async fn complete(
        &self,
        named: &[CompletePart],
        condition: &Condition,
        expected: Option<(&str, &str)>,
    ) -> Result<ObjectInfo, StoreError> {
        let record = self.record()?;
        let mut upload = Upload::read(&record).await?;
        if upload.state == UploadState::Aborted {
            return Err(StoreError::NoSuchUpload);
        }
        if let UploadState::Done {
            size, etag, parts, origin, ..
        } = upload.state
        {
            // The same request again, as far as can still be told: parts may be gone from the list, so their ETags decide.
            let same = etag_of(named) == (etag, parts);
            return if same {
                Ok(info(&upload.metadata, size, etag, parts, origin))
            } else {
                Err(StoreError::NoSuchUpload)
            };
        }
        let stored = self.parts().await?;
        let manifest = choose(self.upload, named, &stored)?;
        let metadata = finished_metadata(&upload.metadata, &manifest, &stored);
        must_have(&metadata, expected)?;
        let payload = manifest.encode();
        let digest = md5::digest(&payload);
        let (write_id, joined) = match upload.state {
            // A Complete of the same parts that was interrupted, or is still under way: go on under its write id, so that it takes effect
            // once. The record is written anew all the same, so that the other one cannot open the upload again behind our back.
            UploadState::Completing { write_id, digest: chosen } if chosen == digest => (write_id, true),
            UploadState::Open => (self.core.new_write_id(), false),
            _ => return Err(StoreError::ConditionalConflict),
        };
        let completing = UploadState::Completing { write_id, digest };
        upload = upload.change(&record, completing).await.map_err(raced)?;
        let (etag, parts) = etag_of(named);
        let size = manifest.size().unwrap_or(u64::MAX);
        let label = Label {
            etag,
            etag_parts: parts,
            metadata: metadata.encode(),
            size: Some(size),
            manifest: true,
        };
        let object = self.operation(Space::Object, self.object.clone())?;
        let origin = match put_payload(&object, write_id, &payload, &label, condition).await {
            Ok(origin) => origin,
            Err(error) => {
                let no_effect = matches!(
                    error,
                    StoreError::PreconditionFailed | StoreError::ConditionalConflict | StoreError::Unavailable(_)
                );
                if no_effect && !joined {
                    // Nobody else publishes this: the client may try again or abort.
                    let _ = upload.change(&record, UploadState::Open).await;
                }
                return Err(error);
            }
        };
        upload.metadata = metadata;
        // If this fails, the same Complete finds the upload completing and the object already there.
        let _ = upload
            .change(
                &record,
                UploadState::Done {
                    write_id,
                    size,
                    etag,
                    parts,
                    origin,
                },
            )
            .await;
        self.remove_parts_in_background(manifest.parts.iter().map(|part| part.number).collect());
        Ok(info(&upload.metadata, size, etag, parts, origin))
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
    fn remove_parts_in_background(&self, keep: Vec<u16>) {
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

/// The manifest that the client's list of parts means, if it is right.
fn choose(upload: [u8; 16], named: &[CompletePart], stored: &[(PartInfo, Head)]) -> Result<Manifest, StoreError> {
    if named.is_empty() {
        return Err(StoreError::Invalid("the list of parts is empty".to_owned()));
    }
    if named
        .windows(2)
        .any(|pair| pair.first().map(|part| part.number) >= pair.last().map(|part| part.number))
    {
        return Err(StoreError::InvalidPartOrder);
    }
    let mut parts = Vec::with_capacity(named.len());
    for (position, part) in named.iter().enumerate() {
        let stored = stored_part(stored, part.number).filter(|(info, _)| info.etag == part.etag);
        let Some((info, head)) = stored else {
            return Err(StoreError::InvalidPart(format!(
                "part {}: not uploaded, or its ETag differs",
                part.number
            )));
        };
        if position + 1 < named.len() && info.size < LEAST_PART_BYTES {
            return Err(StoreError::EntityTooSmall);
        }
        parts.push(ManifestPart::of(info, head.write_id));
    }
    let manifest = Manifest { upload, parts };
    match manifest.size() {
        Some(_) => Ok(manifest),
        None => Err(StoreError::Invalid("the parts' sizes add up to more than 2^64 bytes".to_owned())),
    }
}

/// The part of a number; `stored` is in order of number.
fn stored_part(stored: &[(PartInfo, Head)], number: u16) -> Option<&(PartInfo, Head)> {
    let place = stored.binary_search_by_key(&number, |(info, _)| info.number).ok()?;
    stored.get(place)
}

/// What the object carries: the upload's metadata and, where every part has one, the checksum over its parts.
fn finished_metadata(upload: &Metadata, manifest: &Manifest, stored: &[(PartInfo, Head)]) -> Metadata {
    let checksum = |number| stored_part(stored, number)?.0.checksum.clone();
    let parts: Vec<_> = manifest.parts.iter().map(|part| (part.size, checksum(part.number))).collect();
    part_checksum::finished(upload, &parts)
}

/// Refuses a checksum of the whole that is not the one found. One that cannot be known is not judged.
fn must_have(metadata: &Metadata, expected: Option<(&str, &str)>) -> Result<(), StoreError> {
    match expected.and_then(|(name, value)| Some((name, value, metadata.get(name)?))) {
        // A composite value may be sent without its number of parts.
        Some((name, value, found)) if value != found && found.split_once('-').map(|(digest, _)| digest) != Some(value) => {
            Err(StoreError::Body(BodyError {
                code: "BadDigest",
                message: format!("The {name} you specified for the object is {value}; the parts make {found}."),
            }))
        }
        _ => Ok(()),
    }
}

/// MD5 of the parts' MD5s, and their number.
fn etag_of(named: &[CompletePart]) -> ([u8; 16], u16) {
    let all: Vec<u8> = named.iter().flat_map(|part| part.etag).collect();
    (md5::digest(&all), u16::try_from(named.len()).unwrap_or(u16::MAX))
}

fn info(metadata: &Metadata, size: u64, etag: [u8; 16], etag_parts: u16, origin: Ballot) -> ObjectInfo {
    ObjectInfo {
        size,
        etag,
        etag_parts,
        last_modified_ms: origin.time_ms(),
        metadata: metadata.clone(),
        version: origin,
    }
}

/// Complete and Abort, or two of them, met on the upload's record.
fn raced(error: StoreError) -> StoreError {
    if error == StoreError::PreconditionFailed {
        StoreError::ConditionalConflict
    } else {
        error
    }
}
