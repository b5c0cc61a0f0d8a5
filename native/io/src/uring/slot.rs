//! One operation in the ring: it owns the buffers, knows how far it got, and builds the next entry for the kernel.

use crate::engine::{Handle, Operation, Output, cancelled};
use crate::system::files::{fill_vectors, read_ended, total_bytes, written};
use crate::system::{RawAddress, SystemHandle, sockets};
use crate::{ALIGNMENT_BYTES, Durability};
use io_uring::{opcode, squeue, types};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;

/// The kernel transfers no more than about 2 GiB at a time; a multiple of the alignment.
const BYTES_PER_CALL: usize = 1 << 30;

/// Whether the operation needs (another) entry.
pub(crate) enum Progress {
    Again,
    Ended(io::Result<Output>),
}

/// State of an operation. Reused by later ones, so that the vectors' memory is allocated once.
pub(crate) struct Slot {
    operation: Option<Operation>,
    /// The descriptor it works on, kept open until the end.
    handle: Option<Arc<SystemHandle>>,
    /// Bytes transferred, and bytes to transfer.
    done: usize,
    total: usize,
    cancel_asked: bool,
    vectors: Vec<libc::iovec>,
    message: libc::msghdr,
    address: RawAddress,
}

impl Default for Slot {
    fn default() -> Slot {
        Slot {
            operation: None,
            handle: None,
            done: 0,
            total: 0,
            cancel_asked: false,
            vectors: Vec::new(),
            // SAFETY: msghdr is plain old data, for which all zeros (null pointers, zero counts) is a valid value.
            message: unsafe { std::mem::zeroed() },
            address: RawAddress::room(),
        }
    }
}

impl Slot {
    /// Takes an operation in; `Ended` at once when there is nothing to do or it cannot start.
    pub(crate) fn prepare(&mut self, operation: Operation) -> Progress {
        self.done = 0;
        self.cancel_asked = false;
        let handle = match &operation {
            Operation::Read { file, .. } | Operation::Write { file, .. } | Operation::Flush { file } | Operation::Allocate { file, .. } => {
                file.system().cloned()
            }
            Operation::Accept { listener } => listener.system().cloned(),
            Operation::Receive { socket, .. } | Operation::Send { socket, .. } => socket.system().cloned(),
            Operation::Connect { address, from } => {
                self.address = RawAddress::from_address(address);
                sockets::create_from(*from, address, false).map(|descriptor| Arc::new(SystemHandle { descriptor, direct: false }))
            }
        };
        match handle {
            Ok(handle) => self.handle = Some(handle),
            Err(error) => return Progress::Ended(Err(error)),
        }
        self.total = match &operation {
            Operation::Read { length, .. } => *length,
            Operation::Write { buffers, .. } | Operation::Send { buffers, .. } => total_bytes(buffers),
            _ => 0,
        };
        if self.total == 0 && matches!(operation, Operation::Write { .. } | Operation::Send { .. }) {
            return self.end(Ok(Output::Done));
        }
        self.operation = Some(operation);
        Progress::Again
    }

    /// True when a cancel request should go to the kernel.
    pub(crate) fn ask_to_cancel(&mut self) -> bool {
        let first = self.operation.is_some() && !self.cancel_asked;
        self.cancel_asked = true;
        first
    }

