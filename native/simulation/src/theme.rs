//! What a run is about. A cluster under a little of everything seldom gets into the corners where bugs live: there several rare things must
//! meet. So half of all seeds are about one thing, done all the time, and the rest is drawn at random around it (swarm testing: Groce et
//! al., 2012).

use crate::faults::{Fault, FaultPlan};
use crate::plan::Plan;
use crate::random::Random;
use crate::workload::Load;
use openlake_io::DurabilityClass;
use std::time::Duration;

/// What is done all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// A little of everything.
    Mixed,
    /// Many coordinators write, delete and read one key over slow links with wrong clocks, while nodes stop and ways close.
    Rivals,
    /// Processes end all the time while conditional writes race over slow links with wrong clocks: what a drive must remember of a round, it
    /// has to remember over a restart in the middle of it.
    Restless,
    /// Drives are replaced all the time, under writes of few keys over slow links with wrong clocks: messages of the lost drive are still on
    /// their way while its successor is being filled.
    Replacing,
    /// Multipart uploads are completed again and again, from everywhere, and aborted, between other writes of their keys.
    Uploads,
    /// The power of several nodes fails at once, while large bodies are written.
    PowerCuts,
}

const THEMES: [(u64, Theme); 6] = [
    (50, Theme::Mixed),
    (12, Theme::Rivals),
    (8, Theme::Restless),
    (12, Theme::Replacing),
    (10, Theme::Uploads),
    (8, Theme::PowerCuts),
];

impl Theme {
    /// All of them.
    pub const ALL: [Theme; 6] = [
        Theme::Mixed,
        Theme::Rivals,
        Theme::Restless,
        Theme::Replacing,
        Theme::Uploads,
        Theme::PowerCuts,
    ];
    /// The theme of a seed.
    pub fn of_seed(seed: u64) -> Theme {
        let theme = Random::new(seed ^ 0x7_4e_3e).weighted(&THEMES);
        theme.unwrap_or(Theme::Mixed)
    }
    /// Bends a plan to the theme.
    pub fn apply(self, plan: &mut Plan) {
        let mut random = Random::new(plan.seed ^ 0x3e_a1);
        plan.theme = self;
        if self == Theme::Mixed {
            return;
        }
        plan.mix.replaces_bucket = false;
        plan.disk_error_chance = 0.0;
        match self {
            Theme::Mixed => {}
            Theme::Rivals => rivals(plan, &mut random),
            Theme::Restless => restless(plan, &mut random),
            Theme::Replacing => replacing(plan, &mut random),
            Theme::Uploads => uploads(plan, &mut random),
            Theme::PowerCuts => power_cuts(plan, &mut random),
        }
    }
}

fn slow_links(plan: &mut Plan, random: &mut Random, most_ms: u64) {
    plan.world.network_delay = (Duration::from_micros(20), Duration::from_millis(random.between(1, most_ms)));
}

fn rivals(plan: &mut Plan, random: &mut Random) {
    plan.keys = 1;
    plan.clients_per_node = 2;
    plan.cores = random.between(2, 3) as usize;
    plan.load_ms = 8_000;
    plan.mix.load = Load::Contended;
    plan.mix.pause_ms = random.between(1, 60);
    plan.mix.impatience = random.between(0, 25);
    let others = [Fault::Kill, Fault::Pause, Fault::Isolation, Fault::Clock, Fault::PowerCut];
    let mut kinds: Vec<Fault> = others.into_iter().filter(|_| random.percent(60)).collect();
    kinds.push(Fault::Partition);
    plan.faults = FaultPlan {
        kinds,
        interval_ms: random.between(50, 400),
        outage_ms: random.between(20, 1_500),
        estrangement_ms: random.between(50, 2_000),
        nodes_away: if random.percent(60) {
            plan.shape.writable_away().max(1)
        } else {
            plan.shape.nodes
        },
        clock_error_ms: 2_400,
        nodes_blank: 0,
    };
    slow_links(plan, random, 30);
}

