//! What is asked of many keys at once: scans, heal reads, barriers.

use super::super::harness::key;
use super::expected::met;
use super::requests::Caller;
use crate::{Answer, Ballot, Covers, Request, ScanRow, Space};
use bytes::Bytes;

impl Caller {
    pub(super) async fn scan(&mut self) {
        let prefix = ["", "folder/", "z"][self.dice.below(3) as usize];
        let from = [prefix, "folder/2", "b"][self.dice.below(3) as usize];
        let limit = 1 + self.dice.below(8) as u32;
        let (bucket, space) = (key("a").bucket, Space::Object);
        let is_heal = self.dice.below(3) == 0;
        let request = if is_heal {
            let barrier = self.acceptor.drive_floor;
            Request::HealScan {
                bucket,
                space,
                from: from.into(),
                limit,
                barrier,
            }
        } else {
            Request::Scan {
                bucket,
                space,
                prefix: prefix.into(),
                from: from.into(),
                limit,
            }
        };
        let prefix = if is_heal { "" } else { prefix };
        let listed = self.acceptor.keys.iter().filter(|(_, key)| !key.records.is_empty());
        let names = listed
            .map(|(name, _)| name)
            .filter(|name| name.as_str() >= from && name.starts_with(prefix));
        let all: Vec<String> = names.cloned().collect();
        let Answer::Page { rows, covers, dirty } = self.drive.handle(request).await else {
            panic!("no page")
        };
        let rows = rows.to_rows();
        let told: Vec<String> = rows
            .iter()
            .map(|row: &ScanRow| String::from_utf8_lossy(&row.name).into_owned())
            .collect();
        assert_eq!(told, all[..told.len().min(all.len())], "a scan from {from:?} of {prefix:?}");
        assert!(!dirty && told.len() <= limit as usize);
        for row in &rows {
            let (expected, name) = (self.acceptor.state(&String::from_utf8_lossy(&row.name)), &row.name);
            assert_eq!(
                (&row.state.records, row.state.stable),
                (&expected.records, expected.stable),
                "{name:?}"
            );
        }
        match covers {
            Covers::End => assert_eq!(told.len(), all.len(), "a scan that says it is complete"),
            Covers::UpTo(name) => assert_eq!(Some(&name), rows.last().map(|row| &row.name)),
        }
        met("page");
    }
    pub(super) async fn barrier(&mut self) {
        if self.dice.below(4) > 0 {
            return self.look("a").await;
        }
        let far = self.dice.below(3) == 0;
        let clock = (self.runtime.wall_ms() + if far { 86_400_000 } else { 0 }) << 16;
        let floor = Ballot { clock, node: 9, boot: 9 };
        let answer = self.drive.handle(Request::Barrier { floor }).await;
        if far {
            assert!(matches!(answer, Answer::Clock { .. }), "a barrier a day ahead: {answer:?}");
            return met("clock");
        }
        self.acceptor.barrier(floor);
        let Answer::Done { highest, dirty: false, .. } = answer else {
            panic!("{answer:?}")
        };
        assert!(
            highest >= self.acceptor.highest_of_life,
            "{highest} is not the highest, {} is",
            self.acceptor.highest_of_life
        );
        assert_eq!(self.drive.floor(), self.acceptor.drive_floor);
        let below = Request::HealScan {
            bucket: 5,
            space: Space::Object,
            from: Bytes::new(),
            limit: 1,
            barrier: Ballot { clock: u64::MAX, ..floor },
        };
        assert!(
            matches!(self.drive.handle(below).await, Answer::Failed(_)),
            "a heal read without its barrier"
        );
        met("done");
    }
}
