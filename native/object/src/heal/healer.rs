//! The healer of one drive: what it knows, and what it does next.

use crate::core::Core;
use crate::heal::HealOptions;
use crate::heal::pace::Pace;
use crate::heal::status::HealStatus;
use crate::operation::Operation;
use crate::quorum::Quorum;
use bytes::Bytes;
use openlake_drive::sabotage::{Sabotage, is_planted};
use openlake_drive::{Drive, Key, KeyState, Space};
use openlake_io::Instant;
use openlake_peer::SlotId;
use std::rc::Rc;
use std::time::Duration;

/// Keys of hints and damaged blocks taken at a time, and how often in a row: all that a node remembers of another one, but not for ever.
const KEYS_A_STEP: usize = 64;
const STEPS_IN_A_ROW: usize = 256;

/// Between two questions whether the drive was replaced, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// So long a drive waits for those of its set that could know best whether it was replaced.
const ADMISSION_PATIENCE: Duration = Duration::from_secs(5);

/// Looks after one drive.
pub(crate) struct Healer {
    pub core: Rc<Core>,
    pub drive: Drive,
    pub options: HealOptions,
    pub slot: SlotId,
    pub pace: Pace,
    /// Whether the slot's registration was looked at.
    pub checked: bool,
    /// Whether it names this drive.
    pub registered: bool,
    /// Whether the others were told that it lacks nothing, since it was opened or filled.
    pub filled_told: bool,
    /// What a planted bug read of the others before the adoption.
    pub early: Vec<(Key, Vec<(u8, KeyState)>)>,
    pub compare_at: Instant,
    pub scrub_at: Instant,
    pub collect_at: Instant,
    /// By which tombstones are judged.
    pub now_ms: u64,
}

impl Healer {
    /// The healer of a drive that this core owns.
    pub fn new(core: &Rc<Core>, drive: Drive, options: HealOptions) -> Healer {
        let identity = drive.identity();
        let slot = SlotId {
            set: identity.set,
            slot: identity.slot as u8,
        };
        Healer {
            core: core.clone(),
            pace: Pace::new(core, &drive, options.busy_share),
            checked: identity.generation == 0,
            registered: identity.generation != 0,
            filled_told: false,
            early: Vec::new(),
            compare_at: core.runtime.now(),
            scrub_at: core.after(options.scrub_every),
            collect_at: core.after(options.collect_every),
            now_ms: 0,
            drive,
            options,
            slot,
        }
    }

    /// Waits until the drive may serve: no other one took its place while it was away.
    pub async fn wait_for_admission(&self) {
        let mut round = 0;
        let began = self.core.runtime.now();
        // A planted bug serves at once; what it reads later of its registration comes too late.
        let waits = !is_planted(Sabotage::ServeUnasked);
        while waits && self.drive.is_held() && self.drive.identity().generation != 0 {
            let is_late = self.core.runtime.now().since(began) >= ADMISSION_PATIENCE;
            if let Err(reason) = self.admit(is_late).await {
                self.told(|status| status.reason = reason);
                self.core.back_off(round, FIRST_PAUSE).await;
                round += 1;
            }
        }
        self.drive.admit();
    }

