//! What a world is like: speeds, and how often which fault comes by chance.

use std::time::Duration;

/// What a completed write with `Durability::Sync` makes durable (other writes need a flush).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurabilityClass {
    /// The device has no volatile cache: every completed write is durable.
    Through,
    /// Itself only (force unit access). The strictest for software, thus the default.
    ForceUnitAccess,
    /// Everything that completed before it on this node (the device is flushed).
    Flush,
}

/// Settings of a world. Chances are per operation (or per delivered piece of a stream), from 0 to 1; ranges are inclusive.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// One way between two nodes; a third of it within a node.
    pub network_delay: (Duration, Duration),
    /// A read or write, without its bytes, which add 1 ns each.
    pub disk_delay: (Duration, Duration),
    /// A flush, and a `Sync` write on top of its disk delay.
    pub flush_delay: (Duration, Duration),
    /// How often a disk operation takes `disk_stall` longer.
    pub disk_stall_chance: f64,
    pub disk_stall: Duration,
    /// The same for reads alone: slow readers beside quick writers.
    pub read_stall_chance: f64,
    pub read_stall: Duration,
    /// How often a disk operation fails with EIO. A failed write may have happened in part: some sectors, or a first piece of it.
    pub disk_error_chance: f64,
    /// How often a write completes without having happened.
    pub lost_write_chance: f64,
    /// How often a write lands at another place of the same file or device, and completes as if nothing were wrong.
    pub misdirected_write_chance: f64,
    /// How often a read gives out, for some of its sectors, what they held before they were last written.
    pub stale_read_chance: f64,
    /// How often a read meets a bit that has flipped for good.
    pub bit_rot_chance: f64,
    /// How often a flush, or the durability of a `Sync` write, is a lie that a power cut reveals.
    pub lying_flush_chance: f64,
    /// How often an in-flight sector becomes unreadable in a power cut.
    pub unreadable_sector_chance: f64,
    /// How often a delivered piece resets its connection instead.
    pub reset_chance: f64,
    /// Unit of atomicity of the disk: 512 or 4096.
    pub sector_bytes: usize,
    pub durability_class: DurabilityClass,
    pub disk_capacity_bytes: u64,
    /// How long bytes are sent again in vain before the connection breaks with `TimedOut`.
    pub retransmission_timeout: Duration,
    /// How long a connect tries to reach a silent address.
    pub connect_timeout: Duration,
    /// The wall clock at the start, milliseconds since 1970.
    pub start_wall_ms: u64,
}

impl Default for SimOptions {
    /// A quick, healthy world with the strictest disk: 512 B sectors, and `Sync` writes that persist only themselves.
    fn default() -> SimOptions {
        SimOptions {
            network_delay: (Duration::from_micros(30), Duration::from_micros(300)),
            disk_delay: (Duration::from_micros(20), Duration::from_micros(200)),
            flush_delay: (Duration::from_micros(50), Duration::from_micros(500)),
            disk_stall_chance: 0.0,
            disk_stall: Duration::from_millis(50),
            read_stall_chance: 0.0,
            read_stall: Duration::from_millis(50),
            disk_error_chance: 0.0,
            lost_write_chance: 0.0,
            misdirected_write_chance: 0.0,
            stale_read_chance: 0.0,
            bit_rot_chance: 0.0,
            lying_flush_chance: 0.0,
            unreadable_sector_chance: 1.0 / 64.0,
            reset_chance: 0.0,
            sector_bytes: 512,
            durability_class: DurabilityClass::ForceUnitAccess,
            disk_capacity_bytes: 1 << 40,
            retransmission_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(10),
            // 2030-01-01T00:00:00Z
            start_wall_ms: 1_893_456_000_000,
        }
    }
}
