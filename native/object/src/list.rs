//! Pages of keys in byte order over all erasure sets, with common prefixes (protocol.md section 8).
//!
//! Every set keeps a cursor; the smallest name of all is taken, over and over. A common prefix is emitted once, and then every cursor goes
//! on behind it instead of stepping over its keys.

use crate::StoreError;
use crate::core::Core;
use crate::operation::Operation;
use crate::set_cursor::{SetCursor, after, after_prefix};
use crate::store::{BucketView, ListPage, ListRow, RESERVED_BUCKET};
use bytes::Bytes;
use openlake_drive::{Head, Key, Space};
use openlake_peer::Fence;
use std::rc::Rc;

/// Most rows asked of a drive at once: a page, and the row that tells that there is another.
const MOST_ROWS: usize = 1001;
/// Least rows asked at once, so that a set's uneven share rarely costs a second round.
const LEAST_ROWS: usize = 16;

/// What to list.
pub(crate) struct Listing<'listing> {
    pub prefix: &'listing Bytes,
    pub delimiter: &'listing [u8],
    /// Exclusive; a common prefix of the page before stands for all its keys.
    pub after: &'listing Bytes,
    pub limit: usize,
}

/// A page with whole heads.
#[derive(Default)]
pub(crate) struct HeadPage {
    pub rows: Vec<(Bytes, Head)>,
    pub prefixes: Vec<Bytes>,
    pub next: Option<Bytes>,
}

/// The page behind [`crate::Store::list`].
pub(crate) async fn list(core: &Rc<Core>, bucket: BucketView, listing: &Listing<'_>) -> Result<ListPage, StoreError> {
    let page = list_heads(core, bucket, listing).await?;
    let row = |(key, head): (Bytes, Head)| ListRow {
        key,
        size: head.size,
        etag: head.etag,
        etag_parts: head.etag_parts,
        last_modified_ms: head.origin.time_ms(),
    };
    Ok(ListPage {
        rows: page.rows.into_iter().map(row).collect(),
        prefixes: page.prefixes,
        next: page.next,
    })
}

/// Lists objects of a bucket.
pub(crate) async fn list_heads(core: &Rc<Core>, bucket: BucketView, listing: &Listing<'_>) -> Result<HeadPage, StoreError> {
    let objects = Walk {
        space: Space::Object,
        start: start_of(listing),
        wanted: &|_| true,
    };
    walk(core, bucket, listing, &objects).await
}

/// What a page is taken from.
pub(crate) struct Walk<'walk> {
    pub space: Space,
    /// Inclusive; `None`: nothing can follow.
    pub start: Option<Bytes>,
    /// Rows that are shown; the others are passed over.
    pub wanted: &'walk dyn Fn(&Head) -> bool,
}

/// Rows passed over in one page at most.
const MOST_PASSED: usize = 20_000;

