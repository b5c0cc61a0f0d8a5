//! Pieces of streams arriving, or being lost and sent again until the connection breaks.

use super::event::Event;
use super::handle::End;
use super::state::State;
use std::io;

/// How long a blocked piece waits before it is sent again: 200 ms, the least that Linux waits.
const RETRANSMIT_NANOSECONDS: u64 = 200_000_000;

impl State {
    /// The next piece of what `side` sent gets to its peer, or is lost and sent again later.
    pub(crate) fn deliver(&mut self, number: u64, side: usize) {
        let (end, peer) = (
            End { connection: number, side },
            End {
                connection: number,
                side: 1 - side,
            },
        );
        let Some((from, to)) = self.route(end) else { return };
        let gets_there = self.is_open(from, to) && self.nodes.get(&to).is_some_and(|node| node.powered);
        let gets_back = self.is_open(to, from);
        let broken_by_chance = self.random.chance(self.options.reset_chance);
        let timeout = self.options.retransmission_timeout.as_nanos() as u64;
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let sender_lives = connection.ends[side].alive;
        let peer_is_deaf = connection.ends[1 - side].is_deaf();
        let pipe = &mut connection.pipes[side];
        pipe.delivering = false;
        if gets_there && gets_back {
            pipe.stalled_since = None;
        } else {
            let stalled_since = *pipe.stalled_since.get_or_insert(now);
            if now - stalled_since >= timeout || !sender_lives {
                return self.break_end(number, side, io::ErrorKind::TimedOut);
            }
        }
        if gets_there && !pipe.transit.is_empty() {
            if broken_by_chance {
                self.break_end(number, 0, io::ErrorKind::ConnectionReset);
                return self.break_end(number, 1, io::ErrorKind::ConnectionReset);
            }
            let count = pipe.arrive();
            self.note(count as u64);
            if peer_is_deaf && count > 0 {
                return self.send_reset(peer);
            }
            self.serve_receive(peer);
        }
        self.schedule_delivery(end);
        self.forget_if_over(number);
    }

    fn schedule_delivery(&mut self, end: End) {
        let jitter = self.random.below(RETRANSMIT_NANOSECONDS / 4);
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&end.connection) else {
            return;
        };
        let pipe = &mut connection.pipes[end.side];
        let at = match pipe.transit.front() {
            _ if pipe.stalled_since.is_some() => now + RETRANSMIT_NANOSECONDS + jitter,
            Some(piece) => piece.arrives_at.max(now),
            None => return,
        };
        if !std::mem::replace(&mut pipe.delivering, true) {
            self.events.push(
                at,
                Event::Deliver {
                    connection: end.connection,
                    side: end.side,
                },
            );
        }
    }
}
