//! All the ways in which a connection ends.

use super::connection::EndState;
use super::event::Event;
use super::handle::End;
use super::state::State;
use bytes::Bytes;
use std::io;

impl State {
    /// `end` tells its peer that the connection is void.
    pub(crate) fn send_reset(&mut self, end: End) {
        let Some((from, to)) = self.route(end) else { return };
        if self.is_open(from, to) {
            let delay = self.latency(from, to);
            self.schedule(
                delay,
                Event::Reset {
                    connection: end.connection,
                    side: 1 - end.side,
                },
            );
        }
        self.forget_if_over(end.connection);
    }

    /// The connection breaks for one end: its operations fail and bytes on the way from it are lost.
    pub(crate) fn break_end(&mut self, number: u64, side: usize, kind: io::ErrorKind) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        connection.ends[side].error.get_or_insert(kind);
        connection.pipes[side].clear();
        connection.pipes[1 - side].clear();
        let end = End { connection: number, side };
        self.serve_receive(end);
        self.pump(end);
        self.forget_if_over(number);
    }

    /// The process drops its socket: the peer sees the end of the stream, or a reset if bytes were never received.
    pub(crate) fn close_end(&mut self, end: End) {
        let Some(connection) = self.connections.get_mut(&end.connection) else {
            return;
        };
        let state = &mut connection.ends[end.side];
        if !std::mem::replace(&mut state.open, false) {
            return;
        }
        let is_silent = !state.alive || state.error.is_some();
        let is_finished = connection.pipes[end.side].finished;
        if !is_silent && connection.pipes[1 - end.side].unread() > 0 {
            connection.pipes[1 - end.side].clear();
            self.send_reset(end);
        } else if !is_silent && !is_finished {
            self.push_piece(end, Bytes::new(), true);
        }
        self.forget_if_over(end.connection);
    }

    /// Ends both directions; the end stays until its handle is dropped.
    pub(crate) fn shut_end(&mut self, end: End) {
        let Some(connection) = self.connections.get_mut(&end.connection) else {
            return;
        };
        if std::mem::replace(&mut connection.ends[end.side].shut, true) {
            return;
        }
        let is_finished = connection.pipes[end.side].finished || connection.ends[end.side].error.is_some();
        self.serve_receive(end);
        self.pump(end);
        if !is_finished {
            self.push_piece(end, Bytes::new(), true);
        }
    }

    /// Forgets a connection that nobody has and on which nothing travels.
    pub(crate) fn forget_if_over(&mut self, number: u64) {
        let Some(connection) = self.connections.get(&number) else { return };
        let is_left = |end: &EndState| !end.open || !end.alive;
        if connection.ends.iter().all(is_left) && connection.pipes.iter().all(|pipe| pipe.transit.is_empty()) {
            self.connections.remove(&number);
        }
    }
}
