//! What the coordinators of all cores of a node share: the clock, the bucket table, and how far joining has come.

use crate::bucket_table::BucketTable;
use openlake_drive::Ballot;
use openlake_io::Instant;
use openlake_peer::{Clock, Fences, MAX_SKEW_MS};
use std::sync::{Arc, Mutex};

/// Set in the boot number of ballots that go on from a clock far ahead, so that they never equal an ordinary one. Boot numbers are
/// seconds since 1970 and stay below it until 2038.
const FAR_BOOT_BIT: u32 = 1 << 31;
/// Clocks are kept so far below the end of their range that counting on from any floor cannot overflow.
const LARGEST_CLOCK: u64 = u64::MAX - (1 << 32);

/// Shared by all cores of a node; made once, before the first [`crate::Store`].
#[derive(Debug)]
pub struct NodeState {
    clock: Arc<Clock>,
    far: Clock,
    pub(crate) fences: Arc<Fences>,
    pub(crate) buckets: BucketTable,
    join_status: Mutex<String>,
}

impl NodeState {
    /// State over the clock and fences that the node's meshes use too.
    pub fn new(clock: Arc<Clock>, fences: Arc<Fences>) -> Arc<NodeState> {
        let join_status = Mutex::new("not started".to_owned());
        Arc::new(NodeState {
            clock,
            far: Clock::default(),
            fences,
            buckets: BucketTable::default(),
            join_status,
        })
    }
    /// A ballot never used before, above `floor`, for the node and boot number given (protocol.md section 15: above a floor that lies
    /// further ahead than any sound clock, ballots go on by the counter only, and the node's clock does not follow).
    pub(crate) fn next_ballot(&self, wall_ms: u64, floor: Ballot, node: u32, boot: u32) -> Ballot {
        let least = floor.clock.min(LARGEST_CLOCK);
        if floor.time_ms() > wall_ms + MAX_SKEW_MS {
            return Ballot {
                clock: self.far.next_above(0, least),
                node,
                boot: boot | FAR_BOOT_BIT,
            };
        }
        Ballot {
            clock: self.clock.next_above(wall_ms, least),
            node,
            boot,
        }
    }
    /// The time of day as far as it can be trusted; see [`Clock::sound_wall_ms`].
    pub(crate) fn sound_wall_ms(&self, wall_ms: u64, now: Instant) -> u64 {
        self.clock.sound_wall_ms(wall_ms, now)
    }
    /// A drive's floor lies at `floor`: the node's next ballots start above it, so that it refuses just once.
    pub(crate) fn learn_floor(&self, wall_ms: u64, floor: Ballot) {
        self.clock.merge(floor.clock, wall_ms);
    }
    /// How far joining the cluster has come, in words.
    pub fn join_status(&self) -> String {
        self.join_status.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
    pub(crate) fn set_join_status(&self, text: String) {
        *self.join_status.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ballots_rise_and_a_far_floor_does_not_drag_the_clock() {
        let state = NodeState::new(Arc::default(), Arc::default());
        let first = state.next_ballot(1_000, Ballot::ZERO, 1, 7);
        let second = state.next_ballot(1_000, first, 1, 7);
        assert!(second > first && second.time_ms() == 1_000);
        let far = Ballot {
            clock: 900_000 << 16,
            node: 9,
            boot: 9,
        };
        let above = state.next_ballot(1_000, far, 1, 7);
        assert!(above > far && above.time_ms() == 900_000);
        assert!(state.next_ballot(1_000, far, 1, 7) > above);
        assert_eq!(state.next_ballot(1_001, second, 1, 7).time_ms(), 1_001);
        assert!(state.next_ballot(1_000, Ballot::MAX, 1, 7) != state.next_ballot(1_000, Ballot::MAX, 1, 7));
    }
}
