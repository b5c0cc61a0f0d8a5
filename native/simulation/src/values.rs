//! All values of a run: their sizes and ETags, to judge what reads and lists say; and the keys they are written under.

use crate::completion::Completions;
use crate::linearizability::Value;
use crate::value;
use bytes::Bytes;
use openlake_object::ObjectInfo;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Where all clients of a run work.
pub const BUCKET: &str = "bucket";

/// What is known of a value.
#[derive(Clone, Copy, Debug)]
struct Known {
    size: u64,
    etag: ([u8; 16], u16),
}

/// Shared by all clients of a run.
pub struct Values {
    pub keys: Vec<Bytes>,
    next: Cell<Value>,
    known: RefCell<BTreeMap<Value, Known>>,
    by_etag: RefCell<BTreeMap<([u8; 16], u16), Value>>,
    /// Uploads whose completion began and has not been answered yet.
    pub completions: Completions,
    bucket_deleted: Cell<bool>,
}

impl Values {
    /// `count` keys, some of them in folders, some prefixes of others.
    pub fn new(count: usize) -> Values {
        let name = |index: usize| match index % 3 {
            0 => format!("key-{index}"),
            1 => format!("folder/key-{index}"),
            _ => format!("folder/inner/key-{}", index / 2),
        };
        Values {
            keys: (0..count).map(|index| Bytes::from(name(index))).collect(),
            next: Cell::new(1),
            known: RefCell::default(),
            by_etag: RefCell::default(),
            completions: Completions::default(),
            bucket_deleted: Cell::new(false),
        }
    }

    /// Somebody begins to delete the bucket.
    pub fn note_bucket_deleted(&self) {
        self.bucket_deleted.set(true);
    }
    /// Whether the bucket may have been deleted by now.
    pub fn is_bucket_deleted(&self) -> bool {
        self.bucket_deleted.get()
    }

    /// A new value of `size` bytes, under an ETag of its own.
    pub fn create(&self, size: u64) -> Value {
        let number = self.next.get();
        self.next.set(number + 1);
        self.set(number, size, (value::etag(number), 0));
        number
    }

    /// Says under which size and ETag a value is stored.
    pub fn set(&self, value: Value, size: u64, etag: ([u8; 16], u16)) {
        self.known.borrow_mut().insert(value, Known { size, etag });
        self.by_etag.borrow_mut().insert(etag, value);
    }

    /// ETag and part count of a value.
    pub fn etag(&self, value: Value) -> Option<([u8; 16], u16)> {
        self.known.borrow().get(&value).map(|known| known.etag)
    }

    /// The value that a list's row stands for.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn of_row(&self, size: u64, etag: ([u8; 16], u16)) -> Result<Value, String> {
        let value = self
            .by_etag
            .borrow()
            .get(&etag)
            .copied()
            .ok_or_else(|| format!("no value has the ETag {etag:x?}"))?;
        self.check_size(value, size)?;
        Ok(value)
    }

    /// The value that a head stands for.
    ///
    /// # Errors
    /// What is wrong with the head.
    pub fn of_head(&self, info: &ObjectInfo) -> Result<Value, String> {
        let value = value::value_of(&info.metadata).ok_or_else(|| format!("no value in the metadata {:?}", info.metadata))?;
        let etag = (info.etag, info.etag_parts);
        if self.etag(value) != Some(etag) {
            return Err(format!("the ETag of value {value} is {:x?}, not {etag:x?}", self.etag(value)));
        }
        self.check_size(value, info.size)?;
        Ok(value)
    }

    fn check_size(&self, value: Value, size: u64) -> Result<(), String> {
        match self.known.borrow().get(&value) {
            Some(known) if known.size == size => Ok(()),
            known => Err(format!("value {value} is {known:?}, not {size} bytes long")),
        }
    }
}
