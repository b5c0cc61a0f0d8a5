//! Noticing that a peer no longer answers: stopped, partitioned away, or gone without a word.
//!
//! Silence leads to a ping, an unanswered ping to "not connected" (requests fail at once, pings go on), long silence to a new connection.

use super::{Line, Link};
use crate::codec::NodeEnvelope;
use crate::frame::FrameKind;
use crate::{NodeRequest, PeerEvent};
use openlake_io::Instant;
use std::time::Duration;

/// Silence after which the peer is pinged: while requests wait, and otherwise.
const PING_AFTER: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// Silence after a ping that makes the peer count as unreachable. A node that is only busy answers pings within this.
const PING_TIMEOUT: Duration = Duration::from_millis(750);
/// Silence after which the connection is given up.
const CLOSE_AFTER: Duration = Duration::from_secs(5);

impl Link {
    /// Looks for silence; called a few times a second. `stalled`: this core itself did not run for a while, so silence means nothing.
    pub fn watch(&self, stalled: bool) {
        let Some(line) = self.line.borrow().clone() else { return };
        let now = self.home.runtime.now();
        if stalled {
            line.heard.set(now.0);
            line.pinged.set(None);
            return;
        }
        let silence = Duration::from_nanos(now.0.saturating_sub(line.heard.get()));
        if silence >= CLOSE_AFTER {
            line.verdict.replace(Some(format!("silent for {} ms, closed", silence.as_millis())));
            line.stream.shutdown();
            return;
        }
        match line.pinged.get() {
            Some(pinged) if line.heard.get() >= pinged.0 => line.pinged.set(None),
            Some(pinged) => {
                if now.0 - pinged.0 >= PING_TIMEOUT.as_nanos() as u64 && !self.silent.replace(true) {
                    let reason = format!("no answer to a ping, silent for {} ms", silence.as_millis());
                    self.reason.replace(reason.clone());
                    self.change.notify();
                    self.home.linked_boots.borrow_mut().remove(&self.node);
                    self.home.tell(&PeerEvent::Disconnected { node: self.node, reason });
                }
            }
            None => {
                let ping_after = if line.pending.is_empty() { PING_AFTER.1 } else { PING_AFTER.0 };
                if silence >= ping_after {
                    self.ping(&line, now);
                }
            }
        }
    }

    fn ping(&self, line: &Line, now: Instant) {
        let id = line.pending.next_id();
        let envelope = NodeEnvelope {
            clock: self.home.clock_for_peers(),
        };
        if line
            .outgoing
            .push(FrameKind::NodeRequest, id, &(envelope, NodeRequest::Ping))
            .is_ok()
        {
            line.pending.enter_ping(id, now);
            line.pinged.set(Some(now));
        }
    }
}
