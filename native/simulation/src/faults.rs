//! Faults by schedule: what breaks, when, and when it is mended. All of them are fair: none takes more than the protocol says
//! that it survives, so whatever the checkers find is a bug.
//!
//! A node that loses its power or its process keeps its drives, so any number may fail at once: safety must hold, only
//! availability may suffer.

use crate::cluster::Cluster;
use crate::random::Random;
use std::time::Duration;

/// What can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: unflushed writes are lost or torn.
    PowerCut,
    /// The process dies: what it wrote stays.
    Kill,
    /// The process stands still and goes on later.
    Pause,
    /// Two nodes cannot reach each other, or only in one direction.
    Partition,
    /// A node is cut off from all others.
    Isolation,
    /// A wall clock is a little wrong.
    Clock,
    /// A wall clock is far ahead or behind: the node must be refused by all others, and harm nobody. One node at a time.
    FarClock,
    /// Connections break every now and then.
    Resets,
    /// All drives of a node fail, for as long as the process lives.
    Drives,
    /// A node is restarted in order.
    Restart,
    /// The drives of a node are lost and replaced by blank ones. Never more at a time than may be lost at any time.
    Wipe,
}

const ALL: [Fault; 10] = [
    Fault::PowerCut,
    Fault::Kill,
    Fault::Pause,
    Fault::Partition,
    Fault::Isolation,
    Fault::Clock,
    Fault::FarClock,
    Fault::Resets,
    Fault::Drives,
    Fault::Restart,
];

/// Which faults a run has, and how many.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    /// Each kind is there or not ("swarm testing", Groce et al. 2012): rare combinations come up more often than with all of them.
    pub kinds: Vec<Fault>,
    /// Mean time between two faults.
    pub interval_ms: u64,
    /// Longest time until a fault is mended.
    pub outage_ms: u64,
    /// The same for partitions and wrong clocks.
    pub estrangement_ms: u64,
    /// Most nodes that are down or stand still at a time.
    pub nodes_away: usize,
    /// How wrong a clock may be, in milliseconds. Two of them may differ by twice that: beyond 5 s drives refuse one another's ballots.
    pub clock_error_ms: i64,
    /// Most nodes whose drives were replaced and are not filled yet.
    pub nodes_blank: usize,
}

impl FaultPlan {
    /// A plan for a cluster of `nodes` nodes that can write while `writable_away` of them are away.
    pub fn random(random: &mut Random, nodes: usize, writable_away: usize) -> FaultPlan {
        let kinds = if random.percent(10) {
            Vec::new()
        } else {
            ALL.into_iter().filter(|_| random.percent(55)).collect()
        };
        let nodes_away = if random.percent(50) {
            writable_away.max(1)
        } else {
            random.between(1, nodes as u64) as usize
        };
        let outage_ms = random.between(50, 4000);
        FaultPlan {
            kinds,
            interval_ms: random.between(100, 2000),
            outage_ms,
            estrangement_ms: outage_ms,
            nodes_away,
            clock_error_ms: if random.percent(50) { 1_200 } else { 4_500 },
            nodes_blank: 0,
        }
    }
}

/// A mending to come.
#[derive(Clone, Copy, Debug)]
enum Mend {
    Restart(usize),
    Resume(usize),
    Reconnect(usize, usize),
    Clock(usize),
    FarClock(usize),
    Resets,
    Drives(usize),
}

/// Breaks and mends a cluster.
pub struct Faults {
    plan: FaultPlan,
    random: Random,
    next_ms: u64,
    mends: Vec<(u64, Mend)>,
    /// Not to be touched by another fault until mended.
    away: Vec<bool>,
    far_clock_after_ms: u64,
    usual_reset_chance: f64,
    /// Nodes with blank drives, until they are filled.
    blank: Vec<usize>,
}

impl Faults {
    /// A schedule that begins now.
    pub fn new(plan: FaultPlan, mut random: Random, cluster: &Cluster, usual_reset_chance: f64) -> Faults {
        let next_ms = cluster.now_ms() + random.between(0, 2 * plan.interval_ms);
        let away = vec![false; cluster.nodes()];
        Faults {
            plan,
            random,
            next_ms,
            mends: Vec::new(),
            away,
            far_clock_after_ms: 0,
            usual_reset_chance,
            blank: Vec::new(),
        }
    }

    /// Lets simulated time pass until `until_ms`, with faults.
    pub fn run(&mut self, cluster: &mut Cluster, until_ms: u64) {
        loop {
            let due = self.mends.iter().map(|(at, _)| *at).min().unwrap_or(u64::MAX);
            let fault = if self.plan.kinds.is_empty() { u64::MAX } else { self.next_ms };
            let next = due.min(fault);
            if next >= until_ms {
                cluster.run_for(Duration::from_millis(until_ms.saturating_sub(cluster.now_ms())));
                return;
            }
            cluster.run_for(Duration::from_millis(next.saturating_sub(cluster.now_ms())));
            if due <= fault {
                self.mend(cluster, next);
            } else {
                self.next_ms = next + self.random.between(1, 2 * self.plan.interval_ms);
                self.break_something(cluster, next);
            }
        }
    }

