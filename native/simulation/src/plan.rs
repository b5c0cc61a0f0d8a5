//! What a seed stands for: shape of the cluster, load, faults.

use crate::faults::{Fault, FaultPlan};
use crate::random::Random;
use crate::theme::Theme;
use crate::workload::{Load, Mix};
use openlake_drive::sabotage::Sabotage;
use openlake_io::{DurabilityClass, SimOptions};
use std::time::Duration;

/// Shape of a cluster: every set has one slot on each of its drives, and a node's drives lie in different sets where possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub data: u8,
    pub parity: u8,
    pub nodes: usize,
    pub sets: usize,
}

impl Shape {
    /// Slots of a set.
    pub fn slots(self) -> usize {
        usize::from(self.data) + usize::from(self.parity)
    }
    /// W of protocol.md section 1.
    pub fn write_quorum(self) -> usize {
        (self.slots() - usize::from(self.parity).div_ceil(2)).max(self.slots() / 2 + 1)
    }
    /// Where a slot lives. Sets are laid out one behind the other around the ring of nodes.
    pub fn node_of(self, set: usize, slot: usize) -> usize {
        (set * self.slots() + slot) % self.nodes
    }
    /// How many slots of one set a node holds at most.
    pub fn slots_per_node(self) -> usize {
        self.slots().div_ceil(self.nodes)
    }
    /// How many nodes can be away while all sets take writes.
    pub fn writable_away(self) -> usize {
        (self.slots() - self.write_quorum()) / self.slots_per_node()
    }
    /// How many nodes may be lost at any time without losing an acknowledged write.
    pub fn losable(self) -> usize {
        usize::from(self.parity / 2) / self.slots_per_node()
    }
    /// R of protocol.md section 1.
    pub fn read_quorum(self) -> usize {
        usize::from(self.data).max(self.slots() - self.write_quorum() + 1)
    }
    /// How many nodes may be lost once everything is fully redundant.
    pub fn losable_when_whole(self) -> usize {
        (self.slots() - self.read_quorum()) / self.slots_per_node()
    }
}

/// Shapes from the table of protocol.md section 1, and some with several sets or several slots of a set on a node.
pub const SHAPES: &[(u64, Shape)] = &[
    (
        20,
        Shape {
            data: 2,
            parity: 2,
            nodes: 4,
            sets: 1,
        },
    ),
    (
        14,
        Shape {
            data: 2,
            parity: 1,
            nodes: 3,
            sets: 1,
        },
    ),
    (
        10,
        Shape {
            data: 4,
            parity: 2,
            nodes: 6,
            sets: 1,
        },
    ),
    (
        8,
        Shape {
            data: 2,
            parity: 2,
            nodes: 4,
            sets: 3,
        },
    ),
    (
        6,
        Shape {
            data: 1,
            parity: 2,
            nodes: 3,
            sets: 1,
        },
    ),
    (
        4,
        Shape {
            data: 1,
            parity: 1,
            nodes: 2,
            sets: 1,
        },
    ),
    (
        4,
        Shape {
            data: 2,
            parity: 1,
            nodes: 4,
            sets: 2,
        },
    ),
    (
        4,
        Shape {
            data: 4,
            parity: 1,
            nodes: 5,
            sets: 1,
        },
    ),
    (
        3,
        Shape {
            data: 3,
            parity: 1,
            nodes: 4,
            sets: 1,
        },
    ),
    (
        3,
        Shape {
            data: 4,
            parity: 4,
            nodes: 8,
            sets: 1,
        },
    ),
    (
        3,
        Shape {
            data: 4,
            parity: 2,
            nodes: 3,
            sets: 1,
        },
    ),
    (
        2,
        Shape {
            data: 6,
            parity: 3,
            nodes: 9,
            sets: 1,
        },
    ),
    (
        2,
        Shape {
            data: 8,
            parity: 4,
            nodes: 12,
            sets: 1,
        },
    ),
    (
        2,
        Shape {
            data: 2,
            parity: 2,
            nodes: 1,
            sets: 1,
        },
    ),
    (
        1,
        Shape {
            data: 12,
            parity: 4,
            nodes: 16,
            sets: 1,
        },
    ),
    (
        1,
        Shape {
            data: 2,
            parity: 2,
            nodes: 24,
            sets: 6,
        },
    ),
];

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub theme: Theme,
    pub shape: Shape,
    pub keys: usize,
    pub clients_per_node: usize,
    /// Coordinators of a node, which share its clock and tables as those of its cores do.
    pub cores: usize,
    /// Simulated time under load and faults.
    pub load_ms: u64,
    pub mix: Mix,
    pub faults: FaultPlan,
    /// Speeds of disks and links, and what goes wrong with them by chance.
    pub world: SimOptions,
    /// How often a disk operation fails while there is load.
    pub disk_error_chance: f64,
    /// Links between nodes run over TLS.
    pub encrypted: bool,
    /// A bug to be found.
    pub sabotage: Option<Sabotage>,
}

