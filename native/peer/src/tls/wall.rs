//! The time by which certificates are judged: that of the runtime, so that a simulated node judges by its simulated clock.

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A wall clock that is set before each handshake.
#[derive(Debug, Default)]
pub struct Wall {
    ms: AtomicU64,
}

impl Wall {
    pub fn set_ms(&self, wall_ms: u64) {
        self.ms.store(wall_ms, Ordering::Relaxed);
    }

    pub fn now(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_millis(self.ms.load(Ordering::Relaxed)))
    }
}

impl TimeProvider for Wall {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.now())
    }
}
