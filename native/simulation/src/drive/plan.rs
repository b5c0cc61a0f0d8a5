//! What a seed stands for: the device, the drive's sizes, the load, and what goes wrong.

use super::theme::Theme;
use crate::random::Random;
use openlake_drive::Tuning;
use openlake_drive::sabotage::Sabotage;
use openlake_io::{DurabilityClass, SimOptions};
use std::time::Duration;

/// What a worker asks of the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A version with its bytes in the record.
    Inline,
    /// A version whose bytes are staged first.
    Bulk,
    /// Bytes that no publish follows.
    Abandon,
    Tombstone,
    /// A version that is held, again at a higher ballot.
    Republish,
    /// Something that was sent before, again.
    Resend,
    /// A tombstone, known complete, and its end, one after the other.
    Bury,
    /// The end of a tombstone that is all the drive holds of its key.
    Collect,
    Prepare,
    /// `stable` of a version that is held, or of one that is under way.
    Mark,
    Read,
    /// Blocks of a version by its write id.
    Blocks,
    Scan,
    Unsettled,
    /// Some time passes.
    Rest,
}

const ACTIONS: [(u64, Action); 14] = [
    (24, Action::Inline),
    (10, Action::Bulk),
    (2, Action::Abandon),
    (6, Action::Tombstone),
    (4, Action::Collect),
    (5, Action::Republish),
    (4, Action::Resend),
    (10, Action::Prepare),
    (14, Action::Mark),
    (10, Action::Read),
    (8, Action::Blocks),
    (5, Action::Scan),
    (1, Action::Unsettled),
    (6, Action::Rest),
];

/// What the device does wrong besides losing power.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    None,
    /// Operations fail now and then, in part.
    Errors(f64),
    /// The filesystem is full before the drive has its capacity.
    NoSpace,
    /// The device lies or forgets: the drive may lose what it acknowledged, but must never give out anything else.
    Damage(Damage),
}

/// What an unfaithful device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    LostWrites,
    MisdirectedWrites,
    StaleReads,
    BitRot,
    LyingFlushes,
}

impl Damage {
    /// Lets a device do it this often.
    pub fn set(self, options: &mut SimOptions, chance: f64) {
        let field = match self {
            Damage::LostWrites => &mut options.lost_write_chance,
            Damage::MisdirectedWrites => &mut options.misdirected_write_chance,
            Damage::StaleReads => &mut options.stale_read_chance,
            Damage::BitRot => &mut options.bit_rot_chance,
            Damage::LyingFlushes => &mut options.lying_flush_chance,
        };
        *field = chance;
    }
}

const DAMAGES: [Damage; 5] = [
    Damage::LostWrites,
    Damage::MisdirectedWrites,
    Damage::StaleReads,
    Damage::BitRot,
    Damage::LyingFlushes,
];

/// What workers do.
#[derive(Clone, Debug)]
pub struct Load {
    pub workers: u64,
    pub keys: u64,
    /// The first so many of them are asked about in `hot_percent` of all requests.
    pub hot_keys: u64,
    pub hot_percent: u64,
    /// All others are written once before anything else.
    pub is_filled: bool,
    /// Actions with their weights. Some seeds leave some out, or do one thing all the time.
    pub actions: Vec<(u64, Action)>,
    /// Longest rest, microseconds.
    pub rest_us: u64,
    pub inline_bytes: u64,
    pub bulk_bytes: u64,
    pub metadata_bytes: u64,
}

/// One run.
#[derive(Clone, Debug)]
pub struct DrivePlan {
    pub seed: u64,
    pub theme: Theme,
    /// A block device instead of a directory.
    pub is_raw: bool,
    pub world: SimOptions,
    pub tuning: Tuning,
    pub capacity_bytes: u64,
    pub cache_bytes: u64,
    pub index_bytes: u64,
    pub load: Load,
    pub lives: u64,
    /// Most events of the world in a life under load.
    pub life_events: u64,
    pub trouble: Trouble,
    /// How often an image is verified before a life begins, and how often its index is made anew.
    pub verify_percent: u64,
    pub rebuild_percent: u64,
    /// The power is cut after so many writes of the device, and at no other time.
    pub cut_after_writes: Option<u64>,
    /// A bug to be found.
    pub sabotage: Option<Sabotage>,
}

