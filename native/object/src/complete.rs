//! Complete of a multipart upload: one manifest is chosen, and published once, however often and from wherever Complete is called.
//!
//! The upload's record names the write id and a ballot that was promised for the object's key before anything was published under it. A
//! Complete that finds such a record goes on with that write, and can tell whether it was complete before (see `shared_write`).

use crate::StoreError;
use crate::body::BodyError;
use crate::manifest::{Manifest, ManifestPart};
use crate::metadata::Metadata;
use crate::multipart::{CompletePart, PartInfo, UploadId, raced};
use crate::operation::Permit;
use crate::part_checksum;
use crate::put::{Label, put_payload_shared};
use crate::shared_write::{self, SharedWrite};
use crate::store::{Condition, ObjectInfo};
use crate::upload::{Upload, UploadState};
use futures_util::FutureExt;
use openlake_checksum::md5;
use openlake_drive::sabotage::{Sabotage, is_planted};
use openlake_drive::{Ballot, Head, Space, WriteId};
use std::collections::HashMap;

/// Least size of every part but the last.
const LEAST_PART_BYTES: u64 = 5 << 20;
/// A write that began longer ago is only looked for, never published again: a tombstone that says that it was complete and deleted may
/// be collected after an hour.
const REPEATABLE_MS: u64 = 45 * 60 * 1000;

impl UploadId<'_> {
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
        if let UploadState::Aborting { write_id, .. } = upload.state {
            // An Abort that was interrupted: the object may be there all the same.
            upload = self.withdraw(&record, upload, write_id).await?;
        }
        if matches!(upload.state, UploadState::Aborting { .. } | UploadState::Aborted) {
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
        let (manifest, write_id, since, alone) = match upload.state {
            // A Complete of the same parts that was interrupted, or is still under way: go on with its manifest under its write id, so
            // that it takes effect once. The record is written anew all the same, so that the other one cannot open the upload again
            // behind our back.
            UploadState::Completing { write_id, since } => match upload.chosen(&record).await? {
                manifest if manifest.is_of(named) => (manifest, write_id, since, false),
                _ => return Err(StoreError::ConditionalConflict),
            },
            _ => {
                let manifest = match choose(self.upload, named, &stored) {
                    // An Abort, or a Complete of other parts, may have ended the upload since, and removed the part.
                    Err(error @ StoreError::InvalidPart(_)) => return Err(self.must_not_have_ended().await.err().unwrap_or(error)),
                    chosen => chosen?,
                };
                let object = self.operation(Space::Object, self.object.clone())?;
                (manifest, self.core.new_write_id(), shared_write::begin(&object).await?, true)
            }
        };
        let metadata = finished_metadata(&upload.metadata, &manifest, &stored);
        must_have(&metadata, expected)?;
        let completing = UploadState::Completing { write_id, since };
        upload = upload.choose(&record, completing, &manifest).await.map_err(raced)?;
        let (etag, parts) = etag_of(named);
        let size = manifest.size().unwrap_or(u64::MAX);
        let label = Label {
            etag,
            etag_parts: parts,
            metadata: metadata.encode(),
            size: Some(size),
            manifest: true,
        };
        let origin = match self
            .publish(write_id, &manifest, &label, condition, SharedWrite { since, alone })
            .await
        {
            Ok(origin) => origin,
            // Nobody else publishes this: the client may try again or abort.
            Err(error) if alone && is_without_effect(&error) => {
                let _ = upload.change(&record, UploadState::Open).await;
                return Err(error);
            }
            Err(error) => return Err(error),
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
        self.remove_parts_in_background(manifest);
        Ok(info(&upload.metadata, size, etag, parts, origin))
    }

    /// What lets a Complete publish: that its choice still stands. An Abort first takes it back in the record, and then has a ballot promised
    /// for the object's key. So a Complete that was promised a ballot before either finds the record changed, or is found by the Abort.
    fn permit(&self, write_id: WriteId) -> Result<Permit, StoreError> {
        let record = self.record()?;
        Ok(Box::new(move || {
            let record = record.clone();
            async move {
                record.restart_clock();
                match Upload::read(&record).await?.state {
                    UploadState::Completing { write_id: chosen, .. } | UploadState::Done { write_id: chosen, .. } if chosen == write_id => {
                        Ok(())
                    }
                    _ => Err(StoreError::NoSuchUpload),
                }
            }
            .boxed_local()
        }))
    }

    /// Publishes the object, or finds that it was published.
    async fn publish(
        &self,
        write_id: WriteId,
        manifest: &Manifest,
        label: &Label,
        condition: &Condition,
        shared: SharedWrite,
    ) -> Result<Ballot, StoreError> {
        let object = self.operation(Space::Object, self.object.clone())?;
        object.set_permit(self.permit(write_id)?);
        let age_ms = self.core.wall_ms().saturating_sub(shared.since.time_ms());
        if !shared.alone && age_ms > REPEATABLE_MS {
            if self.is_current(write_id).await? {
                return Ok(shared.since);
            }
            return Err(object.unknown("publish: it began too long ago to tell what became of it"));
        }
        let shared_or_not = (!is_planted(Sabotage::ForgottenComplete)).then_some(shared);
        match put_payload_shared(&object, write_id, &manifest.encode(), label, condition, shared_or_not).await {
            // This call had no effect; those before it may have had one.
            Err(error @ (StoreError::Unavailable(_) | StoreError::Full | StoreError::ConditionalConflict)) if !shared.alone => Err(object
                .unknown(&format!(
                    "publish: an earlier try may have taken effect, and this one ended with {error:?}"
                ))),
            result => result,
        }
    }
}

/// Whether a write that ended so had no effect and will have none.
fn is_without_effect(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::PreconditionFailed | StoreError::ConditionalConflict | StoreError::Unavailable(_) | StoreError::Full
    )
}

/// The manifest that the client's list of parts means, if it is right. `stored` is in order of number.
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
        // Sent several times, the part that the client means is the one with that ETag: the newest of those, if it was sent with the same
        // bytes again.
        let from = stored.partition_point(|(info, _)| info.number < part.number);
        let of_number = stored.iter().skip(from).take_while(|(info, _)| info.number == part.number);
        let Some((info, head)) = of_number
            .filter(|(info, _)| info.etag == part.etag)
            .max_by_key(|(info, _)| info.origin)
        else {
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

/// What the object carries: the upload's metadata and, where every part has one, the checksum over its parts.
fn finished_metadata(upload: &Metadata, manifest: &Manifest, stored: &[(PartInfo, Head)]) -> Metadata {
    let checksums: HashMap<WriteId, _> = stored.iter().map(|(info, head)| (head.write_id, &info.checksum)).collect();
    let checksum = |part: &ManifestPart| (*checksums.get(&part.write_id)?).clone();
    let parts: Vec<_> = manifest.parts.iter().map(|part| (part.size, checksum(part))).collect();
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
