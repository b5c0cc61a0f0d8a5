//! A blank drive takes the place of a lost one (protocol.md section 9 steps 1 and 2), and the slot's registration says so.

use crate::StoreError;
use crate::heal::Healer;
use crate::heal::succession::Council;
use crate::join::{SlotRecord, replace_registration, slot_record};
use crate::store::LocalSlot;
use openlake_drive::sabotage::{Sabotage, is_planted};
use openlake_drive::{Ballot, Heir, Step};
use openlake_peer::MAX_SKEW_MS;

impl Healer {
    /// Gives the drive its floor, its dirt and its generation. In words, what it waits for.
    pub async fn adopt(&mut self) -> Result<(), String> {
        let generation = self.become_heir().await?;
        let answered = self.raise_barrier(Ballot::ZERO).await?;
        if is_planted(Sabotage::HealBeforeAdoption) {
            self.early = self.read_all(Ballot::ZERO).await?;
        }
        let clock = (self.core.wall_ms() + MAX_SKEW_MS) << 16;
        let now = Ballot {
            clock,
            node: u32::MAX,
            boot: u32::MAX,
        };
        let above = Ballot {
            clock: answered.highest.clock.saturating_add(1),
            ..now
        };
        let floor = if answered.highest < now { now } else { above };
        // Those whose clocks lie far behind this one's refuse: then the floor would keep all writes out for as long as it is ahead.
        if !is_planted(Sabotage::HealBeforeAdoption) {
            self.raise_barrier(floor).await?;
        }
        self.drive.adopt(floor, generation).await?;
        self.registered = false;
        Ok(())
    }

    /// Makes the drive the heir of its slot, as enough others will remember; its generation.
    async fn become_heir(&mut self) -> Result<u32, String> {
        let quorum = self.set_operation()?.quorum;
        let (witnesses, others) = (quorum.witnesses(), quorum.slots() - 1);
        let record = slot_record(&self.core, self.slot)
            .await
            .map_err(|error| waiting("the slot's registration", &error))?;
        // Asking first costs nobody a write while it has to wait.
        let asked = self.convene(Step::Ask, usize::MAX).await?;
        self.may_inherit(&asked)?;
        if is_planted(Sabotage::AdoptUnseen) {
            return Ok(record.map_or(1, |record| record.generation + 1));
        }
        let round = self.core.next_ballot(asked.round());
        let agreed = self.convene(Step::Announce { round }, usize::MAX).await?;
        self.may_inherit(&agreed)?;
        let drive = self.drive.identity().drive;
        let registered = record.map_or(0, |record| record.generation);
        let last = agreed.heir_of(self.slot.slot);
        let generation = match last {
            // It was on its way to be adopted when its node ended.
            Some(heir) if heir.drive == drive && heir.generation > registered => heir.generation,
            Some(heir) => registered.max(heir.generation).saturating_add(1),
            None => registered.saturating_add(1),
        };
        let heir = Heir {
            slot: self.slot.slot,
            generation,
            drive,
            filled: false,
        };
        let mut had = agreed.len();
        if had >= witnesses {
            had = self.convene(Step::Take { round, heir }, usize::MAX).await?.len();
        }
        if had < witnesses {
            return Err(format!(
                "{had} of {others} other drives of set {} agreed to the replacement, {witnesses} needed",
                self.slot.set
            ));
        }
        let mut heirs = agreed.heirs();
        heirs.retain(|known| known.slot != heir.slot);
        heirs.push(heir);
        self.drive.learn_heirs(round, &heirs).await?;
        Ok(generation)
    }

    /// Whether so much is known that this drive may be new, in words why not. The first one is adopted whatever it means: nothing gets better
    /// by waiting. A second one might still be found and brought back.
    fn may_inherit(&self, council: &Council) -> Result<(), String> {
        let bearable = self.set_operation()?.quorum.parity() / 2;
        let unknown = council.unknown(self.slot.slot).len();
        if unknown > 0 && unknown + 1 > bearable {
            return Err(format!(
                "{unknown} other drives of set {} are being filled; with this one more than {bearable} would be unknown",
                self.slot.set
            ));
        }
        Ok(())
    }

    /// Takes a drive out of service that was replaced while it was away: what it does not know would count as absent.
    pub async fn check_registration(&mut self) -> Result<(), String> {
        let record = slot_record(&self.core, self.slot).await;
        let record = record.map_err(|error| waiting("the slot's registration", &error))?;
        let generation = self.drive.identity().generation;
        if let Some(newer) = record.filter(|record| record.generation > generation) {
            let text = format!(
                "{} was given to a drive of generation {}; this one has generation {generation} and must be wiped first",
                self.slot, newer.generation
            );
            self.drive.supersede(text.clone());
            return Err(text);
        }
        self.checked = true;
        Ok(())
    }

    /// Makes the slot's registration name this drive. In words, what it waits for, or who else is registered.
    pub async fn register(&mut self) -> Result<(), String> {
        let identity = self.drive.identity();
        let local = LocalSlot {
            slot: self.slot,
            drive: identity.drive,
            generation: identity.generation,
        };
        let result = replace_registration(&self.core, &local).await;
        result.map_err(|error| waiting("the slot's registration", &error))?;
        self.registered = true;
        Ok(())
    }
}

fn waiting(what: &str, error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(text) | StoreError::Unknown(text) | StoreError::Invalid(text) => format!("{what}: {text}"),
        other => format!("{what}: {other:?}"),
    }
}

/// What a registration says.
impl SlotRecord {
    /// Whether a drive is the one registered.
    pub fn is(&self, local: &LocalSlot) -> bool {
        self.drive == local.drive && self.generation == local.generation
    }
}
