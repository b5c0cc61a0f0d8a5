//! What a seed is run as: a whole cluster, or a drive alone.

use crate::arguments::Arguments;
use openlake_simulation::drive::plan::DrivePlan;
use openlake_simulation::drive::simulation::run as run_drive;
use openlake_simulation::plan::Plan;
use openlake_simulation::simulation::{Report, run};
use openlake_simulation::theme::Theme;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a seed stands for.
#[derive(Debug)]
pub enum Case {
    Cluster(Box<Plan>),
    Drive(Box<DrivePlan>),
}

impl Case {
    /// All cases of a seed: one, or, in a sweep, one for every write boundary.
    pub fn of_seed(seed: u64, arguments: &Arguments) -> Vec<Case> {
        let sabotage = arguments.plant;
        if !arguments.drive {
            let theme = arguments.theme.unwrap_or_else(|| Theme::of_seed(seed));
            let plan = Plan::of_theme(theme, seed, arguments.shape);
            return vec![Case::Cluster(Box::new(Plan {
                sabotage,
                encrypted: arguments.tls,
                ..plan
            }))];
        }
        let plan = DrivePlan {
            sabotage,
            ..DrivePlan::from_seed(seed)
        };
        let cuts = match (arguments.cut_after, arguments.sweep) {
            (Some(writes), _) => writes..writes + 1,
            (None, Some(writes)) => 0..writes,
            (None, None) => return vec![Case::Drive(Box::new(plan))],
        };
        cuts.map(|writes| Case::Drive(Box::new(plan.clone().cut_after(writes)))).collect()
    }
    /// Runs it; a panic is a problem like any other.
    pub fn run(&self, verbose: bool) -> Report {
        let ended = catch_unwind(AssertUnwindSafe(|| match self {
            Case::Cluster(plan) => run(plan, verbose),
            Case::Drive(plan) => run_drive(plan, verbose),
        }));
        ended.unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Report {
                seed: self.seed(),
                problems: vec![format!("panic: {}", text.unwrap_or_default())],
                ..Report::default()
            }
        })
    }
    fn seed(&self) -> u64 {
        match self {
            Case::Cluster(plan) => plan.seed,
            Case::Drive(plan) => plan.seed,
        }
    }
    /// How to run it again, as text for the command line.
    pub fn replay(&self, shape: Option<&str>) -> String {
        let shape = shape.map(|shape| format!(" --shape {shape}")).unwrap_or_default();
        let drive = match self {
            Case::Cluster(plan) => format!(" --theme {:?}{}", plan.theme, if plan.encrypted { " --tls" } else { "" }),
            Case::Drive(plan) => {
                let cut = plan.cut_after_writes.map(|writes| format!(" --cut-after {writes}"));
                format!(" --drive{}", cut.unwrap_or_default())
            }
        };
        format!("npm run simulate --{drive} --seed {} --seeds 1{shape} --verbose", self.seed())
    }
}
