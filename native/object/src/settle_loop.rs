//! Settles keys whose newest version a local drive holds unmarked for over a second: its writer is gone, or its mark was lost.

use crate::bucket::list_records;
use crate::core::Core;
use crate::departed_buckets;
use crate::operation::Operation;
use crate::settle::settle;
use crate::sweep::{sweep, sweep_departed};
use futures_util::StreamExt;
use futures_util::future::join;
use futures_util::stream;
use openlake_drive::{Ballot, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

const UNMARKED_FOR: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(500);
/// Keys of one drive settled in one pass.
const BATCH: usize = 64;
/// Keys settled at the same time.
const PARALLEL: usize = 16;
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
/// How long a deleted bucket is swept: the cores that own its sets do so each for themselves, and may be away for days.
const DEPARTED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

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
    let Ok(departed) = departed_buckets::list(core).await else { return };
    for (id, age) in departed {
        let swept = sweep_departed(core, id, &|set| sets.contains(&set), SWEEP_AGE).await;
        if swept.is_ok() && age > DEPARTED_FOR {
            let _ = departed_buckets::forget(core, id).await;
        }
    }
}

/// Sweeps now and then, for ever.
async fn sweep_loop(core: &Rc<Core>) {
    loop {
        core.runtime.sleep(SWEEP_EVERY).await;
        sweep_all(core).await;
    }
}

/// Runs for ever.
pub(crate) async fn run(core: &Rc<Core>) {
    // Side by side: what a sweep takes its time for must not keep readers waiting for keys to be settled.
    join(settle_all(core), sweep_loop(core)).await;
}

async fn settle_all(core: &Rc<Core>) {
    let mut resting: BTreeMap<(Key, Ballot), Rest> = BTreeMap::new();
    loop {
        core.runtime.sleep(PAUSE).await;
        let unsettled: Vec<(Key, Ballot)> = core
            .options
            .drives
            .iter()
            .flat_map(|drive| drive.unsettled(UNMARKED_FOR, BATCH + resting.len()))
            .collect();
        let known: BTreeSet<&(Key, Ballot)> = unsettled.iter().collect();
        resting.retain(|key, rest| {
            rest.passes = rest.passes.saturating_sub(1);
            known.contains(key)
        });
        let due: Vec<(Key, Ballot)> = unsettled
            .into_iter()
            .filter(|key| resting.get(key).is_none_or(|rest| rest.passes == 0))
            .take(BATCH * 4)
            .collect();
        for key in &due {
            let rest = resting.entry(key.clone()).or_insert(Rest { visits: 0, passes: 0 });
            rest.visits += 1;
            rest.passes = (1 << rest.visits.min(7)).min(LONGEST_REST);
        }
        // A key whose drives are silent takes a whole deadline; it must not keep the others waiting.
        stream::iter(due)
            .for_each_concurrent(PARALLEL, |(key, _)| async move {
                if let Ok(operation) = Operation::new(core, key, None) {
                    // Settled keys drop out of the drive's list; a fragment that is provably not complete stays until the next version,
                    // so both it and what failed are looked at less and less often.
                    let _ = settle(&operation).await;
                }
            })
            .await;
    }
}
