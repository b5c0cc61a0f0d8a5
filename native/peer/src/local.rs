//! Drives of this node: called directly on the core that owns them, by a posted closure from any other.
//!
//! A drive never leaves its core. Each core keeps its own in a thread-local register, so that a closure that arrives from another
//! core finds the drive it is about.

use crate::SlotId;
use futures_channel::oneshot;
use openlake_drive::{Answer, Drive, Request};
use openlake_io::{RemoteHandle, Runtime};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::Poll;

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Answer>>>;

/// What answers for a slot on the core that owns it: a drive.
pub trait SlotServer {
    /// Answers one request. Work once begun goes on when the asker no longer waits.
    fn handle(&self, request: Request) -> Answering;
    /// Answers at once what needs no waiting; `None`: it has to be handled.
    fn answer_in_memory(&self, _request: &Request) -> Option<Answer> {
        None
    }
    /// The drive's generation (protocol.md section 2).
    fn generation(&self) -> u32;
}

impl SlotServer for Drive {
    fn handle(&self, request: Request) -> Answering {
        let drive = self.clone();
        Box::pin(async move { drive.handle(request).await })
    }
    fn answer_in_memory(&self, request: &Request) -> Option<Answer> {
        Drive::answer_in_memory(self, request)
    }
    fn generation(&self) -> u32 {
        self.identity().generation
    }
}

/// A drive of this node, as one core reaches it.
#[derive(Clone)]
pub struct LocalDrive {
    pub slot: SlotId,
    /// The drive itself, on the core that owns it.
    pub drive: Option<Rc<dyn SlotServer>>,
    /// The owner core, for all others.
    pub owner: RemoteHandle,
}

/// Which drive of which node of which cluster: one thread may run several, under simulation.
pub type Address = ([u8; 16], u32, SlotId);

/// A drive's answer and its generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub generation: u32,
    pub answer: Answer,
}

thread_local! {
    static REGISTER: RefCell<HashMap<Address, Weak<dyn SlotServer>>> = RefCell::new(HashMap::new());
}

/// Makes a drive of this core known to closures from others, in place of an earlier one of the same address.
pub fn register(address: Address, server: &Rc<dyn SlotServer>) {
    REGISTER.with_borrow_mut(|register| register.insert(address, Rc::downgrade(server)));
}

/// Takes a drive back, unless another one stands in its place by now.
pub fn unregister(address: &Address, server: &Rc<dyn SlotServer>) {
    REGISTER.with_borrow_mut(|register| {
        if register
            .get(address)
            .is_some_and(|known| Weak::ptr_eq(known, &Rc::downgrade(server)))
        {
            register.remove(address);
        }
    });
}

fn find(address: &Address) -> Option<Rc<dyn SlotServer>> {
    REGISTER.with_borrow(|register| register.get(address).and_then(Weak::upgrade))
}

/// Asks a drive of this node; `done` gets the reply, at once where the drive has it at once. `generation` 0 means any.
pub async fn start(
    runtime: &Runtime,
    drive: &LocalDrive,
    address: Address,
    generation: u32,
    request: Request,
    done: impl FnOnce(Reply) + 'static,
) {
    if let Some(server) = &drive.drive {
        let own = server.generation();
        if let Some(answer) = wrong_generation(&address, generation, own) {
            return done(Reply { generation: own, answer });
        }
        // Polled once here: a cache hit costs no task. What takes longer is a task of its own, which nobody can drop half-way.
        let mut answering = server.handle(request);
        match poll_fn(|context| Poll::Ready(answering.as_mut().poll(context))).await {
            Poll::Ready(answer) => done(Reply { generation: own, answer }),
            Poll::Pending => runtime.spawn(async move {
                done(Reply {
                    generation: own,
                    answer: answering.await,
                })
            }),
        }
        return;
    }
    let (sender, receiver) = oneshot::channel();
    drive.owner.post(Box::new(move |runtime| {
        let Some(server) = find(&address) else {
            let answer = Answer::Wrong(format!("node {} closed its drive for {}", address.1, address.2));
            let _ = sender.send(Reply { generation: 0, answer });
            return;
        };
        let own = server.generation();
        if let Some(answer) = wrong_generation(&address, generation, own) {
            let _ = sender.send(Reply { generation: own, answer });
            return;
        }
        runtime.spawn(async move {
            let _ = sender.send(Reply {
                generation: own,
                answer: server.handle(request).await,
            });
        });
    }));
    runtime.spawn(async move {
        let ended = || Reply {
            generation: 0,
            answer: Answer::Failed("the core that owns the drive ended".to_owned()),
        };
        done(receiver.await.unwrap_or_else(|_| ended()));
    });
}

fn wrong_generation(address: &Address, asked: u32, own: u32) -> Option<Answer> {
    let wrong = asked != 0 && asked != own;
    wrong.then(|| {
        Answer::Wrong(format!(
            "node {} serves {} with generation {own}, not {asked}",
            address.1, address.2
        ))
    })
}