impl Plan {
    /// The run of a seed; `shape` overrides the seed's choice.
    pub fn from_seed(seed: u64, shape: Option<Shape>) -> Plan {
        Plan::of_theme(Theme::of_seed(seed), seed, shape)
    }
    /// The same about something given.
    pub fn of_theme(theme: Theme, seed: u64, shape: Option<Shape>) -> Plan {
        let mut plan = Plan::mixed(seed, shape);
        theme.apply(&mut plan);
        plan
    }

    fn mixed(seed: u64, shape: Option<Shape>) -> Plan {
        let mut random = Random::new(seed);
        let drawn = random.weighted(SHAPES).unwrap_or(Shape {
            data: 2,
            parity: 2,
            nodes: 4,
            sets: 1,
        });
        let shape = shape.unwrap_or(drawn);
        let mix = Mix {
            pause_ms: random.between(1, 120),
            bulk_bytes: random.between(100_000, 700_000),
            impatience: if random.percent(30) { random.between(1, 20) } else { 0 },
            load: Load::Mixed,
            replaces_bucket: random.percent(25),
        };
        // About as many clients in all shapes: more coordinators than that do not meet more often.
        let clients_per_node = if shape.nodes <= 4 { random.between(1, 2) as usize } else { 1 };
        Plan {
            seed,
            theme: Theme::Mixed,
            shape,
            keys: random.between(2, 7) as usize,
            clients_per_node,
            cores: random.between(1, 3) as usize,
            load_ms: random.between(2_000, 8_000),
            mix,
            faults: with_wipes(FaultPlan::random(&mut random, shape.nodes, shape.writable_away()), seed, shape),
            world: world(&mut random),
            disk_error_chance: if random.percent(15) { 0.000_2 } else { 0.0 },
            encrypted: false,
            sabotage: None,
        }
    }
}

/// Every third run replaces drives, where any may be lost.
fn with_wipes(mut faults: FaultPlan, seed: u64, shape: Shape) -> FaultPlan {
    if shape.losable() > 0 && Random::new(seed ^ 0x000b_1a4e).percent(35) {
        faults.nodes_blank = shape.losable();
        faults.kinds.push(Fault::Wipe);
    }
    faults
}

/// Half of all worlds are quick; the others have slow links, slow disks, stalls, resets.
fn world(random: &mut Random) -> SimOptions {
    let mut options = SimOptions::default();
    let mut range = |percent, most_us| {
        random
            .percent(percent)
            .then(|| (Duration::from_micros(20), Duration::from_micros(random.between(200, most_us))))
    };
    options.network_delay = range(40, 20_000).unwrap_or(options.network_delay);
    options.disk_delay = range(30, 5_000).unwrap_or(options.disk_delay);
    options.flush_delay = range(30, 20_000).unwrap_or(options.flush_delay);
    if random.percent(30) {
        options.disk_stall_chance = 0.002;
        options.disk_stall = Duration::from_millis(random.between(10, 2_000));
    }
    if random.percent(20) {
        options.reset_chance = 0.000_5;
    }
    options.sector_bytes = if random.percent(50) { 512 } else { 4096 };
    let classes = [
        DurabilityClass::ForceUnitAccess,
        DurabilityClass::ForceUnitAccess,
        DurabilityClass::Flush,
        DurabilityClass::Through,
    ];
    options.durability_class = random.pick(&classes).copied().unwrap_or(options.durability_class);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_are_those_of_the_table() {
        // data, parity, W, R
        let table = [
            (1, 1, 2, 1),
            (1, 2, 2, 2),
            (2, 1, 2, 2),
            (2, 2, 3, 2),
            (4, 2, 5, 4),
            (6, 3, 7, 6),
            (4, 4, 6, 4),
            (8, 4, 10, 8),
        ];
        for (data, parity, write, read) in table {
            let shape = Shape {
                data,
                parity,
                nodes: usize::from(data + parity),
                sets: 1,
            };
            assert_eq!((shape.write_quorum(), shape.read_quorum()), (write, read), "{shape:?}");
        }
    }

    #[test]
    fn no_set_puts_two_slots_on_a_node_while_another_has_none() {
        for &(_, shape) in SHAPES {
            for set in 0..shape.sets {
                let mut slots = vec![0; shape.nodes];
                (0..shape.slots()).for_each(|slot| slots[shape.node_of(set, slot)] += 1);
                let most = slots.iter().max().copied().unwrap_or(0);
                assert!(
                    most == shape.slots_per_node() && (most == 1 || !slots.contains(&0)),
                    "{shape:?} {slots:?}"
                );
            }
        }
    }

    #[test]
    fn a_seed_always_gives_the_same_plan() {
        for seed in 0..100 {
            assert_eq!(
                format!("{:?}", Plan::from_seed(seed, None)),
                format!("{:?}", Plan::from_seed(seed, None))
            );
        }
    }
}
