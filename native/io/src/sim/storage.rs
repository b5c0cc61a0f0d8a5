//! Disk operations of a node: submitted now, taking effect after a random delay, in any order.

use super::device_faults;
use super::event::Event;
use super::handle::OpenFile;
use super::node::{Node, Pending};
use super::options::DurabilityClass;
use super::random::SimRandom;
use super::state::State;
use crate::engine::{Operation, Output, Token};
use crate::system::files::total_bytes;
use crate::{ALIGNMENT_BYTES, Durability};
use std::io;

/// A stalled operation looks again after this long.
const STALL_STEP_NANOSECONDS: u64 = 1_000_000;

impl State {
    /// Starts a file operation.
    pub(crate) fn submit_disk(&mut self, number: u32, token: Token, file: OpenFile, operation: Operation) {
        if let Err(error) = check(&file, &operation) {
            return self.complete(number, token, Err(error));
        }
        let delay = self.disk_delay(&operation);
        let Some(node) = self.nodes.get_mut(&number) else { return };
        let life = node.life;
        let writes_before = node.writes_completed;
        node.pending.insert(
            token,
            Pending::Disk {
                file,
                operation,
                writes_before,
            },
        );
        self.schedule(delay, Event::Disk { node: number, life, token });
    }

    fn disk_delay(&mut self, operation: &Operation) -> u64 {
        let options = &self.options;
        let random = &mut self.random;
        let mut delay = match operation {
            Operation::Read { length, .. } => random.within(options.disk_delay) + *length as u64,
            Operation::Write { buffers, durability, .. } => {
                let flush = if *durability == Durability::Sync {
                    random.within(options.flush_delay)
                } else {
                    0
                };
                random.within(options.disk_delay) + total_bytes(buffers) as u64 + flush
            }
            _ => random.within(options.flush_delay),
        };
        if random.chance(options.disk_stall_chance) {
            delay += options.disk_stall.as_nanos() as u64;
        }
        let is_read = matches!(operation, Operation::Read { .. });
        if is_read && options.read_stall_chance > 0.0 && random.chance(options.read_stall_chance) {
            delay += options.read_stall.as_nanos() as u64;
        }
        delay
    }

    /// An operation takes effect.
    pub(crate) fn finish_disk(&mut self, number: u32, life: u64, token: Token) {
        let Some(node) = self.nodes.get_mut(&number).filter(|node| node.life == life) else {
            return;
        };
        let is_stalled = matches!(node.pending.get(&token), Some(Pending::Disk { file, .. }) if node.is_stalled(&file.path));
        if is_stalled {
            return self.schedule(STALL_STEP_NANOSECONDS, Event::Disk { node: number, life, token });
        }
        let Some(Pending::Disk {
            file,
            mut operation,
            mut writes_before,
        }) = node.pending.remove(&token)
        else {
            return;
        };
        let (options, random) = (&self.options, &mut self.random);
        let mut class = options.durability_class;
        if device_faults::lies(random, options, &mut operation) {
            node.device_faults.lies += 1;
            writes_before = 0;
            class = DurabilityClass::ForceUnitAccess;
        }
        let result = if node.is_failed(&file.path) {
            Err(io::Error::from_raw_os_error(libc::EIO))
        } else if random.chance(options.disk_error_chance) {
            node.device_faults.errors += 1;
            let mut tear = Tear {
                unreadable_chance: 0.0,
                sector_bytes: options.sector_bytes,
                random,
            };
            tear.fail(node, &file, &operation);
            Err(io::Error::from_raw_os_error(libc::EIO))
        } else if device_faults::goes_astray(random, options, node, &file, &mut operation) {
            Ok(Output::Done)
        } else if let Operation::Read {
            offset, buffer, length, ..
        } = operation
        {
            device_faults::read(random, options, node, &file, (offset, length, buffer))
        } else {
            perform(node, &file, operation, writes_before, class)
        };
        self.complete(number, token, result);
    }

    /// A power cut: of every operation under way, each sector has happened or not.
    pub(crate) fn crash_disk(&mut self, number: u32) {
        let unreadable_chance = self.options.unreadable_sector_chance;
        let sector_bytes = self.options.sector_bytes;
        let Some(node) = self.nodes.get_mut(&number) else { return };
        let mut tear = Tear {
            random: &mut self.random,
            unreadable_chance,
            sector_bytes,
        };
        for pending in std::mem::take(&mut node.pending).into_values() {
            if let Pending::Disk { file, operation, .. } = pending {
                tear.write(node, &file, &operation);
            }
        }
        node.files.crash(&mut self.random);
    }

    /// The end of the process alone: what the kernel has got, it may finish.
    pub(crate) fn abandon_disk(&mut self, number: u32) {
        let class = self.options.durability_class;
        let Some(node) = self.nodes.get_mut(&number) else { return };
        for pending in std::mem::take(&mut node.pending).into_values() {
            if let Pending::Disk {
                file,
                mut operation,
                writes_before,
            } = pending
                && let Operation::Write { durability, .. } = &mut operation
                && self.random.below(2) == 0
            {
                if self.random.below(2) == 0 {
                    // It got as far as the device's cache.
                    *durability = Durability::None;
                }
                // Its outcome reaches nobody.
                let _ = perform(node, &file, operation, writes_before, class);
            }
        }
        node.files.close_all();
    }
}

