//! The same nodes in a simulated world, where a seed decides about every delay: partitions, stops, deaths and wrong clocks.

use crate::authority::ready;
use crate::cluster::{Identity, Node, SECOND, key, layout, publish, publish_inline, read, slot, stage};
use bytes::Bytes;
use openlake_drive::{Answer, Ballot, Request, Space};
use openlake_io::{Runtime, SimOptions, SimWorld};
use openlake_peer::{CallError, ClusterLayout, DEFAULT_BUDGET_BYTES, TlsOptions};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub struct World {
    pub world: SimWorld,
    pub layout: Arc<ClusterLayout>,
    budget_bytes: u64,
    tls: Option<TlsOptions>,
    pub runtimes: Vec<Runtime>,
    pub nodes: Vec<Node>,
}

fn address(id: u32) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, id as u8], 9001))
}

impl World {
    /// `count` nodes that are all linked.
    fn new(seed: u64, count: u32) -> World {
        World::with(seed, count, DEFAULT_BUDGET_BYTES, None)
    }

    /// As `new`, each node with room for so much bulk from its peers.
    fn with_budget(seed: u64, count: u32, budget_bytes: u64) -> World {
        World::with(seed, count, budget_bytes, None)
    }

    /// As `with_budget`; links run over TLS by `tls`, if there is any.
    pub fn with(seed: u64, count: u32, budget_bytes: u64, tls: Option<TlsOptions>) -> World {
        println!("seed {seed}");
        let addresses: Vec<SocketAddr> = (1..=count).map(address).collect();
        let layout = layout(&addresses);
        let world = SimWorld::new(seed, SimOptions::default());
        let mut this = World {
            world,
            layout,
            budget_bytes,
            tls,
            runtimes: Vec::new(),
            nodes: Vec::new(),
        };
        for id in 1..=count {
            let (runtime, node) = this.start(id, 1);
            this.runtimes.push(runtime);
            this.nodes.push(node);
        }
        this.until(|world| {
            (0..count as usize).all(|index| (1..=count).all(|id| id == index as u32 + 1 || world.nodes[index].is_linked(id)))
        });
        this
    }

    pub fn start(&self, id: u32, boot: u32) -> (Runtime, Node) {
        let runtime = self.world.start_node(id, address(id).ip());
        let node = Node::start(
            &runtime,
            Identity {
                boot,
                budget_bytes: self.budget_bytes,
                tls: self.tls.as_ref().and_then(ready),
                ..Identity::node(id)
            },
            address(id),
        );
        node.join(&self.layout);
        (runtime, node)
    }

    pub fn until(&self, condition: impl Fn(&World) -> bool) {
        assert!(
            self.world.run_until(|| condition(self), 60 * SECOND),
            "not within a minute of simulated time"
        );
    }

    /// Runs `task` on node 1.
    fn run<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> T {
        self.world.run(&self.runtimes[0], task, 120 * SECOND)
    }

    /// Node 1 asks the slot of node `id`.
    pub fn ask(&self, id: u32, request: Request, deadline: Duration) -> Result<Answer, CallError> {
        let mesh = self.nodes[0].mesh.clone();
        self.run(async move { mesh.call(slot(id as u8 - 1), None, request, deadline).await })
    }

    pub fn works(&self, id: u32) {
        let answer = self.ask(id, read(), SECOND);
        assert!(matches!(answer, Ok(Answer::State { .. })), "node {id}: {answer:?}");
    }
}

/// Seeds of a test: a few by chance, or the one in SEED.
pub fn on_seeds(test: impl Fn(u64)) {
    match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => test(seed),
        None => (1..=10).for_each(test),
    }
}

#[test]
fn a_seed_replays() {
    let story = |seed| {
        let world = World::new(seed, 3);
        for id in [2, 3, 2] {
            world.works(id);
        }
        world.world.change_options(|options| options.reset_chance = 0.05);
        world.world.run_for(10 * SECOND);
        let events: Vec<Vec<String>> = world.nodes.iter().map(|node| node.events.borrow().clone()).collect();
        (world.world.event_hash(), events, world.nodes[0].mesh.peers())
    };
    on_seeds(|seed| assert_eq!(story(seed), story(seed)));
}

#[test]
fn a_request_arrives_at_most_once_however_often_connections_break() {
    on_seeds(|seed| {
        let world = World::new(seed, 2);
        world.world.change_options(|options| options.reset_chance = 0.02);
        let mut outcomes = [0; 3];
        let mut answered = Vec::new();
        for bucket in 0..300 {
            let request = Request::Scan {
                bucket,
                space: Space::Object,
                prefix: Bytes::new(),
                from: Bytes::new(),
                limit: 1,
            };
            match world.ask(2, request.clone(), SECOND) {
                Ok(_) => {
                    outcomes[0] += 1;
                    answered.push(request);
                }
                Err(CallError::Lost) => outcomes[1] += 1,
                Err(CallError::Unreachable(_)) => {
                    outcomes[2] += 1;
                    world.world.run_for(Duration::from_millis(20));
                }
                Err(CallError::Timeout) => panic!("nothing is slow here"),
            }
        }
        let seen = world.nodes[1].seen.borrow();
        for (index, request) in seen.iter().enumerate() {
            assert!(!seen[..index].contains(request), "{request:?} arrived twice");
        }
        assert!(answered.iter().all(|request| seen.contains(request)));
        assert!(outcomes.iter().all(|count| *count > 0), "answered, lost, unreachable: {outcomes:?}");
    });
}

