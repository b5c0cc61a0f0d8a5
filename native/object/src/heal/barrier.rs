//! The barrier before heal reads (protocol.md section 9 step 3), and what the others say of themselves with it.

use crate::heal::Healer;
use openlake_drive::sabotage::{Sabotage, is_planted};
use openlake_drive::{Answer, Ballot, Request};

/// What the other drives of a set said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answered {
    pub slots: usize,
    /// The highest ballot that any of them knows.
    pub highest: Ballot,
    pub dirty: usize,
    /// Of the fullest one, about.
    pub keys: u64,
}

impl Healer {
    /// Raises the others' floors to `floor`; ZERO only asks.
    pub async fn raise_barrier(&mut self, floor: Ballot) -> Result<Answered, String> {
        let operation = self.set_operation()?;
        let floor = self.barrier_of(floor);
        let calls = self
            .others(operation.quorum)
            .map(|slot| operation.call(slot, Request::Barrier { floor }));
        let mut answered = Answered::default();
        let mut behind = 0;
        for result in futures_util::future::join_all(calls).await {
            match result {
                Ok(Answer::Done { highest, dirty, keys }) => {
                    answered.slots += 1;
                    answered.highest = answered.highest.max(highest);
                    answered.dirty += usize::from(dirty);
                    answered.keys = answered.keys.max(keys);
                }
                Ok(Answer::Clock { .. }) => behind += 1,
                _ => {}
            }
        }
        let needed = operation.quorum.meet();
        if answered.slots < needed || answered.slots == 0 {
            let all = operation.quorum.slots() - 1;
            let clocks = match behind {
                0 => String::new(),
                _ => format!("; the clocks of {behind} lie far behind this node's"),
            };
            return Err(format!(
                "{} of {all} other slots of set {} answered the barrier, {needed} needed{clocks}",
                answered.slots, self.slot.set
            ));
        }
        Ok(answered)
    }
    /// The barrier that heal reads of a dirty drive are to name.
    pub fn barrier_of(&self, floor: Ballot) -> Ballot {
        let without = is_planted(Sabotage::HealWithoutBarrier) || is_planted(Sabotage::BlankWithoutFloor);
        if without { Ballot::ZERO } else { floor }
    }
}
