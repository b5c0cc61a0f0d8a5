//! Runs in which drives are replaced all the time.

use crate::faults::{Fault, FaultPlan};
use crate::plan::{Plan, Shape};
use crate::random::Random;
use std::time::Duration;

impl Plan {
    /// A run in which drives are replaced all the time, under writes of few keys over slow links with wrong clocks: messages of the lost
    /// drive are still on their way while its successor is being filled.
    pub fn replacing(seed: u64, shape: Option<Shape>) -> Plan {
        let mut plan = Plan::from_seed(seed, shape);
        let mut random = Random::new(seed ^ 0x3e_a1);
        plan.keys = random.between(1, 3) as usize;
        plan.load_ms = 25_000;
        plan.mix.replaces_bucket = false;
        plan.mix.pause_ms = random.between(1, 100);
        plan.mix.bulk_bytes = 100_000;
        let others = [Fault::Kill, Fault::Pause, Fault::Partition, Fault::Clock, Fault::Isolation];
        let mut kinds: Vec<Fault> = others.into_iter().filter(|_| random.percent(60)).collect();
        kinds.extend([Fault::Wipe, Fault::Wipe]);
        plan.faults = FaultPlan {
            kinds,
            interval_ms: random.between(60, 500),
            outage_ms: random.between(5, 400),
            estrangement_ms: random.between(50, 1_500),
            nodes_away: plan.shape.nodes,
            clock_error_ms: 2_400,
            nodes_blank: plan.shape.losable(),
        };
        plan.world.network_delay = (Duration::from_micros(20), Duration::from_millis(random.between(1, 60)));
        if random.percent(60) {
            plan.world.disk_stall_chance = 0.01;
            plan.world.disk_stall = Duration::from_millis(random.between(50, 1_500));
        }
        plan.disk_error_chance = 0.0;
        plan
    }
}