#[test]
fn a_partition_in_either_direction_is_noticed_and_heals() {
    on_seeds(|seed| {
        for (from, to) in [(1, 2), (2, 1)] {
            let world = World::new(seed, 3);
            world.works(2);
            world.world.block(from, to);
            assert_eq!(world.ask(2, read(), Duration::from_millis(100)), Err(CallError::Timeout));
            world.until(|world| !world.nodes[0].is_linked(2));
            assert!(matches!(world.ask(2, read(), 60 * SECOND), Err(CallError::Unreachable(_))));
            world.works(3);
            // Long enough that the link was given up too.
            world.world.run_for(Duration::from_secs(seed));
            world.world.unblock(from, to);
            world.until(|world| world.nodes[0].is_linked(2) && world.nodes[1].is_linked(1));
            world.works(2);
        }
    });
}

#[test]
fn a_node_that_stands_still_is_avoided_until_it_goes_on() {
    on_seeds(|seed| {
        let world = World::new(seed, 3);
        world.world.pause_node(2);
        assert_eq!(world.ask(2, read(), Duration::from_millis(100)), Err(CallError::Timeout));
        world.until(|world| !world.nodes[0].is_linked(2));
        assert!(matches!(world.ask(2, read(), 60 * SECOND), Err(CallError::Unreachable(_))));
        world.world.run_for(Duration::from_secs(2 * seed));
        world.world.resume_node(2);
        world.until(|world| world.nodes[0].is_linked(2) && world.nodes[1].is_linked(1));
        world.works(2);
    });
}

#[test]
fn a_node_without_power_is_silent_and_comes_back() {
    on_seeds(|seed| {
        let mut world = World::new(seed, 2);
        world.world.crash_node(2);
        assert_eq!(world.ask(2, read(), Duration::from_millis(100)), Err(CallError::Timeout));
        world.until(|world| !world.nodes[0].is_linked(2));
        world.world.run_for(Duration::from_secs(seed));
        let (runtime, node) = world.start(2, 2);
        world.runtimes[1] = runtime;
        world.nodes[1] = node;
        world.until(|world| world.nodes[0].is_linked(2) && world.nodes[1].is_linked(1));
        world.works(2);
    });
}

#[test]
fn a_killed_node_loses_requests_and_comes_back_with_a_higher_boot_number() {
    on_seeds(|seed| {
        let mut world = World::new(seed, 2);
        let mesh = world.nodes[0].mesh.clone();
        let outcome = Rc::new(RefCell::new(None));
        let filled = outcome.clone();
        world.runtimes[0].spawn(async move {
            let never = Request::Prepare {
                key: key(),
                ballot: Ballot::MAX,
            };
            filled.replace(Some(mesh.call(slot(1), None, never, 30 * SECOND).await));
        });
        world.until(|world| !world.nodes[1].seen.borrow().is_empty());
        world.world.stop_node(2);
        world.until(|_| outcome.borrow().is_some());
        assert_eq!(outcome.take(), Some(Err(CallError::Lost)));
        let (runtime, node) = world.start(2, 2);
        world.runtimes[1] = runtime;
        world.nodes[1] = node;
        world.until(|world| world.nodes[0].is_linked(2) && world.nodes[1].is_linked(1));
        assert!(world.nodes[1].seen.borrow().is_empty(), "nothing is replayed");
        world.works(2);
    });
}

#[test]
fn secrets_rotate_under_load_without_losing_a_request() {
    on_seeds(|seed| {
        let world = World::new(seed, 3);
        // Every node asks every other one all the time; bulk, small and slow requests among them.
        let stopped = Rc::new(Cell::new(false));
        let outcomes = Rc::new(RefCell::new(Vec::new()));
        for (runtime, node) in world.runtimes.iter().zip(&world.nodes) {
            for id in 1..=3_u8 {
                let (mesh, stopped, outcomes) = (node.mesh.clone(), stopped.clone(), outcomes.clone());
                let (clock, random) = (runtime.clone(), runtime.random_u64());
                runtime.spawn(async move {
                    for step in 0.. {
                        let request = match (random + step) % 3 {
                            0 => stage(Bytes::from(vec![1; 20_000])),
                            1 => publish(),
                            _ => read(),
                        };
                        let outcome = mesh.call(slot(id - 1), None, request, 30 * SECOND).await;
                        outcomes.borrow_mut().push(outcome.map(|_| ()));
                        if stopped.get() {
                            return;
                        }
                        clock.sleep(Duration::from_millis(20 + random % 30)).await;
                    }
                });
            }
        }
        let (old, new) = (world.nodes[0].secrets[0].clone(), b"a new secret".to_vec());
        let mut order = [0, 1, 2];
        order.rotate_left(seed as usize % 3);
        for secrets in [vec![new.clone(), old], vec![new]] {
            for index in order {
                world.world.run_for(Duration::from_millis(100 * (1 + seed % 40)));
                world.nodes[index].mesh.reload(secrets.clone(), world.layout.clone());
            }
            // All links are made by the new secret some seconds after the last node has it.
            world.world.run_for(5 * SECOND);
        }
        stopped.set(true);
        world.world.run_for(SECOND);
        let outcomes = outcomes.borrow();
        assert!(outcomes.len() > 300, "only {} requests", outcomes.len());
        let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_err()).collect();
        assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), outcomes.len(), failed[0]);
        for id in [2, 3] {
            world.works(id);
        }
    });
}

