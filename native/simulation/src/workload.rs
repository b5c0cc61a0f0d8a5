//! What clients do: a random mix of operations on few keys, so that they meet often.

use crate::client::{Client, Upload};
use crate::linearizability::{Value, When};
use crate::listing::Listing;
use crate::random::Random;
use openlake_object::Range;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How busy the clients are.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Longest pause between two operations.
    pub pause_ms: u64,
    /// Largest bulk body.
    pub bulk_bytes: u64,
    /// Percentage of operations that the client walks away from.
    pub impatience: u64,
    /// What clients do.
    pub load: Load,
    /// The bucket is deleted and made anew now and then.
    pub replaces_bucket: bool,
}

/// Which steps clients take, and how often each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// A little of everything.
    Mixed,
    /// Mostly conditional writes.
    Conditional,
    /// Writes, deletes and reads of small values, and nothing that would hold clients up.
    Contended,
    /// Large bodies.
    Bulky,
    /// Uploads that are completed again and again, between writes and deletes of the same keys.
    Uploads,
}

impl Load {
    fn steps(self) -> &'static [(u64, Step)] {
        match self {
            Load::Mixed => STEPS,
            Load::Conditional => CONDITIONAL_STEPS,
            Load::Contended => CONTENDED_STEPS,
            Load::Bulky => BULKY_STEPS,
            Load::Uploads => UPLOAD_STEPS,
        }
    }
}

#[derive(Clone, Copy)]
enum Step {
    PutSmall,
    PutBulk,
    PutAbsent,
    PutMatch,
    PutBroken,
    Delete,
    DeleteMatch,
    Get,
    GetRange,
    Head,
    List,
    Multipart,
    CompleteAgain,
    ReplaceBucket,
}

/// Weights of the steps: mostly small puts and gets on the same keys, some of everything else.
const STEPS: &[(u64, Step)] = &[
    (22, Step::PutSmall),
    (4, Step::PutBulk),
    (9, Step::PutAbsent),
    (9, Step::PutMatch),
    (1, Step::PutBroken),
    (10, Step::Delete),
    (2, Step::DeleteMatch),
    (26, Step::Get),
    (5, Step::GetRange),
    (8, Step::Head),
    (5, Step::List),
    (4, Step::Multipart),
    (4, Step::CompleteAgain),
];

/// Weights where conditions are to be judged as often as possible.
const CONDITIONAL_STEPS: &[(u64, Step)] = &[
    (2, Step::PutSmall),
    (30, Step::PutAbsent),
    (25, Step::PutMatch),
    (15, Step::Delete),
    (5, Step::DeleteMatch),
    (10, Step::Get),
    (15, Step::Head),
];

/// Every step is short, and every other one reads.
const CONTENDED_STEPS: &[(u64, Step)] = &[
    (30, Step::PutSmall),
    (6, Step::PutAbsent),
    (6, Step::PutMatch),
    (10, Step::Delete),
    (25, Step::Get),
    (25, Step::Head),
];

const BULKY_STEPS: &[(u64, Step)] = &[
    (50, Step::PutBulk),
    (10, Step::PutSmall),
    (5, Step::Delete),
    (25, Step::Get),
    (10, Step::GetRange),
];

const UPLOAD_STEPS: &[(u64, Step)] = &[
    (25, Step::Multipart),
    (25, Step::CompleteAgain),
    (12, Step::PutSmall),
    (10, Step::Delete),
    (14, Step::Get),
    (14, Step::Head),
];

/// Works until `stop` is set.
pub async fn work(client: Client, mut random: Random, mix: Mix, stop: Rc<Cell<bool>>) {
    let mut seen = BTreeMap::new();
    while !stop.get() {
        let pause = random.between(0, mix.pause_ms * 1000);
        client.runtime.sleep(Duration::from_micros(pause)).await;
        let patience = Duration::from_micros(random.between(100, 300_000));
        let impatient = random.percent(mix.impatience);
        let step = step(&client, &mut random, &mix, &mut seen);
        if impatient {
            if client.runtime.timeout(patience, step).await.is_err() {
                client.history.event(client.runtime.now(), &format!("{} walks away", client.name));
            }
        } else {
            step.await;
        }
    }
}

