//! Healing one key: what the set knows to be complete, put onto the drive that lacks it.

use crate::heal::Healer;
use crate::proposal::Proposal;
use crate::scan::{Finding, SlotMask, bit, count, scan};
use crate::settle::settle;
use crate::stripe::Geometry;
use crate::version::ReadError;
use futures_util::future::join_all;
use openlake_drive::sabotage::{Sabotage, is_planted};
use openlake_drive::{Answer, Ballot, Filling, Head, Key, KeyState, Request, Shard, Want};

/// How often a key may be overwritten, or its tombstone collected, while it is being healed.
const ROUNDS: u32 = 6;

impl Healer {
    /// Asks the others about a key, then heals it. `replaces`: the drive's own bytes of it are damaged.
    pub async fn heal_asking(&self, key: &Key, replaces: bool) -> Result<(), String> {
        let drive_floor = self.drive.floor();
        let answers = self.pace.step(self.ask(key)).await?;
        self.heal_key(key, answers, drive_floor, replaces).await
    }

    /// What the others know of a key; at least M of them.
    async fn ask(&self, key: &Key) -> Result<Vec<(u8, KeyState)>, String> {
        let operation = self.operation(key.clone())?;
        let calls = self.others(operation.quorum).map(|slot| {
            let request = Request::Read {
                key: key.clone(),
                want: Want::Heads,
            };
            let call = operation.call(slot, request);
            async move { (slot, call.await) }
        });
        let mut answers = Vec::new();
        for (slot, result) in join_all(calls).await {
            if let Ok(Answer::State { state, .. }) = result {
                answers.push((slot, state));
            }
        }
        let (had, needed) = (answers.len(), operation.quorum.meet());
        if had < needed {
            let all = operation.quorum.slots() - 1;
            return Err(format!(
                "{had} of {all} other slots of set {} answered, {needed} needed",
                self.slot.set
            ));
        }
        Ok(answers)
    }

    async fn own_state(&self, key: &Key) -> Result<KeyState, String> {
        let request = Request::Read {
            key: key.clone(),
            want: Want::Heads,
        };
        self.pace.note_own(1);
        match self.drive.handle(request).await {
            Answer::State { state, .. } => Ok(state),
            other => Err(format!("the drive itself answers {other:?}")),
        }
    }

    /// Brings one key up to what `answers` of the others and the drive itself show to be complete. `drive_floor`: the drive's as it was
    /// before they were asked. In words, why that is not possible now.
    pub async fn heal_key(
        &self,
        key: &Key,
        mut answers: Vec<(u8, KeyState)>,
        mut drive_floor: Ballot,
        replaces: bool,
    ) -> Result<(), String> {
        for round in 0..ROUNDS {
            let operation = self.operation(key.clone())?;
            if round > 0 {
                operation.back_off(round).await;
                drive_floor = self.drive.floor();
                answers = self.pace.step(self.ask(key)).await?;
            }
            let own = self.pace.step(self.own_state(key)).await?;
            let finding = {
                let states = answers.iter().map(|(slot, state)| (*slot, state));
                let states: Vec<(u8, &KeyState)> = states.chain([(self.slot.slot, &own)]).collect();
                scan(operation.quorum, &states)
            };
            let found = match finding {
                Finding::Absent => None,
                Finding::Complete(found) => Some((found.head, found.holders)),
                // A planted bug looks at nothing that came later.
                Finding::Possible(_) | Finding::TooFew if is_planted(Sabotage::HealBeforeAdoption) => None,
                Finding::Possible(_) | Finding::TooFew => {
                    let settled = settle(&operation).await.map_err(|error| format!("{error:?}"))?;
                    settled.map(|located| (located.head, located.holders))
                }
            };
            let Some((head, holders)) = found else { return Ok(()) };
            let own = self.own_state(key).await?;
            match self.complete(&head, key, (holders, &own), (drive_floor, replaces)).await {
                Ok(true) => return Ok(()),
                Ok(false) | Err(ReadError::Vanished) => {}
                Err(ReadError::Failed(error)) => return Err(format!("{error:?}")),
            }
        }
        Err(format!(
            "key '{}' was overwritten each time it was looked at",
            key.name.escape_ascii()
        ))
    }

    /// Makes the drive hold the complete version of `head`. False: look again.
    async fn complete(
        &self,
        head: &Head,
        key: &Key,
        (holders, own): (SlotMask, &KeyState),
        (drive_floor, replaces): (Ballot, bool),
    ) -> Result<bool, ReadError> {
        let slot = self.slot.slot;
        let held = own.records.iter().any(|record| record.ballot == head.ballot);
        if own.stable > Some(head.ballot) {
            return Ok(true);
        }
        let others = holders & !bit(slot);
        let sound = count(others) + usize::from(held && !replaces);
        self.told(|status| {
            let sound = sound as u64;
            status.shards_least = if status.shards_least == 0 {
                sound
            } else {
                status.shards_least.min(sound)
            };
        });
        if held && !replaces {
            if own.stable != Some(head.ballot) {
                let ballot = head.ballot;
                self.drive.handle(Request::Stable { key: key.clone(), ballot }).await;
            }
            return Ok(true);
        }
        let same_bytes = |record: &Head| record.write_id == head.write_id && record.coding == head.coding && record.slot == slot;
        let shard = if !replaces && !held && own.records.iter().any(same_bytes) {
            Shard::Held
        } else {
            self.rebuild(key, head, others).await?
        };
        let proposal = Proposal::of_head(head, vec![Some(shard.clone()); usize::from(slot) + 1]);
        let Some(record) = proposal.record(slot, false) else {
            return Ok(false);
        };
        let filling = Filling {
            drive_floor,
            replaces: replaces && held,
        };
        let answer = self.pace.step(self.drive.fill(key.clone(), record, filling)).await;
        if !matches!(answer, Answer::Ack) && matches!(shard, Shard::Staged { .. }) {
            self.drive.discard_staged(head.write_id);
        }
        match answer {
            Answer::Ack => {
                let bytes = Geometry::new(head.coding, head.payload_size).shard_length(usize::from(slot));
                self.told(|status| {
                    status.objects += 1;
                    status.bytes += if matches!(shard, Shard::None) { 0 } else { bytes };
                });
                Ok(true)
            }
            Answer::Refuse { .. } | Answer::NotStaged => Ok(false),
            other => self.in_words(Err(format!("the drive itself answers {other:?}"))),
        }
    }

    /// A reason as an error of a read.
    pub fn in_words<T>(&self, result: Result<T, String>) -> Result<T, ReadError> {
        result.map_err(|text| ReadError::Failed(crate::StoreError::Unavailable(text)))
    }
}
