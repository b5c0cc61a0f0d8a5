//! Collecting tombstones (protocol.md section 10): when every slot of a set says that it holds nothing of a key but one old tombstone,
//! known complete, all of them let go of it. The healer of the set's first slot looks for such keys.

use crate::heal::Healer;
use crate::set_cursor::after;
use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{Answer, Ballot, Key, KeyState, Kind, Request, Space};
use openlake_peer::{NodeAnswer, NodeRequest};
use std::collections::BTreeSet;

impl Healer {
    /// One walk over the drive's own keys. In words, why it did not come to its end.
    pub async fn collect(&mut self) -> Result<(), String> {
        let Some(now_ms) = self.earliest_clock().await? else {
            return Ok(());
        };
        self.now_ms = now_ms;
        let mut last = None;
        loop {
            let space = match self.drive.handle(Request::NextSpace { after: last }).await {
                Answer::Space(Some(space)) => space,
                Answer::Space(None) => return Ok(()),
                other => return Err(format!("the drive itself answers {other:?}")),
            };
            let mut from = Some(Bytes::new());
            while let Some(start) = from {
                let to = self.pace.step(self.collect_range(space, &start)).await?;
                from = to.map(|name| after(&name));
            }
            last = Some(space);
        }
    }

    /// Of the drive's own keys from a name on; the name that they reach to (`None`: the end of the space).
    async fn collect_range(&self, (bucket, space): (u64, Space), from: &Bytes) -> Result<Option<Bytes>, String> {
        let (rows, to) = self.own_page((bucket, space), from).await?;
        for row in rows {
            if let Some(ballot) = self.collectable(&row.state) {
                let name = row.name;
                self.collect_key(Key { bucket, space, name }, ballot).await?;
            }
        }
        Ok(to)
    }

    /// The time of the slowest clock of the set's nodes: a clock that is far ahead must not make tombstones old. `None`: one of them does not
    /// answer, and a drive away blocks collection anyway.
    async fn earliest_clock(&self) -> Result<Option<u64>, String> {
        let operation = self.set_operation()?;
        let nodes: BTreeSet<u32> = operation.set().slots.iter().map(|place| place.node).collect();
        let core = &self.core;
        let pings = nodes
            .into_iter()
            .map(|node| core.slots.call_node(node, NodeRequest::Ping, core.options.deadline / 4));
        let mut earliest = core.wall_ms();
        for result in join_all(pings).await {
            match result {
                Ok(NodeAnswer::Pong { wall_ms, .. }) => earliest = earliest.min(wall_ms),
                _ => return Ok(None),
            }
        }
        Ok(Some(earliest))
    }

    /// The tombstone that is all a drive knows of a key, if it is old enough to go.
    fn collectable(&self, state: &KeyState) -> Option<Ballot> {
        let [only] = &state.records[..] else { return None };
        let age_ms = self.now_ms.saturating_sub(only.ballot.time_ms());
        let old = u128::from(age_ms) > self.options.grace.as_millis();
        let settled = state.stable == Some(only.ballot) && state.dirty.is_none();
        (only.kind == Kind::Tombstone && old && settled).then_some(only.ballot)
    }

    async fn collect_key(&self, key: Key, ballot: Ballot) -> Result<(), String> {
        let operation = self.operation(key.clone())?;
        let reads = operation.slots().map(|slot| {
            let want = openlake_drive::Want::Heads;
            operation.call(slot, Request::Read { key: key.clone(), want })
        });
        let mut same = 0;
        for result in join_all(reads).await {
            if let Ok(Answer::State { state, .. }) = result {
                same += usize::from(self.collectable(&state) == Some(ballot));
            }
        }
        // A drive away blocks collection, nothing else.
        if same < operation.quorum.slots() {
            return Ok(());
        }
        let drops = operation
            .slots()
            .map(|slot| operation.call(slot, Request::Drop { key: key.clone(), ballot }));
        let dropped = join_all(drops)
            .await
            .into_iter()
            .filter(|result| matches!(result, Ok(Answer::Ack)))
            .count();
        if dropped == operation.quorum.slots() {
            self.told(|status| status.collected += 1);
        }
        Ok(())
    }
}