async fn step(client: &Client, random: &mut Random, mix: &Mix, seen: &mut BTreeMap<usize, Value>) {
    let key = random.below(client.values.keys.len() as u64) as usize;
    let small = Upload {
        size: small_size(random),
        piece_bytes: random.between(1, 70_000),
        breaks_at: None,
    };
    let bulk = Upload {
        size: random.between(1, mix.bulk_bytes),
        piece_bytes: random.between(1000, 200_000),
        breaks_at: None,
    };
    let either = if random.percent(30) { bulk } else { small };
    let known = seen.get(&key).map(|&value| When::Holds(value));
    let put = |when, upload| async move {
        let _ = client.put(key, when, upload).await;
    };
    let Some(drawn) = random.weighted(mix.load.steps()) else { return };
    let step = if mix.replaces_bucket && random.percent(2) {
        Step::ReplaceBucket
    } else {
        drawn
    };
    match step {
        Step::PutSmall => put(When::Always, small).await,
        Step::PutBulk => put(When::Always, bulk).await,
        Step::PutAbsent => put(When::Absent, either).await,
        Step::PutMatch => match known {
            Some(when) => put(when, either).await,
            None => remember(seen, key, client.head(key).await),
        },
        Step::PutBroken => {
            put(
                When::Always,
                Upload {
                    breaks_at: Some(random.below(either.size + 1)),
                    ..either
                },
            )
            .await
        }
        Step::Delete => client.delete(key, When::Always).await,
        Step::DeleteMatch => client.delete(key, known.unwrap_or(When::Always)).await,
        Step::Get => remember(seen, key, client.get(key, None).await),
        Step::GetRange => remember(seen, key, client.get(key, Some(range(random, mix))).await),
        Step::Head => remember(seen, key, client.head(key).await),
        Step::List => {
            let _ = client.list(listing(random)).await;
        }
        Step::Multipart => {
            let when = if random.percent(25) { When::Absent } else { When::Always };
            let upload = Upload {
                size: either.size.max(1),
                ..either
            };
            let (abort, again) = (random.percent(15), random.percent(20));
            let tries: Vec<u64> = (0..random.below(4)).map(|_| random.bits()).collect();
            client.multipart(key, when, upload, abort, again, &tries).await;
        }
        Step::ReplaceBucket => client.replace_bucket().await,
        Step::CompleteAgain => {
            if let Some(completion) = client.values.completions.any(random.bits()) {
                if random.percent(20) {
                    client.abort_completion(&completion).await;
                } else {
                    client.complete(&completion).await;
                }
            }
        }
    }
}

fn remember(seen: &mut BTreeMap<usize, Value>, key: usize, read: Option<Option<Value>>) {
    match read {
        Some(Some(value)) => drop(seen.insert(key, value)),
        Some(None) => drop(seen.remove(&key)),
        None => {}
    }
}

/// Sizes around the borders of formats are as likely as all others.
fn small_size(random: &mut Random) -> u64 {
    let edges = [0, 1, 15, 511, 512, 4095, 4096, 4097, 8192];
    match random.pick(&edges) {
        Some(&edge) if random.percent(50) => edge,
        _ => random.below(20_000),
    }
}

fn range(random: &mut Random, mix: &Mix) -> Range {
    let limit = if random.percent(50) { 1000 } else { mix.bulk_bytes };
    let first = random.below(limit);
    match random.below(3) {
        0 => Range::FromTo(first, first + random.below(limit)),
        1 => Range::From(first),
        _ => Range::Last(first + 1),
    }
}

/// A random list over the keys of [`crate::values::Values`].
pub fn listing(random: &mut Random) -> Listing {
    let prefix = ["", "", "folder/", "folder/inner/", "k", "none"];
    Listing {
        prefix: random.pick(&prefix).copied().unwrap_or_default(),
        delimiter: if random.percent(30) { "/" } else { "" },
        limit: if random.percent(50) { 1000 } else { random.between(1, 4) as usize },
    }
}
