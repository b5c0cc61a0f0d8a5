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
    /// A filter of the index denies keys that its run holds.
    BlindFilter,
    /// A row is let go of that no run has as it is.
    EvictDirty,
    /// A row changed while a checkpoint runs is written as it is then, not as it was at the freeze.
    FreezeWithoutCopy,
    /// The cleaner points the index at its copy of a version although that was superseded meanwhile.
    MoveOverNewer,
    /// A segment of the log is used again although somebody reads from it.
    LeaseIgnored,
    /// A collected tombstone is forgotten although the log holds older records of its key.
    TombstoneDroppedEarly,
    /// A root names a run that nobody flushed.
    EarlyRoot,
    /// A checkpoint says that the log is in the index up to records that are not durable yet.
    CheckpointAhead,
    /// Emptied log segments are used again before a checkpoint knows that they are empty.
    EarlyReuse,
    /// A batch of the log is acknowledged although one before it is still under way.
    AcknowledgeOutOfOrder,
    /// The cache knows a record by its segment, whatever generation that is in: wrong once the segment is used again.
    StaleGeneration,
    /// The cleaner drops a tombstone instead of moving it.
    TombstoneNotMoved,
    /// Space of a dropped version is given back before the mark that drops it is durable.
    EarlyRelease,
    /// A root is written and not flushed.
    LazyRoot,
    /// A merge of runs takes the oldest value of a key.
    BackwardMerge,
    /// A repeated CompleteMultipartUpload publishes again without asking what became of the first try.
    ForgottenComplete,
    /// What a dirty drive lacks counts as absent.
    BlankCounts,
    /// A blank drive is adopted without a floor, and nobody else's is raised for it.
    BlankWithoutFloor,
    /// Heal reads without a barrier before them.
    HealWithoutBarrier,
    /// The healer looks at the other drives before the blank one is adopted.
    HealBeforeAdoption,
    /// A filled version takes the place of newer ones.
    HealByForce,
    /// A blank drive is adopted although others may have been, just now, that it cannot see.
    AdoptUnseen,
    /// A drive serves before it knows whether it was replaced while it was away.
    ServeUnasked,
    /// The beginning of a shard that is just being staged again is taken for the whole one that is held.
    HeldFromStage,
    /// A segment of the log is given back although by its word alone what lies behind another one's end is no part of the log.
    EndForgotten,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Sabotage; 33] = [
        Sabotage::NoWriteBack,
        Sabotage::BlindRetry,
        Sabotage::EarlySuccess,
        Sabotage::ConditionOnRead,
        Sabotage::EarlyDiscard,
        Sabotage::VolatilePromise,
        Sabotage::PublishBeforeFlush,
        Sabotage::EarlyAcknowledge,
        Sabotage::BlindFilter,
        Sabotage::EvictDirty,
        Sabotage::FreezeWithoutCopy,
        Sabotage::MoveOverNewer,
        Sabotage::LeaseIgnored,
        Sabotage::TombstoneDroppedEarly,
        Sabotage::EarlyRoot,
        Sabotage::CheckpointAhead,
        Sabotage::EarlyReuse,
        Sabotage::AcknowledgeOutOfOrder,
        Sabotage::StaleGeneration,
        Sabotage::TombstoneNotMoved,
        Sabotage::EarlyRelease,
        Sabotage::LazyRoot,
        Sabotage::BackwardMerge,
        Sabotage::ForgottenComplete,
        Sabotage::BlankCounts,
        Sabotage::BlankWithoutFloor,
        Sabotage::HealWithoutBarrier,
        Sabotage::HealBeforeAdoption,
        Sabotage::HealByForce,
        Sabotage::AdoptUnseen,
        Sabotage::ServeUnasked,
        Sabotage::HeldFromStage,
        Sabotage::EndForgotten,
    ];
    /// Those of a single drive.
    pub const OF_DRIVE: [Sabotage; 20] = [
        Sabotage::EarlyDiscard,
        Sabotage::VolatilePromise,
        Sabotage::PublishBeforeFlush,
        Sabotage::EarlyAcknowledge,
        Sabotage::BlindFilter,
        Sabotage::EvictDirty,
        Sabotage::FreezeWithoutCopy,
        Sabotage::MoveOverNewer,
        Sabotage::LeaseIgnored,
        Sabotage::TombstoneDroppedEarly,
        Sabotage::EarlyRoot,
        Sabotage::CheckpointAhead,
        Sabotage::EarlyReuse,
        Sabotage::AcknowledgeOutOfOrder,
        Sabotage::StaleGeneration,
        Sabotage::TombstoneNotMoved,
        Sabotage::EarlyRelease,
        Sabotage::LazyRoot,
        Sabotage::BackwardMerge,
        Sabotage::HeldFromStage,
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