    /// Does what is most urgent. In words, what it waits for.
    pub async fn step(&mut self) -> Result<(), String> {
        let progress = self.drive.heal_progress();
        if self.slots() == 1 && progress.dirty.is_some() {
            // Nobody has anything that it could lack: what is not here was not complete, or is lost for good. Otherwise the drive would
            // say for ever that it does not know; its node could list nothing, and if it is the only one, not even learn its buckets.
            self.drive.end_healing().await?;
        }
        if !self.checked {
            self.check_registration().await?;
        }
        if progress.blank {
            self.adopt().await?;
        }
        if !self.registered {
            self.register().await?;
        }
        if self.slots() == 1 {
            // There is no other to compare it with.
            self.told(|status| status.compared = true);
            return Ok(());
        }
        // Single keys first: a version that one more lost drive would take away waits for nobody.
        self.heal_waiting().await;
        if let Some(floor) = self.drive.heal_progress().dirty {
            return self.fill_dirt(floor).await;
        }
        if !self.filled_told {
            self.tell_filled().await?;
            self.filled_told = true;
        }
        let now = self.core.runtime.now();
        let scrub = now >= self.scrub_at;
        let lost = self.drive.take_lost();
        if lost {
            self.told(|status| status.compared = false);
        }
        if lost || now >= self.compare_at || scrub {
            let result = self.compare(scrub).await;
            self.told(|status| status.compared |= result.is_ok());
            if let Err(reason) = result {
                self.compare_at = self.core.after(self.options.pause * 10);
                return Err(reason);
            }
            self.compare_at = self.core.after(self.options.compare_every);
            if scrub {
                self.scrub_at = self.core.after(self.options.scrub_every);
            }
        }
        if self.slot.slot == 0 && now >= self.collect_at {
            self.collect_at = self.core.after(self.options.collect_every);
            self.collect().await?;
        }
        Ok(())
    }

    /// Heals keys that were missed or whose bytes are damaged; those that cannot be healed wait for the next step.
    pub async fn heal_waiting(&self) {
        for _ in 0..STEPS_IN_A_ROW {
            let damaged = self.drive.take_damaged(KEYS_A_STEP);
            let missed = self.drive.take_missed(KEYS_A_STEP);
            // A key that is both comes again: two healings of one key would stage its shard in each other's way.
            let (twice, missed): (Vec<Key>, Vec<Key>) = missed.into_iter().partition(|key| damaged.contains(key));
            let is_last = damaged.len() < KEYS_A_STEP && missed.len() < KEYS_A_STEP;
            let damaged = damaged.into_iter().map(|key| (key, true));
            let keys = damaged.chain(missed.into_iter().map(|key| (key, false)));
            let failed = self.heal_each(keys, |(key, replaces)| async move {
                let healed = self.heal_asking(&key, replaces).await;
                healed.map_err(|reason| (key, replaces, reason))
            });
            let failed = failed.await;
            let is_stuck = !failed.is_empty();
            let (mut still_missed, mut still_damaged) = (twice, Vec::new());
            for (key, replaces, reason) in failed {
                self.told(|status| {
                    status.failed += 1;
                    status.reason = reason;
                });
                if replaces { &mut still_damaged } else { &mut still_missed }.push(key);
            }
            self.drive.put_back(still_missed, &still_damaged);
            if is_last || is_stuck {
                return;
            }
        }
    }

    /// An operation on a key of the drive's own set.
    pub fn operation(&self, key: Key) -> Result<Rc<Operation>, String> {
        let layout = self.core.slots.layout();
        let position = layout.sets.iter().position(|set| set.id == self.slot.set);
        let position = position.ok_or_else(|| format!("the layout has no set {}", self.slot.set))?;
        Operation::in_set(&self.core, key, None, layout, position).map_err(|error| format!("{error:?}"))
    }
    /// An operation on the set as a whole.
    pub fn set_operation(&self) -> Result<Rc<Operation>, String> {
        self.operation(Key {
            bucket: 0,
            space: Space::Object,
            name: Bytes::new(),
        })
    }
    /// Slots of the set.
    pub fn slots(&self) -> usize {
        let layout = self.core.slots.layout();
        layout
            .sets
            .iter()
            .find(|set| set.id == self.slot.set)
            .map_or(0, |set| set.slots.len())
    }
    /// All slots but the drive's own.
    pub fn others(&self, quorum: Quorum) -> impl Iterator<Item = u8> + use<> {
        let own = self.slot.slot;
        (0..quorum.slots() as u8).filter(move |slot| *slot != own)
    }
    /// Changes what is told of the drive.
    pub fn told(&self, change: impl FnOnce(&mut HealStatus)) {
        self.core.heal_book.change(self.slot, change);
    }
}
