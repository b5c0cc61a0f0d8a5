//! What devices do behind their owner's back: writes that go nowhere or elsewhere, old or rotten data in reads, flushes that lie.

use super::handle::OpenFile;
use super::node::Node;
use super::options::SimOptions;
use super::random::SimRandom;
use crate::Durability;
use crate::engine::{Operation, Output};
use crate::system::files::total_bytes;
use std::io;

/// Places that a misdirected write may hit are so far apart.
const MISDIRECTED_STEP_BYTES: u64 = 4096;

/// How many of each kind there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceFaults {
    /// Operations that failed.
    pub errors: u64,
    pub lost_writes: u64,
    pub misdirected_writes: u64,
    /// Sectors that were read as they had been before their last write.
    pub stale_sectors: u64,
    pub rotten_bits: u64,
    /// Flushes and durable writes that made nothing durable.
    pub lies: u64,
}

/// Whether the device says that something is durable without making it so; the operation is changed to what it really is.
pub(super) fn lies(random: &mut SimRandom, options: &SimOptions, operation: &mut Operation) -> bool {
    match operation {
        Operation::Write { durability, .. } if *durability == Durability::Sync => {
            let lies = random.chance(options.lying_flush_chance);
            if lies {
                *durability = Durability::None;
            }
            lies
        }
        Operation::Flush { .. } => random.chance(options.lying_flush_chance),
        _ => false,
    }
}

/// Whether a write goes nowhere. A write that goes elsewhere is changed to go there.
pub(super) fn goes_astray(
    random: &mut SimRandom,
    options: &SimOptions,
    node: &mut Node,
    file: &OpenFile,
    operation: &mut Operation,
) -> bool {
    let Operation::Write { offset, buffers, .. } = operation else {
        return false;
    };
    if random.chance(options.lost_write_chance) {
        node.device_faults.lost_writes += 1;
        return true;
    }
    let length = total_bytes(buffers) as u64;
    let room = node
        .files
        .inodes
        .get(&file.inode)
        .map_or(0, |inode| inode.size.saturating_sub(length));
    if room > 0 && random.chance(options.misdirected_write_chance) {
        let target = random.below(room / MISDIRECTED_STEP_BYTES + 1) * MISDIRECTED_STEP_BYTES;
        node.device_faults.misdirected_writes += u64::from(target != *offset);
        *offset = target;
    }
    false
}

/// A read, with what the device may do to it.
pub(super) fn read(
    random: &mut SimRandom,
    options: &SimOptions,
    node: &mut Node,
    file: &OpenFile,
    read: (u64, usize, crate::AlignedBuffer),
) -> io::Result<Output> {
    let (offset, length, mut buffer) = read;
    let gone = || io::Error::other("the file of an open handle is gone");
    let inode = node.files.inodes.get_mut(&file.inode).ok_or_else(gone)?;
    let reachable = inode.size.saturating_sub(offset).min(length as u64);
    if reachable > 0 && random.chance(options.bit_rot_chance) {
        inode.flip(offset + random.below(reachable), 1 << random.below(8));
        node.device_faults.rotten_bits += 1;
    }
    buffer.set_len(length);
    let count = if random.chance(options.stale_read_chance) {
        let (count, stale) = inode.read_stale(offset, buffer.as_mut_slice(), random)?;
        node.device_faults.stale_sectors += stale;
        count
    } else {
        inode.read(offset, buffer.as_mut_slice())?
    };
    buffer.set_len(count);
    Ok(Output::Read(buffer))
}
