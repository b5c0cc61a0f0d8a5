//! Memory of dropped buffers, kept per thread for the next ones: fresh memory of this size costs page faults, which are dearer than
//! the work done in it.

use std::cell::{Cell, RefCell};

/// What a thread keeps, unless it is told otherwise: enough for a few hundred small transfers or a few dozen stripes under way.
const KEPT_BYTES: usize = 16 << 20;

/// Larger buffers are rare, and keeping one would push out many.
const LARGEST_BYTES: usize = 2 << 20;

/// Lengths come in steps of this many bytes.
const STEP_BYTES: usize = 4096;

#[derive(Default)]
struct Kept {
    /// By length in steps.
    lists: Vec<Vec<Vec<u8>>>,
    bytes: usize,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
    static LIMIT: Cell<usize> = const { Cell::new(KEPT_BYTES) };
    /// Buffers made less those dropped; one that ends on another thread counts there.
    static IN_USE: Cell<i64> = const { Cell::new(0) };
}

/// Memory of a thread's buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferMemory {
    /// Made by this thread less what it dropped: only the sum over all threads says what is in use.
    pub in_use: i64,
    /// Kept for the next ones.
    pub kept: u64,
}

/// What the buffers of the calling thread take.
pub fn buffer_memory() -> BufferMemory {
    BufferMemory {
        in_use: IN_USE.get(),
        kept: KEPT.with_borrow(|kept| kept.bytes as u64),
    }
}

/// Keeps at most `bytes` of dropped buffers for this thread from now on.
pub fn keep_at_most(bytes: usize) {
    LIMIT.set(bytes);
    KEPT.with_borrow_mut(|kept| {
        if kept.bytes > bytes {
            *kept = Kept::default();
        }
    });
}

/// A buffer was made (or, negative, dropped).
pub(crate) fn note(bytes: i64) {
    let _ = IN_USE.try_with(|in_use| in_use.set(in_use.get() + bytes));
}

/// Initialised memory of `length` bytes (a multiple of 4 KiB) with whatever contents, if some was kept.
pub(crate) fn take(length: usize) -> Option<Vec<u8>> {
    let taken = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        let memory = kept.lists.get_mut(length / STEP_BYTES)?.pop()?;
        kept.bytes -= length;
        Some(memory)
    });
    taken.ok().flatten()
}

/// Keeps memory for later, or frees it when there is enough (or the thread is ending).
pub(crate) fn give(memory: Vec<u8>) {
    let length = memory.len();
    if length == 0 || length > LARGEST_BYTES {
        return;
    }
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.bytes + length > LIMIT.get() {
            return;
        }
        let index = length / STEP_BYTES;
        if kept.lists.len() <= index {
            kept.lists.resize_with(index + 1, Vec::new);
        }
        kept.bytes += length;
        kept.lists[index].push(memory);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AlignedBuffer;

    #[test]
    fn every_buffer_is_counted_and_no_more_is_kept_than_allowed() {
        std::thread::spawn(|| {
            keep_at_most(1 << 20);
            let held: Vec<_> = (0..8).map(|_| AlignedBuffer::with_capacity(256 << 10)).collect();
            let one = (256 << 10) + 4096;
            assert_eq!(buffer_memory(), BufferMemory { in_use: 8 * one, kept: 0 });
            let shared: Vec<_> = held.into_iter().map(AlignedBuffer::freeze).collect();
            assert_eq!(buffer_memory().in_use, 0, "empty ones are not kept alive");
            drop(shared);
            let mut full = AlignedBuffer::with_capacity(256 << 10);
            full.set_len(1);
            let bytes = full.freeze();
            assert_eq!(buffer_memory().in_use, one);
            drop(bytes);
            let after = buffer_memory();
            assert_eq!((after.in_use, after.kept), (0, 3 * one as u64), "three fit below a mebibyte");
            keep_at_most(0);
            assert_eq!(buffer_memory(), BufferMemory::default());
        })
        .join()
        .expect("the thread of the test");
    }
}
