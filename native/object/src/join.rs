//! What a node does before it serves: agree on the cluster, register its slots, learn all buckets.
//!
//! Records of the reserved bucket, without payload: `cluster` (metadata `cluster`: 32 hex digits) and `slot/SET/SLOT` (metadata `drive`: 32
//! hex digits, `generation`). Both are written once, by a write that requires absence; whoever comes later only compares.

use crate::StoreError;
use crate::bucket::{list_records, reserved_key};
use crate::core::Core;
use crate::get::head;
use crate::metadata::Metadata;
use crate::operation::Operation;
use crate::put::{Label, put_payload};
use crate::store::{Condition, LocalSlot};
use bytes::Bytes;
use openlake_drive::Key;
use openlake_peer::SlotId;
use std::rc::Rc;

/// Between tries the wait doubles up to this round's (about two seconds).
const LONGEST_PAUSE_MS: u64 = 2_000;

/// Retries until the cluster answers. Errors only where waiting cannot help: another cluster's record, another drive's registration.
pub(crate) async fn join(core: &Rc<Core>, cluster: [u8; 16], bootstrap: bool) -> Result<(), StoreError> {
    let state = &core.options.state;
    let mut pause_ms = 50;
    loop {
        let error = match attempt(core, cluster, bootstrap).await {
            Ok(()) => {
                state.fences.set_loaded();
                state.set_join_status("joined".to_owned());
                return Ok(());
            }
            Err(error) => error,
        };
        match &error {
            StoreError::Unavailable(text) | StoreError::Unknown(text) => state.set_join_status(format!("waiting: {text}")),
            StoreError::ConditionalConflict | StoreError::PreconditionFailed => {
                state.set_join_status("waiting: raced by another node".to_owned())
            }
            other => {
                state.set_join_status(format!("failed: {other:?}"));
                return Err(error);
            }
        }
        core.runtime
            .sleep(std::time::Duration::from_millis(pause_ms + core.runtime.random_u64() % pause_ms))
            .await;
        pause_ms = (pause_ms * 2).min(LONGEST_PAUSE_MS);
    }
}

async fn attempt(core: &Rc<Core>, cluster: [u8; 16], bootstrap: bool) -> Result<(), StoreError> {
    let state = &core.options.state;
    state.set_join_status("reading the cluster record".to_owned());
    let found = agree(core, "cluster".to_owned(), &[("cluster", hex(&cluster))], bootstrap).await?;
    if let Some(found) = found {
        let text = format!(
            "cluster: the drives belong to cluster {}, this node is configured for {}",
            found.join(" "),
            hex(&cluster)
        );
        return Err(StoreError::Invalid(text));
    }
    for local in &core.options.slots {
        register(core, local).await?;
    }
    state.set_join_status("reading the bucket records".to_owned());
    list_records(core).await?;
    Ok(())
}

/// What a slot's record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotRecord {
    pub drive: [u8; 16],
    pub generation: u32,
}

async fn register(core: &Rc<Core>, local: &LocalSlot) -> Result<(), StoreError> {
    let (set, slot) = (local.slot.set, local.slot.slot);
    core.options.state.set_join_status(format!("registering set {set} slot {slot}"));
    // A blank drive is not adopted yet; its healer will register it.
    if local.generation == 0 {
        return Ok(());
    }
    replace_registration(core, local).await
}

/// The registration of a slot, by a quorum read.
pub(crate) async fn slot_record(core: &Rc<Core>, slot: SlotId) -> Result<Option<SlotRecord>, StoreError> {
    let operation = Operation::new(core, slot_key(slot), None)?;
    match head(&operation).await {
        Ok(head) => decode_record(&head.metadata).map(Some),
        Err(StoreError::NoSuchKey) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a slot's registration name this drive: where there is none, or one of an earlier generation. Any other one is an error.
pub(crate) async fn replace_registration(core: &Rc<Core>, local: &LocalSlot) -> Result<(), StoreError> {
    let operation = Operation::new(core, slot_key(local.slot), None)?;
    let condition = match head(&operation).await {
        Ok(head) => {
            let found = decode_record(&head.metadata)?;
            if found.is(local) {
                return Ok(());
            }
            if found.generation >= local.generation {
                return Err(StoreError::Invalid(format!(
                    "slot {} of set {} is registered for drive {} generation {}, this node has drive {} generation {} there",
                    local.slot.slot,
                    local.slot.set,
                    hex(&found.drive),
                    found.generation,
                    hex(&local.drive),
                    local.generation,
                )));
            }
            Condition::Matches {
                etag: head.etag,
                parts: head.etag_parts,
            }
        }
        Err(StoreError::NoSuchKey) => Condition::Absent,
        Err(error) => return Err(error),
    };
    let pairs = [("drive", hex(&local.drive)), ("generation", local.generation.to_string())];
    write_record(core, &operation, &pairs, &condition).await
}

fn slot_key(slot: SlotId) -> Key {
    reserved_key(format!("slot/{}/{}", slot.set, slot.slot))
}

fn decode_record(metadata: &Bytes) -> Result<SlotRecord, StoreError> {
    let metadata = Metadata::decode(metadata);
    let text = metadata.get("drive").unwrap_or_default();
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32);
    let generation = metadata.get("generation").and_then(|text| text.parse().ok());
    match (number, generation) {
        (Some(number), Some(generation)) => Ok(SlotRecord {
            drive: number.to_be_bytes(),
            generation,
        }),
        _ => Err(StoreError::Invalid(format!(
            "a slot's record names drive `{text}`: expected 32 hex digits and a generation"
        ))),
    }
}

async fn write_record(
    core: &Rc<Core>,
    operation: &Rc<Operation>,
    pairs: &[(&str, String)],
    condition: &Condition,
) -> Result<(), StoreError> {
    let metadata = Metadata {
        pairs: pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    };
    let label = Label {
        etag: core.new_write_id().0,
        metadata: metadata.encode(),
        ..Label::default()
    };
    operation.restart_clock();
    put_payload(operation, core.new_write_id(), &Bytes::new(), &label, condition)
        .await
        .map(drop)
}

/// The record `name` says what `pairs` say: `None`. Otherwise the values it holds. A missing one is created, if that is allowed.
async fn agree(core: &Rc<Core>, name: String, pairs: &[(&str, String)], create: bool) -> Result<Option<Vec<String>>, StoreError> {
    let operation = Operation::new(core, reserved_key(name.clone()), None)?;
    match head(&operation).await {
        Ok(head) => {
            let metadata = Metadata::decode(&head.metadata);
            let found: Vec<String> = pairs.iter().map(|(name, _)| metadata.get(name).unwrap_or("?").to_owned()).collect();
            let same = pairs.iter().zip(&found).all(|((_, value), found)| value == found);
            Ok(if same { None } else { Some(found) })
        }
        Err(StoreError::NoSuchKey) if create => {
            write_record(core, &operation, pairs, &Condition::Absent).await?;
            Ok(None)
        }
        Err(StoreError::NoSuchKey) => Err(StoreError::Invalid(format!(
            "there is no record `{name}`: the cluster was never bootstrapped, or these drives are not its own"
        ))),
        Err(error) => Err(error),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
