//! Writes of one core to the same key go one after the other: racing itself would only cost rounds, and fill drives with versions that
//! have to be settled.

use futures_channel::oneshot;
use openlake_drive::Key;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

type Waiting = Rc<RefCell<HashMap<Key, VecDeque<oneshot::Sender<Turn>>>>>;

/// Queues by key; an entry exists while someone has the turn.
#[derive(Clone, Default)]
pub(crate) struct KeyQueue {
    waiting: Waiting,
}

/// The turn; passed on when dropped, also when it is dropped on the way to a waiter that gave up.
pub(crate) struct Turn {
    /// `None` once it was passed on.
    waiting: Option<Waiting>,
    key: Key,
}

impl KeyQueue {
    /// Waits for the turn on `key`.
    pub async fn turn(&self, key: &Key) -> Turn {
        let ahead = {
            let mut waiting = self.waiting.borrow_mut();
            match waiting.get_mut(key) {
                Some(queue) => {
                    let (sender, receiver) = oneshot::channel();
                    queue.push_back(sender);
                    Some(receiver)
                }
                None => {
                    waiting.insert(key.clone(), VecDeque::new());
                    None
                }
            }
        };
        if let Some(ahead) = ahead
            && let Ok(turn) = ahead.await
        {
            return turn;
        }
        Turn {
            waiting: Some(self.waiting.clone()),
            key: key.clone(),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(waiting) = self.waiting.take() else { return };
        loop {
            let next = waiting.borrow_mut().get_mut(&self.key).and_then(VecDeque::pop_front);
            let Some(next) = next else { break };
            let turn = Turn {
                waiting: Some(waiting.clone()),
                key: self.key.clone(),
            };
            match next.send(turn) {
                Ok(()) => return,
                // That waiter gave up: the turn is ours again, to be given to the next.
                Err(mut turn) => turn.waiting = None,
            }
        }
        waiting.borrow_mut().remove(&self.key);
    }
}
