//! Walks all keys that the other drives of a set hold, in order, range by range: the heal reads of protocol.md section 9 step 4.
//!
//! M of the others suffice: whatever is or may become complete without this drive is held by more of them than can be missing.

use crate::heal::Healer;
use crate::operation::Operation;
use crate::scan::{Finding, scan};
use crate::set_cursor::after;
use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{Answer, Ballot, Covers, Key, KeyState, Request, ScanRows, Space};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Rows asked for at once.
const PAGE_ROWS: u32 = 512;

/// What the others hold of a range of one space.
pub(crate) struct Window {
    pub bucket: u64,
    pub space: Space,
    /// Each key with the answers of the others: those that said nothing of it count as answers if they could have.
    pub keys: BTreeMap<Bytes, Vec<(u8, KeyState)>>,
    /// The range ends with this name; `None`: with the space.
    pub to: Option<Bytes>,
}

struct Page {
    slot: u8,
    rows: ScanRows,
    covers: Covers,
    dirty: bool,
}

impl Window {
    pub fn key(&self, name: &Bytes) -> Key {
        Key {
            bucket: self.bucket,
            space: self.space,
            name: name.clone(),
        }
    }
    /// Where the next range begins; `None`: behind the space.
    pub fn next(&self) -> Option<Bytes> {
        self.to.as_ref().map(|name| after(name))
    }
}

impl Healer {
    /// The first space behind `last` that any of the others holds keys of.
    pub async fn next_space(&self, last: Option<(u64, Space)>) -> Result<Option<(u64, Space)>, String> {
        let operation = self.set_operation()?;
        let calls = self
            .others(operation.quorum)
            .map(|slot| operation.call(slot, Request::NextSpace { after: last }));
        let answers = join_all(calls).await;
        let found: Vec<Option<(u64, Space)>> = answers
            .into_iter()
            .filter_map(|result| match result {
                Ok(Answer::Space(space)) => Some(space),
                _ => None,
            })
            .collect();
        if found.len() < operation.quorum.meet() {
            return Err(self.too_few(&operation, found.len()));
        }
        Ok(found.into_iter().flatten().min())
    }

    /// What the others hold from a name on, told behind `barrier`.
    pub async fn window(&self, (bucket, space): (u64, Space), from: &Bytes, barrier: Ballot) -> Result<Window, String> {
        let operation = self.set_operation()?;
        let slots = self.others(operation.quorum);
        let pages = join_all(slots.map(|slot| self.page(&operation, slot, (bucket, space), from, barrier))).await;
        let pages: Vec<Page> = pages.into_iter().flatten().collect();
        let clean = pages.iter().filter(|page| !page.dirty).count();
        if clean < operation.quorum.meet() {
            return Err(self.too_few(&operation, clean));
        }
        let cover = pages.iter().filter_map(|page| match &page.covers {
            Covers::End => None,
            Covers::UpTo(name) => Some(name.clone()),
        });
        let to = cover.min();
        let mut keys: BTreeMap<Bytes, Vec<(u8, KeyState)>> = BTreeMap::new();
        let silent: Vec<u8> = pages.iter().filter(|page| !page.dirty).map(|page| page.slot).collect();
        for page in pages {
            for row in page.rows.iter().map(|row| row.to_row()) {
                if to.as_ref().is_none_or(|to| row.name <= *to) {
                    keys.entry(row.name).or_default().push((page.slot, row.state));
                }
            }
        }
        for answers in keys.values_mut() {
            for slot in &silent {
                if !answers.iter().any(|(answered, _)| answered == slot) {
                    answers.push((*slot, KeyState::default()));
                }
            }
        }
        Ok(Window { bucket, space, keys, to })
    }

    async fn page(
        &self,
        operation: &Rc<Operation>,
        slot: u8,
        (bucket, space): (u64, Space),
        from: &Bytes,
        barrier: Ballot,
    ) -> Option<Page> {
        let request = Request::HealScan {
            bucket,
            space,
            from: from.clone(),
            limit: PAGE_ROWS,
            barrier,
        };
        let mut answer = operation.call(slot, request.clone()).await.ok()?;
        if matches!(answer, Answer::Failed(_)) && barrier != Ballot::ZERO {
            // It was away when the barrier was raised.
            let raised = operation.call(slot, Request::Barrier { floor: barrier }).await.ok()?;
            if !matches!(raised, Answer::Done { .. }) {
                return None;
            }
            answer = operation.call(slot, request).await.ok()?;
        }
        match answer {
            Answer::Page { rows, covers, dirty } => Some(Page { slot, rows, covers, dirty }),
            _ => None,
        }
    }

    /// Everything that the others hold. Only for a planted bug: it all lies in memory.
    pub async fn read_all(&self, barrier: Ballot) -> Result<Vec<(Key, Vec<(u8, KeyState)>)>, String> {
        let mut all = Vec::new();
        let mut last = None;
        while let Some(space) = self.next_space(last).await? {
            let mut from = Some(Bytes::new());
            while let Some(name) = from {
                let window = self.window(space, &name, barrier).await?;
                from = window.next();
                all.extend(window.keys.iter().map(|(name, answers)| (window.key(name), answers.clone())));
            }
            last = Some(space);
        }
        Ok(all)
    }

    /// The shards of the version that the answers show, where they show one.
    pub fn shards_of(&self, operation: &Operation, answers: &[(u8, KeyState)]) -> usize {
        let states: Vec<(u8, &KeyState)> = answers.iter().map(|(slot, state)| (*slot, state)).collect();
        match scan(operation.quorum, &states) {
            Finding::Complete(found) | Finding::Possible(found) => crate::scan::count(found.holders),
            Finding::Absent | Finding::TooFew => operation.quorum.slots(),
        }
    }

    fn too_few(&self, operation: &Operation, had: usize) -> String {
        let (needed, all) = (operation.quorum.meet(), operation.quorum.slots() - 1);
        format!(
            "{had} of {all} other slots of set {} tell what they hold, {needed} needed",
            self.slot.set
        )
    }
}
