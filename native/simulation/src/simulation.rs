//! One run: a cluster comes up, works under faults, is mended, and must then keep every promise.

use crate::checkers;
use crate::client::Client;
use crate::cluster::Cluster;
use crate::faults::Faults;
use crate::history::History;
use crate::plan::Plan;
use crate::random::Random;
use crate::values::{BUCKET, Values};
use crate::workload;
use openlake_object::StoreError;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub seed: u64,
    /// Equal for equal seeds, or the run cannot be replayed.
    pub hash: u64,
    pub events: u64,
    pub simulated: Duration,
    pub counts: BTreeMap<&'static str, u64>,
    /// What must never happen, and did.
    pub problems: Vec<String>,
}

/// Longest that anything may take once nothing is broken any more: several deadlines of a coordinator.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Until stable marks are durable everywhere and unmarked versions are settled (both within about a second).
const CALM: Duration = Duration::from_secs(5);
/// Between two tries to create the bucket.
const CREATED_AGAIN: Duration = Duration::from_millis(100);

/// Runs a plan to its end.
pub fn run(plan: &Plan, verbose: bool) -> Report {
    openlake_drive::sabotage::plant(plan.sabotage);
    let history = History::new(verbose);
    let mut random = Random::new(plan.seed ^ 0x5eed);
    let mut cluster = Cluster::new(random.bits(), (plan.shape, plan.cores), plan.world.clone(), history.clone());
    if plan.encrypted {
        cluster.encrypt();
    }
    let run = Run {
        plan,
        history: history.clone(),
        values: Rc::new(Values::new(plan.keys)),
        stop: Rc::default(),
    };
    let ended = run.live(&mut cluster, &mut random);
    if ended.is_none() {
        history.problem(cluster.now(), "the run stopped early".to_owned());
    }
    checkers::check_histories(&history, &run.values, cluster.now());
    Report {
        seed: plan.seed,
        hash: history.hash() ^ cluster.event_hash(),
        events: history.events(),
        simulated: Duration::from_nanos(cluster.now().0),
        counts: history.counts(),
        problems: history.problems(),
    }
}

struct Run<'plan> {
    plan: &'plan Plan,
    history: History,
    values: Rc<Values>,
    stop: Rc<Cell<bool>>,
}

