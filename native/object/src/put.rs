//! Stores a body: small ones travel inside the publish record, large ones are staged first.

use crate::conditional::write_if;
use crate::operation::Operation;
use crate::proposal::Proposal;
use crate::shared_write::SharedWrite;
use crate::stage::{Staged, stage};
use crate::store::Condition;
use crate::stripe::{BLOCK_SHIFT, Geometry, INLINE_BYTES, WHOLE_BELOW_BYTES};
use crate::write::write;
use crate::{Body, BodyError, StoreError};
use bytes::{Bytes, BytesMut};
use openlake_drive::{Ballot, Coding, Kind, Record, Shard, WriteId};
use openlake_io::AlignedBuffer;
use std::rc::Rc;

/// What is known of a version besides its bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Label {
    pub etag: [u8; 16],
    pub etag_parts: u16,
    pub metadata: Bytes,
    /// The object's size where it differs from the payload's (manifests).
    pub size: Option<u64>,
    pub manifest: bool,
}

/// Stores a client's body under the operation's key, as a new write id. Nothing is published before all of it was verified. Returns the
/// version's origin and label.
pub(crate) async fn put_body(
    operation: &Rc<Operation>,
    write_id: WriteId,
    body: &mut dyn Body,
    condition: &Condition,
) -> Result<(Ballot, Label), StoreError> {
    let length = body.length();
    operation.note_storing();
    if length <= (operation.quorum.data() * INLINE_BYTES) as u64 {
        let payload = read_small(body, length).await?;
        let finish = body.finish();
        let label = Label {
            etag: finish.etag,
            metadata: finish.metadata,
            ..Label::default()
        };
        operation.restart_clock();
        let origin = put_payload(operation, write_id, &payload, &label, condition).await?;
        return Ok((origin, label));
    }
    let coding = coding_of(operation, length, false);
    let staged = stage(operation, write_id, coding, body, length).await?;
    let finish = body.finish();
    let label = Label {
        etag: finish.etag,
        metadata: finish.metadata,
        ..Label::default()
    };
    let draft = Proposal::new(template(write_id, coding, length, &label, condition), staged.shards.clone());
    operation.restart_clock();
    publish_staged(operation, draft, condition, &staged, None)
        .await
        .map(|origin| (origin, label))
}

/// Stores bytes at hand (small objects, records of the system).
pub(crate) async fn put_payload(
    operation: &Rc<Operation>,
    write_id: WriteId,
    payload: &Bytes,
    label: &Label,
    condition: &Condition,
) -> Result<Ballot, StoreError> {
    put_payload_shared(operation, write_id, payload, label, condition, None).await
}

/// The same for a write that others may publish too, under the same write id.
pub(crate) async fn put_payload_shared(
    operation: &Rc<Operation>,
    write_id: WriteId,
    payload: &Bytes,
    label: &Label,
    condition: &Condition,
    shared: Option<SharedWrite>,
) -> Result<Ballot, StoreError> {
    let coding = coding_of(operation, payload.len() as u64, label.manifest);
    if Geometry::new(coding, payload.len() as u64).shard_length(0) > INLINE_BYTES as u64 {
        return put_large_payload(operation, write_id, coding, payload, label, condition, shared).await;
    }
    operation.note_storing();
    let full = operation
        .slots()
        .filter(|slot| operation.core.is_full(operation.slot_id(*slot)))
        .count();
    if !payload.is_empty() && operation.quorum.slots() - full < operation.quorum.write() {
        return Err(StoreError::Full);
    }
    let shards = inline_shards(operation, coding, payload)?;
    let draft = Proposal::new(template(write_id, coding, payload.len() as u64, label, condition), shards);
    publish(operation, draft, condition, Ballot::ZERO, shared).await
}

async fn put_large_payload(
    operation: &Rc<Operation>,
    write_id: WriteId,
    coding: Coding,
    payload: &Bytes,
    label: &Label,
    condition: &Condition,
    shared: Option<SharedWrite>,
) -> Result<Ballot, StoreError> {
    let length = payload.len() as u64;
    let mut body = crate::body::HeldBody::new(payload.clone());
    let staged = stage(operation, write_id, coding, &mut body, length).await?;
    let draft = Proposal::new(template(write_id, coding, length, label, condition), staged.shards.clone());
    publish_staged(operation, draft, condition, &staged, shared).await
}

async fn publish_staged(
    operation: &Rc<Operation>,
    draft: Proposal,
    condition: &Condition,
    staged: &Staged,
    shared: Option<SharedWrite>,
) -> Result<Ballot, StoreError> {
    let result = publish(operation, draft, condition, staged.floor, shared).await;
    // After an unknown outcome the bytes may have been taken; otherwise nobody will ask for them.
    if result.as_ref().is_err_and(|error| !matches!(error, StoreError::Unknown(_))) {
        staged.discard(operation);
    } else {
        staged.discard_left_out(operation);
    }
    result
}

/// Publishes a tombstone.
pub(crate) async fn put_tombstone(operation: &Rc<Operation>, condition: &Condition) -> Result<Ballot, StoreError> {
    publish(operation, tombstone(operation, condition), condition, Ballot::ZERO, None).await
}

/// A tombstone that is yet to be published.
pub(crate) fn tombstone(operation: &Operation, condition: &Condition) -> Proposal {
    let write_id = operation.core.new_write_id();
    let coding = coding_of(operation, 0, false);
    let record = Record {
        kind: Kind::Tombstone,
        ..template(write_id, coding, 0, &Label::default(), condition)
    };
    Proposal::new(record, vec![Some(Shard::None); operation.quorum.slots()])
}