    /// Mends everything at once.
    pub fn mend_all(&mut self, cluster: &mut Cluster) {
        self.mend(cluster, u64::MAX);
    }

    fn mend(&mut self, cluster: &mut Cluster, now_ms: u64) {
        let (due, later): (Vec<_>, Vec<_>) = self.mends.iter().partition(|(at, _)| *at <= now_ms);
        self.mends = later;
        for (_, mend) in due {
            match mend {
                Mend::Restart(node) => {
                    self.away[node] = false;
                    cluster.start(node);
                }
                Mend::Resume(node) => {
                    self.away[node] = false;
                    cluster.resume(node);
                }
                Mend::Reconnect(from, to) => cluster.set_connected(from, to, true),
                Mend::Clock(node) => cluster.set_clock_offset_ms(node, 0),
                Mend::FarClock(node) => {
                    self.away[node] = false;
                    cluster.set_clock_offset_ms(node, 0);
                }
                Mend::Resets => cluster.set_reset_chance(self.usual_reset_chance),
                Mend::Drives(node) => {
                    self.away[node] = false;
                    cluster.set_drives_failed(node, false);
                    cluster.kill(node);
                    cluster.start(node);
                }
            }
        }
    }

    fn break_something(&mut self, cluster: &mut Cluster, now_ms: u64) {
        let Some(&fault) = self.random.pick(&self.plan.kinds) else { return };
        let node = self.random.below(cluster.nodes() as u64) as usize;
        let other = (node + self.random.between(1, cluster.nodes() as u64 - 1) as usize) % cluster.nodes();
        let longest_ms = match fault {
            Fault::Partition | Fault::Clock => self.plan.estrangement_ms,
            _ => self.plan.outage_ms,
        };
        let mended_ms = now_ms + self.random.between(1, longest_ms);
        match fault {
            Fault::Wipe if self.may_not_wipe(cluster, node) => {}
            Fault::PowerCut | Fault::Kill | Fault::Pause | Fault::Drives | Fault::Wipe => {
                if self.away[node] || self.away.iter().filter(|away| **away).count() >= self.plan.nodes_away {
                    return;
                }
                self.away[node] = true;
                let mend = match fault {
                    Fault::PowerCut => {
                        cluster.cut_power(node);
                        Mend::Restart(node)
                    }
                    Fault::Wipe => {
                        self.blank.push(node);
                        cluster.wipe(node);
                        Mend::Restart(node)
                    }
                    Fault::Kill => {
                        cluster.kill(node);
                        Mend::Restart(node)
                    }
                    Fault::Drives => {
                        cluster.set_drives_failed(node, true);
                        Mend::Drives(node)
                    }
                    _ => {
                        cluster.pause(node);
                        Mend::Resume(node)
                    }
                };
                self.mends.push((mended_ms, mend));
            }
            Fault::Partition => {
                self.disconnect(cluster, node, other, mended_ms);
                if self.random.percent(50) {
                    self.disconnect(cluster, other, node, mended_ms);
                }
            }
            Fault::Isolation => {
                for other in (0..cluster.nodes()).filter(|other| *other != node) {
                    self.disconnect(cluster, node, other, mended_ms);
                    self.disconnect(cluster, other, node, mended_ms);
                }
            }
            Fault::Clock => {
                let limit_ms = self.plan.clock_error_ms;
                let offset = self.random.below(2 * limit_ms as u64) as i64 - limit_ms;
                cluster.set_clock_offset_ms(node, offset);
                self.mends.push((mended_ms, Mend::Clock(node)));
            }
            // Of two clocks nobody can tell which one is wrong.
            Fault::FarClock if now_ms < self.far_clock_after_ms || self.away[node] || cluster.nodes() < 3 => {}
            Fault::FarClock => {
                // Others remember what its clock said until they hear it again.
                self.far_clock_after_ms = mended_ms + 3_000;
                self.away[node] = true;
                let offset = 3_600_000;
                cluster.set_clock_offset_ms(node, if self.random.percent(50) { offset } else { -offset });
                self.mends.push((mended_ms, Mend::FarClock(node)));
            }
            Fault::Restart if self.away[node] => {}
            Fault::Restart => cluster.restart(node),
            Fault::Resets => {
                cluster.set_reset_chance(0.02);
                self.mends.push((mended_ms, Mend::Resets));
            }
        }
    }

    /// What nobody may lose is not taken away.
    fn may_not_wipe(&mut self, cluster: &Cluster, node: usize) -> bool {
        self.blank.retain(|blank| !cluster.is_filled(*blank));
        self.blank.contains(&node) || self.blank.len() >= self.plan.nodes_blank
    }

    fn disconnect(&mut self, cluster: &mut Cluster, from: usize, to: usize, mended_ms: u64) {
        cluster.set_connected(from, to, false);
        self.mends.push((mended_ms, Mend::Reconnect(from, to)));
    }
}
