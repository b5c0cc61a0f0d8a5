//! Walks the keys of one erasure set in order, each judged by a scan of M clean drives' answers (protocol.md section 8 steps 1 to 3).
//!
//! Drives answer pages of different length; a page is merged only up to the smallest name that all of them cover. A key in no answer of a
//! write quorum's every meeting is not complete, so M answers settle most keys; the rest is asked of the other drives, then settled.

use crate::StoreError;
use crate::operation::Operation;
use crate::scan::{Finding, SlotMask, bit, newest_known, scan};
use crate::settle::settle;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::{self, FuturesUnordered};
use openlake_drive::{Answer, Covers, Head, Key, KeyState, Kind, Request, RowView, ScanRows};
use openlake_peer::CallError;
use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::pin::pin;
use std::rc::Rc;

/// Keys settled at the same time.
const SETTLE_PARALLEL: usize = 8;

/// The smallest name above `name`.
pub(crate) fn after(name: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(name.len() + 1);
    next.put_slice(name);
    next.put_u8(0);
    next.freeze()
}

/// The smallest name above all that start with `prefix`; `None` if there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Bytes> {
    let keep = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = prefix.get(..=keep)?.to_vec();
    *next.last_mut()? += 1;
    Some(next.into())
}

/// A place in the keys of one set.
pub(crate) struct SetCursor {
    operation: Rc<Operation>,
    prefix: Bytes,
    from: Bytes,
    ready: VecDeque<(Bytes, Head)>,
    /// The first key that cannot be settled, and why; `from` stands there.
    blocked: Option<(Bytes, StoreError)>,
    ended: bool,
}

/// One drive's page.
struct Page {
    slot: u8,
    rows: ScanRows,
    covers: Covers,
}

/// What a drive says of a key; none of them: nothing.
type Told<'page> = (u8, Option<RowView<'page>>);

/// The rows of several drives' pages, key by key in order.
struct MergedRows<'pages, Rows: Iterator<Item = RowView<'pages>>> {
    pages: Vec<(u8, Peekable<Rows>)>,
}

impl<'pages, Rows: Iterator<Item = RowView<'pages>>> MergedRows<'pages, Rows> {
    /// The smallest name left, and what every drive says of it in `answers`, in the order of the pages.
    fn next(&mut self, answers: &mut Vec<Told<'pages>>) -> Option<&'pages [u8]> {
        let names = self.pages.iter_mut().filter_map(|(_, rows)| rows.peek().map(|row| row.name));
        let name = names.min()?;
        answers.clear();
        for (slot, rows) in &mut self.pages {
            answers.push((*slot, rows.next_if(|row| row.name == name)));
        }
        Some(name)
    }
}

