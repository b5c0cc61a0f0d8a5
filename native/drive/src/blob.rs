//! Blobs: what the drive keeps of its own in bulk space (runs of the index, manifests). Written once from front to back, plainly,
//! then flushed, then named by something durable; until it is named a restart knows nothing of it.

use crate::Answer;
use crate::core::Core;
use crate::format::{PAGE_BYTES, round_to_page};
use crate::medium::Medium;
use crate::space::{Extent, ExtentRegistry, ExtentSet, KEPT_FROM_INDEX, Place};
use bytes::{Bytes, BytesMut};
use openlake_io::{AlignedBuffer, Durability};
use std::io;
use std::rc::Rc;

/// Bytes of one write, and of one step of allocation.
const WRITE_BYTES: usize = 256 << 10;

/// Bytes in bulk space. The last holder of `extents` gives the space back.
#[derive(Clone)]
pub(crate) struct Blob {
    pub extents: Rc<ExtentSet>,
    /// In bytes, a multiple of 4 KiB only if its writer made it so.
    pub length: u64,
}

impl Blob {
    /// A blob that lies in `extents`, which the caller has claimed.
    pub fn new(extents: Vec<Extent>, length: u64, registry: &Rc<ExtentRegistry>) -> Blob {
        let extents = ExtentSet::new(extents, registry);
        Blob { extents, length }
    }
    /// Reads `length` bytes from `offset` on, whole pages around them, all pieces at once. What lies behind the end is an error.
    pub async fn read_at(&self, medium: &Medium, offset: u64, length: usize) -> io::Result<Bytes> {
        let page = PAGE_BYTES as u64;
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.length).ok_or_else(|| {
            let text = format!("{length} bytes at {offset} lie outside a blob of {}", self.length);
            io::Error::new(io::ErrorKind::UnexpectedEof, text)
        })?;
        let (from, to) = (offset / page * page, end.next_multiple_of(page));
        let places = self.extents.pieces(medium.geometry().granule_bytes, from, to - from);
        let found: u64 = places.iter().map(|(_, _, length)| length).sum();
        if found != to - from {
            let text = format!("the extents of a blob of {} bytes end before {to}", self.length);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        let reads = places
            .iter()
            .map(|(segment, start, length)| medium.read(Place::new(*segment, *start), *length as usize));
        let mut parts = futures_util::future::try_join_all(reads).await?;
        let skipped = (offset - from) as usize;
        if parts.len() == 1
            && let Some(part) = parts.pop()
        {
            return Ok(part.freeze().slice(skipped..skipped + length));
        }
        let mut joined = BytesMut::with_capacity((to - from) as usize);
        parts.iter().for_each(|part| joined.extend_from_slice(part.as_slice()));
        Ok(joined.freeze().slice(skipped..skipped + length))
    }
}

/// Writes one blob. Dropped before its end, it gives its space back.
pub(crate) struct BlobWriter {
    core: Rc<Core>,
    /// Free segments that it leaves to others.
    kept_segments: u32,
    extents: Rc<ExtentSet>,
    /// Not written yet.
    buffer: AlignedBuffer,
    /// Written, whole pages.
    written: u64,
}

impl BlobWriter {
    /// An empty blob that checkpoints need.
    pub fn new(core: &Rc<Core>) -> BlobWriter {
        BlobWriter::keeping(core, KEPT_FROM_INDEX)
    }
    /// An empty blob that can do without: it takes no segment when only `kept_segments` are free.
    pub fn keeping(core: &Rc<Core>, kept_segments: u32) -> BlobWriter {
        BlobWriter {
            core: core.clone(),
            kept_segments,
            extents: ExtentSet::new(Vec::new(), &core.extents),
            buffer: AlignedBuffer::with_stale_capacity(WRITE_BYTES),
            written: 0,
        }
    }
    /// Bytes appended so far.
    pub fn length(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }
    /// Appends bytes; writes when 256 KiB are together. Errors: `Full`, `Failed` with the device's words.
    pub async fn append(&mut self, bytes: &[u8]) -> Result<(), Answer> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.buffer.append(rest);
            rest = rest.get(taken..).unwrap_or_default();
            if self.buffer.len() == self.buffer.capacity() {
                self.write().await?;
            }
        }
        Ok(())
    }
    /// Writes the rest. The blob is not durable yet: flush (`Core::flush_bulk`), then name it.
    pub async fn finish(mut self) -> Result<Blob, Answer> {
        let length = self.length();
        if !self.buffer.is_empty() {
            self.write().await?;
        }
        let granule = u64::from(self.core.medium.geometry().granule_bytes);
        self.extents.trim(length.div_ceil(granule));
        Ok(Blob {
            extents: self.extents,
            length,
        })
    }
    async fn write(&mut self) -> Result<(), Answer> {
        let mut full = std::mem::replace(&mut self.buffer, AlignedBuffer::with_stale_capacity(WRITE_BYTES));
        full.extend_zeroed(round_to_page(full.len()) - full.len());
        let granule_bytes = self.core.medium.geometry().granule_bytes;
        let end = self.written + full.len() as u64;
        let held = self.extents.granules() * u64::from(granule_bytes);
        if held < end {
            self.extents.extend(self.core.allocate_own(end - held, self.kept_segments).await?);
        }
        let places = self.extents.pieces(granule_bytes, self.written, full.len() as u64);
        let mut rest = full.freeze();
        let mut writes = Vec::with_capacity(places.len());
        for (segment, offset, length) in places {
            let part = rest.split_to((length as usize).min(rest.len()));
            writes.push(self.core.medium.write(Place::new(segment, offset), vec![part], Durability::None));
        }
        // All of them end before the space may go back: a write that is still on its way would hit what lies there next.
        let results = futures_util::future::join_all(writes).await;
        let result: io::Result<Vec<_>> = results.into_iter().collect();
        self.written = end;
        result.map(drop).map_err(|error| {
            self.core.counters.errors.add(1);
            let text = format!("a write of the index failed: {error}");
            self.core.suspect(text.clone());
            Answer::Failed(text)
        })
    }
}

impl Core {
    /// Bulk space for what the drive keeps of its own: from the reserve if need be, but for `kept_segments`. `Full`: there is none.
    pub async fn allocate_own(self: &Rc<Core>, bytes: u64, kept_segments: u32) -> Result<Vec<Extent>, Answer> {
        loop {
            for all in [false, true] {
                self.take_back_space(all && !self.medium.may_grow());
                let found = self.space.borrow_mut().allocate_own(bytes, kept_segments);
                if let Some(extents) = found {
                    return Ok(extents);
                }
            }
            self.grow().await?;
        }
    }
}
