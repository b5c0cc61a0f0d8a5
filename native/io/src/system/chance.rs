//! Random bytes of the kernel, fetched in batches: a system call per number would cost more than most users of it.

use super::calls::retry;

/// Bytes per system call; getentropy allows no more.
const BATCH_BYTES: usize = 256;

/// Unused random bytes.
pub(crate) struct Chance {
    batch: [u8; BATCH_BYTES],
    used: usize,
}

impl Chance {
    pub(crate) fn new() -> Chance {
        Chance {
            batch: [0; BATCH_BYTES],
            used: BATCH_BYTES,
        }
    }

    /// Fills `bytes`; no byte is handed out twice.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for target in bytes.chunks_mut(BATCH_BYTES) {
            if BATCH_BYTES - self.used < target.len() {
                fetch(&mut self.batch);
                self.used = 0;
            }
            let source = &mut self.batch[self.used..self.used + target.len()];
            target.copy_from_slice(source);
            source.fill(0);
            self.used += target.len();
        }
    }
}

fn fetch(batch: &mut [u8; BATCH_BYTES]) {
    // SAFETY: the pointer and length describe `batch`, writable for the call's duration.
    let result = retry(|| unsafe { libc::getentropy(batch.as_mut_ptr().cast(), BATCH_BYTES) });
    // Going on with predictable bytes would be worse than ending.
    result.expect("the kernel's random source must work");
}
