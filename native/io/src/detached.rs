//! A connection on its way from one runtime to another, as when it belongs to another core than the one that accepted it.

use crate::engine::Handle;
use bytes::Bytes;
use std::os::fd::OwnedFd;

/// A socket without a runtime. It may change threads; [`crate::Runtime::attach`] makes it a socket again. Closed when dropped
/// (under `sim`, when its node ends).
pub struct DetachedSocket {
    pub(crate) connection: DetachedHandle,
    /// Bytes received but not yet handed out.
    pub(crate) unread: Bytes,
}

/// What a handle is when nothing of a runtime sticks to it.
pub(crate) enum DetachedHandle {
    System(OwnedFd),
    /// The number of the resource.
    Simulated(u64),
}

impl DetachedHandle {
    /// The handle comes back when it has other users.
    pub(crate) fn new(handle: Handle) -> Result<DetachedHandle, Handle> {
        match handle {
            Handle::System(handle) => match std::sync::Arc::try_unwrap(handle) {
                Ok(handle) => Ok(DetachedHandle::System(handle.descriptor)),
                Err(handle) => Err(Handle::System(handle)),
            },
            Handle::Simulated(handle) => match std::rc::Rc::try_unwrap(handle) {
                Ok(handle) => Ok(DetachedHandle::Simulated(handle.into_number())),
                Err(handle) => Err(Handle::Simulated(handle)),
            },
        }
    }
}
