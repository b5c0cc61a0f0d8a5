//! The rows of a scan's answer, packed one behind the other as they travel: one piece of memory however many there are.
//!
//! Names rise; whoever makes such rows sees to that, and bytes from elsewhere are refused where they do not.

use crate::ScanRow;
use crate::told::{STATE_MIN_BYTES, StateView, put_state, take_bytes, take_state};
use bytes::Bytes;
use std::ops::Range;

/// Rows in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanRows {
    /// Each: name (length, bytes), state.
    bytes: Bytes,
    count: usize,
}

/// A row where it lies.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'page> {
    pub name: &'page [u8],
    pub state: StateView<'page>,
}

impl ScanRows {
    /// The fewest bytes of a row.
    pub const ROW_MIN_BYTES: usize = 4 + STATE_MIN_BYTES;

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.count
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
    /// All rows, as they travel.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
    /// The rows one after the other.
    pub fn iter(&self) -> impl Iterator<Item = RowView<'_>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || take_row(&mut rest))
    }
    /// The rows as values of their own.
    pub fn to_rows(&self) -> Vec<ScanRow> {
        self.iter().map(|row| row.to_row()).collect()
    }
    /// What `part`, a piece of a view, names, sharing the memory of all rows.
    pub fn share(&self, part: &[u8]) -> Bytes {
        if part.is_empty() {
            Bytes::new()
        } else {
            self.bytes.slice_ref(part)
        }
    }
    /// The first `count` rows, and the name of the last of them.
    pub fn first(&self, count: usize) -> (ScanRows, Bytes) {
        let mut rest = &self.bytes[..];
        let (mut taken, mut last) = (0, Bytes::new());
        while taken < count
            && let Some(row) = take_row(&mut rest)
        {
            taken += 1;
            last = Bytes::copy_from_slice(row.name);
        }
        let bytes = self.bytes.slice(..self.bytes.len() - rest.len());
        (ScanRows { bytes, count: taken }, last)
    }
    /// Takes `count` rows off the front of `rest`, copied; `None` when the bytes are none, or their names do not rise.
    pub fn take(count: usize, rest: &mut &[u8]) -> Option<ScanRows> {
        let start = *rest;
        let mut last: Option<&[u8]> = None;
        for _ in 0..count {
            let row = take_row(rest)?;
            if last.is_some_and(|last| last >= row.name) {
                return None;
            }
            last = Some(row.name);
        }
        let bytes = Bytes::copy_from_slice(start.get(..start.len() - rest.len())?);
        Some(ScanRows { bytes, count })
    }
}

fn take_row<'page>(rest: &mut &'page [u8]) -> Option<RowView<'page>> {
    Some(RowView {
        name: take_bytes(rest)?,
        state: take_state(rest)?,
    })
}

impl RowView<'_> {
    /// The row as a value of its own.
    pub fn to_row(&self) -> ScanRow {
        ScanRow {
            name: Bytes::copy_from_slice(self.name),
            state: self.state.to_state(Bytes::copy_from_slice),
        }
    }
}

impl FromIterator<ScanRow> for ScanRows {
    /// Sorts the rows; of two of one name the first counts.
    fn from_iter<Rows: IntoIterator<Item = ScanRow>>(rows: Rows) -> ScanRows {
        let mut rows: Vec<ScanRow> = rows.into_iter().collect();
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        rows.dedup_by(|later, earlier| later.name == earlier.name);
        let mut packer = RowPacker::default();
        for row in rows {
            packer.begin(&row.name);
            put_state(packer.state(), &row.state);
            packer.end();
        }
        packer.finish()
    }
}

/// Packs rows that come in order.
#[derive(Default)]
pub(crate) struct RowPacker {
    bytes: Vec<u8>,
    count: usize,
    /// Where the row begun last starts, and its name lies; the name of the row ended last.
    start: usize,
    name: Range<usize>,
    last: Range<usize>,
}

impl RowPacker {
    /// With room for so many bytes.
    pub fn with_capacity(bytes: usize) -> RowPacker {
        RowPacker {
            bytes: Vec::with_capacity(bytes),
            ..RowPacker::default()
        }
    }
    /// Rows ended so far.
    pub fn len(&self) -> usize {
        self.count
    }
    /// Bytes of all rows.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
    /// Begins a row; its state is to be appended to [`RowPacker::state`].
    pub fn begin(&mut self, name: &[u8]) {
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(name);
        self.name = self.start + 4..self.bytes.len();
    }
    /// Where the state of the row begun belongs.
    pub fn state(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
    /// Ends the row begun.
    pub fn end(&mut self) {
        let rises = self.count == 0 || self.bytes.get(self.last.clone()) < self.bytes.get(self.name.clone());
        debug_assert!(rises, "names of rows rise");
        self.last = self.name.clone();
        self.count += 1;
    }
    /// Takes the row begun back.
    pub fn undo(&mut self) {
        self.bytes.truncate(self.start);
    }
    /// The name of the row ended last.
    pub fn last_name(&self) -> &[u8] {
        self.bytes.get(self.last.clone()).unwrap_or_default()
    }
    /// All rows.
    pub fn finish(self) -> ScanRows {
        ScanRows {
            bytes: self.bytes.into(),
            count: self.count,
        }
    }
}
