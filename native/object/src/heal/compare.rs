//! Comparing a whole drive with the others of its set, range by range, by digests of (key, newest version known complete): finds what
//! no hint told of. Ranges that differ are looked at key by key.

use crate::heal::Healer;
use crate::set_cursor::after;
use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{Answer, Ballot, Covers, Request, ScanRow, Space};

/// Keys of a range.
const RANGE_ROWS: u32 = 512;

impl Healer {
    /// One pass over everything; `scrub`: reads all stored blocks on the way. In words, why it did not come to its end.
    pub async fn compare(&self, scrub: bool) -> Result<(), String> {
        self.told(|status| status.shards_least = 0);
        let mut last = None;
        let mut stuck = None;
        while let Some(space) = self.next_of_all(last).await? {
            let mut from = Some(Bytes::new());
            while let Some(start) = from {
                let (rows, to) = self.pace.step(self.own_page(space, &start)).await?;
                if scrub {
                    self.scrub(space, &rows).await;
                }
                if self.pace.step(self.differs(space, &start, to.as_ref())).await? {
                    self.told(|status| status.scrub_differences += 1);
                    stuck = stuck.or(self.heal_range(space, start, to.as_ref()).await?);
                }
                self.heal_waiting().await;
                from = to.map(|name| after(&name));
            }
            last = Some(space);
        }
        if let Some(reason) = stuck {
            return Err(reason);
        }
        self.told(|status| status.scrub_passes += 1);
        Ok(())
    }

    /// The next space that the drive itself or any other has keys of.
    async fn next_of_all(&self, last: Option<(u64, Space)>) -> Result<Option<(u64, Space)>, String> {
        let own = match self.drive.handle(Request::NextSpace { after: last }).await {
            Answer::Space(space) => space,
            other => return Err(format!("the drive itself answers {other:?}")),
        };
        let others = self.next_space(last).await?;
        Ok(own.into_iter().chain(others).min())
    }

    /// Rows of the drive itself from a name on, and the name that they reach to (`None`: the end of the space).
    pub async fn own_page(&self, (bucket, space): (u64, Space), from: &Bytes) -> Result<(Vec<ScanRow>, Option<Bytes>), String> {
        let request = Request::HealScan {
            bucket,
            space,
            from: from.clone(),
            limit: RANGE_ROWS,
            barrier: Ballot::ZERO,
        };
        match self.drive.handle(request).await {
            Answer::Page { rows, covers, .. } => Ok(match covers {
                Covers::End => (rows.to_rows(), None),
                Covers::UpTo(name) => (rows.to_rows(), Some(name)),
            }),
            other => Err(format!("the drive itself answers {other:?}")),
        }
    }

    /// Whether any of the others has another digest of a range. Where too few tell, the range is looked at.
    async fn differs(&self, (bucket, space): (u64, Space), from: &Bytes, to: Option<&Bytes>) -> Result<bool, String> {
        let operation = self.set_operation()?;
        let request = Request::Digest {
            bucket,
            space,
            from: from.clone(),
            to: to.cloned(),
        };
        let own = self.drive.handle(request.clone()).await;
        let calls = self.others(operation.quorum).map(|slot| operation.call(slot, request.clone()));
        let answers: Vec<Answer> = join_all(calls).await.into_iter().flatten().collect();
        let digests = answers.iter().filter(|answer| matches!(answer, Answer::Digest { .. }));
        let (told, differing) = digests.fold((0, 0), |(told, differing), digest| {
            (told + 1, differing + usize::from(*digest != own))
        });
        Ok(differing > 0 || told < operation.quorum.meet())
    }

    /// Heals what the others have between two names.
    async fn heal_range(&self, space: (u64, Space), from: Bytes, to: Option<&Bytes>) -> Result<Option<String>, String> {
        let mut stuck = None;
        let mut from = Some(from);
        while let Some(start) = from.filter(|start| to.is_none_or(|to| start <= to)) {
            let drive_floor = self.drive.floor();
            let mut window = self.window(space, &start, Ballot::ZERO).await?;
            window.keys.retain(|name, _| to.is_none_or(|to| name <= to));
            stuck = stuck.or(self.heal_window(&window, drive_floor, None).await);
            from = window.next();
        }
        Ok(stuck)
    }
}
