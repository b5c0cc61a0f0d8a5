//! Full redundancy: once everything is back and healed, every slot holds its own shard of every key's newest version, sound, and all
//! shards are one codeword: any k of them give the same bytes.

use crate::client::Client;
use crate::node::Serving;
use openlake_drive::{Answer, Head, Key, KeyState, Kind, Request, Space, Want};
use openlake_erasure::Code;
use openlake_object::place;
use openlake_peer::SlotId;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// What is missing of a key's redundancy; `None`: nothing.
pub async fn missing(client: &Client, serving: &Serving, key: usize) -> Option<String> {
    let Some(bucket) = client.bucket().await else {
        return Some("its bucket is not known".to_owned());
    };
    let key = Key {
        bucket: bucket.id,
        space: Space::Object,
        name: client.key(key),
    };
    let layout = serving.mesh.layout();
    let set = place(key.bucket, key.placement_name(), &layout.sets).and_then(|position| layout.sets.get(position))?;
    let slots = set.slots.len() as u8;
    let ask = async |slot: u8, request: Request| serving.mesh.call(SlotId { set: set.id, slot }, None, request, PATIENCE).await;
    let mut states: Vec<KeyState> = Vec::new();
    for slot in 0..slots {
        let want = Want::Heads;
        match ask(slot, Request::Read { key: key.clone(), want }).await {
            Ok(Answer::State { state, .. }) => states.push(state),
            other => return Some(format!("slot {slot} answers {other:?}")),
        }
    }
    let newest = states.iter().filter_map(|state| state.stable).max()?;
    let mut heads: Vec<Head> = Vec::new();
    for (slot, state) in states.iter().enumerate() {
        let held = state.records.iter().find(|head| head.ballot == newest);
        match held.filter(|head| usize::from(head.slot) == slot && state.stable == Some(newest)) {
            Some(head) => heads.push(head.clone()),
            None => return Some(format!("slot {slot} lacks {newest}: {state:?}")),
        }
    }
    let head = heads.first()?;
    if head.kind == Kind::Tombstone || head.payload_size == 0 {
        return None;
    }
    let mut shards: Vec<Vec<Vec<u8>>> = Vec::new();
    for slot in 0..slots {
        let request = Request::Blocks {
            key: key.clone(),
            write_id: head.write_id,
            first: 0,
            count: u32::MAX,
        };
        let Ok(Answer::Blocks(shard)) = ask(slot, request).await else {
            return Some(format!("slot {slot} gives no blocks"));
        };
        let blocks: Option<Vec<Vec<u8>>> = shard
            .blocks
            .into_iter()
            .map(|block| block.map(|block| block.bytes.to_vec()))
            .collect();
        match blocks {
            Some(blocks) => shards.push(blocks),
            None => return Some(format!("slot {slot} has damaged blocks")),
        }
    }
    not_one_codeword(head, &shards)
}

fn not_one_codeword(head: &Head, shards: &[Vec<Vec<u8>>]) -> Option<String> {
    if head.coding.whole {
        let same = shards.iter().all(|shard| Some(shard) == shards.first());
        return (!same).then(|| "copies differ".to_owned());
    }
    let data = usize::from(head.coding.data);
    let code = Code::new(head.coding.data, head.coding.parity).ok()?;
    let stripes = shards.iter().map(Vec::len).max().unwrap_or(0);
    let empty = Vec::new();
    for stripe in 0..stripes {
        let block = |slot: usize| shards.get(slot).and_then(|shard| shard.get(stripe)).unwrap_or(&empty);
        let span = (0..shards.len()).map(|slot| block(slot).len()).max().unwrap_or(0);
        let present: Vec<(u8, &[u8])> = (0..data).map(|slot| (slot as u8, &block(slot)[..])).collect();
        for slot in data..shards.len() {
            let mut rebuilt = vec![0; span];
            if let Err(error) = code.rebuild(&present, slot as u8, &mut rebuilt) {
                return Some(format!("stripe {stripe} of slot {slot} cannot be rebuilt: {error:?}"));
            }
            if rebuilt != *block(slot) {
                return Some(format!("stripe {stripe} of slot {slot} is not what the data shards give"));
            }
        }
    }
    None
}