fn restless(plan: &mut Plan, random: &mut Random) {
    plan.keys = 1;
    plan.clients_per_node = 1;
    plan.load_ms = 30_000;
    plan.mix.load = Load::Conditional;
    plan.mix.pause_ms = random.between(1, 300);
    plan.faults = FaultPlan {
        kinds: vec![Fault::Kill, Fault::PowerCut, Fault::Partition, Fault::Clock],
        interval_ms: random.between(100, 600),
        outage_ms: random.between(5, 60),
        estrangement_ms: 1_000,
        nodes_away: 1,
        clock_error_ms: 2_400,
        nodes_blank: 0,
    };
    slow_links(plan, random, 50);
}

fn replacing(plan: &mut Plan, random: &mut Random) {
    plan.keys = random.between(1, 2) as usize;
    plan.load_ms = 25_000;
    plan.mix.load = if random.percent(75) { Load::Contended } else { Load::Mixed };
    plan.mix.pause_ms = random.between(1, 40);
    plan.mix.bulk_bytes = 100_000;
    let others = [Fault::Kill, Fault::Pause, Fault::Partition, Fault::Clock, Fault::Isolation];
    let mut kinds: Vec<Fault> = others.into_iter().filter(|_| random.percent(60)).collect();
    if plan.shape.losable() > 0 {
        kinds.extend([Fault::Wipe, Fault::Wipe]);
    }
    plan.faults = FaultPlan {
        kinds,
        interval_ms: random.between(60, 500),
        outage_ms: random.between(5, 400),
        estrangement_ms: random.between(50, 1_500),
        nodes_away: plan.shape.nodes,
        clock_error_ms: 2_400,
        nodes_blank: plan.shape.losable(),
    };
    slow_links(plan, random, 60);
    if random.percent(60) {
        plan.world.disk_stall_chance = 0.01;
        plan.world.disk_stall = Duration::from_millis(random.between(50, 1_500));
    }
}

fn uploads(plan: &mut Plan, random: &mut Random) {
    plan.keys = 1;
    plan.clients_per_node = 2;
    plan.load_ms = 12_000;
    plan.mix.load = Load::Uploads;
    plan.mix.pause_ms = random.between(1, 80);
    plan.mix.bulk_bytes = 60_000;
    plan.mix.impatience = random.between(5, 30);
    let others = [Fault::Kill, Fault::Pause, Fault::Isolation, Fault::Clock];
    let mut kinds: Vec<Fault> = others.into_iter().filter(|_| random.percent(60)).collect();
    kinds.push(Fault::Partition);
    plan.faults = FaultPlan {
        kinds,
        interval_ms: random.between(60, 500),
        outage_ms: random.between(20, 1_500),
        estrangement_ms: random.between(50, 2_500),
        nodes_away: plan.shape.writable_away().max(1),
        clock_error_ms: 2_400,
        nodes_blank: 0,
    };
    slow_links(plan, random, 30);
}

fn power_cuts(plan: &mut Plan, random: &mut Random) {
    plan.keys = random.between(1, 3) as usize;
    plan.load_ms = 6_000;
    plan.mix.load = if random.percent(50) { Load::Bulky } else { Load::Contended };
    plan.mix.pause_ms = random.between(1, 30);
    plan.mix.bulk_bytes = random.between(100_000, 400_000);
    plan.faults = FaultPlan {
        kinds: vec![Fault::PowerCut],
        interval_ms: random.between(20, 200),
        outage_ms: random.between(20, 400),
        estrangement_ms: 1_000,
        nodes_away: plan.shape.nodes,
        clock_error_ms: 1_200,
        nodes_blank: 0,
    };
    plan.world.flush_delay = (Duration::from_micros(20), Duration::from_micros(random.between(500, 20_000)));
    plan.world.durability_class = if random.percent(70) {
        DurabilityClass::ForceUnitAccess
    } else {
        DurabilityClass::Flush
    };
}