/// The same as values of their own.
fn to_states(answers: &[Told<'_>]) -> Vec<(u8, KeyState)> {
    let state = |row: &RowView<'_>| row.state.to_state(Bytes::copy_from_slice);
    answers
        .iter()
        .map(|(slot, row)| (*slot, row.as_ref().map(state).unwrap_or_default()))
        .collect()
}

type Reply = LocalBoxFuture<'static, (u8, Result<Answer, CallError>)>;

impl SetCursor {
    /// Keys of `operation`'s bucket and space that start with `prefix`, from `from` (inclusive) on.
    pub fn new(operation: Rc<Operation>, prefix: Bytes, from: Bytes) -> SetCursor {
        let from = from.max(prefix.clone());
        SetCursor {
            operation,
            prefix,
            from,
            ready: VecDeque::new(),
            blocked: None,
            ended: false,
        }
    }
    /// The next live key, if one is at hand.
    pub fn peek(&self) -> Option<&Bytes> {
        self.ready.front().map(|(name, _)| name)
    }
    /// The first key that cannot be told, if all before it were taken: nothing behind it is known.
    pub fn blocked_at(&self) -> Option<&Bytes> {
        let blocked = self.blocked.as_ref().filter(|_| self.ready.is_empty());
        blocked.map(|(name, _)| name)
    }
    /// Where nothing is at hand: whether that is because nothing follows, or why it cannot be told. The next `fill` tries again.
    pub fn end(&mut self) -> Result<(), StoreError> {
        self.blocked.take().map_or(Ok(()), |(_, error)| Err(error))
    }
    pub fn pop(&mut self) -> Option<(Bytes, Head)> {
        self.ready.pop_front()
    }
    /// Goes on at `from`, if that lies ahead; `None`: at the end.
    pub fn skip_to(&mut self, from: Option<&Bytes>) {
        let Some(from) = from else {
            self.ready.clear();
            self.blocked = None;
            self.ended = true;
            return;
        };
        while self.peek().is_some_and(|name| name < from) {
            self.ready.pop_front();
        }
        if self.ready.is_empty() && self.from < *from {
            self.from = from.clone();
            self.blocked = None;
        }
    }
    /// Whether only [`SetCursor::fill`] can tell what comes next.
    pub fn is_hungry(&self) -> bool {
        self.ready.is_empty() && !self.ended && self.blocked.is_none()
    }
    /// Reads on until a live key is at hand, or there is none, or the next one cannot be told; `limit`: rows to ask for at once.
    pub async fn fill(&mut self, limit: usize) -> Result<(), StoreError> {
        while self.is_hungry() {
            self.operation.restart_clock();
            self.step(limit).await?;
        }
        Ok(())
    }

    async fn step(&mut self, limit: usize) -> Result<(), StoreError> {
        let pages = self.pages(limit).await?;
        let cover = pages.iter().filter_map(|page| match &page.covers {
            Covers::End => None,
            Covers::UpTo(name) => Some(name.clone()),
        });
        let cover = cover.min();
        if cover.as_ref().is_some_and(|cover| *cover < self.from) {
            return Err(self
                .operation
                .unavailable("list: a drive covers less than nothing of what it was asked for"));
        }
        let asked: Vec<u8> = pages.iter().map(|page| page.slot).collect();
        let mut rows = MergedRows {
            pages: pages.iter().map(|page| (page.slot, page.rows.iter().peekable())).collect(),
        };
        let mut answers: Vec<Told<'_>> = Vec::with_capacity(asked.len());
        let mut open: BTreeMap<Bytes, Vec<(u8, KeyState)>> = BTreeMap::new();
        let mut judged: Vec<(Bytes, Head)> = Vec::with_capacity(limit);
        while let Some(name) = rows.next(&mut answers) {
            if cover.as_ref().is_some_and(|cover| name > &cover[..]) {
                break;
            }
            if name < &self.from[..] || !name.starts_with(&self.prefix) {
                continue;
            }
            if let Some((page, row, head)) = newest_known(self.operation.quorum, &answers) {
                if head.kind() == Kind::Data
                    && let Some(Page { rows, .. }) = pages.get(page)
                {
                    judged.push((rows.share(row.name), head.to_head(rows.share(head.metadata()))));
                }
                continue;
            }
            let states = to_states(&answers);
            let name = Bytes::copy_from_slice(name);
            match scan(self.operation.quorum, &states) {
                Finding::Complete(found) if found.head.kind == Kind::Data => judged.push((name, found.head)),
                Finding::Complete(_) | Finding::Absent => {}
                Finding::Possible(_) | Finding::TooFew => drop(open.insert(name, states)),
            }
        }
        if !open.is_empty() {
            self.blocked = self.resolve(asked, open, &mut judged).await?;
            judged.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        }
        if let Some((name, _)) = &self.blocked {
            self.from = name.clone();
            self.ready.extend(judged.into_iter().take_while(|(judged, _)| judged < name));
            return Ok(());
        }
        if self.ready.is_empty() {
            self.ready = judged.into();
        } else {
            self.ready.extend(judged);
        }
        match cover {
            None => self.ended = true,
            Some(cover) => self.from = after(&cover),
        }
        Ok(())
    }

    /// Pages of M clean drives.
    async fn pages(&self, limit: usize) -> Result<Vec<Page>, StoreError> {
        let operation = &self.operation;
        let needed = operation.quorum.meet();
        let mut slots: VecDeque<u8> = operation.preferred().into();
        let mut pending: FuturesUnordered<Reply> = FuturesUnordered::new();
        let mut pages: Vec<Page> = Vec::with_capacity(needed);
        for slot in slots.drain(..needed.min(slots.len())) {
            pending.push(self.ask(slot, self.from.clone(), limit));
        }
        while pages.len() < needed {
            let reply = {
                let alarm = pin!(operation.core.runtime.sleep(operation.patience().min(operation.remaining())));
                match select(pending.next(), alarm).await {
                    Either::Left((reply, _)) => reply,
                    Either::Right(_) => None,
                }
            };
            if let Some((
                slot,
                Ok(Answer::Page {
                    rows,
                    covers,
                    dirty: false,
                }),
            )) = reply
            {
                pages.push(Page { slot, rows, covers });
                continue;
            }
            match slots.pop_front() {
                Some(slot) => pending.push(self.ask(slot, self.from.clone(), limit)),
                None if pending.is_empty() || operation.remaining().is_zero() => {
                    let (had, slots) = (pages.len(), operation.quorum.slots());
                    return Err(operation.unavailable(&format!("list: {had} of {slots} drives gave a page, {needed} clean ones needed")));
                }
                None => {}
            }
        }
        Ok(pages)
    }

    fn ask(&self, slot: u8, from: Bytes, limit: usize) -> Reply {
        let key = &self.operation.key;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        let request = Request::Scan {
            bucket: key.bucket,
            space: key.space,
            prefix: self.prefix.clone(),
            from,
            limit,
        };
        let call = self.operation.call(slot, request);
        async move { (slot, call.await) }.boxed_local()
    }

    /// Keys that M drives left open: asks the others for their span at once, then settles what is still open. The first one for which
    /// that fails is returned, with the reason.
    async fn resolve(
        &self,
        asked: Vec<u8>,
        mut open: BTreeMap<Bytes, Vec<(u8, KeyState)>>,
        judged: &mut Vec<(Bytes, Head)>,
    ) -> Result<Option<(Bytes, StoreError)>, StoreError> {
        let known: SlotMask = asked.iter().fold(0, |mask, slot| mask | bit(*slot));
        let (Some(first), Some(last)) = (open.keys().next().cloned(), open.keys().next_back().cloned()) else {
            return Ok(None);
        };
        // The span holds at least the open keys; a page that ends earlier just answers for fewer of them.
        let limit = open.len() * 4 + 64;
        let others = self
            .operation
            .slots()
            .filter(|slot| known & bit(*slot) == 0)
            .map(|slot| self.ask(slot, first.clone(), limit));
        for (slot, result) in futures_util::future::join_all(others).await {
            let Ok(Answer::Page { rows, covers, dirty }) = result else {
                continue;
            };
            let end = match covers {
                Covers::End => last.clone(),
                Covers::UpTo(name) => name,
            };
            for row in rows.iter() {
                if let Some(answers) = open.get_mut(row.name) {
                    answers.push((slot, row.state.to_state(Bytes::copy_from_slice)));
                }
            }
            if !dirty {
                let silent = |answers: &&mut Vec<(u8, KeyState)>| answers.iter().all(|(answered, _)| *answered != slot);
                for answers in open.range_mut(..=end).map(|(_, answers)| answers).filter(silent) {
                    answers.push((slot, KeyState::default()));
                }
            }
        }
        let mut unsettled = Vec::new();
        for (name, answers) in open {
            match scan(self.operation.quorum, &answers) {
                Finding::Complete(found) if found.head.kind == Kind::Data => judged.push((name, found.head)),
                Finding::Complete(_) | Finding::Absent => {}
                Finding::Possible(_) | Finding::TooFew => unsettled.push(name),
            }
        }
        let key = &self.operation.key;
        let settled: Vec<(Bytes, Result<Option<Head>, StoreError>)> = stream::iter(unsettled)
            .map(|name| async move {
                let beside = self.operation.beside(Key {
                    bucket: key.bucket,
                    space: key.space,
                    name: name.clone(),
                });
                let result = match beside {
                    Ok(operation) => settle(&operation).await.map(|located| located.map(|located| located.head)),
                    Err(error) => Err(error),
                };
                (name, result)
            })
            .buffer_unordered(SETTLE_PARALLEL)
            .collect()
            .await;
        let mut blocked: Option<(Bytes, StoreError)> = None;
        for (name, result) in settled {
            match result {
                Ok(head) => judged.extend(head.filter(|head| head.kind == Kind::Data).map(|head| (name, head))),
                Err(StoreError::NoSuchBucket) => return Err(StoreError::NoSuchBucket),
                Err(error) if blocked.as_ref().is_none_or(|(first, _)| name < *first) => blocked = Some((name, error)),
                Err(_) => {}
            }
        }
        Ok(blocked)
    }
}

#[cfg(test)]
mod tests {
    use super::{after, after_prefix};

    #[test]
    fn successors_are_the_smallest_names_above() {
        assert_eq!(&after(b"a")[..], b"a\0");
        assert_eq!(after_prefix(b"a/").as_deref(), Some(&b"a0"[..]));
        assert_eq!(after_prefix(b"a\xff\xff").as_deref(), Some(&b"b"[..]));
        assert_eq!(after_prefix(b"\xff"), None);
        assert_eq!(after_prefix(b""), None);
    }
}
