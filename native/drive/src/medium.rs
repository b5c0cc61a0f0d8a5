//! The device under a drive: places to bytes. Here a directory whose `data.NNNN` files (containers) hold the segments.
//!
//! Nothing above knows files; a raw device would map the same places to fixed offsets.

use crate::counters::Counters;
use crate::format::PAGE_BYTES;
use crate::space::{Geometry, Place};
use bytes::Bytes;
use openlake_io::{AlignedBuffer, Durability, File, OpenOptions, Runtime};
use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// Most bytes of one write of zeros: small beside a segment, large enough to cost little.
const ZEROS_BYTES: usize = 1 << 20;
/// A process that died may hold its files a moment longer, until the kernel has finished its writes.
const LOCK_RETRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The containers of one drive.
pub(crate) struct Medium {
    runtime: Runtime,
    directory: PathBuf,
    geometry: Geometry,
    containers: RefCell<Vec<File>>,
    /// Containers written since their last flush began; at first all, as nobody knows what the process before left unflushed.
    dirty: RefCell<Vec<bool>>,
    grown: Cell<bool>,
    counters: Rc<Counters>,
}

fn container_name(number: u32) -> String {
    format!("data.{number:04}")
}

fn options() -> OpenOptions {
    OpenOptions {
        write: true,
        lock: true,
        ..OpenOptions::default()
    }
}

/// Opens with a lock, waiting a moment for a dying holder.
pub(crate) async fn open_locked(runtime: &Runtime, path: &Path, options: &OpenOptions) -> io::Result<File> {
    let mut tries = 0;
    loop {
        match runtime.open(path, options) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < LOCK_RETRIES => {
                tries += 1;
                runtime.sleep(LOCK_PAUSE).await;
            }
            other => return other,
        }
    }
}

impl Medium {
    /// Opens the containers that exist, in order of their numbers up to the first that is missing.
    pub async fn open(runtime: &Runtime, directory: &Path, geometry: Geometry, counters: Rc<Counters>) -> io::Result<Medium> {
        let mut containers = Vec::new();
        for number in 0..geometry.containers() {
            match open_locked(runtime, &directory.join(container_name(number)), &options()).await {
                Ok(file) => containers.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        let dirty = RefCell::new(vec![true; containers.len()]);
        let (runtime, directory) = (runtime.clone(), directory.to_owned());
        Ok(Medium {
            runtime,
            directory,
            geometry,
            containers: RefCell::new(containers),
            dirty,
            grown: Cell::new(false),
            counters,
        })
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
        !self.grown.get() && (self.containers.borrow().len() as u32) < self.geometry.containers()
    }
    /// No further container can be made.
    pub fn stop_growing(&self) {
        self.grown.set(true);
    }
    /// Makes the next container: under another name, allocated and flushed, then renamed, then its directory flushed.
    pub async fn make_container(&self) -> io::Result<()> {
        let number = self.containers.borrow().len() as u32;
        let segments = self.geometry.segments_of_container(number);
        let length = u64::from(segments.end - segments.start) * u64::from(self.geometry.segment_bytes);
        let path = self.directory.join(container_name(number));
        let unfinished = self.directory.join(format!("{}.new", container_name(number)));
        let options = OpenOptions { create: true, ..options() };
        let file = open_locked(&self.runtime, &unfinished, &options).await?;
        file.allocate(0, length).await?;
        file.flush().await?;
        self.runtime.rename(&unfinished, &path)?;
        self.runtime.sync_directory(&self.directory)?;
        self.containers.borrow_mut().push(file);
        self.dirty.borrow_mut().push(false);
        Ok(())
    }

    fn locate(&self, place: Place) -> io::Result<(File, usize, u64)> {
        let per_container = self.geometry.segments_per_container();
        let container = (place.segment() / per_container) as usize;
        let within = u64::from(place.segment() % per_container) * u64::from(self.geometry.segment_bytes);
        match self.containers.borrow().get(container) {
            Some(file) => Ok((file.clone(), container, within + u64::from(place.offset()))),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("segment {} lies in no container", place.segment()),
            )),
        }
    }
    /// Reads `length` bytes; place and length are whole pages. A short read is an error.
    pub async fn read(&self, place: Place, length: usize) -> io::Result<AlignedBuffer> {
        let (file, _, offset) = self.locate(place)?;
        self.counters.reads.add(1);
        self.counters.read_bytes.add(length as u64);
        let buffer = file.read(offset, length).await?;
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
    /// Writes whole aligned pages at a page.
    pub async fn write(&self, place: Place, buffers: Vec<Bytes>, durability: Durability) -> io::Result<()> {
        let (file, container, offset) = self.locate(place)?;
        let length: usize = buffers.iter().map(Bytes::len).sum();
        self.counters.writes.add(1);
        self.counters.written_bytes.add(length as u64);
        let result = file.write(offset, buffers, durability).await;
        if durability == Durability::None
            && let Some(dirty) = self.dirty.borrow_mut().get_mut(container)
        {
            *dirty = true;
        }
        result
    }
    /// Makes durable all plain writes that completed before.
    pub async fn flush(&self) -> io::Result<()> {
        let written: Vec<File> = {
            let (containers, mut dirty) = (self.containers.borrow(), self.dirty.borrow_mut());
            let marked = containers
                .iter()
                .zip(dirty.iter_mut())
                .filter_map(|(file, dirty)| std::mem::take(dirty).then(|| file.clone()));
            marked.collect()
        };
        self.counters.flushes.add(written.len() as u64);
        futures_util::future::try_join_all(written.iter().map(File::flush)).await.map(drop)
    }
    /// Writes zeros durably over the first page of a segment.
    pub async fn write_zero_page(&self, segment: u32) -> io::Result<()> {
        let mut zeros = AlignedBuffer::with_capacity(PAGE_BYTES);
        zeros.set_len(PAGE_BYTES);
        self.write(Place::new(segment, 0), vec![zeros.freeze()], Durability::Sync).await
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
