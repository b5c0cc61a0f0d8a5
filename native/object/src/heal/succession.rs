//! What the other drives of a set know of who took over which slot: asked before a drive serves, and before a blank one is adopted
//! (protocol.md section 9 steps 1 and 2).
//!
//! Two replacements at one instant see each other by it: an heir is announced to, and then noted by, so many of the others that any two
//! such groups share a drive. A drive that was replaced while it was away is told so by one of those that it asks.

use crate::heal::Healer;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use openlake_drive::{Answer, Ballot, Heir, Request, Standing, Step};
use std::collections::{BTreeMap, BTreeSet};

/// What the other drives of a set say they know.
#[derive(Default)]
pub(crate) struct Council {
    standings: BTreeMap<u8, Standing>,
}

impl Council {
    pub fn len(&self) -> usize {
        self.standings.len()
    }
    /// The latest announcement that any of them heard.
    pub fn round(&self) -> Ballot {
        self.standings.values().map(|standing| standing.round).max().unwrap_or(Ballot::ZERO)
    }
    /// All heirs that any of them knows, the last one of each slot.
    pub fn heirs(&self) -> Vec<Heir> {
        let mut last: BTreeMap<u8, Heir> = BTreeMap::new();
        for heir in self.standings.values().flat_map(|standing| &standing.heirs) {
            let known = last.entry(heir.slot).or_insert(*heir);
            if heir.generation > known.generation {
                *known = *heir;
            } else if heir.generation == known.generation {
                known.filled |= heir.filled;
            }
        }
        last.into_values().collect()
    }
    /// The drive that took over a slot last.
    pub fn heir_of(&self, slot: u8) -> Option<Heir> {
        self.heirs().into_iter().find(|heir| heir.slot == slot)
    }
    /// Slots of which something may be unknown, because their drives are being filled or were adopted just now; not counting `own`.
    pub fn unknown(&self, own: u8) -> BTreeSet<u8> {
        let dirty = self.standings.iter().filter(|(_, standing)| standing.dirty).map(|(slot, _)| *slot);
        // What the heir says of itself counts more; what the drive before it said may be older.
        let settled = |heir: &Heir| {
            let itself = self
                .standings
                .get(&heir.slot)
                .filter(|standing| standing.generation >= heir.generation);
            heir.filled || itself.is_some_and(|standing| standing.serves && !standing.dirty)
        };
        let heirs = self.heirs().into_iter().filter(|heir| !settled(heir)).map(|heir| heir.slot);
        dirty.chain(heirs).filter(|slot| *slot != own).collect()
    }
}

impl Healer {
    /// Takes a step with the other drives; the answers of those that agree. `enough`: does not wait for more of them.
    pub async fn convene(&self, step: Step, enough: usize) -> Result<Council, String> {
        let operation = self.set_operation()?;
        let mut calls: FuturesUnordered<_> = self
            .others(operation.quorum)
            .map(|slot| {
                let call = operation.call(slot, Request::Succession { step });
                async move { (slot, call.await) }
            })
            .collect();
        let mut council = Council::default();
        while council.len() < enough
            && let Some((slot, result)) = calls.next().await
        {
            if let Ok(Answer::Standing(standing)) = result {
                council.standings.insert(slot, standing);
            }
        }
        Ok(council)
    }

    /// Takes the drive into service, once enough others have said that no other one took its place while it was away. Where `is_late`, as
    /// many as reads need are enough: after a loss of power some may never come back, and what is left must serve.
    pub async fn admit(&self, is_late: bool) -> Result<(), String> {
        let quorum = self.set_operation()?.quorum;
        let council = self.convene(Step::Ask, quorum.asked()).await?;
        let identity = self.drive.identity();
        let taken =
            |heir: &Heir| (heir.generation, heir.drive) != (identity.generation, identity.drive) && heir.generation >= identity.generation;
        if let Some(heir) = council.heir_of(self.slot.slot).filter(taken) {
            let (slot, new, own) = (self.slot, heir.generation, identity.generation);
            let text = format!("{slot} was given to a drive of generation {new}; this one has generation {own} and must be wiped first");
            self.drive.supersede(text.clone());
            return Err(text);
        }
        let (had, needed, all) = (council.len(), quorum.asked(), quorum.slots() - 1);
        if had < needed && !(is_late && had + 1 >= quorum.read()) {
            let set = self.slot.set;
            return Err(format!(
                "{had} of {all} other drives of set {set} said whether this one was replaced while it was away, {needed} needed"
            ));
        }
        if !council.heirs().is_empty() {
            self.drive.learn_heirs(council.round(), &council.heirs()).await?;
        }
        self.drive.admit();
        Ok(())
    }

    /// Tells all drives of the set that this one lacks nothing any more; those that do not hear it ask the drive itself.
    pub async fn tell_filled(&self) -> Result<(), String> {
        let identity = self.drive.identity();
        let (slot, generation) = (self.slot.slot, identity.generation);
        let own = self.drive.standing().heirs.into_iter().find(|heir| heir.slot == slot);
        let Some(heir) = own.filter(|heir| heir.generation == generation) else {
            return Ok(());
        };
        self.drive.learn_heirs(Ballot::ZERO, &[Heir { filled: true, ..heir }]).await?;
        self.convene(Step::Filled { slot, generation }, usize::MAX).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heir(slot: u8, generation: u32, filled: bool) -> Heir {
        Heir {
            slot,
            generation,
            drive: [slot; 16],
            filled,
        }
    }

    fn standing(dirty: bool, heirs: &[Heir]) -> Standing {
        Standing {
            generation: 1,
            dirty,
            serves: true,
            round: Ballot::ZERO,
            heirs: heirs.to_vec(),
        }
    }

    fn unknown(standings: &[(u8, Standing)]) -> Vec<u8> {
        let standings = standings.iter().cloned().collect();
        Council { standings }.unknown(1).into_iter().collect()
    }

    #[test]
    fn an_heir_counts_as_unknown_until_it_is_filled_or_its_slot_serves_clean() {
        let new = [heir(2, 2, false)];
        assert_eq!(unknown(&[(0, standing(false, &[])), (3, standing(false, &new))]), [2]);
        assert_eq!(
            unknown(&[(0, standing(false, &[heir(2, 2, true)])), (3, standing(false, &new))]),
            []
        );
        assert_eq!(unknown(&[(2, standing(true, &[])), (3, standing(false, &new))]), [2]);
        let heir_itself = Standing {
            generation: 2,
            ..standing(false, &[])
        };
        assert_eq!(unknown(&[(2, heir_itself), (3, standing(false, &new))]), []);
        assert_eq!(
            unknown(&[(2, standing(false, &[])), (3, standing(false, &new))]),
            [2],
            "the drive before it"
        );
        assert_eq!(
            unknown(&[(0, standing(true, &[heir(1, 2, false)]))]),
            [0],
            "its own slot is not among them"
        );
        let held = Standing {
            serves: false,
            ..standing(false, &[])
        };
        assert_eq!(unknown(&[(2, held), (3, standing(false, &new))]), [2], "it may have been replaced");
    }
}
