//! Cores and threads: how many there are for us, on which one a thread runs, and the one way to start a thread.

use std::io;
use std::time::Duration;

/// Cores this process may use: its affinity mask, cut by the quota of its control group; at least 1.
pub fn available_cores() -> usize {
    // The standard library reads both, the affinity mask and the quotas of control groups 1 and 2.
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Binds the calling thread to the `index`-th core (modulo their number) of its affinity mask. Only for exclusive cores: on
/// shared ones a bound thread waits for whole time slices of its competitors.
#[cfg(target_os = "linux")]
pub fn pin_to_core(index: usize) -> io::Result<()> {
    use crate::system::calls::check;
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: cpu_set_t is plain old data, for which all zeros (no cores) is a valid value.
    let mut allowed: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `allowed` is writable and `size` bytes long.
    check(unsafe { libc::sched_getaffinity(0, size, &mut allowed) })?;
    // SAFETY: every index is below the size of the set.
    let cores: Vec<usize> = (0..libc::CPU_SETSIZE as usize)
        .filter(|core| unsafe { libc::CPU_ISSET(*core, &allowed) })
        .collect();
    if cores.is_empty() {
        return Err(io::Error::other("the affinity mask of this thread is empty"));
    }
    // SAFETY: as above.
    let mut chosen: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the core came out of a set of the same size.
    unsafe { libc::CPU_SET(cores[index % cores.len()], &mut chosen) };
    // SAFETY: `chosen` is readable and `size` bytes long.
    check(unsafe { libc::sched_setaffinity(0, size, &chosen) }).map(drop)
}

/// Binds the calling thread to a core: not offered by this system.
#[cfg(not(target_os = "linux"))]
pub fn pin_to_core(index: usize) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("cannot bind a thread to core {index} on this system"),
    ))
}

/// Starts a thread that nobody waits for; `name` shows in tools (at most 15 bytes on Linux). A panic ends only this thread, after
/// its message went to the standard error output.
pub fn spawn_thread(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)
}

/// Processor time that all threads of this process have used, in user mode and in the kernel.
pub fn process_time() -> Duration {
    // SAFETY: rusage is plain old data, for which all zeros is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is writable for the call's duration. It cannot fail for the calling process.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let duration = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    duration(usage.ru_utime) + duration(usage.ru_stime)
}