#[test]
fn many_senders_share_a_receivers_budget_and_small_requests_pass_them() {
    on_seeds(|seed| {
        const SENDERS: u32 = 8;
        const BUDGET: u64 = 16 << 20;
        const BODY: usize = 1 << 20;
        let world = World::with_budget(seed, SENDERS + 1, BUDGET);
        let done = Rc::new(Cell::new(0));
        for (runtime, node) in world.runtimes.iter().zip(&world.nodes).skip(1) {
            for _ in 0..24 {
                let (mesh, done) = (node.mesh.clone(), done.clone());
                runtime.spawn(async move {
                    let request = publish_inline(Bytes::from(vec![1; BODY]));
                    let answer = mesh.call(slot(0), None, request, 60 * SECOND).await;
                    assert_eq!(answer, Ok(Answer::Ack));
                    done.set(done.get() + 1);
                });
            }
        }
        let clock = world.runtimes[1].clone();
        let mesh = world.nodes[1].mesh.clone();
        let small = Rc::new(Cell::new(0));
        let counted = small.clone();
        world.runtimes[1].spawn(async move {
            while mesh.call(slot(0), None, read(), SECOND).await.is_ok() {
                counted.set(counted.get() + 1);
                clock.sleep(Duration::from_millis(1)).await;
            }
        });
        world.until(|_| done.get() == 24 * SENDERS);
        let (held, most) = world.nodes[0].held.get();
        assert_eq!(held, 0);
        // Each sender has a window of 2 MiB, and may go beyond it by one body.
        assert!(most as u64 <= BUDGET + u64::from(SENDERS) * BODY as u64, "{most} bytes at once");
        assert!(most > BODY, "nothing was sent at the same time");
        assert!(small.get() > 0, "no small request passed");
    });
}

#[test]
fn bulk_waits_no_longer_than_its_deadline_and_flows_again_when_its_receiver_does() {
    on_seeds(|seed| {
        let world = World::with_budget(seed, 2, 1 << 20);
        world.world.pause_node(2);
        // More than the receiver granted: some of it waits for credit that does not come.
        let body = Bytes::from(vec![1; 1 << 20]);
        let outcomes = Rc::new(RefCell::new(Vec::new()));
        for _ in 0..8 {
            let (mesh, outcomes, request) = (world.nodes[0].mesh.clone(), outcomes.clone(), publish_inline(body.clone()));
            world.runtimes[0].spawn(async move {
                let outcome = mesh.call(slot(1), None, request, Duration::from_millis(200)).await;
                outcomes.borrow_mut().push(outcome);
            });
        }
        world.world.run_for(Duration::from_millis(300));
        assert_eq!(*outcomes.borrow(), vec![Err(CallError::Timeout); 8]);
        world.world.resume_node(2);
        world.until(|world| world.nodes[0].is_linked(2) && world.nodes[1].is_linked(1));
        assert_eq!(world.ask(2, publish_inline(body), 10 * SECOND), Ok(Answer::Ack));
    });
}

#[test]
fn credit_is_not_lost_with_connections() {
    on_seeds(|seed| {
        let world = World::with_budget(seed, 2, 1 << 20);
        world.world.change_options(|options| options.reset_chance = 0.02);
        let body = Bytes::from(vec![1; 700_000]);
        let mut answered = 0;
        for _ in 0..60 {
            match world.ask(2, publish_inline(body.clone()), 10 * SECOND) {
                Ok(_) => answered += 1,
                Err(CallError::Lost) => {}
                Err(CallError::Unreachable(_)) => world.world.run_for(Duration::from_millis(50)),
                Err(CallError::Timeout) => panic!("it waited for credit in vain"),
            }
        }
        assert!(answered > 10, "only {answered} of 60");
    });
}

#[test]
fn a_clock_far_ahead_is_refused_and_not_learned() {
    on_seeds(|seed| {
        let world = World::new(seed, 2);
        world.world.set_clock_offset(1, 3_600_000);
        assert!(matches!(world.ask(2, read(), SECOND), Ok(Answer::Clock { .. })));
        assert!(world.nodes[1].clock.current() >> 16 < world.runtimes[1].wall_ms() + 5000);
        world.world.set_clock_offset(1, 2000);
        world.works(2);
    });
}
