//! Which engine can run here: io_uring, unless the kernel or the container's policy refuses it.

use crate::EngineKind;
use crate::engine::Engine;
use std::io;

/// The ring engine, or why there is none.
#[cfg(target_os = "linux")]
pub(crate) fn uring() -> io::Result<Box<dyn Engine>> {
    Ok(Box::new(crate::uring::UringEngine::new()?))
}

/// The ring engine, or why there is none.
#[cfg(not(target_os = "linux"))]
pub(crate) fn uring() -> io::Result<Box<dyn Engine>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "io_uring exists on Linux only"))
}

/// Tries the ring once; the reason names the likely culprit of a refusal.
pub(crate) fn probe() -> (EngineKind, String) {
    match uring() {
        Ok(_) => (EngineKind::Uring, "io_uring works here".to_owned()),
        Err(error) => (EngineKind::Poll, format!("io_uring cannot be used: {} ({error})", culprit(&error))),
    }
}

fn culprit(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => "forbidden by the seccomp profile or by kernel.io_uring_disabled",
        Some(libc::ENOSYS) => "the kernel does not have it, or a seccomp profile hides it",
        Some(libc::ENOMEM) => "the limit of locked memory is too low",
        _ => "the kernel refused the ring",
    }
}
