//! Connections: bytes between two ends, and all the ways in which a connection ends.

use super::event::Event;
use super::handle::End;
use super::node::Pending;
use super::state::State;
use super::stream::Pipe;
use crate::AlignedBuffer;
use crate::engine::{Output, Token};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

/// How long a blocked piece waits before it is sent again: 200 ms, the least that Linux waits.
const RETRANSMIT_NANOSECONDS: u64 = 200_000_000;

pub(crate) struct Connection {
    pub(crate) ends: [EndState; 2],
    /// `pipes[side]` carries what `side` sends.
    pub(crate) pipes: [Pipe; 2],
    pub(crate) started_at: u64,
}

pub(crate) struct EndState {
    /// `None` until the peer is known.
    pub(crate) node: Option<u32>,
    pub(crate) address: SocketAddr,
    /// The process has it; or it is being made.
    pub(crate) open: bool,
    /// Its machine still knows of it.
    pub(crate) alive: bool,
    /// Shut down by its own process.
    pub(crate) shut: bool,
    pub(crate) error: Option<io::ErrorKind>,
    pub(crate) connect: Option<Token>,
    pub(crate) receive: Option<Token>,
    pub(crate) send: Option<Token>,
}

impl EndState {
    pub(crate) fn new(node: Option<u32>, address: SocketAddr) -> EndState {
        let (connect, receive, send) = (None, None, None);
        EndState {
            node,
            address,
            open: true,
            alive: true,
            shut: false,
            error: None,
            connect,
            receive,
            send,
        }
    }

    /// Takes no bytes any more.
    fn is_deaf(&self) -> bool {
        !self.open || !self.alive || self.shut || self.error.is_some()
    }
}

impl State {
    pub(crate) fn submit_receive(&mut self, number: u32, token: Token, end: End, buffer: AlignedBuffer) {
        let Some(state) = self
            .connections
            .get_mut(&end.connection)
            .map(|connection| &mut connection.ends[end.side])
        else {
            return self.complete(number, token, Err(io::ErrorKind::ConnectionReset.into()));
        };
        if state.receive.is_some() {
            let text = "another receive is under way on this socket";
            return self.complete(number, token, Err(io::Error::new(io::ErrorKind::AlreadyExists, text)));
        }
        state.receive = Some(token);
        if let Some(node) = self.nodes.get_mut(&number) {
            node.pending.insert(token, Pending::Receive { end, buffer });
        }
        self.serve_receive(end);
    }

    /// Completes a waiting receive if it can be.
    fn serve_receive(&mut self, end: End) {
        let Some(connection) = self.connections.get_mut(&end.connection) else {
            return;
        };
        let state = &mut connection.ends[end.side];
        let pipe = &mut connection.pipes[1 - end.side];
        let is_over = pipe.ended || state.shut || state.error.is_some();
        let (Some(number), Some(token)) = (state.node, state.receive) else {
            return;
        };
        if pipe.unread() == 0 && !is_over {
            return;
        }
        let Some(node) = self.nodes.get_mut(&number) else { return };
        let Some(Pending::Receive { mut buffer, .. }) = node.pending.remove(&token) else {
            return;
        };
        state.receive = None;
        let result = match state.error {
            Some(kind) => Err(kind.into()),
            None if pipe.unread() > 0 => {
                let count = pipe.take(&mut buffer, &mut self.random);
                Ok(Output::Received(buffer, count))
            }
            None => Ok(Output::Received(buffer, 0)),
        };
        self.complete(number, token, result);
        self.pump(End {
            connection: end.connection,
            side: 1 - end.side,
        });
    }

    pub(crate) fn submit_send(&mut self, number: u32, token: Token, end: End, buffers: Vec<Bytes>) {
        let Some(state) = self
            .connections
            .get_mut(&end.connection)
            .map(|connection| &mut connection.ends[end.side])
        else {
            return self.complete(number, token, Err(io::ErrorKind::ConnectionReset.into()));
        };
        if state.send.is_some() {
            let text = "another send is under way on this socket";
            return self.complete(number, token, Err(io::Error::new(io::ErrorKind::AlreadyExists, text)));
        }
        state.send = Some(token);
        let buffers = buffers.into_iter().filter(|buffer| !buffer.is_empty()).collect();
        if let Some(node) = self.nodes.get_mut(&number) {
            node.pending.insert(token, Pending::Send { end, buffers });
        }
        self.pump(end);
    }

    /// Moves bytes of a waiting send into the pipe, as far as the window allows, and completes it when all are in.
    fn pump(&mut self, end: End) {
        let Some(connection) = self.connections.get(&end.connection) else {
            return;
        };
        let state = &connection.ends[end.side];
        let (Some(number), Some(token)) = (state.node, state.send) else {
            return;
        };
        let failure = state.error.or(state.shut.then_some(io::ErrorKind::BrokenPipe));
        let Some(node) = self.nodes.get_mut(&number) else { return };
        let Some(Pending::Send { buffers, .. }) = node.pending.get_mut(&token) else {
            return;
        };
        let mut buffers = std::mem::take(buffers);
        if failure.is_none() {
            self.push_pieces(end, &mut buffers);
        }
        if failure.is_none() && !buffers.is_empty() {
            if let Some(Pending::Send { buffers: rest, .. }) = self.nodes.get_mut(&number).and_then(|node| node.pending.get_mut(&token)) {
                *rest = buffers;
            }
            return;
        }
        if let Some(node) = self.nodes.get_mut(&number) {
            node.pending.remove(&token);
        }
        if let Some(connection) = self.connections.get_mut(&end.connection) {
            connection.ends[end.side].send = None;
        }
        let result = failure.map_or(Ok(Output::Done), |kind| Err(kind.into()));
        self.complete(number, token, result);
    }

    fn push_pieces(&mut self, end: End, buffers: &mut VecDeque<Bytes>) {
        while let Some(front) = buffers.front_mut() {
            let Some(pipe) = self.connections.get(&end.connection).map(|connection| &connection.pipes[end.side]) else {
                return;
            };
            if !pipe.has_room_for(front.len()) {
                return;
            }
            let piece = pipe.cut(front, &mut self.random);
            if front.is_empty() {
                buffers.pop_front();
            }
            self.push_piece(end, piece, false);
        }
    }

    fn push_piece(&mut self, end: End, bytes: Bytes, last: bool) {
        let Some((from, to)) = self.route(end) else { return };
        let arrival = self.now + self.latency(from, to);
        let Some(connection) = self.connections.get_mut(&end.connection) else {
            return;
        };
        let pipe = &mut connection.pipes[end.side];
        let arrival = pipe.push(bytes, arrival, last);
        if !std::mem::replace(&mut pipe.delivering, true) {
            self.events.push(
                arrival,
                Event::Deliver {
                    connection: end.connection,
                    side: end.side,
                },
            );
        }
    }

    /// The nodes on the way from an end to its peer.
    pub(crate) fn route(&self, end: End) -> Option<(u32, u32)> {
        let ends = &self.connections.get(&end.connection)?.ends;
        ends[end.side].node.zip(ends[1 - end.side].node)
    }

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

    /// `end` tells its peer that the connection is void.
    fn send_reset(&mut self, end: End) {
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
