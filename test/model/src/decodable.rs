//! The invariant of availability: with floor(m/2) drives away, whatever a scan finds can be read.

use crate::config::Config;
use crate::record::{Version, descending};
use crate::state::{Answer, State};
use std::collections::BTreeSet;

impl Config {
    /// Checks the newest version and each other one. Not judged while a blank drive may still be spent.
    pub fn is_decodable(&self, state: &State) -> bool {
        if self.blanks > 0 {
            return true;
        }
        let up = self.write_quorum.max(self.drives - (self.drives - self.data) / 2);
        (0_u32..1 << self.drives).filter(|set| set.count_ones() as usize == up).all(|set| {
            let there = (0..self.drives)
                .filter(|drive| set >> drive & 1 == 1)
                .map(|drive| state.drives[drive]);
            let answers: Vec<Answer> = there
                .map(|drive| Answer {
                    records: drive.records,
                    marks: drive.marks,
                    dirty: drive.dirty,
                    ..Answer::default()
                })
                .collect();
            let held = answers.iter().fold(0, |set, answer| set | answer.records);
            let versions: BTreeSet<Version> = descending(held).map(|ballot| state.record(ballot).version).collect();
            let readable = |version: Option<Version>| {
                let found = self.scan(state, &answers, version);
                found.record.is_none_or(|record| found.holders >= self.shards_of(&record))
            };
            readable(None) && versions.into_iter().all(|version| readable(Some(version))) && self.points_at_readable(state, &answers)
        })
    }

    fn points_at_readable(&self, state: &State, answers: &[Answer]) -> bool {
        let top = self.scan(state, answers, None);
        let origin = top.record.map_or(0, |record| record.newest_origin());
        origin == 0 || self.is_readable(state, answers, origin)
    }
}
