//! Bugs planted on purpose, for the simulation to prove that it finds them. Without the feature `sabotage` (thus in every product
//! build) nothing can be planted, and the questions below are constant.

/// A known way to get the protocol wrong (protocol.md section 12, drive.md section 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A reader returns what may be complete without completing it.
    NoWriteBack,
    /// A refused write is published again with a higher clock, without looking.
    BlindRetry,
    /// W - 1 acknowledgements are taken for W.
    EarlySuccess,
    /// A condition is judged on a plain read, followed by a write without prepare.
    ConditionOnRead,
    /// A drive drops the older versions when it accepts a newer one.
    EarlyDiscard,
    /// A drive forgets its promises when it restarts (shows only when that happens inside a round: thousands of seeds).
    VolatilePromise,
    /// A drive publishes bulk bytes that it has not flushed.
    PublishBeforeFlush,
    /// A drive acknowledges a record before it is durable.
    EarlyAcknowledge,
    /// A repeated CompleteMultipartUpload publishes again without asking what became of the first try.
    ForgottenComplete,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Sabotage; 9] = [
        Sabotage::NoWriteBack,
        Sabotage::BlindRetry,
        Sabotage::EarlySuccess,
        Sabotage::ConditionOnRead,
        Sabotage::EarlyDiscard,
        Sabotage::VolatilePromise,
        Sabotage::PublishBeforeFlush,
        Sabotage::EarlyAcknowledge,
        Sabotage::ForgottenComplete,
    ];
}

#[cfg(feature = "sabotage")]
mod planted {
    use super::Sabotage;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Sabotage>> = const { Cell::new(None) };
    }

    /// Plants a bug on this thread, or none.
    pub fn plant(sabotage: Option<Sabotage>) {
        PLANTED.set(sabotage);
    }

    /// Whether this bug is planted on this thread.
    pub fn is_planted(sabotage: Sabotage) -> bool {
        PLANTED.get() == Some(sabotage)
    }
}

#[cfg(feature = "sabotage")]
pub use planted::{is_planted, plant};

/// Whether this bug is planted: never.
#[cfg(not(feature = "sabotage"))]
pub const fn is_planted(_: Sabotage) -> bool {
    false
}