    /// The entry for what is left to do. It points into this slot and its buffers.
    pub(crate) fn entry(&mut self) -> squeue::Entry {
        let (Some(operation), Some(handle)) = (&mut self.operation, &self.handle) else {
            unreachable!("an entry is built only while an operation is under way")
        };
        let target = types::Fd(handle.raw());
        match operation {
            Operation::Read {
                offset, buffer, length, ..
            } => {
                let rest = (*length - self.done).min(BYTES_PER_CALL) as u32;
                let position = *offset + self.done as u64;
                opcode::Read::new(target, buffer.spare_mut().as_mut_ptr(), rest)
                    .offset(position)
                    .build()
            }
            Operation::Write {
                offset,
                buffers,
                durability,
                ..
            } => {
                fill_vectors(&mut self.vectors, buffers, self.done);
                let flags = if *durability == Durability::Sync { libc::RWF_DSYNC } else { 0 };
                opcode::Writev::new(target, self.vectors.as_ptr(), self.vectors.len() as u32)
                    .offset(*offset + self.done as u64)
                    .rw_flags(flags as _)
                    .build()
            }
            Operation::Flush { .. } => opcode::Fsync::new(target).flags(types::FsyncFlags::DATASYNC).build(),
            Operation::Allocate { offset, length, .. } => opcode::Fallocate::new(target, *length).offset(*offset).build(),
            Operation::Accept { .. } => {
                self.address = RawAddress::room();
                opcode::Accept::new(target, self.address.as_mut_pointer(), &raw mut self.address.length)
                    .flags(libc::SOCK_CLOEXEC)
                    .build()
            }
            Operation::Connect { .. } => opcode::Connect::new(target, self.address.as_pointer(), self.address.length).build(),
            Operation::Receive { buffer, .. } => {
                let room = buffer.spare_mut();
                opcode::Recv::new(target, room.as_mut_ptr(), room.len().min(BYTES_PER_CALL) as u32).build()
            }
            Operation::Send { buffers, .. } => {
                fill_vectors(&mut self.vectors, buffers, self.done);
                // WAITALL: the kernel itself goes on after a partial send.
                let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
                if let [only] = self.vectors.as_slice() {
                    let length = only.iov_len.min(BYTES_PER_CALL) as u32;
                    return opcode::Send::new(target, only.iov_base.cast(), length).flags(flags).build();
                }
                self.message.msg_iov = self.vectors.as_mut_ptr();
                self.message.msg_iovlen = self.vectors.len() as _;
                opcode::SendMsg::new(target, &raw const self.message).flags(flags as u32).build()
            }
        }
    }

    /// Takes the kernel's answer in.
    pub(crate) fn advance(&mut self, code: i32) -> Progress {
        let Some(operation) = &mut self.operation else {
            unreachable!("a completion came for an operation that has ended")
        };
        if code < 0 {
            return match -code {
                libc::EINTR | libc::EAGAIN if !self.cancel_asked => Progress::Again,
                libc::EINTR | libc::EAGAIN | libc::ECANCELED => self.end(Err(cancelled())),
                error => self.end(Err(io::Error::from_raw_os_error(error))),
            };
        }
        let count = code as usize;
        match operation {
            Operation::Read { buffer, .. } => {
                let wanted = self.total - self.done;
                self.done += count;
                buffer.set_len(self.done);
                let direct = self.handle.as_ref().is_some_and(|handle| handle.direct);
                if !read_ended(direct, count, wanted) {
                    return self.again();
                }
            }
            Operation::Write { offset, .. } => {
                if let Err(error) = written(count, *offset + self.done as u64) {
                    return self.end(Err(error));
                }
                self.done += count;
                if self.done < self.total {
                    return self.again();
                }
            }
            Operation::Send { .. } => {
                self.done += count;
                if self.done < self.total {
                    return self.again();
                }
            }
            Operation::Receive { buffer, .. } => {
                let length = buffer.len();
                buffer.set_len(length + count);
            }
            _ => {}
        }
        let operation = self.operation.take();
        let result = self.output(operation, code);
        self.end(result)
    }

    fn again(&mut self) -> Progress {
        if self.cancel_asked {
            self.end(Err(cancelled()))
        } else {
            Progress::Again
        }
    }

    fn output(&mut self, operation: Option<Operation>, code: i32) -> io::Result<Output> {
        match operation {
            Some(Operation::Read { buffer, .. }) => Ok(Output::Read(buffer)),
            Some(Operation::Receive { buffer, .. }) => Ok(Output::Received(buffer, code as usize)),
            Some(Operation::Accept { .. }) => {
                // SAFETY: the kernel just opened this descriptor for this accept and nobody else owns it.
                let descriptor = unsafe { OwnedFd::from_raw_fd(code) };
                let peer = self.address.to_address()?;
                sockets::tune(code, &peer)?;
                Ok(Output::Accepted(SystemHandle::socket(descriptor), peer))
            }
            Some(Operation::Connect { .. }) => {
                let Some(handle) = self.handle.take() else {
                    unreachable!("a connect owns its socket")
                };
                Ok(Output::Connected(Handle::System(handle)))
            }
            _ => Ok(Output::Done),
        }
    }

    fn end(&mut self, result: io::Result<Output>) -> Progress {
        self.operation = None;
        self.handle = None;
        // A rare huge vector is not kept for ever.
        self.vectors.shrink_to(ALIGNMENT_BYTES / size_of::<libc::iovec>());
        Progress::Ended(result)
    }
}
