//! What `uring` and `poll` share: descriptors and every call that takes effect at once.

mod address;
pub(crate) mod calls;
mod chance;
mod clock;
pub(crate) mod files;
mod paths;
pub(crate) mod sockets;
mod storage;
#[cfg(target_os = "linux")]
mod wear;

pub(crate) use address::RawAddress;

use crate::detached::DetachedHandle;
use crate::engine::{Handle, Platform};
use crate::{FileInfo, Instant, OpenOptions, StorageFacts};
use chance::Chance;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;

/// An open descriptor.
pub(crate) struct SystemHandle {
    pub(crate) descriptor: OwnedFd,
    /// Opened for direct I/O.
    pub(crate) direct: bool,
}

impl SystemHandle {
    pub(crate) fn socket(descriptor: OwnedFd) -> Handle {
        Handle::System(Arc::new(SystemHandle { descriptor, direct: false }))
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

impl Handle {
    /// The descriptor beneath; an error for a simulated one.
    pub(crate) fn system(&self) -> io::Result<&Arc<SystemHandle>> {
        match self {
            Handle::System(handle) => Ok(handle),
            Handle::Simulated(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a simulated handle was used with a real engine",
            )),
        }
    }
}

/// The kernel's synchronous side.
pub(crate) struct System {
    /// Sockets must not block: readiness engines need it, completion engines must not have it.
    pub(crate) nonblocking: bool,
    chance: Chance,
}

impl System {
    pub(crate) fn new(nonblocking: bool) -> System {
        System {
            nonblocking,
            chance: Chance::new(),
        }
    }
}

impl Platform for System {
    fn now(&mut self) -> Instant {
        clock::now()
    }
    fn wall_ms(&mut self) -> u64 {
        clock::wall_ms()
    }
    fn fill_random(&mut self, bytes: &mut [u8]) {
        self.chance.fill(bytes);
    }
    fn listen(&mut self, address: SocketAddr, shared: bool) -> io::Result<Handle> {
        sockets::listen(address, shared, self.nonblocking).map(SystemHandle::socket)
    }
    fn local_address(&mut self, handle: &Handle) -> io::Result<SocketAddr> {
        sockets::local_address(handle.system()?.raw())
    }
    fn peer_address(&mut self, handle: &Handle) -> io::Result<SocketAddr> {
        sockets::peer_address(handle.system()?.raw())
    }
    fn shutdown(&mut self, handle: &Handle) {
        if let Ok(handle) = handle.system() {
            sockets::shut_down(handle.raw());
        }
    }
    fn attach(&mut self, connection: DetachedHandle) -> io::Result<Handle> {
        let DetachedHandle::System(descriptor) = connection else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a simulated connection cannot join a real runtime",
            ));
        };
        sockets::set_nonblocking(&descriptor, self.nonblocking)?;
        Ok(SystemHandle::socket(descriptor))
    }
    fn open(&mut self, path: &Path, options: &OpenOptions) -> io::Result<Handle> {
        let descriptor = paths::open(path, options)?;
        Ok(Handle::System(Arc::new(SystemHandle {
            descriptor,
            direct: !options.buffered,
        })))
    }
    fn size_bytes(&mut self, handle: &Handle) -> io::Result<u64> {
        files::size_bytes(handle.system()?.raw())
    }
    fn info(&mut self, path: &Path) -> io::Result<FileInfo> {
        paths::info(path)
    }
    fn list_directory(&mut self, path: &Path) -> io::Result<Vec<String>> {
        paths::list_directory(path)
    }
    fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        paths::create_directory(path)
    }
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
    fn remove(&mut self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
    fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }
    fn space(&mut self, path: &Path) -> io::Result<(u64, u64)> {
        paths::space(path)
    }
    fn storage(&mut self, path: &Path) -> io::Result<StorageFacts> {
        storage::facts(path)
    }
}
