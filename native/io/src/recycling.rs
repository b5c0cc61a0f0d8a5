//! Memory of dropped buffers, kept per thread for the next ones: fresh memory of this size costs page faults, which are dearer than
//! the work done in it.

use std::cell::RefCell;

/// What a thread keeps: enough for a few hundred small transfers or a few dozen stripes under way.
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
        if kept.bytes + length > KEPT_BYTES {
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
