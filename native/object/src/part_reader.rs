//! Streams a byte range of a multipart object: one part after the other, each read only where the range needs it.

use crate::StoreError;
use crate::locate::{Need, locate};
use crate::manifest::{Manifest, ManifestPart};
use crate::multipart::part_key;
use crate::operation::Operation;
use crate::stripe::BLOCK_SHIFT;
use crate::stripe_reader::StripeReader;
use crate::version::{ReadError, Version};
use bytes::Bytes;
use openlake_drive::{Key, Kind};
use std::collections::VecDeque;
use std::rc::Rc;

/// A piece of one part.
struct Piece {
    part: ManifestPart,
    key: Key,
    first: u64,
    length: u64,
}

pub(crate) struct PartReader {
    operation: Rc<Operation>,
    pieces: VecDeque<Piece>,
    current: Option<StripeReader>,
    failed: bool,
}

impl PartReader {
    /// Bytes `first..first + length` of the object. The first part is opened before this returns.
    pub async fn open(operation: &Rc<Operation>, manifest: Manifest, first: u64, length: u64) -> Result<PartReader, ReadError> {
        let end = first.saturating_add(length);
        let mut start = 0u64;
        let mut pieces = VecDeque::new();
        for part in &manifest.parts {
            let next = start.saturating_add(part.size);
            let (from, to) = (first.max(start), end.min(next));
            if from < to {
                let key = part_key(
                    operation.key.bucket,
                    operation.key.placement_name(),
                    manifest.upload,
                    (part.number, part.write_id),
                );
                pieces.push_back(Piece {
                    part: *part,
                    key,
                    first: from - start,
                    length: to - from,
                });
            }
            start = next;
        }
        if start < end {
            let text = format!("the manifest's parts hold {start} bytes, the object's record says at least {end}");
            return Err(ReadError::Failed(StoreError::Unavailable(text)));
        }
        let mut reader = PartReader {
            operation: operation.clone(),
            pieces,
            current: None,
            failed: false,
        };
        if let Some(piece) = reader.pieces.pop_front() {
            reader.current = Some(open_piece(operation, piece).await.map_err(ReadError::Failed)?);
        }
        Ok(reader)
    }

    /// Bytes that are at hand already; `None`: [`PartReader::next`] has to be asked.
    pub fn next_ready(&mut self) -> Option<Bytes> {
        self.current.as_mut().filter(|_| !self.failed)?.next_ready()
    }
    /// The next bytes; `None` at the end or after an error.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        loop {
            if self.failed {
                return None;
            }
            match self.current.as_mut()?.next().await {
                Some(Ok(bytes)) => return Some(Ok(bytes)),
                Some(Err(error)) => {
                    self.failed = true;
                    return Some(Err(error));
                }
                None => {}
            }
            let piece = self.pieces.pop_front()?;
            match open_piece(&self.operation, piece).await {
                Ok(reader) => self.current = Some(reader),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Finds a part and opens it.
async fn open_piece(operation: &Rc<Operation>, piece: Piece) -> Result<StripeReader, StoreError> {
    let operation = operation.beside(piece.key)?;
    let stripe = (operation.quorum.data() as u64) << BLOCK_SHIFT;
    let need = Need::Data {
        first: u32::try_from(piece.first / stripe).unwrap_or(u32::MAX),
        count: 1,
    };
    for _ in 0..4 {
        operation.restart_clock();
        let Some(located) = locate(&operation, need).await? else { break };
        let head = &located.head;
        if head.kind != Kind::Data || head.write_id != piece.part.write_id {
            break;
        }
        match StripeReader::open(Version::new(&operation, located), piece.first, piece.length).await {
            Ok(reader) => return Ok(reader),
            Err(ReadError::Vanished) => {}
            Err(ReadError::Failed(error)) => return Err(error),
        }
    }
    Err(operation.unavailable(&format!("part {} of the object is not there any more", piece.part.number)))
}
