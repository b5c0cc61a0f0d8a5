//! Messages about the drives that took over slots, drawn by chance.

use super::ballot;
use openlake_drive::{Heir, Standing, Step};
use proptest::collection::vec;
use proptest::prelude::*;

fn heir() -> impl Strategy<Value = Heir> {
    any::<(u8, u32, [u8; 16], bool)>().prop_map(|(slot, generation, drive, filled)| Heir {
        slot,
        generation,
        drive,
        filled,
    })
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Ask),
        ballot().prop_map(|round| Step::Announce { round }),
        (ballot(), heir()).prop_map(|(round, heir)| Step::Take { round, heir }),
        any::<(u8, u32)>().prop_map(|(slot, generation)| Step::Filled { slot, generation }),
    ]
}

pub fn standing() -> impl Strategy<Value = Standing> {
    (any::<(u32, bool, bool)>(), ballot(), vec(heir(), 0..3)).prop_map(|((generation, dirty, serves), round, heirs)| Standing {
        generation,
        dirty,
        serves,
        round,
        heirs,
    })
}
