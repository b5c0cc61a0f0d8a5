//! Filling a dirty drive: all keys of the others in order, behind a barrier, with one durable cursor (protocol.md section 9 steps 3
//! to 5).

use crate::heal::Healer;
use crate::heal::walk::Window;
use bytes::Bytes;
use openlake_drive::sabotage::{Sabotage, is_planted};
use openlake_drive::{Ballot, Key, Space, Step};

/// A place in the walk: a space, and a name in it.
type Spot = ((u64, Space), Bytes);

impl Healer {
    /// Fills what is dirty up to `floor`, from where the cursor stands. In words, what it waits for; then it goes on from there.
    pub async fn fill_dirt(&mut self, floor: Ballot) -> Result<(), String> {
        if is_planted(Sabotage::HealBeforeAdoption) {
            return self.fill_from_memory().await;
        }
        let answered = self.raise_barrier(floor).await?;
        self.told(|status| {
            status.shards_least = 0;
            status.objects_left = answered.keys;
        });
        // What it forgot of the others' drives is known to them.
        let council = self.convene(Step::Ask, usize::MAX).await?;
        self.drive.learn_heirs(council.round(), &council.heirs()).await?;
        let operation = self.set_operation()?;
        let (slots, needed) = (operation.quorum.slots(), operation.quorum.slots() - 1);
        if answered.slots < needed || answered.dirty > 0 {
            // Others lack something too: first what has the fewest shards left, wherever it lies.
            self.pass(floor, None, Some(slots - 2)).await?;
        }
        let cursor = self.drive.heal_progress().healed;
        if let Some(reason) = self.pass(floor, cursor, None).await? {
            return Err(reason);
        }
        self.drive.end_healing().await?;
        self.filled_told = false;
        self.told(|status| (status.objects_left, status.bytes_left) = (0, 0));
        Ok(())
    }

    /// One walk over everything from `cursor` on. `endangered`: only objects with at most so many shards on the others, and the cursor
    /// stays where it is. The reason why some key could not be healed, if so; the cursor waits before it.
    async fn pass(&self, floor: Ballot, cursor: Option<Key>, endangered: Option<usize>) -> Result<Option<String>, String> {
        let barrier = self.barrier_of(floor);
        let mut stuck: Option<String> = None;
        let mut spot: Option<Spot> = match cursor {
            Some(key) => Some(((key.bucket, key.space), key.name)),
            None => self.next_space(None).await?.map(|space| (space, Bytes::new())),
        };
        while let Some((space, from)) = spot {
            let drive_floor = self.drive.floor();
            let window = self.window(space, &from, barrier).await?;
            let failed = self.heal_window(&window, drive_floor, endangered).await;
            stuck = stuck.or(failed);
            self.heal_waiting().await;
            spot = match window.next() {
                Some(name) => Some((space, name)),
                None => self.next_space(Some(space)).await?.map(|space| (space, Bytes::new())),
            };
            if let (None, None, Some(((bucket, space), name))) = (&stuck, endangered, &spot) {
                let key = Key {
                    bucket: *bucket,
                    space: *space,
                    name: name.clone(),
                };
                self.drive.note_healed(key).await?;
            }
            let passed = window.keys.len() as u64;
            if endangered.is_none() {
                self.told(|status| {
                    status.objects_left = status.objects_left.saturating_sub(passed);
                    status.bytes_left = status.objects_left * status.bytes.checked_div(status.objects).unwrap_or(0);
                });
            }
        }
        Ok(stuck)
    }

    /// Heals the keys of a range, those with the fewest shards first. Why one of them could not be healed, if so.
    pub async fn heal_window(&self, window: &Window, drive_floor: Ballot, endangered: Option<usize>) -> Option<String> {
        let operation = match self.set_operation() {
            Ok(operation) => operation,
            Err(reason) => return Some(reason),
        };
        let shards = |name: &Bytes| window.keys.get(name).map_or(0, |answers| self.shards_of(&operation, answers));
        let mut names: Vec<(usize, &Bytes)> = window.keys.keys().map(|name| (shards(name), name)).collect();
        names.sort();
        let names = names
            .into_iter()
            .filter(|(shards, _)| endangered.is_none_or(|most| *shards <= most));
        let failed = self.heal_each(names, |(_, name)| async move {
            let answers = window.keys.get(name).cloned().unwrap_or_default();
            self.heal_key(&window.key(name), answers, drive_floor, false).await
        });
        let failed: Vec<String> = failed.await;
        self.told(|status| status.failed += failed.len() as u64);
        failed.into_iter().next()
    }

    /// A planted bug: what was read before the adoption is all that is looked at.
    async fn fill_from_memory(&mut self) -> Result<(), String> {
        for (key, answers) in std::mem::take(&mut self.early) {
            let drive_floor = self.drive.floor();
            self.heal_key(&key, answers, drive_floor, false).await.ok();
        }
        self.drive.end_healing().await
    }
}
