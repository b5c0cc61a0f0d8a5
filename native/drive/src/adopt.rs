//! Adoption of a blank drive (protocol.md section 9 steps 1 and 2).
//!
//! Its floor and its dirt are durable before it gets its generation, and without a generation it answers nothing. A crash in between
//! leaves a blank drive, to be adopted anew.

use crate::core::Core;
use crate::format::{STATE_RECORD_BYTES, Superblock};
use crate::sabotage::{Sabotage, is_planted};
use crate::{Answer, Ballot, Identity};
use std::rc::Rc;

impl Core {
    /// Takes up service as `generation`: nothing at or below `floor` is accepted, and what is missing there is unknown. In words, why
    /// not.
    pub async fn adopt(self: &Rc<Core>, floor: Ballot, generation: u32) -> Result<(), String> {
        if self.generation.get() != 0 || generation == 0 {
            let now = self.generation.get();
            return Err(format!("a drive of generation {now} cannot be adopted as generation {generation}"));
        }
        let in_words = |answer: Answer| format!("{answer:?}");
        self.room(STATE_RECORD_BYTES, crate::space::Claim::Mark).await.map_err(in_words)?;
        let mut acceptor = self.acceptor.get();
        if !is_planted(Sabotage::BlankWithoutFloor) {
            acceptor.drive_floor = acceptor.drive_floor.max(floor);
        }
        acceptor.dirty = Some(floor);
        self.acceptor.set(acceptor);
        self.highest_promise.set(self.highest_promise.get().max(acceptor.drive_floor));
        let appended = self.append_bound(acceptor.bound_clock);
        let ordinal = appended.map_err(|_| "the log cannot be written".to_owned())?;
        self.wake_pump();
        self.durable(ordinal).await.map_err(in_words)?;
        self.write_generation(generation).await?;
        self.generation.set(generation);
        Ok(())
    }

    async fn write_generation(&self, generation: u32) -> Result<(), String> {
        let home = self.medium.home();
        let mut newest: Option<Superblock> = None;
        for copy in 0..crate::home::SUPERBLOCK_COPIES {
            let page = home.read_superblock(copy).await;
            let found = page.and_then(|page| Superblock::decode(page.as_slice()).ok());
            newest = newest.into_iter().chain(found).max_by_key(|superblock| superblock.sequence);
        }
        let Some(found) = newest else {
            return Err("neither superblock is readable".to_owned());
        };
        let written = Superblock {
            sequence: found.sequence + 1,
            identity: Identity {
                generation,
                ..found.identity.clone()
            },
            ..found
        };
        let result = home.write_superblock(&written).await;
        result.map_err(|error| format!("the superblock cannot be written: {error}"))
    }
}
