//! Settles keys whose newest version a local drive holds unmarked for over a second: its writer is gone, or its mark was lost.

use crate::bucket::list_records;
use crate::core::Core;
use crate::operation::Operation;
use crate::settle::settle;
use crate::sweep::sweep;
use openlake_drive::{Ballot, Key};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

const UNMARKED_FOR: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(500);
/// Keys of one drive settled in one pass.
const BATCH: usize = 64;
/// Passes that a key is left alone at most (about a minute).
const LONGEST_REST: u32 = 128;

/// How often a key was looked at, and for how many passes it is left alone.
struct Rest {
    visits: u32,
    passes: u32,
}

/// Between looks for what multipart uploads left behind, and how old leftovers must be: older than any request under way.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
const SWEEP_AGE: Duration = Duration::from_secs(3600);

/// Sweeps all buckets, in the sets whose first slot is a drive of this core. What fails is tried again next time.
async fn sweep_all(core: &Rc<Core>) {
    let mut sets: Vec<u32> = Vec::new();
    for drive in &core.options.drives {
        let identity = drive.identity();
        if identity.slot == 0 {
            sets.push(identity.set);
        }
    }
    if sets.is_empty() {
        return;
    }
    let Ok(records) = list_records(core).await else { return };
    for (_, record) in records {
        let _ = sweep(core, record.view.id, &|set| sets.contains(&set), SWEEP_AGE).await;
    }
}

/// Runs for ever.
pub(crate) async fn run(core: &Rc<Core>) {
    let mut resting: BTreeMap<(Key, Ballot), Rest> = BTreeMap::new();
    let mut next_sweep = core.after(SWEEP_EVERY);
    loop {
        core.runtime.sleep(PAUSE).await;
        if core.runtime.now() >= next_sweep {
            next_sweep = core.after(SWEEP_EVERY);
            sweep_all(core).await;
        }
        let unsettled: Vec<(Key, Ballot)> = core
            .options
            .drives
            .iter()
            .flat_map(|drive| drive.unsettled(UNMARKED_FOR, BATCH + resting.len()))
            .collect();
        resting.retain(|key, rest| {
            rest.passes = rest.passes.saturating_sub(1);
            unsettled.contains(key)
        });
        for key in unsettled.into_iter().take(BATCH * 4) {
            if resting.get(&key).is_some_and(|rest| rest.passes > 0) {
                continue;
            }
            if let Ok(operation) = Operation::new(core, key.0.clone(), None) {
                // Settled keys drop out of the drive's list; a fragment that is provably not complete stays until the next version, so
                // both it and what failed are looked at less and less often.
                let _ = settle(&operation).await;
            }
            let rest = resting.entry(key).or_insert(Rest { visits: 0, passes: 0 });
            rest.visits += 1;
            rest.passes = (1 << rest.visits.min(7)).min(LONGEST_REST);
        }
    }
}
