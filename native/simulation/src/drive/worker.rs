//! A worker: asks the drive for one thing after the other, and holds every answer against the model.

use super::key_model::Fate;
use super::model::CLOCK_LIMIT_MS;
use super::payload::Payload;
use super::plan::Action;
use super::requests::{key, tombstone};
use super::shift::{Shift, show};
use crate::random::Random;
use openlake_drive::{Answer, Ballot, Key, Request};
use std::rc::Rc;
use std::time::Duration;

/// One worker.
pub struct Worker {
    pub shift: Rc<Shift>,
    pub random: Random,
    pub number: u64,
}

impl Worker {
    /// Works until it is stopped, or its process ends.
    pub async fn work(mut self) {
        if self.shift.fills {
            self.fill().await;
        }
        while !self.shift.stop.get() {
            // A moment to think: answers from memory alone would let no time pass.
            let moment = Duration::from_micros(self.random.below(100));
            self.shift.runtime.sleep(moment).await;
            let Some(action) = self.random.weighted(&self.shift.plan.load.actions) else {
                break;
            };
            self.shift.history.count(name_of(action));
            let key = key(self.number_of_key());
            self.act(action, key).await;
        }
        self.shift.working.set(self.shift.working.get() - 1);
    }

    async fn act(&mut self, action: Action, key: Key) {
        match action {
            Action::Inline => self.inline(&key).await,
            Action::Bulk | Action::Abandon => self.bulk(&key, action == Action::Bulk).await,
            Action::Tombstone => {
                self.bring_tombstone(&key).await;
            }
            Action::Bury => {
                let ballot = self.bring_tombstone(&key).await;
                self.mark_one(&key, ballot).await;
                self.collect(&key).await;
            }
            Action::Collect => self.collect(&key).await,
            Action::Republish => self.republish(&key).await,
            Action::Resend => {
                let sent = self.shift.model.borrow().sent_before(&key, &mut self.random);
                if let Some((record, payload)) = sent {
                    self.publish(&key, record, payload, false).await;
                }
            }
            Action::Prepare => self.prepare(&key).await,
            Action::Mark => self.mark(&key).await,
            Action::Read => self.read(&key).await,
            Action::Blocks => self.blocks(&key).await,
            Action::Scan => self.scan().await,
            Action::Unsettled => self.unsettled(),
            Action::Rest => {
                let rest = Duration::from_micros(self.random.below(self.shift.plan.load.rest_us));
                self.shift.runtime.sleep(rest).await;
            }
        }
    }

    async fn bring_tombstone(&mut self, key: &Key) -> Ballot {
        let (ballot, write_id) = (self.ballot(key), self.shift.model.borrow_mut().new_write(0).0);
        let record = tombstone(ballot, write_id, &mut self.random);
        self.publish(key, record, Payload::NONE, false).await;
        ballot
    }
    /// Writes this worker's share of the keys that stay.
    async fn fill(&mut self) {
        let load = &self.shift.plan.load;
        let (workers, all) = (load.workers as usize, load.hot_keys..load.keys);
        for number in all.skip(self.number as usize).step_by(workers) {
            let key = key(number);
            self.inline(&key).await;
            self.mark(&key).await;
        }
    }
    fn number_of_key(&mut self) -> u64 {
        let load = &self.shift.plan.load;
        let is_hot = load.hot_keys > 0 && self.random.percent(load.hot_percent);
        self.random.below(if is_hot { load.hot_keys } else { load.keys })
    }
    pub(super) fn ballot(&mut self, key: &Key) -> Ballot {
        let now_ms = self.shift.runtime.wall_ms();
        self.shift.model.borrow_mut().new_ballot(key, now_ms, &mut self.random)
    }

    async fn prepare(&mut self, key: &Key) {
        let ballot = self.ballot(key);
        let (before, now_ms) = (self.shift.model.borrow_mut().key(key).before(), self.shift.runtime.wall_ms());
        let text = format!("prepares {} {ballot}", show(key));
        let answer = self
            .shift
            .ask(self.number, Request::Prepare { key: key.clone(), ballot }, text.clone())
            .await;
        let mut model = self.shift.model.borrow_mut();
        let result = match answer {
            Answer::Promise(state) => model.key(key).promised(ballot, &before, &state).and(model.check_floor(state.floor)),
            Answer::Refuse { floor, .. } if floor <= ballot => Err(format!("refused for the floor {floor}")),
            Answer::Refuse { floor, stable, .. } => {
                let justified = model.check_floor(floor);
                model.key(key).refused(ballot, &before, floor, stable).and(justified)
            }
            Answer::Clock { .. } => (ballot.time_ms() > now_ms + CLOCK_LIMIT_MS)
                .then_some(())
                .ok_or("refused for its clock".to_owned()),
            Answer::Full | Answer::Failed(_) => Ok(()),
            other => Err(format!("an answer of another kind: {other:?}")),
        };
        drop(model);
        self.shift.check(&text, result);
    }

    async fn collect(&mut self, key: &Key) {
        let Some(ballot) = self.shift.model.borrow_mut().key(key).collectable() else {
            return;
        };
        self.shift.model.borrow_mut().key(key).drop_sent(ballot);
        let text = format!("collects {} {ballot}", show(key));
        let answer = self
            .shift
            .ask(self.number, Request::Drop { key: key.clone(), ballot }, text.clone())
            .await;
        let result = match answer {
            Answer::Ack => {
                self.shift.model.borrow_mut().key(key).drop_done(ballot);
                Ok(())
            }
            Answer::Refuse { .. } | Answer::Full | Answer::Failed(_) => Ok(()),
            other => Err(format!("an answer of another kind: {other:?}")),
        };
        self.shift.check(&text, result);
    }

    async fn mark(&mut self, key: &Key) {
        let ballots: Vec<Ballot> = {
            let mut model = self.shift.model.borrow_mut();
            let known = model.key(key).attempts.iter().filter(|(_, attempt)| attempt.fate != Fate::Never);
            known.map(|(ballot, _)| *ballot).collect()
        };
        // Mostly the newest.
        let ballot = if self.random.percent(60) {
            ballots.last()
        } else {
            self.random.pick(&ballots)
        };
        if let Some(&ballot) = ballot {
            self.mark_one(key, ballot).await;
        }
    }
    async fn mark_one(&self, key: &Key, ballot: Ballot) {
        let now = self.shift.runtime.now();
        self.shift.model.borrow_mut().key(key).mark_sent(ballot, now);
        let text = format!("marks {} {ballot}", show(key));
        self.shift
            .ask(self.number, Request::Stable { key: key.clone(), ballot }, text)
            .await;
    }
}

fn name_of(action: Action) -> &'static str {
    match action {
        Action::Inline => "inline publishes",
        Action::Bulk => "bulk publishes",
        Action::Abandon => "staged and abandoned",
        Action::Tombstone => "tombstones",
        Action::Bury => "keys buried",
        Action::Collect => "tombstones collected",
        Action::Republish => "versions published again",
        Action::Resend => "records sent again",
        Action::Prepare => "prepares",
        Action::Mark => "stable marks",
        Action::Read => "reads",
        Action::Blocks => "reads by write id",
        Action::Scan => "scans",
        Action::Unsettled => "looks for unsettled keys",
        Action::Rest => "rests",
    }
}
