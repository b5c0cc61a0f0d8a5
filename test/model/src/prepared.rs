//! Decisions on promises: protocol.md sections 5 to 7, and the same for versions.

use crate::config::{Config, Kind};
use crate::record::{BLIND, Ballot, NOTHING, NULL, Record, Version};
use crate::scan::Found;
use crate::state::{Answer, Goal, Outcome, Reply, State};

impl Config {
    /// Decides on the answers to a prepare.
    pub fn decide_prepared(&self, state: &mut State, operation: usize, answers: &[Answer], seen: Ballot) -> Option<()> {
        let promises = self.promises(answers);
        let quorum = if self.bugs.cond_few() {
            self.drives - self.write_quorum
        } else {
            self.write_quorum
        };
        if promises.len() < quorum {
            let refused = answers.iter().any(|answer| answer.reply == Reply::Refuse);
            return if refused {
                self.prepare_above(state, operation, seen)
            } else {
                None
            };
        }
        let top = self.scan(state, &promises, None);
        if top.too_few && !self.bugs.cond_few() {
            return None;
        }
        let kind = match self.operations[operation] {
            Kind::Retry => self.operations[0],
            kind => kind,
        };
        match kind {
            Kind::Get => {
                let origin = top.record.map_or(NOTHING, |record| record.newest_origin());
                self.return_prepared(state, operation, &promises, (&top, &top), origin)
            }
            Kind::GetVersion(_) => {
                let found = self.scan(state, &promises, Some(state.operations[operation].version));
                let origin = found
                    .record
                    .map_or(NOTHING, |record| if record.tombstone { NOTHING } else { record.origin });
                self.return_prepared(state, operation, &promises, (&found, &top), origin)
            }
            Kind::Settle => self.decide_settling(state, operation, &promises, &top),
            Kind::Remove(_) => self.decide_removal(state, operation, &promises, &top),
            kind if kind.makes_version() => self.decide_version(state, operation, &promises, &top),
            _ => self.decide_null(state, operation, &promises, &top),
        }
    }

    fn return_prepared(
        &self,
        state: &mut State,
        operation: usize,
        answers: &[Answer],
        (found, top): (&Found, &Found),
        origin: Ballot,
    ) -> Option<()> {
        if origin != NOTHING && !self.is_readable(state, answers, origin) {
            return None;
        }
        if found.complete {
            self.finish(state, operation, Outcome::Value, origin);
            return Some(());
        }
        self.publish_again(state, operation, answers, (found, top), (Goal::Value, origin))
    }

    /// A write of the null version: the table of protocol.md section 5 over that version's records.
    fn decide_null(&self, state: &mut State, operation: usize, answers: &[Answer], top: &Found) -> Option<()> {
        let kind = self.operations[operation];
        let own = self.write_id(operation);
        let found = self.scan(state, answers, Some(NULL));
        if found.record.is_some_and(|record| found.holders < self.shards_of(&record)) {
            return None;
        }
        if let Some(record) = found.record.filter(|record| record.write_id == own) {
            if found.complete {
                self.finish(state, operation, Outcome::Success, record.origin);
                return Some(());
            }
            return self.publish_again(state, operation, answers, (&found, top), (Goal::Own, record.origin));
        }
        let mine = state.operations[operation];
        let promised = if mine.evidence == 0 {
            mine.ballot
        } else {
            mine.evidence.min(mine.ballot)
        };
        let attempts = &mine.attempts[..usize::from(mine.proposed)];
        if !attempts
            .iter()
            .enumerate()
            .all(|(at, ballot)| self.is_dead(state, operation, &found, (at, *ballot)))
        {
            let record = found.record?;
            let overwritten = self.is_unconditional(own) && self.is_unconditional(record.write_id) && mine.evidence != 0;
            if !(self.bugs.no_supersede_check() || overwritten && mine.evidence < record.origin) {
                return None;
            }
            if found.complete {
                self.finish(state, operation, Outcome::Success, promised);
                return Some(());
            }
            state.operations[operation].evidence = promised;
            return self.publish_again(state, operation, answers, (&found, top), (Goal::Overwritten, promised));
        }
        state.operations[operation].evidence = promised;
        if kind.is_conditional() {
            if self.versioned() && !top.complete {
                return self.settle(state, operation, answers, top);
            }
            let current = top.record.map_or(NOTHING, |record| state.writer(record.newest_origin()));
            if !self.condition(kind, current) {
                return self.fail(
                    state,
                    operation,
                    answers,
                    (&found, top),
                    attempts.iter().any(|ballot| *ballot > found.ballot()),
                );
            }
        }
        let ballot = mine.ballot;
        self.propose(state, operation, ballot, self.own(operation, ballot, found.ballot()))
    }

