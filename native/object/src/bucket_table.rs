//! Rows of known buckets, shared by the cores of a node. A row can say yes; it never says a final no (protocol.md section 14).

use crate::store::BucketView;
use std::collections::HashMap;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Clone, Copy, Debug)]
struct Row {
    view: BucketView,
    fresh: bool,
}

/// Live buckets by name.
#[derive(Debug, Default)]
pub(crate) struct BucketTable {
    rows: RwLock<HashMap<String, Row>>,
}

impl BucketTable {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Row>> {
        self.rows.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Row>> {
        self.rows.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
    /// The bucket of a live row that nothing has put in doubt.
    pub fn fresh(&self, name: &str) -> Option<BucketView> {
        self.read().get(name).filter(|row| row.fresh).map(|row| row.view)
    }
    /// The name under which a bucket id was last seen.
    pub fn name_of(&self, bucket: u64) -> Option<String> {
        self.read()
            .iter()
            .find(|(_, row)| row.view.id == bucket)
            .map(|(name, _)| name.clone())
    }
    /// A record read by quorum says that the bucket lives at this revision. An older reading than the row changes nothing.
    pub fn learn(&self, name: &str, view: BucketView) {
        let mut rows = self.write();
        match rows.get_mut(name) {
            Some(row) if row.view.revision > view.revision => {}
            Some(row) => *row = Row { view, fresh: true },
            None => drop(rows.insert(name.to_owned(), Row { view, fresh: true })),
        }
    }
    /// The row may be outdated: it stops answering until the record is read again. A row read at or after that revision stays. An
    /// unknown name is remembered, so that requests under the bucket's id can find its record.
    pub fn touch(&self, name: &str, view: BucketView) {
        let mut rows = self.write();
        match rows.get_mut(name) {
            Some(row) if row.view.id == view.id && row.view.revision >= view.revision => {}
            Some(row) => row.fresh = false,
            None => drop(rows.insert(name.to_owned(), Row { view, fresh: false })),
        }
    }
    /// The bucket's record says that it is not live.
    pub fn doubt(&self, name: &str) {
        if let Some(row) = self.write().get_mut(name) {
            row.fresh = false;
        }
    }
}
