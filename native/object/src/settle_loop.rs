//! Settles keys whose newest version a local drive holds unmarked for over a second: its writer is gone, or its mark was lost.

use crate::core::Core;
use crate::operation::Operation;
use crate::settle::settle;
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

/// Runs for ever.
pub(crate) async fn run(core: &Rc<Core>) {
    let mut resting: BTreeMap<(Key, Ballot), Rest> = BTreeMap::new();
    loop {
        core.runtime.sleep(PAUSE).await;
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
