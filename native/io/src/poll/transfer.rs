//! A socket operation that is tried, and tried again when its descriptor is ready.

use super::descriptors::Direction;
use crate::AlignedBuffer;
use crate::engine::{Handle, Operation, Output};
use crate::system::calls::retry;
use crate::system::files::{fill_vectors, total_bytes};
use crate::system::{SystemHandle, sockets};
use bytes::Bytes;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

#[cfg(target_os = "linux")]
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;
/// SO_NOSIGPIPE does the same where the flag is missing.
#[cfg(not(target_os = "linux"))]
const SEND_FLAGS: i32 = 0;

pub(crate) struct Transfer {
    handle: Arc<SystemHandle>,
    work: Work,
}

enum Work {
    Accept,
    Connect,
    Receive(Option<AlignedBuffer>),
    Send { buffers: Vec<Bytes>, done: usize, total: usize },
}

/// How far a try came.
pub(crate) enum Step {
    Ended(io::Result<Output>),
    Blocked,
}

impl Transfer {
    /// Takes a socket operation in; a connect starts here.
    pub(crate) fn new(operation: Operation) -> io::Result<Transfer> {
        let (handle, work) = match operation {
            Operation::Accept { listener } => (listener.system()?.clone(), Work::Accept),
            Operation::Receive { socket, buffer } => (socket.system()?.clone(), Work::Receive(Some(buffer))),
            Operation::Send { socket, buffers } => {
                let total = total_bytes(&buffers);
                (socket.system()?.clone(), Work::Send { buffers, done: 0, total })
            }
            Operation::Connect { address, from } => {
                let descriptor = sockets::create_from(from, &address, true)?;
                let handle = Arc::new(SystemHandle { descriptor, direct: false });
                match sockets::connect(handle.raw(), &address) {
                    Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
                    _ => (handle, Work::Connect),
                }
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a file operation reached the sockets' side",
                ));
            }
        };
        Ok(Transfer { handle, work })
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.handle.raw()
    }

    pub(crate) fn direction(&self) -> Direction {
        match self.work {
            Work::Accept | Work::Receive(_) => Direction::Readable,
            Work::Connect | Work::Send { .. } => Direction::Writable,
        }
    }

    /// Does what is possible now.
    pub(crate) fn step(&mut self) -> Step {
        let raw = self.handle.raw();
        let result = match &mut self.work {
            Work::Accept => sockets::accept(raw, true).map(|(descriptor, peer)| Output::Accepted(SystemHandle::socket(descriptor), peer)),
            Work::Connect => finish_connect(&self.handle),
            Work::Receive(buffer) => receive(raw, buffer),
            Work::Send { buffers, done, total } => send(raw, buffers, done, *total),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Step::Blocked,
            result => Step::Ended(result),
        }
    }
}

/// The outcome of a connect, or `WouldBlock` while it is under way.
fn finish_connect(handle: &Arc<SystemHandle>) -> io::Result<Output> {
    sockets::connect_outcome(handle.raw())?;
    match sockets::peer_address(handle.raw()) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error),
        Ok(_) => Ok(Output::Connected(Handle::System(handle.clone()))),
    }
}

fn receive(raw: RawFd, buffer: &mut Option<AlignedBuffer>) -> io::Result<Output> {
    let Some(target) = buffer else {
        unreachable!("a receive owns its buffer until it ends")
    };
    let room = target.spare_mut();
    // SAFETY: pointer and length describe `room`, exclusively borrowed during the call.
    let count = retry(|| unsafe { libc::recv(raw, room.as_mut_ptr().cast(), room.len(), 0) })? as usize;
    let length = target.len();
    target.set_len(length + count);
    match buffer.take() {
        Some(buffer) => Ok(Output::Received(buffer, count)),
        None => unreachable!("it was there above"),
    }
}

fn send(raw: RawFd, buffers: &[Bytes], done: &mut usize, total: usize) -> io::Result<Output> {
    let mut vectors = Vec::with_capacity(buffers.len());
    while *done < total {
        fill_vectors(&mut vectors, buffers, *done);
        // SAFETY: msghdr is plain old data, for which all zeros is a valid value.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = vectors.as_mut_ptr();
        message.msg_iovlen = vectors.len() as _;
        // SAFETY: the message points to `vectors`, and those into `buffers`; both outlive the call, which only reads them.
        *done += retry(|| unsafe { libc::sendmsg(raw, &message, SEND_FLAGS) })? as usize;
    }
    Ok(Output::Done)
}
