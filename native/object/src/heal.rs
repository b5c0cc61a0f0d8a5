//! Healing (protocol.md section 9): every drive is brought up to what its set knows to be complete.
//!
//! The node that holds a drive pulls what the drive lacks from the others. So there is one healer per drive, without any agreement on
//! who it is; the bytes cross the network once; and its speed follows the load of the drive that is written to. Three things tell the
//! healer what to look at: dirt (a blank drive, or one with a damaged log: all keys, in order, behind a barrier), hints and damaged
//! blocks (single keys), and comparing digests with the other drives (everything else, now and then).

mod adoption;
mod barrier;
mod collect;
mod compare;
mod dirt;
mod healer;
mod hints;
mod key;
mod pace;
mod rebuild;
mod scrub;
mod several;
mod status;
mod succession;
mod walk;

pub use status::HealStatus;

pub(crate) use healer::Healer;
pub(crate) use hints::Hints;
pub(crate) use status::HealBook;

use crate::core::Core;
use openlake_drive::DriveState;
use std::rc::Rc;
use std::time::Duration;

/// How often healing looks around, and how much of the drive's time it may take.
#[derive(Clone, Debug)]
pub struct HealOptions {
    /// Between looks for something to do.
    pub pause: Duration,
    /// Between two comparisons of a whole drive with the others of its set. The first follows the start.
    pub compare_every: Duration,
    /// Between two readings of all that a drive holds, to find damaged blocks.
    pub scrub_every: Duration,
    /// Between two looks for tombstones that all drives of a set have.
    pub collect_every: Duration,
    /// How old a tombstone is at least when it is collected: longer than any request lives.
    pub grace: Duration,
    /// Percent of the time that healing works while clients use the drive.
    pub busy_share: u32,
}

impl Default for HealOptions {
    fn default() -> HealOptions {
        HealOptions {
            pause: Duration::from_millis(500),
            compare_every: Duration::from_secs(6 * 3600),
            scrub_every: Duration::from_secs(7 * 24 * 3600),
            collect_every: Duration::from_secs(3600),
            grace: Duration::from_secs(3600),
            busy_share: 30,
        }
    }
}

/// Looks after the drives of this core, and tells others what they missed; runs for ever.
pub(crate) async fn run(core: &Rc<Core>, options: HealOptions) {
    for drive in &core.options.drives {
        let healer = Healer::new(core, drive.clone(), options.clone());
        core.runtime.spawn(async move { tend(healer).await });
    }
    loop {
        core.runtime.sleep(options.pause).await;
        core.hints.deliver(core).await;
    }
}

/// One drive's life.
async fn tend(mut healer: Healer) {
    healer.wait_for_admission().await;
    loop {
        healer.core.runtime.sleep(healer.options.pause).await;
        let status = healer.drive.status();
        let unfit = match status.state {
            DriveState::Failed(_) => Some("the drive failed".to_owned()),
            DriveState::Rebuilding(reason) => Some(reason),
            DriveState::Healthy | DriveState::Suspect(_) => None,
        };
        if let Some(reason) = unfit {
            healer.told(|status| status.reason = reason);
            continue;
        }
        let result = healer.step().await;
        let progress = healer.drive.heal_progress();
        let slots = healer.slots() as u64;
        healer.told(|status| {
            status.reason = result.err().unwrap_or_default();
            status.blank = progress.blank;
            status.dirty = progress.dirty.is_some();
            status.shards_all = slots;
            (status.hints_waiting, status.damaged_waiting) = (progress.missed, progress.damaged);
        });
    }
}
