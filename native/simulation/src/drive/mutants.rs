//! The bugs of a drive that its simulation must find, each with the theme whose seeds find it best: for the rest of the seeds are not
//! needed to show that the first so many find it.

use super::plan::DrivePlan;
use super::simulation::run;
use super::theme::Theme;
use openlake_drive::sabotage::Sabotage;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// All of them.
pub const MUTANTS: [(Sabotage, Theme); 20] = [
    (Sabotage::EarlyDiscard, Theme::Churn),
    (Sabotage::VolatilePromise, Theme::Cramped),
    (Sabotage::PublishBeforeFlush, Theme::Bulky),
    (Sabotage::EarlyAcknowledge, Theme::Flood),
    (Sabotage::AcknowledgeOutOfOrder, Theme::Flood),
    (Sabotage::BlindFilter, Theme::Cramped),
    (Sabotage::EvictDirty, Theme::Cramped),
    (Sabotage::FreezeWithoutCopy, Theme::Flood),
    (Sabotage::CheckpointAhead, Theme::Flood),
    (Sabotage::EarlyRoot, Theme::Flood),
    (Sabotage::LazyRoot, Theme::Flood),
    (Sabotage::EarlyReuse, Theme::Mixed),
    (Sabotage::StaleGeneration, Theme::Cramped),
    (Sabotage::LeaseIgnored, Theme::SlowReaders),
    (Sabotage::MoveOverNewer, Theme::Flood),
    (Sabotage::TombstoneNotMoved, Theme::Graveyard),
    (Sabotage::TombstoneDroppedEarly, Theme::Graveyard),
    (Sabotage::EarlyRelease, Theme::Bulky),
    (Sabotage::BackwardMerge, Theme::Flood),
    (Sabotage::HeldFromStage, Theme::Bulky),
];

/// What the run of a seed finds wrong, if anything. A drive that trips over a bug's traces has found it, too.
pub fn problem(seed: u64, sabotage: Option<Sabotage>) -> Option<String> {
    let plan = DrivePlan {
        sabotage,
        ..DrivePlan::from_seed(seed)
    };
    let ended = catch_unwind(AssertUnwindSafe(|| run(&plan, false).problems.into_iter().next()));
    ended.unwrap_or_else(|_| Some("panic".to_owned()))
}

/// The seeds from 1 to `last` that are about a theme.
pub fn seeds_of(theme: Theme, last: u64) -> impl Iterator<Item = u64> {
    (1..=last).filter(move |seed| DrivePlan::from_seed(*seed).theme == theme)
}