impl DrivePlan {
    /// The run of a seed.
    pub fn from_seed(seed: u64) -> DrivePlan {
        let mut random = Random::new(seed ^ 0x000d_217e);
        let segment_bytes = 1_u32 << random.between(18, 20);
        let segments = random.between(24, 120);
        let trouble = match random.below(10) {
            0 => Trouble::Errors(0.001 * random.between(1, 10) as f64),
            1 => Trouble::NoSpace,
            2 => Trouble::Damage(random.pick(&DAMAGES).copied().unwrap_or(Damage::BitRot)),
            _ => Trouble::None,
        };
        let capacity_bytes = u64::from(segment_bytes) * segments;
        let mut world = world(&mut random);
        if trouble == Trouble::NoSpace {
            world.disk_capacity_bytes = capacity_bytes / 2 + random.below(capacity_bytes / 2);
        }
        let mut plan = DrivePlan {
            seed,
            theme: Theme::Mixed,
            is_raw: false,
            world,
            tuning: Tuning {
                segment_bytes: Some(segment_bytes),
                without_turns: Some(true),
                ..tuning(&mut random)
            },
            capacity_bytes,
            cache_bytes: if random.percent(30) { 0 } else { random.below(2 << 20) },
            index_bytes: index_bytes(&mut random),
            load: load(&mut random, segment_bytes),
            lives: random.between(2, 7),
            life_events: if random.percent(50) { 300 } else { 3_000 },
            trouble,
            verify_percent: 40,
            rebuild_percent: 8,
            cut_after_writes: None,
            sabotage: None,
        };
        // Drawn last, so that nothing above shifts.
        plan.theme = Theme::draw(&mut random);
        plan.theme.apply(&mut plan, &mut random);
        plan.is_raw = random.percent(33) && plan.trouble != Trouble::NoSpace;
        plan
    }
    /// Cuts the drive into segments of another size.
    pub fn set_segments(&mut self, segment_bytes: u32, segments: u64) {
        self.tuning.segment_bytes = Some(segment_bytes);
        self.capacity_bytes = u64::from(segment_bytes) * segments;
        self.load.bulk_bytes = self.load.bulk_bytes.min(u64::from(segment_bytes));
        if self.trouble == Trouble::NoSpace {
            self.world.disk_capacity_bytes = self.capacity_bytes / 4 * 3;
        }
    }
    /// The same load from a blank drive on, cut after so many writes of the device: one point of a sweep over all of them.
    pub fn cut_after(self, writes: u64) -> DrivePlan {
        DrivePlan {
            cut_after_writes: Some(writes),
            lives: 2,
            trouble: Trouble::None,
            world: SimOptions {
                disk_capacity_bytes: SimOptions::default().disk_capacity_bytes,
                ..self.world
            },
            ..self
        }
    }
    /// The same on a small drive whose rows are large: many versions with much metadata each, which checkpoints write again and again.
    pub fn with_large_rows(mut self) -> DrivePlan {
        self.trouble = Trouble::None;
        self.world.disk_capacity_bytes = SimOptions::default().disk_capacity_bytes;
        self.set_segments(1 << 18, 24 + self.seed % 24);
        self.load.keys = 6 + self.seed % 17;
        self.load.metadata_bytes = 15 << 10;
        self.load.inline_bytes = 28 << 10;
        self.load.bulk_bytes = 130 << 10;
        self.load.rest_us = 2_000;
        self.life_events = 6_000;
        self
    }
    /// Whether the drive may lose what it acknowledged.
    pub fn is_doubtful(&self) -> bool {
        matches!(self.trouble, Trouble::Damage(_))
    }
    /// Whether nothing goes wrong but ends.
    pub fn is_sound(&self) -> bool {
        self.trouble == Trouble::None
    }
}

/// A drive in a hurry: what it does once in a long while elsewhere, it does all the time.
fn tuning(random: &mut Random) -> Tuning {
    Tuning {
        clean_always: random.percent(50).then_some(true),
        log_bytes_between_checkpoints: random.percent(70).then(|| random.between(16 << 10, 2 << 20)),
        ..Tuning::default()
    }
}

/// Memory for the index: often so little that rows come and go all the time.
fn index_bytes(random: &mut Random) -> u64 {
    match random.below(10) {
        0..2 => random.below(2 << 10),
        2..7 => random.between(4 << 10, 64 << 10),
        _ => 1 << 20,
    }
}

fn load(random: &mut Random, segment_bytes: u32) -> Load {
    let mut actions: Vec<(u64, Action)> = ACTIONS.to_vec();
    if random.percent(60) {
        // Swarm testing (Groce et al., 2012): leaving out features finds what always having all of them hides.
        actions.retain(|(_, action)| *action == Action::Inline || random.percent(75));
        actions.iter_mut().for_each(|(weight, _)| *weight = random.between(1, 20));
    }
    let largest = u64::from(segment_bytes) / 4;
    Load {
        workers: random.between(1, 12),
        keys: if random.percent(70) {
            random.between(1, 12)
        } else {
            random.between(12, 200)
        },
        hot_keys: 0,
        hot_percent: 0,
        is_filled: false,
        actions,
        rest_us: if random.percent(50) { 2_000 } else { 700_000 },
        inline_bytes: random.between(1, largest.min(64 << 10)),
        bulk_bytes: random.between(1, 3 * u64::from(segment_bytes) / 2).min(400_000),
        metadata_bytes: if random.percent(80) {
            random.below(300)
        } else {
            random.below(largest.min(16 << 10))
        },
    }
}

/// Half of all worlds are quick; the others have slow devices, or stalls.
fn world(random: &mut Random) -> SimOptions {
    let mut options = SimOptions::default();
    let mut range = |percent, most_us| {
        random
            .percent(percent)
            .then(|| (Duration::from_micros(20), Duration::from_micros(random.between(200, most_us))))
    };
    options.disk_delay = range(30, 5_000).unwrap_or(options.disk_delay);
    options.flush_delay = range(30, 20_000).unwrap_or(options.flush_delay);
    if random.percent(20) {
        options.disk_stall_chance = 0.005;
        options.disk_stall = Duration::from_millis(random.between(10, 2_000));
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
