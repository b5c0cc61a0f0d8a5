//! What a seed is about. A drive with everything switched on a little seldom gets into the corners where bugs live: there several
//! rare things must meet. So half of all seeds are about one thing, done all the time, and the rest of the load is drawn at random
//! around it (swarm testing: Groce et al., 2012).

use super::plan::{Action, DrivePlan, Trouble};
use crate::random::Random;
use openlake_io::{DurabilityClass, SimOptions};
use std::time::Duration;

/// What is done all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// A little of everything.
    Mixed,
    /// Few keys, written over and over, while the cleaner never rests.
    Churn,
    /// The same under readers whose reads take as long as the log needs to come around.
    SlowReaders,
    /// Many writers of large records: several batches are under way whenever a checkpoint begins.
    Flood,
    /// Large shards in place, written and dropped: bulk segments fill and become empty, under many small checkpoints.
    Bulky,
    /// Keys come and go among others that stay: tombstones, collected, between records that hold segments in place.
    Graveyard,
    /// Many keys and hardly any memory: rows are let go of and read again.
    Cramped,
}

const THEMES: [(u64, Theme); 7] = [
    (36, Theme::Mixed),
    (8, Theme::Bulky),
    (8, Theme::Churn),
    (14, Theme::SlowReaders),
    (10, Theme::Flood),
    (14, Theme::Graveyard),
    (10, Theme::Cramped),
];

impl Theme {
    /// The theme of a seed.
    pub fn draw(random: &mut Random) -> Theme {
        random.weighted(&THEMES).unwrap_or(Theme::Mixed)
    }
    /// Bends a plan to the theme.
    pub fn apply(self, plan: &mut DrivePlan, random: &mut Random) {
        if self == Theme::Mixed {
            return;
        }
        // What goes wrong beside it would mostly end it early.
        if random.percent(80) {
            plan.trouble = Trouble::None;
            plan.world.disk_stall_chance = 0.0;
            plan.world.disk_capacity_bytes = SimOptions::default().disk_capacity_bytes;
        }
        plan.life_events = 6_000;
        plan.lives = random.between(2, 4);
        plan.load.rest_us = 2_000;
        plan.load.metadata_bytes = random.below(300);
        match self {
            Theme::Mixed => {}
            Theme::Churn => churn(plan, random),
            Theme::SlowReaders => slow_readers(plan, random),
            Theme::Flood => flood(plan, random),
            Theme::Bulky => bulky(plan, random),
            Theme::Graveyard => graveyard(plan, random),
            Theme::Cramped => cramped(plan, random),
        }
    }
}

fn churn(plan: &mut DrivePlan, random: &mut Random) {
    tiny_segments(plan, random);
    plan.tuning.clean_always = Some(true);
    plan.load.workers = random.between(3, 12);
    plan.load.keys = random.between(1, 8);
    plan.load.inline_bytes = random.between(2, 30) << 10;
    plan.load.actions = vec![
        (40, Action::Inline),
        (30, Action::Mark),
        (random.below(6), Action::Bulk),
        (random.below(6), Action::Tombstone),
        (random.below(6), Action::Republish),
        (random.below(6), Action::Prepare),
        (8, Action::Read),
        (6, Action::Blocks),
    ];
}

fn slow_readers(plan: &mut DrivePlan, random: &mut Random) {
    churn(plan, random);
    quick(plan);
    plan.set_segments(1 << 18, random.between(16, 28));
    plan.life_events = 12_000;
    plan.lives = 2;
    plan.load.workers = random.between(8, 14);
    plan.load.inline_bytes = random.between(16, 40) << 10;
    plan.cache_bytes = if random.percent(70) { 0 } else { random.below(256 << 10) };
    // Rare enough to leave the cleaner alone, which reads too.
    plan.world.read_stall_chance = 0.01 * random.between(3, 12) as f64;
    plan.world.read_stall = Duration::from_millis(random.between(5, 60));
    plan.load.actions.extend([(14, Action::Read), (14, Action::Blocks)]);
}

