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

/// All of them but those of replaced drives, which chance finds too seldom: a message has to be on its way for as long as a drive takes to be
/// replaced. Scripted histories find these: `tests/replaced_drives.rs` and `tests/replaced_at_once.rs`, and a test of the drive.
pub const MUTANTS: [(Sabotage, Theme, Shape); 8] = [
    (Sabotage::NoWriteBack, Theme::Rivals, shape(2, 2)),
    (Sabotage::BlindRetry, Theme::Rivals, shape(2, 2)),
    (Sabotage::EarlySuccess, Theme::Rivals, shape(2, 2)),
    (Sabotage::ConditionOnRead, Theme::Restless, shape(2, 1)),
    (Sabotage::EarlyDiscard, Theme::Rivals, shape(2, 2)),
    (Sabotage::PublishBeforeFlush, Theme::PowerCuts, shape(2, 2)),
    (Sabotage::EarlyAcknowledge, Theme::PowerCuts, shape(2, 2)),
    (Sabotage::ForgottenComplete, Theme::Uploads, shape(2, 2)),
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
