//! The bugs of the protocol that the simulation of clusters must find, each with the theme and the shape whose seeds find it best: the rest of
//! the seeds are not needed to show that.

use crate::plan::{Plan, Shape};
use crate::simulation::run;
use crate::theme::Theme;
use openlake_drive::sabotage::Sabotage;
use std::panic::{AssertUnwindSafe, catch_unwind};

const fn shape(data: u8, parity: u8) -> Shape {
    Shape {
        data,
        parity,
        nodes: (data + parity) as usize,
        sets: 1,
    }
}

/// The bug, what finds it best, and the last of the seeds from 1 on of which one must. A drive that was replaced must meet a message that has
/// been on its way since before, or a question to just those drives that lack something; so those bugs take longer, and three copies,
/// two of which are enough for everything. Scripted histories find them as well: `tests/replaced_drives.rs`, `tests/replaced_at_once.rs`.
pub const MUTANTS: [(Sabotage, Theme, Shape, u64); 11] = [
    (Sabotage::NoWriteBack, Theme::Rivals, shape(2, 2), 60),
    (Sabotage::BlindRetry, Theme::Rivals, shape(2, 2), 60),
    (Sabotage::EarlySuccess, Theme::Rivals, shape(2, 2), 60),
    (Sabotage::ConditionOnRead, Theme::Restless, shape(2, 1), 60),
    (Sabotage::EarlyDiscard, Theme::Rivals, shape(2, 2), 60),
    (Sabotage::PublishBeforeFlush, Theme::PowerCuts, shape(2, 2), 60),
    (Sabotage::EarlyAcknowledge, Theme::PowerCuts, shape(2, 2), 60),
    (Sabotage::ForgottenComplete, Theme::Uploads, shape(2, 2), 60),
    (Sabotage::BlankCounts, Theme::Replacing, shape(1, 2), 400),
    (Sabotage::HealBeforeAdoption, Theme::Replacing, shape(1, 2), 400),
    (Sabotage::HealByForce, Theme::Replacing, shape(1, 2), 400),
];

/// What the run of a seed finds wrong, if anything. A drive that trips over a bug's traces has found it, too.
pub fn problem(seed: u64, (theme, shape): (Theme, Shape), sabotage: Option<Sabotage>) -> Option<String> {
    let plan = Plan {
        sabotage,
        ..Plan::of_theme(theme, seed, Some(shape))
    };
    let ended = catch_unwind(AssertUnwindSafe(|| run(&plan, false).problems.into_iter().next()));
    ended.unwrap_or_else(|_| Some("panic".to_owned()))
}
