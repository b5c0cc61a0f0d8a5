//! A blank drive takes the place of a lost one (protocol.md section 9 steps 1 and 2), and the slot's registration says so.

use crate::StoreError;
use crate::heal::Healer;
use crate::join::{SlotRecord, replace_registration, slot_record};
use crate::store::LocalSlot;
use openlake_drive::Ballot;
use openlake_drive::sabotage::{Sabotage, is_planted};
use openlake_peer::MAX_SKEW_MS;

impl Healer {
    /// Gives the drive its floor, its dirt and its generation. In words, what it waits for.
    pub async fn adopt(&mut self) -> Result<(), String> {
        let record = slot_record(&self.core, self.slot)
            .await
            .map_err(|error| waiting("the slot's registration", &error))?;
        let generation = record.map_or(1, |record| record.generation.saturating_add(1));
        let answered = self.raise_barrier(Ballot::ZERO).await?;
        let operation = self.set_operation()?;
        let bearable = operation.quorum.parity() / 2;
        // The first one is adopted whatever it means: nothing gets better by waiting. A second one might still be found and brought back.
        if answered.dirty > 0 && answered.dirty + 1 > bearable {
            return Err(format!(
                "{} other drives of set {} are being filled; with this one more than {bearable} would be unknown",
                answered.dirty, self.slot.set
            ));
        }
        if is_planted(Sabotage::HealBeforeAdoption) {
            self.early = self.read_all(Ballot::ZERO).await?;
        }
        let clock = (self.core.runtime.wall_ms() + MAX_SKEW_MS) << 16;
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
        self.drive.adopt(floor, generation).await?;
        self.registered = false;
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
