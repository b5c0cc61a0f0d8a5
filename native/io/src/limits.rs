//! Limits of the process that a server has to lift before it starts.

use crate::system::calls::check;
use std::io;

/// Raises the soft limit of open files to the hard one; returns the limit then in force.
pub fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable for the call's duration.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // macOS says "infinity" but accepts no more than OPEN_MAX.
    #[cfg(target_os = "macos")]
    {
        limit.rlim_cur = limit.rlim_cur.min(10_240);
    }
    // SAFETY: `limit` is readable for the call's duration.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    Ok(limit.rlim_cur)
}
