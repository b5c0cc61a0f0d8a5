//! Lists in the history: a page is one read of every key that it covers, present or absent.

use crate::client::Client;
use crate::history::Ticket;
use crate::linearizability::{Action, Outcome};
use bytes::Bytes;
use openlake_object::{ListPage, StoreError};

/// What is listed.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    pub prefix: &'static str,
    pub delimiter: &'static str,
    pub limit: usize,
}

impl Listing {
    /// The prefix group that swallows a key, if any.
    fn group(&self, key: &Bytes) -> Option<Bytes> {
        let rest = key.get(self.prefix.len()..)?;
        if self.delimiter.is_empty() {
            return None;
        }
        let at = rest
            .windows(self.delimiter.len())
            .position(|window| window == self.delimiter.as_bytes())?;
        Some(key.slice(..self.prefix.len() + at + self.delimiter.len()))
    }
}

impl Client {
    /// Lists page by page. True when all pages came.
    pub async fn list(&self, listing: Listing) -> bool {
        let Some(bucket) = self.bucket().await else { return false };
        let prefix = Bytes::from_static(listing.prefix.as_bytes());
        let mut after = Bytes::new();
        // Keys and groups are few: more pages than this would be an endless list.
        for _ in 0..4 * self.values.keys.len() + 4 {
            let tickets = self.begin_page(&listing, &after);
            let result = self
                .store
                .list(bucket, &prefix, listing.delimiter.as_bytes(), &after, listing.limit)
                .await;
            match result {
                Ok(page) => {
                    self.history.count("list page");
                    self.judge_page(&listing, &after, &page, tickets);
                    match page.next {
                        None => return true,
                        Some(next) if next > after => after = next,
                        Some(next) => {
                            self.problem(format!("a list after {after:?} goes on after {next:?}"));
                            return false;
                        }
                    }
                }
                Err(error) => {
                    match &error {
                        StoreError::Unavailable(_) | StoreError::Unknown(_) => self.history.count("list unavailable"),
                        StoreError::NoSuchBucket if self.values.is_bucket_deleted() => self.history.count("list unavailable"),
                        other => self.problem(format!("a list ended with {other:?}")),
                    }
                    for (_, ticket) in tickets {
                        self.history.end(self.runtime.now(), ticket, None, &format!("{error:?}"));
                    }
                    return false;
                }
            }
        }
        self.problem(format!("{listing:?} does not end"));
        false
    }

    fn begin_page(&self, listing: &Listing, after: &Bytes) -> Vec<(usize, Ticket)> {
        let now = self.runtime.now();
        let keys = self.values.keys.iter().enumerate();
        let covered = keys.filter(|(_, key)| key.starts_with(listing.prefix.as_bytes()) && *key > after);
        covered
            .map(|(index, _)| {
                (
                    index,
                    self.history
                        .begin(now, index, &self.name, Action::Read, &format!("{listing:?} after {after:?}")),
                )
            })
            .collect()
    }

    fn judge_page(&self, listing: &Listing, after: &Bytes, page: &ListPage, tickets: Vec<(usize, Ticket)>) {
        let now = self.runtime.now();
        let mut names: Vec<&Bytes> = page.rows.iter().map(|row| &row.key).chain(&page.prefixes).collect();
        names.sort_unstable();
        let repeated = names.windows(2).any(|pair| pair[0] == pair[1]);
        let in_order = page.rows.windows(2).all(|pair| pair[0].key < pair[1].key) && page.prefixes.windows(2).all(|pair| pair[0] < pair[1]);
        let too_many = names.len() > listing.limit || (names.is_empty() && page.next.is_some());
        let before = names.first().is_some_and(|first| *first <= after);
        if repeated || !in_order || too_many || before {
            self.problem(format!("{listing:?} after {after:?} is malformed: {page:?}"));
        }
        for row in &page.rows {
            if !self.values.keys.contains(&row.key) || listing.group(&row.key).is_some() {
                self.problem(format!("{listing:?} shows {:?}", row.key));
            }
        }
        for (index, ticket) in tickets {
            let key = self.key(index);
            let group = listing.group(&key);
            let outcome = if page.next.as_ref().is_some_and(|next| key > *next) {
                None
            } else if let Some(group) = group {
                // A group shows that one of its keys is there, and its absence that none is.
                let shown = page.prefixes.contains(&group) || group <= *after;
                (!shown).then_some(Outcome::Found(None))
            } else {
                match page.rows.iter().find(|row| row.key == key) {
                    None => Some(Outcome::Found(None)),
                    Some(row) => match self.values.of_row(row.size, (row.etag, row.etag_parts)) {
                        Ok(value) => Some(Outcome::Found(Some(value))),
                        Err(wrong) => {
                            self.problem(format!("{listing:?} shows {key:?}: {wrong}"));
                            None
                        }
                    },
                }
            };
            self.history.end(now, ticket, outcome, "listed");
        }
    }
}