    /// Rows three of the table in section 5: whether an own attempt was never complete and cannot become so, once something is published
    /// above what was found.
    pub fn is_dead(&self, state: &State, operation: usize, found: &Found, (at, ballot): (usize, Ballot)) -> bool {
        let base = found.record.map_or(BLIND, |record| record.base);
        let refused = self.refusals(state, operation, at);
        if self.bugs.blind_retry() {
            return true;
        }
        if self.bugs.refuse_means_dead() {
            return refused > self.drives - self.write_quorum;
        }
        let own = self.write_id(operation);
        found.ballot() < ballot || base != BLIND && base < ballot || self.never_adopted(own, refused)
    }

    /// 412 needs a complete version to stand on, and no own attempt above it that somebody may still adopt.
    fn fail(&self, state: &mut State, operation: usize, answers: &[Answer], (found, top): (&Found, &Found), own_above: bool) -> Option<()> {
        if found.record.is_some() && (!found.complete || own_above) && !self.bugs.fail_unsettled() {
            return self.publish_again(state, operation, answers, (found, top), (Goal::Failure, 0));
        }
        if own_above {
            return None;
        }
        self.finish(state, operation, Outcome::Failure, 0);
        Some(())
    }

    /// A write that makes a version of its own: each own ballot is a version; one that may exist is finished, one that may be adopted
    /// later is ended by a tombstone, and only then a new one is made.
    fn decide_version(&self, state: &mut State, operation: usize, answers: &[Answer], top: &Found) -> Option<()> {
        let own = self.write_id(operation);
        let mine = state.operations[operation];
        for (at, version) in mine.attempts[..usize::from(mine.proposed)].iter().enumerate() {
            let found = self.scan(state, answers, Some(*version));
            let refused = self.refusals(state, operation, at);
            match found.record {
                _ if self.bugs.blind_retry() => {}
                // Ended before it existed.
                Some(record) if record.void => {
                    if !found.complete {
                        return self.publish_again(state, operation, answers, (&found, top), (Goal::Settle, 0));
                    }
                }
                Some(record) => return self.succeed(state, operation, answers, (record, &found, top)),
                None if self.bugs.absent_is_dead() || self.never_adopted(own, refused) => {}
                None => return self.end_version(state, operation, answers, (*version, top)),
            }
        }
        let kind = match self.operations[operation] {
            Kind::Retry => self.operations[0],
            kind => kind,
        };
        if kind.is_conditional() {
            if !top.complete && !self.bugs.top_unsettled() {
                return self.settle(state, operation, answers, top);
            }
            let current = top.record.map_or(NOTHING, |record| state.writer(record.newest_origin()));
            if !self.condition(kind, current) {
                self.finish(state, operation, Outcome::Failure, 0);
                return Some(());
            }
        }
        self.propose(state, operation, mine.ballot, self.own(operation, mine.ballot, 0))
    }

    /// The own version exists, or may: finish it. It counts as a success if it is the newest, or if the newer one was not complete when
    /// this write began (M drives took an own ballot below it).
    fn succeed(
        &self,
        state: &mut State,
        operation: usize,
        answers: &[Answer],
        (record, found, top): (Record, &Found, &Found),
    ) -> Option<()> {
        let mine = state.operations[operation];
        let newest = top.record.map_or(NOTHING, |record| record.newest_origin());
        let version = record.version;
        let overtaken = newest > version && !(mine.evidence != 0 && mine.evidence < newest);
        if overtaken && !self.bugs.own_older_succeeds() {
            return None;
        }
        if found.complete {
            self.finish(state, operation, Outcome::Success, version);
            return Some(());
        }
        self.publish_again(state, operation, answers, (found, top), (Goal::Own, version))
    }

    /// Writes the tombstone of a version that was not found but could still be brought back.
    pub fn end_version(&self, state: &mut State, operation: usize, answers: &[Answer], (version, top): (Version, &Found)) -> Option<()> {
        if !top.complete {
            return self.settle(state, operation, answers, top);
        }
        let ballot = state.operations[operation].ballot;
        let newest = top.record.map_or(NOTHING, |record| record.newest_origin());
        let write_id = self.write_id(operation);
        let tombstone = Record {
            ballot,
            write_id,
            origin: ballot,
            base: 0,
            version,
            newest,
            tombstone: true,
            void: true,
        };
        self.send_again(state, operation, tombstone, (Goal::Settle, 0));
        Some(())
    }

    /// T of protocol.md section 1: with so many refusals nobody can ever have adopted it.
    fn never_adopted(&self, write_id: u8, refused: usize) -> bool {
        self.drives - refused < self.shards_needed(write_id).max(2 * self.write_quorum - self.drives)
    }

    fn refusals(&self, state: &State, operation: usize, attempt: usize) -> usize {
        let drives = state.drives[..self.drives].iter();
        drives.filter(|drive| drive.attempts[operation] >> (2 * attempt) & 3 == 2).count()
    }
}
