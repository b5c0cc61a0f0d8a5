//! TCP listeners and streams.
//!
//! Cancelling loses nothing: an accept goes on inside its listener, and bytes that a cancelled receive got in spite of its
//! cancellation are kept for the next one.

use crate::detached::DetachedHandle;
use crate::engine::{Handle, Operation, Output};
use crate::executor::{Core, PendingOperation};
use crate::file::mismatch;
use crate::{AlignedBuffer, DetachedSocket};
use bytes::{Buf, Bytes};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};

/// A listening socket; closed when dropped.
pub struct Listener {
    core: Rc<Core>,
    handle: Handle,
    /// Outlives the future of a cancelled `accept`.
    accepting: RefCell<Option<PendingOperation>>,
}

impl Listener {
    pub(crate) fn new(core: Rc<Core>, handle: Handle) -> Listener {
        Listener {
            core,
            handle,
            accepting: RefCell::new(None),
        }
    }

    /// The next connection and its peer's address. One call at a time; dropping the future loses no connection.
    pub async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        let output = poll_fn(|context| {
            let mut accepting = self.accepting.borrow_mut();
            let pending = accepting.get_or_insert_with(|| {
                PendingOperation::submit(
                    &self.core,
                    Operation::Accept {
                        listener: self.handle.clone(),
                    },
                )
            });
            let output = ready!(Future::poll(Pin::new(pending), context));
            *accepting = None;
            Poll::Ready(output)
        });
        match output.await? {
            Output::Accepted(handle, address) => Ok((Socket::new(self.core.clone(), handle), address)),
            _ => Err(mismatch()),
        }
    }

    /// The bound address.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.core.engine.borrow_mut().platform().local_address(&self.handle)
    }
}

/// A connected stream; closed when the last clone is dropped. One receive and one send may be under way at a time.
#[derive(Clone)]
pub struct Socket {
    state: Rc<State>,
}

struct State {
    core: Rc<Core>,
    handle: Handle,
    /// A cancelled receive that the engine has not yet ended.
    abandoned: RefCell<Option<PendingOperation>>,
    /// Bytes received by a cancelled receive.
    unread: RefCell<Bytes>,
}

impl Socket {
    pub(crate) fn new(core: Rc<Core>, handle: Handle) -> Socket {
        Socket {
            state: Rc::new(State {
                core,
                handle,
                abandoned: RefCell::default(),
                unread: RefCell::default(),
            }),
        }
    }

    /// Receives at least one byte behind the bytes `buffer` holds (its length grows); 0 means the peer closed. Dropping the
    /// future cancels it; a later call receives what came meanwhile. `InvalidInput` when the buffer is full.
    pub async fn receive(&self, mut buffer: AlignedBuffer) -> io::Result<(AlignedBuffer, usize)> {
        if buffer.len() == buffer.capacity() {
            let text = format!("a receive needs room, but all {} bytes of the buffer are held", buffer.capacity());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.state.settle_abandoned().await?;
        let kept = self.state.take_unread(&mut buffer);
        if kept > 0 {
            return Ok((buffer, kept));
        }
        let operation = Operation::Receive {
            socket: self.state.handle.clone(),
            buffer,
        };
        let mut receiving = Receiving {
            state: &self.state,
            pending: Some(PendingOperation::submit(&self.state.core, operation)),
        };
        match receiving.finish().await? {
            Output::Received(buffer, count) => Ok((buffer, count)),
            _ => Err(mismatch()),
        }
    }

    /// Sends all bytes of `buffers` in order. When the future is dropped, an unknown part of them has been sent.
    pub async fn send(&self, buffers: Vec<Bytes>) -> io::Result<()> {
        let socket = self.state.handle.clone();
        match PendingOperation::submit(&self.state.core, Operation::Send { socket, buffers }).await? {
            Output::Done => Ok(()),
            _ => Err(mismatch()),
        }
    }

    /// Ends both directions at once; pending operations fail (a receive may report the end of the stream).
    pub fn shutdown(&self) {
        self.state.core.engine.borrow_mut().platform().shutdown(&self.state.handle);
    }

    /// Takes the connection off its runtime, so that it can go to another one. `ResourceBusy` when this is not the only handle or
    /// an operation is under way.
    pub async fn detach(self) -> io::Result<DetachedSocket> {
        self.state.settle_abandoned().await?;
        let busy = || io::Error::new(io::ErrorKind::ResourceBusy, "a socket in use cannot be detached");
        let state = Rc::try_unwrap(self.state).map_err(|_| busy())?;
        let connection = DetachedHandle::new(state.handle).map_err(|_| busy())?;
        Ok(DetachedSocket {
            connection,
            unread: state.unread.into_inner(),
        })
    }

    /// Joins a detached connection to a runtime.
    pub(crate) fn attach(core: Rc<Core>, detached: DetachedSocket) -> io::Result<Socket> {
        let handle = core.engine.borrow_mut().platform().attach(detached.connection)?;
        let socket = Socket::new(core, handle);
        *socket.state.unread.borrow_mut() = detached.unread;
        Ok(socket)
    }

    /// The peer's address.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.state.core.engine.borrow_mut().platform().peer_address(&self.state.handle)
    }
}

impl State {
    /// Waits for the end of a cancelled receive, keeping what it got.
    async fn settle_abandoned(&self) -> io::Result<()> {
        if self.abandoned.borrow().is_none() {
            return Ok(());
        }
        let outcome = poll_fn(|context| {
            let mut abandoned = self.abandoned.borrow_mut();
            let Some(pending) = abandoned.as_mut() else {
                return Poll::Ready(None);
            };
            let outcome = ready!(Future::poll(Pin::new(pending), context));
            *abandoned = None;
            Poll::Ready(Some(outcome))
        });
        match outcome.await {
            Some(Ok(Output::Received(buffer, count))) if count > 0 => {
                let bytes = buffer.freeze();
                *self.unread.borrow_mut() = bytes.slice(bytes.len() - count..);
                Ok(())
            }
            Some(Err(error)) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            // Cancelled in time, or the end of the stream, which the next receive sees again.
            _ => Ok(()),
        }
    }

    fn take_unread(&self, buffer: &mut AlignedBuffer) -> usize {
        let mut unread = self.unread.borrow_mut();
        let count = buffer.append(&unread);
        unread.advance(count);
        count
    }
}

/// A receive whose cancellation leaves the operation with its socket.
struct Receiving<'a> {
    state: &'a Rc<State>,
    pending: Option<PendingOperation>,
}

impl Receiving<'_> {
    async fn finish(&mut self) -> io::Result<Output> {
        let output = poll_fn(|context| match self.pending.as_mut() {
            Some(pending) => Future::poll(Pin::new(pending), context),
            None => Poll::Ready(Err(mismatch())),
        });
        let output = output.await;
        self.pending = None;
        output
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        if let Some(pending) = self.pending.take() {
            pending.cancel();
            *self.state.abandoned.borrow_mut() = Some(pending);
        }
    }
}