impl Run<'_> {
    /// `None`: what follows makes no sense after the problem just noted.
    fn live(&self, cluster: &mut Cluster, random: &mut Random) -> Option<()> {
        self.history.event(cluster.now(), &format!("{:?}", self.plan));
        self.come_up(cluster)?;
        self.employ_clients(cluster, random.bits());
        let until_ms = cluster.now_ms() + self.plan.load_ms;
        let mut faults = Faults::new(self.plan.faults.clone(), random.split(), cluster, self.plan.world.reset_chance);
        cluster.set_disk_error_chance(self.plan.disk_error_chance);
        faults.run(cluster, until_ms);
        self.stop.set(true);
        faults.mend_all(cluster);
        cluster.set_reset_chance(0.0);
        cluster.set_disk_error_chance(0.0);
        self.all_serve(cluster, "after all faults were mended")?;
        (0..cluster.nodes())
            .filter(|&node| cluster.lacks_drives(node))
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|node| cluster.restart(node));
        self.all_serve(cluster, "after all faults were mended")?;
        cluster.run_for(CALM);
        checkers::read_everything(cluster, &self.values, "after all faults were mended");
        checkers::wait_until_healed(cluster, &self.values);
        checkers::read_everything(cluster, &self.values, "after everything was healed");
        if random.percent(30) && self.plan.shape.losable() > 0 {
            return self.rot(cluster, random);
        }
        if random.percent(60) {
            let all: Vec<usize> = (0..self.values.keys.len()).collect();
            self.lose(cluster, random, self.plan.shape.losable(), &all, "nodes as may be lost at any time")?;
        }
        if random.percent(60) {
            // Links to nodes that were away have to come up first, or they miss the writes.
            cluster.run_for(CALM);
            checkers::write_everything(cluster, &self.values, random);
            cluster.run_for(CALM);
            let whole = checkers::whole_keys(cluster, &self.values);
            self.history.count_many("keys whole", whole.len());
            self.history.count_many("keys not whole", self.values.keys.len() - whole.len());
            self.lose(
                cluster,
                random,
                self.plan.shape.losable_when_whole(),
                &whole,
                "nodes as may be lost when all is whole",
            )?;
        }
        if random.percent(60) {
            (0..cluster.nodes()).for_each(|node| cluster.cut_power(node));
            self.all_serve(cluster, "after a power cut of all nodes")?;
            checkers::read_everything(cluster, &self.values, "after a power cut of all nodes");
        }
        Some(())
    }

    /// Bits rot on as many nodes as may be lost: no wrong byte is served, and everything stays readable, also after restarts.
    fn rot(&self, cluster: &mut Cluster, random: &mut Random) -> Option<()> {
        let nodes = random.choose(cluster.nodes(), self.plan.shape.losable());
        // Damage to the last batches of a log looks like a torn end, which nothing but a later root can tell apart (drive.md section 4). So
        // each drive is closed in order first, which writes one; all that matters then lies before it.
        nodes.iter().for_each(|&node| cluster.restart(node));
        self.all_serve(cluster, "after restarts in order")?;
        cluster.run_for(CALM);
        for &node in &nodes {
            let count = random.between(1, 20) as usize;
            cluster.rot(node, count, random);
        }
        checkers::read_everything(cluster, &self.values, "after bits rotted");
        for &node in &nodes {
            match random.below(3) {
                0 => cluster.restart(node),
                1 => cluster.kill(node),
                _ => cluster.cut_power(node),
            }
        }
        self.all_serve(cluster, "after bits rotted and their nodes were restarted")?;
        cluster.run_for(CALM);
        checkers::read_everything(cluster, &self.values, "after bits rotted and their nodes were restarted");
        // A drive that is damaged beyond use is replaced.
        for &node in &nodes {
            if cluster.lacks_drives(node) {
                cluster.wipe(node);
            }
        }
        self.all_serve(cluster, "after drives damaged beyond use were replaced")?;
        checkers::wait_until_healed(cluster, &self.values);
        checkers::read_everything(cluster, &self.values, "after what had rotted was healed");
        Some(())
    }

    fn come_up(&self, cluster: &mut Cluster) -> Option<()> {
        self.all_serve(cluster, "at first")?;
        let first = cluster.serving(0)?;
        let (store, runtime) = (first.store.clone(), first.runtime.clone());
        let created = cluster.run_on(&first.runtime, PATIENCE, async move {
            loop {
                match store.create_bucket(BUCKET).await {
                    // A connection may break just now, and drives that were just opened may not serve yet.
                    Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => runtime.sleep(CREATED_AGAIN).await,
                    result => return result,
                }
            }
        });
        match created {
            Some(Ok(_) | Err(StoreError::PreconditionFailed)) => {}
            other => {
                self.history
                    .problem(cluster.now(), format!("creating the bucket ended with {other:?}"));
                return None;
            }
        }
        cluster.end_bootstrap();
        Some(())
    }

    fn all_serve(&self, cluster: &mut Cluster, when: &str) -> Option<()> {
        cluster.start_all();
        if !cluster.wait_until_serving(PATIENCE) {
            self.history
                .problem(cluster.now(), format!("not all nodes serve {when}: {:?}", cluster.joining()));
            return None;
        }
        Some(())
    }

    /// Clients on every node that serves or will serve.
    fn employ_clients(&self, cluster: &mut Cluster, seed: u64) {
        let (history, values, stop) = (self.history.clone(), self.values.clone(), self.stop.clone());
        let (mix, count) = (self.plan.mix.clone(), self.plan.clients_per_node);
        let listener: crate::cluster::ServingListener = Rc::new(move |node, start, serving| {
            for number in 0..count {
                let name = format!("client {node}.{start}.{number}");
                let store = serving
                    .stores
                    .get((number + start + node) % serving.stores.len())
                    .unwrap_or(&serving.store)
                    .clone();
                let runtime = serving.runtime.clone();
                let client = Client {
                    name,
                    runtime,
                    store,
                    history: history.clone(),
                    values: values.clone(),
                };
                let random = Random::new(seed ^ ((node as u64) << 32) ^ ((start as u64) << 8) ^ number as u64);
                serving.runtime.spawn(workload::work(client, random, mix.clone(), stop.clone()));
            }
        });
        for node in 0..cluster.nodes() {
            if let Some(serving) = cluster.serving(node) {
                listener(node, 0, &serving);
            }
        }
        cluster.on_serving(listener);
    }

    /// Takes `count` nodes away, reads `keys`, brings them back.
    fn lose(&self, cluster: &mut Cluster, random: &mut Random, count: usize, keys: &[usize], what: &str) -> Option<()> {
        if count == 0 {
            return Some(());
        }
        for node in random.choose(cluster.nodes(), count) {
            cluster.cut_power(node);
        }
        checkers::read_keys(cluster, &self.values, keys, &format!("without as many {what}"));
        self.all_serve(cluster, "after lost nodes came back")
    }
}