/// A page of whatever `of` says. Prefixes are those of keys, not of the names of records beside them.
pub(crate) async fn walk(core: &Rc<Core>, bucket: BucketView, listing: &Listing<'_>, of: &Walk<'_>) -> Result<HeadPage, StoreError> {
    let mut page = HeadPage::default();
    let Some(start) = of.start.clone() else { return Ok(page) };
    if listing.limit == 0 {
        return Ok(page);
    }
    let layout = core.slots.layout();
    let fence = (bucket.id != RESERVED_BUCKET).then_some(Fence {
        bucket: bucket.id,
        revision: bucket.revision,
    });
    let mut cursors = Vec::with_capacity(layout.sets.len());
    for position in 0..layout.sets.len() {
        let key = Key {
            bucket: bucket.id,
            space: of.space,
            name: listing.prefix.clone(),
        };
        let operation = Operation::in_set(core, key, fence, layout.clone(), position)?;
        cursors.push(SetCursor::new(operation, listing.prefix.clone(), start.clone()));
    }
    let mut last: Option<Bytes> = None;
    let mut passed = 0;
    loop {
        let count = page.rows.len() + page.prefixes.len();
        let missing = listing.limit.saturating_sub(count) + 1;
        let share = (missing / cursors.len().max(1) * 5 / 4 + LEAST_ROWS)
            .min(missing.max(LEAST_ROWS))
            .min(MOST_ROWS);
        let hungry: Vec<_> = cursors
            .iter_mut()
            .filter(|cursor| cursor.is_hungry())
            .map(|cursor| cursor.fill(share))
            .collect();
        for result in futures_util::future::join_all(hungry).await {
            match result {
                Ok(()) => {}
                // A set that does not answer: what comes first is known, so the page ends there.
                Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) if last.is_some() => {
                    page.next = last;
                    return Ok(page);
                }
                Err(error) => return Err(error),
            }
        }
        // Nothing is known from the first key on that cannot be told, so the page ends before it. Only a page that would begin with it fails.
        let blocked = cursors.iter().filter_map(|cursor| cursor.blocked_at()).min().cloned();
        let smallest = cursors.iter().filter_map(|cursor| cursor.peek()).min();
        if let Some(name) = blocked.filter(|blocked| smallest.is_none_or(|smallest| smallest >= blocked)) {
            if last.is_none() {
                let mut at_name = cursors.iter_mut().filter(|cursor| cursor.blocked_at() == Some(&name));
                return at_name.next().map_or(Ok(()), SetCursor::end).map(|()| page);
            }
            page.next = last;
            return Ok(page);
        }
        let smallest = cursors
            .iter_mut()
            .filter(|cursor| cursor.peek().is_some())
            .min_by(|one, other| one.peek().cmp(&other.peek()));
        let Some(cursor) = smallest else { return Ok(page) };
        if count >= listing.limit {
            page.next = last;
            return Ok(page);
        }
        let Some((name, head)) = cursor.pop() else { return Ok(page) };
        if !(of.wanted)(&head) {
            passed += 1;
            last = Some(name);
            if passed == MOST_PASSED {
                page.next = last;
                return Ok(page);
            }
            continue;
        }
        let key = name.slice(..name.len().saturating_sub(of.space.suffix_bytes()));
        match common_prefix(&key, listing.prefix, listing.delimiter) {
            None => {
                last = Some(name.clone());
                page.rows.push((name, head));
            }
            Some(prefix) => {
                let behind = after_prefix(&prefix);
                for cursor in &mut cursors {
                    cursor.skip_to(behind.as_ref());
                }
                last = Some(prefix.clone());
                page.prefixes.push(prefix);
            }
        }
    }
}

/// Where a listing starts; `None` if nothing can follow.
fn start_of(listing: &Listing<'_>) -> Option<Bytes> {
    if listing.after.is_empty() {
        return Some(listing.prefix.clone());
    }
    match common_prefix(listing.after, listing.prefix, listing.delimiter) {
        Some(prefix) if prefix == *listing.after => after_prefix(&prefix),
        _ => Some(after(listing.after)),
    }
}

/// The part of `name` up to and including the first delimiter behind `prefix`.
pub(crate) fn common_prefix(name: &Bytes, prefix: &[u8], delimiter: &[u8]) -> Option<Bytes> {
    if delimiter.is_empty() || !name.starts_with(prefix) {
        return None;
    }
    let rest = name.get(prefix.len()..)?;
    let at = rest.windows(delimiter.len()).position(|window| window == delimiter)?;
    Some(name.slice(..prefix.len() + at + delimiter.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_the_first_delimiter_behind_the_prefix_asked_for() {
        let common = |name: &'static str, prefix: &str, delimiter: &str| {
            common_prefix(&Bytes::from_static(name.as_bytes()), prefix.as_bytes(), delimiter.as_bytes())
        };
        assert_eq!(common("a/b/c", "", "/").as_deref(), Some(&b"a/"[..]));
        assert_eq!(common("a/b/c", "a/", "/").as_deref(), Some(&b"a/b/"[..]));
        assert_eq!(common("a/b", "a/", "/"), None);
        assert_eq!(common("a--b", "", "--").as_deref(), Some(&b"a--"[..]));
        assert_eq!(common("a/b", "", ""), None);
    }

    #[test]
    fn a_page_goes_on_behind_its_last_key_or_prefix() {
        let start = |after: &'static str| {
            let (prefix, after) = (Bytes::new(), Bytes::from_static(after.as_bytes()));
            start_of(&Listing {
                prefix: &prefix,
                delimiter: b"/",
                after: &after,
                limit: 1,
            })
        };
        assert_eq!(start("").as_deref(), Some(&b""[..]));
        assert_eq!(start("a").as_deref(), Some(&b"a\0"[..]));
        assert_eq!(start("a/").as_deref(), Some(&b"a0"[..]));
        assert_eq!(start("a/b").as_deref(), Some(&b"a/b\0"[..]));
    }
}
