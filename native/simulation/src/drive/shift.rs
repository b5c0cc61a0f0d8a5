//! What the workers of one life share: the drive, the model it is judged by, and the notes of what was asked and answered.

use super::model::Model;
use super::plan::DrivePlan;
use crate::history::History;
use openlake_drive::{Answer, Drive, Key, Request, WriteId};
use openlake_io::Runtime;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// A drive that closes answers at once.
const REST_AT_CLOSED_DOOR: Duration = Duration::from_millis(10);

/// What all workers of a life share.
pub struct Shift {
    pub runtime: Runtime,
    pub drive: Drive,
    pub model: Rc<RefCell<Model>>,
    pub history: History,
    pub plan: DrivePlan,
    /// The drive is new, and some keys are to be written before anything else.
    pub fills: bool,
    /// No new requests are to be made.
    pub stop: Cell<bool>,
    /// The drive was told to close: it may answer so.
    pub closing: Cell<bool>,
    /// The drive said that it is full.
    pub was_full: Cell<bool>,
    /// Workers that have not ended.
    pub working: Cell<u64>,
}

impl Shift {
    /// Notes what must never happen.
    pub fn problem(&self, text: String) {
        self.history.problem(self.runtime.now(), text);
    }
    /// Notes what is wrong, if so.
    pub fn check(&self, about: &str, result: Result<(), String>) {
        if let Err(text) = result {
            self.problem(format!("{about}: {text}"));
        }
    }
    /// A request to the drive, noted with its answer.
    pub async fn ask(&self, who: u64, request: Request, text: String) -> Answer {
        self.history.event(self.runtime.now(), &format!("w{who} {text}"));
        let answer = self.drive.handle(request).await;
        self.history
            .event(self.runtime.now(), &format!("w{who} {text} -> {}", brief(&answer)));
        if self.closing.get() && matches!(answer, Answer::Failed(_)) {
            // Who knocks at a closed door without a pause drowns out what it waits for.
            self.runtime.sleep(REST_AT_CLOSED_DOOR).await;
        }
        match &answer {
            Answer::Failed(text) if self.plan.is_sound() && !self.closing.get() => self.problem(format!("the drive failed: {text}")),
            Answer::Full => self.was_full.set(true),
            _ => {}
        }
        answer
    }
}

/// An answer in a few words.
pub fn brief(answer: &Answer) -> String {
    match answer {
        Answer::State { state, shard } => {
            let told: Vec<String> = state.records.iter().map(|head| head.ballot.to_string()).collect();
            format!("{told:?} stable {:?} floor {} shard {}", state.stable, state.floor, shard.is_some())
        }
        Answer::Promise(state) => format!("promise, {} records", state.records.len()),
        Answer::Blocks(shard) => format!("{} blocks", shard.blocks.len()),
        Answer::Page { rows, covers, .. } => format!("{} rows, {covers:?}", rows.len()),
        other => format!("{other:?}"),
    }
}

/// A write id as the number that it was made from.
pub fn id(write_id: WriteId) -> String {
    format!("#{}", u64::from_le_bytes(std::array::from_fn(|at| write_id.0[at])))
}

/// A key in a few letters.
pub fn show(key: &Key) -> String {
    let name = String::from_utf8_lossy(&key.name);
    format!("{}/{:?}/{}", key.bucket, key.space, name.chars().take(24).collect::<String>())
}