async fn publish(
    operation: &Rc<Operation>,
    draft: Proposal,
    condition: &Condition,
    floor: Ballot,
    shared: Option<SharedWrite>,
) -> Result<Ballot, StoreError> {
    // One at a time on this core; the body was read before, so a slow client holds nobody up.
    let turn = operation.core.key_queue.turn(&operation.key);
    let Ok(_turn) = operation.core.runtime.timeout(operation.remaining(), turn).await else {
        return Err(operation.unavailable("write: others of the same key were first, and the time is up"));
    };
    operation.restart_clock();
    if !reaches_write_quorum(operation).await {
        return Err(operation.unavailable(&format!("write: fewer than {} slots answer", operation.quorum.write())));
    }
    match condition {
        Condition::None => write(operation, draft, floor, shared).await,
        condition => write_if(operation, draft, condition, floor, shared).await,
    }
}

/// Before anything is published: if so many slots have no link, or gave no answer lately, that a write cannot succeed, they are asked
/// once more, so that the refusal is one without effect.
async fn reaches_write_quorum(operation: &Rc<Operation>) -> bool {
    let core = &operation.core;
    let is_away = |id| core.is_down(id) || !core.slots.is_reachable(id);
    let down = operation.slots().filter(|slot| is_away(operation.slot_id(*slot))).count();
    if operation.quorum.slots() - down >= operation.quorum.write() {
        return true;
    }
    crate::locate::Gather::all(operation).await.answers.len() >= operation.quorum.write()
}

/// How a payload of `length` bytes is cut in this set.
pub(crate) fn coding_of(operation: &Operation, length: u64, manifest: bool) -> Coding {
    let set = operation.set();
    let whole = length > 0 && length / u64::from(set.data) < WHOLE_BELOW_BYTES;
    Coding {
        data: set.data,
        parity: set.parity,
        block_shift: BLOCK_SHIFT,
        whole,
        manifest,
    }
}

fn template(write_id: WriteId, coding: Coding, length: u64, label: &Label, condition: &Condition) -> Record {
    Record {
        ballot: Ballot::ZERO,
        write_id,
        origin: Ballot::ZERO,
        base: None,
        kind: Kind::Data,
        unconditional: *condition == Condition::None,
        size: label.size.unwrap_or(length),
        etag: label.etag,
        etag_parts: label.etag_parts,
        metadata: label.metadata.clone(),
        coding,
        slot: 0,
        payload_size: length,
        shard: Shard::None,
    }
}

/// All bytes of a small body, as one piece; no copy if they came as one.
async fn read_small(body: &mut dyn Body, length: u64) -> Result<Bytes, StoreError> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(bytes) = body.next().await.map_err(StoreError::Body)? {
        if first.is_empty() {
            first = bytes;
            continue;
        }
        if all.is_empty() {
            all.reserve(length as usize);
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&bytes);
        if all.len() as u64 > length {
            break;
        }
    }
    let payload = if all.is_empty() { first } else { all.freeze() };
    check_length(payload.len() as u64, length)?;
    Ok(payload)
}

/// A body must be as long as it promised.
pub(crate) fn check_length(had: u64, promised: u64) -> Result<(), StoreError> {
    if had == promised {
        return Ok(());
    }
    let message = format!("the body has {had} bytes, {promised} were promised");
    Err(StoreError::Body(BodyError {
        code: "IncompleteBody",
        message,
    }))
}

/// Shards of a small payload: data shards are slices of it, parity is computed.
fn inline_shards(operation: &Operation, coding: Coding, payload: &Bytes) -> Result<Vec<Option<Shard>>, StoreError> {
    let slots = operation.quorum.slots();
    if payload.is_empty() {
        return Ok(vec![Some(Shard::None); slots]);
    }
    if coding.whole {
        return Ok(vec![Some(Shard::Inline(payload.clone())); slots]);
    }
    let blocks = encode_stripe(operation, coding, payload)?;
    Ok(blocks.into_iter().map(|bytes| Some(Shard::Inline(bytes))).collect())
}

/// The blocks of all slots of one stripe, in order of slot. Data blocks share the stripe's memory.
pub(crate) fn encode_stripe(operation: &Operation, coding: Coding, stripe: &Bytes) -> Result<Vec<Bytes>, StoreError> {
    let cut = Geometry::new(coding, stripe.len() as u64);
    let span = cut.block_span(0) as usize;
    let mut blocks = Vec::with_capacity(cut.slots());
    for slot in 0..usize::from(coding.data) {
        let from = (slot * span).min(stripe.len());
        blocks.push(stripe.slice(from..(from + span).min(stripe.len())));
    }
    if coding.parity == 0 {
        return Ok(blocks);
    }
    // Every byte is written below. What a drive writes directly has to be aligned.
    let mut parity = AlignedBuffer::with_stale_capacity(span * usize::from(coding.parity));
    parity.set_len(span * usize::from(coding.parity));
    {
        let data: Vec<&[u8]> = blocks.iter().map(|block| &block[..]).collect();
        let mut rows: Vec<&mut [u8]> = parity.as_mut_slice().chunks_mut(span.max(1)).collect();
        let code = operation.core.code(coding.data, coding.parity)?;
        code.encode(&data, &mut rows)
            .map_err(|error| operation.unavailable(&format!("encode: {error:?}")))?;
    }
    let parity = parity.freeze();
    blocks.extend((0..usize::from(coding.parity)).map(|row| parity.slice(row * span..(row + 1) * span)));
    Ok(blocks)
}