fn flood(plan: &mut DrivePlan, random: &mut Random) {
    plan.set_segments(1 << random.between(19, 20), random.between(24, 48));
    plan.world.durability_class = if random.percent(70) {
        DurabilityClass::ForceUnitAccess
    } else {
        DurabilityClass::Flush
    };
    plan.tuning.log_bytes_between_checkpoints = Some(random.between(128 << 10, 1 << 20));
    plan.load.workers = random.between(8, 16);
    plan.load.keys = random.between(2, 30);
    plan.load.inline_bytes = random.between(40, 64) << 10;
    plan.load.rest_us = 200;
    plan.load.actions = vec![
        (60, Action::Inline),
        (random.between(2, 20), Action::Mark),
        (random.below(6), Action::Bulk),
        (4, Action::Read),
    ];
}

fn bulky(plan: &mut DrivePlan, random: &mut Random) {
    plan.set_segments(1 << random.between(18, 19), random.between(24, 60));
    plan.tuning.log_bytes_between_checkpoints = Some(random.between(4 << 10, 40 << 10));
    plan.tuning.clean_always = random.percent(50).then_some(true);
    plan.load.workers = random.between(2, 8);
    plan.load.keys = random.between(1, 10);
    plan.load.bulk_bytes = random.between(20_000, 200_000);
    plan.load.inline_bytes = random.between(1, 4_000);
    plan.load.actions = vec![
        (30, Action::Bulk),
        (30, Action::Mark),
        (random.below(12), Action::Inline),
        (random.below(8), Action::Abandon),
        (random.below(8), Action::Bury),
        (random.below(8), Action::Republish),
        (4, Action::Read),
        (6, Action::Blocks),
    ];
}

fn graveyard(plan: &mut DrivePlan, random: &mut Random) {
    plan.set_segments(1 << 19, random.between(16, 28));
    plan.tuning.log_bytes_between_checkpoints = Some(random.between(16 << 10, 128 << 10));
    plan.tuning.clean_always = Some(true);
    quick(plan);
    plan.life_events = 14_000;
    plan.load.workers = random.between(6, 14);
    // Records that stay fill segments so well that a few of them may go without the cleaner coming.
    plan.load.keys = random.between(60, 200);
    plan.load.is_filled = true;
    plan.load.hot_keys = random.between(2, 6);
    plan.load.hot_percent = random.between(94, 99);
    plan.load.inline_bytes = random.between(3, 12) << 10;
    plan.load.metadata_bytes = 10;
    plan.load.actions = vec![
        (30, Action::Inline),
        (24, Action::Mark),
        (30, Action::Bury),
        (random.below(6), Action::Tombstone),
        (random.below(6), Action::Collect),
        (4, Action::Read),
        (random.below(4), Action::Prepare),
        (random.below(4), Action::Scan),
    ];
    plan.verify_percent = 60;
    plan.rebuild_percent = 25;
}

fn cramped(plan: &mut DrivePlan, random: &mut Random) {
    plan.index_bytes = random.below(6 << 10);
    plan.tuning.clean_always = random.percent(50).then_some(true);
    plan.tuning.log_bytes_between_checkpoints = Some(random.between(16 << 10, 256 << 10));
    plan.load.workers = random.between(2, 8);
    plan.load.keys = random.between(80, 300);
    plan.load.inline_bytes = random.between(1, 2_000);
    plan.load.actions = vec![
        (40, Action::Inline),
        (14, Action::Mark),
        (random.below(8), Action::Tombstone),
        (random.below(20), Action::Bury),
        (random.below(8), Action::Prepare),
        (14, Action::Read),
        (4, Action::Scan),
        (random.below(3), Action::Unsettled),
    ];
}

/// So small that the log comes around many times in a life, with a checkpoint every few batches.
fn tiny_segments(plan: &mut DrivePlan, random: &mut Random) {
    plan.set_segments(1 << 18, random.between(18, 44));
    plan.tuning.log_bytes_between_checkpoints = Some(random.between(16 << 10, 128 << 10));
}

fn quick(plan: &mut DrivePlan) {
    plan.world.disk_delay = (Duration::from_micros(20), Duration::from_micros(200));
    plan.world.flush_delay = (Duration::from_micros(50), Duration::from_micros(500));
}
