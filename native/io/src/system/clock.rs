//! The kernel's clocks.

use crate::Instant;

fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the call's duration; both clocks used here exist on every supported system.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time
}

/// Monotonic nanoseconds.
pub(crate) fn now() -> Instant {
    let time = read(libc::CLOCK_MONOTONIC);
    Instant(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let time = read(libc::CLOCK_REALTIME);
    time.tv_sec as u64 * 1_000 + time.tv_nsec as u64 / 1_000_000
}
