//! How much those who wait for the drive suffer from what it does for itself (cleaning, merging, checkpoints).
//!
//! The 99th percentile of durable writes and of reads from the device is followed twice: over all of them, and over those during which
//! the drive did nothing for itself. Where the first is over twice the second, the drive's own work has to rest more. Each percentile is one
//! number that moves a step up with every sample above it and a 99th of that down with every other, so it stands where one sample in a
//! hundred is above (stochastic approximation of a quantile: Robbins and Monro, 1951; here in the logarithm).

use openlake_io::Instant;
use std::cell::Cell;

/// One step up, as a factor.
const UP: f64 = 0.2;
const DOWN: f64 = UP / 99.0;
/// Fewer samples say nothing.
const ENOUGH: u64 = 200;
/// So much higher than in calm is too high.
const TOO_HIGH: f64 = 2.0;

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreground {
    DurableWrite = 0,
    Read = 1,
}

/// A percentile that follows its samples.
#[derive(Clone, Copy, Default)]
struct Tail {
    micros: f64,
    samples: u64,
}

impl Tail {
    fn with(self, micros: f64) -> Tail {
        let moved = match self.samples {
            0 => micros,
            _ if micros > self.micros => self.micros * (1.0 + UP),
            _ => self.micros * (1.0 - DOWN),
        };
        Tail {
            micros: moved.max(1.0),
            samples: self.samples + 1,
        }
    }
}

/// The latencies of one drive's foreground.
#[derive(Default)]
pub(crate) struct Strain {
    /// Pieces of the drive's own work under way.
    working: Cell<u32>,
    /// Pieces begun so far.
    begun: Cell<u64>,
    all: [Cell<Tail>; 2],
    calm: [Cell<Tail>; 2],
    samples: Cell<u64>,
}

/// Somebody began to wait.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    start: Instant,
    /// Nothing was under way, and so much had been begun.
    calm: Option<u64>,
}

impl Strain {
    /// A piece of the drive's own work begins.
    pub fn begin_work(&self) {
        self.working.set(self.working.get() + 1);
        self.begun.set(self.begun.get() + 1);
    }
    /// It ends.
    pub fn end_work(&self) {
        self.working.set(self.working.get() - 1);
    }
    /// Whether the drive works for itself now.
    pub fn is_working(&self) -> bool {
        self.working.get() > 0
    }
    /// Somebody begins to wait.
    pub fn begin(&self, now: Instant) -> Wait {
        Wait {
            start: now,
            calm: (!self.is_working()).then(|| self.begun.get()),
        }
    }
    /// The wait is over.
    pub fn end(&self, what: Foreground, wait: Wait, now: Instant) {
        let micros = now.since(wait.start).as_nanos() as f64 / 1e3;
        let add = |tail: &Cell<Tail>| tail.set(tail.get().with(micros));
        add(&self.all[what as usize]);
        if wait.calm == Some(self.begun.get()) {
            add(&self.calm[what as usize]);
        }
        self.samples.set(self.samples.get() + 1);
    }
    /// Waits so far.
    pub fn samples(&self) -> u64 {
        self.samples.get()
    }
    /// How many times higher the tail is than in calm, of writes or reads, whichever suffer more; 1 where too little is known.
    pub fn ratio(&self) -> f64 {
        let ratio = |what: usize| {
            let (all, calm) = (self.all[what].get(), self.calm[what].get());
            let known = all.samples >= ENOUGH && calm.samples >= ENOUGH;
            if known { all.micros / calm.micros } else { 1.0 }
        };
        ratio(0).max(ratio(1))
    }
    /// Whether the drive's own work is to rest more.
    pub fn is_high(&self) -> bool {
        self.ratio() > TOO_HIGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_stands_where_one_sample_in_a_hundred_is_above() {
        let mut tail = Tail::default();
        let mut state = 7_u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            tail = tail.with((state >> 33) as f64 / 2_147_483_648.0 * 1000.0);
        }
        assert!((900.0..1300.0).contains(&tail.micros), "{}", tail.micros);
    }

    #[test]
    fn only_what_suffers_from_the_drives_own_work_strains() {
        let strain = Strain::default();
        let wait = |micros: u64| {
            let wait = strain.begin(Instant(0));
            strain.end(Foreground::Read, wait, Instant(micros * 1000));
        };
        (0..1000).for_each(|_| wait(100));
        assert!(!strain.is_high());
        strain.begin_work();
        (0..100).for_each(|_| wait(1000));
        strain.end_work();
        assert!(strain.is_high(), "{}", strain.ratio());
        (0..3000).for_each(|_| wait(100));
        assert!(!strain.is_high(), "{}", strain.ratio());
        // A slow device is no reason to rest.
        (0..3000).for_each(|_| wait(5000));
        assert!(!strain.is_high(), "{}", strain.ratio());
    }
}
