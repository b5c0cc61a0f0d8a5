//! The data under a drive: places to bytes. Segments lie in containers, which are regions of the drive's home.

use crate::counters::Counters;
use crate::format::PAGE_BYTES;
use crate::home::{Home, Region, SUPERBLOCK_COPIES};
use crate::space::{Geometry, Place};
use bytes::Bytes;
use openlake_io::{AlignedBuffer, Durability, Instant, Runtime};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// Most bytes of one write of zeros: small beside a segment, large enough to cost little.
pub(crate) const ZEROS_BYTES: usize = 1 << 20;

/// On a filesystem without space for a container another try is made after this time.
const GROW_AGAIN: Duration = Duration::from_secs(60);

/// The containers of one drive.
pub(crate) struct Medium {
    runtime: Runtime,
    home: Home,
    geometry: Geometry,
    containers: RefCell<Vec<Region>>,
    /// Containers written since their last flush began; at first all, as nobody knows what the process before left unflushed.
    dirty: RefCell<Vec<bool>>,
    /// After a container that could not be made no other one is tried before this time.
    grow_after: Cell<Instant>,
    counters: Rc<Counters>,
}

impl Medium {
    /// Opens the containers that exist.
    pub async fn open(runtime: &Runtime, home: Home, geometry: Geometry, counters: Rc<Counters>) -> io::Result<Medium> {
        let containers = home.containers(&geometry).await?;
        let dirty = RefCell::new(vec![true; containers.len()]);
        Ok(Medium {
            runtime: runtime.clone(),
            home,
            geometry,
            containers: RefCell::new(containers),
            dirty,
            grow_after: Cell::new(Instant(0)),
            counters,
        })
    }
    /// Where the drive lies.
    pub fn home(&self) -> &Home {
        &self.home
    }
    /// Lets go of the containers.
    pub fn into_home(self) -> Home {
        self.home
    }
    /// What is counted of it.
    pub fn counters(&self) -> &Rc<Counters> {
        &self.counters
    }
    /// The cut of the space.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }
    /// Segments that lie in existing containers.
    pub fn made_segments(&self) -> u32 {
        let made = self.containers.borrow().len() as u32;
        self.geometry.segments_of_container(made).start
    }
    /// Whether another container may be made.
    pub fn may_grow(&self) -> bool {
        let is_whole = self.containers.borrow().len() as u32 >= self.geometry.containers();
        !is_whole && self.runtime.now() >= self.grow_after.get()
    }
    /// No further container can be made for now.
    pub fn stop_growing(&self) {
        self.grow_after.set(self.runtime.now().after(GROW_AGAIN));
    }
    /// Makes the next container.
    pub async fn make_container(&self) -> io::Result<()> {
        let number = self.containers.borrow().len() as u32;
        let segments = self.geometry.segments_of_container(number);
        let length = u64::from(segments.end - segments.start) * u64::from(self.geometry.segment_bytes);
        let region = self.home.make_container(number, length).await?;
        self.containers.borrow_mut().push(region);
        self.dirty.borrow_mut().push(false);
        Ok(())
    }

    fn locate(&self, place: Place) -> io::Result<(Region, usize, u64)> {
        let per_container = self.geometry.segments_per_container();
        let container = (place.segment() / per_container) as usize;
        let within = u64::from(place.segment() % per_container) * u64::from(self.geometry.segment_bytes);
        match self.containers.borrow().get(container) {
            Some(region) => Ok((region.clone(), container, within + u64::from(place.offset()))),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("segment {} lies in no container", place.segment()),
            )),
        }
    }
    /// Reads `length` bytes; place and length are whole pages. A short read is an error.
    pub async fn read(&self, place: Place, length: usize) -> io::Result<AlignedBuffer> {
        let (region, _, offset) = self.locate(place)?;
        self.counters.reads.add(1);
        self.counters.read_bytes.add(length as u64);
        let start = self.runtime.now();
        let buffer = region.read(offset, length).await?;
        self.counters.read_latency.add(start, self.runtime.now());
        if buffer.len() < length {
            let text = format!(
                "read {} of {length} bytes of segment {} at {}",
                buffer.len(),
                place.segment(),
                place.offset()
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        Ok(buffer)
    }
    /// Whether anything can be read just now: a superblock, of which there are two.
    pub async fn answers(&self) -> bool {
        for copy in 0..SUPERBLOCK_COPIES {
            if self.home.read_superblock(copy).await.is_some() {
                return true;
            }
        }
        false
    }
    /// Writes whole aligned pages at a page.
    pub async fn write(&self, place: Place, buffers: Vec<Bytes>, durability: Durability) -> io::Result<()> {
        let (region, container, offset) = self.locate(place)?;
        let length: usize = buffers.iter().map(Bytes::len).sum();
        self.counters.writes.add(1);
        self.counters.written_bytes.add(length as u64);
        let start = self.runtime.now();
        let result = region.write(offset, buffers, durability).await;
        if durability == Durability::Sync {
            self.counters.write_latency.add(start, self.runtime.now());
        }
        if durability == Durability::None
            && let Some(dirty) = self.dirty.borrow_mut().get_mut(container)
        {
            *dirty = true;
        }
        result
    }
    /// Makes durable all plain writes that completed before.
    pub async fn flush(&self) -> io::Result<()> {
        let mut written: Vec<Region> = {
            let (containers, mut dirty) = (self.containers.borrow(), self.dirty.borrow_mut());
            let marked = containers
                .iter()
                .zip(dirty.iter_mut())
                .filter_map(|(region, dirty)| std::mem::take(dirty).then(|| region.clone()));
            marked.collect()
        };
        if self.home.is_device() {
            // One flush of the device covers all its containers.
            written.truncate(1);
        }
        self.counters.flushes.add(written.len() as u64);
        let start = self.runtime.now();
        let flushes = written.iter().map(|region| region.file().flush());
        let result = futures_util::future::try_join_all(flushes).await.map(drop);
        self.counters.flush_latency.add(start, self.runtime.now());
        result
    }
    /// Writes the first page of a segment durably.
    pub async fn write_first_page(&self, segment: u32, bytes: &[u8; PAGE_BYTES]) -> io::Result<()> {
        let mut page = AlignedBuffer::with_capacity(PAGE_BYTES);
        page.append(bytes);
        self.write(Place::new(segment, 0), vec![page.freeze()], Durability::Sync).await
    }
    /// Writes a page of zeros durably.
    pub async fn write_zero_page(&self, place: Place) -> io::Result<()> {
        let mut page = AlignedBuffer::with_capacity(PAGE_BYTES);
        page.set_len(PAGE_BYTES);
        self.write(place, vec![page.freeze()], Durability::Sync).await
    }
    /// Writes zeros durably from `offset` of a segment on, one write; returns how many bytes.
    pub async fn write_zeros(&self, segment: u32, offset: u32) -> io::Result<u32> {
        let length = ZEROS_BYTES.min((self.geometry.segment_bytes - offset) as usize);
        let mut zeros = AlignedBuffer::with_capacity(length);
        zeros.set_len(length);
        self.write(Place::new(segment, offset), vec![zeros.freeze()], Durability::Sync)
            .await?;
        Ok(length as u32)
    }
}