/// The kernel's checks of an operation.
fn check(file: &OpenFile, operation: &Operation) -> io::Result<()> {
    let aligned = |value: u64| value.is_multiple_of(ALIGNMENT_BYTES as u64);
    match operation {
        Operation::Write { .. } | Operation::Allocate { .. } if !file.writable => Err(io::Error::from_raw_os_error(libc::EBADF)),
        Operation::Read { offset, length, .. } if file.direct && !(aligned(*offset) && aligned(*length as u64)) => {
            let text = format!("a direct read of {length} bytes at {offset} is not aligned to {ALIGNMENT_BYTES}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
        Operation::Write { offset, buffers, .. } if file.direct => {
            let fits = |length: usize, address: usize| aligned(length as u64) && aligned(address as u64);
            if aligned(*offset)
                && buffers
                    .iter()
                    .all(|buffer| buffer.is_empty() || fits(buffer.len(), buffer.as_ptr().addr()))
            {
                return Ok(());
            }
            let text = format!("a direct write at {offset} or one of its buffers is not aligned to {ALIGNMENT_BYTES}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
        _ => Ok(()),
    }
}

fn perform(node: &mut Node, file: &OpenFile, operation: Operation, writes_before: u64, class: DurabilityClass) -> io::Result<Output> {
    let growth = match &operation {
        Operation::Write { offset, buffers, .. } => offset + total_bytes(buffers) as u64,
        Operation::Allocate { offset, length, .. } => offset + length,
        _ => 0,
    };
    let used = if growth > 0 { node.files.used_bytes() } else { 0 };
    let Some(inode) = node.files.inodes.get_mut(&file.inode) else {
        return Err(io::Error::other("the file of an open handle is gone"));
    };
    if inode.is_device && matches!(operation, Operation::Allocate { .. }) {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    if growth > inode.size && inode.is_device {
        return Err(io::Error::from_raw_os_error(libc::ENOSPC));
    }
    if growth > inode.size && used + (growth - inode.size) > node.disk_capacity_bytes {
        return Err(io::Error::from_raw_os_error(libc::ENOSPC));
    }
    match operation {
        Operation::Write {
            offset,
            buffers,
            durability,
            ..
        } => {
            node.writes_completed += 1;
            let mut position = offset;
            for buffer in &buffers {
                inode.write(position, buffer, node.writes_completed);
                position += buffer.len() as u64;
            }
            match (durability, class) {
                (_, DurabilityClass::Through) | (Durability::Sync, DurabilityClass::ForceUnitAccess) => {
                    inode.persist(offset, position - offset);
                }
                (Durability::Sync, DurabilityClass::Flush) => {
                    let number = node.writes_completed;
                    node.files.inodes.values_mut().for_each(|inode| inode.flush(number));
                }
                (Durability::None, _) => {}
            }
        }
        Operation::Flush { .. } => inode.flush(writes_before),
        Operation::Allocate { offset, length, .. } => inode.allocate(offset, length),
        _ => {}
    }
    Ok(Output::Done)
}

/// Lets a write happen in part.
struct Tear<'a> {
    random: &'a mut SimRandom,
    unreadable_chance: f64,
    sector_bytes: usize,
}

impl Tear<'_> {
    /// Of a failed write, nothing has happened, or some of its sectors, or a first piece: a short write.
    fn fail(&mut self, node: &mut Node, file: &OpenFile, operation: &Operation) {
        match (self.random.below(3), operation) {
            (0, _) => {}
            (1, Operation::Write { offset, buffers, .. }) => {
                let sectors = total_bytes(buffers) / self.sector_bytes;
                let length = self.random.below(sectors as u64 + 1) as usize * self.sector_bytes;
                if let Some(inode) = node.files.inodes.get_mut(&file.inode).filter(|_| length > 0) {
                    node.writes_completed += 1;
                    inode.write(*offset, &buffers.concat()[..length], node.writes_completed);
                }
            }
            _ => self.write(node, file, operation),
        }
    }
    fn write(&mut self, node: &mut Node, file: &OpenFile, operation: &Operation) {
        let Operation::Write { offset, buffers, .. } = operation else {
            return;
        };
        let Some(inode) = node.files.inodes.get_mut(&file.inode) else {
            return;
        };
        let whole = buffers.concat();
        node.writes_completed += 1;
        let mut done = 0;
        while done < whole.len() {
            let position = offset + done as u64;
            let start = (position % self.sector_bytes as u64) as usize;
            let count = (self.sector_bytes - start).min(whole.len() - done);
            if self.random.below(2) == 0 {
                inode.write(position, &whole[done..done + count], node.writes_completed);
            }
            if self.random.chance(self.unreadable_chance) {
                inode.make_unreadable(position / self.sector_bytes as u64);
            }
            done += count;
        }
    }
}
