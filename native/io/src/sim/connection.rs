//! Connections: receives and sends of two ends, and the bytes they put on their way.

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
    pub(crate) fn is_deaf(&self) -> bool {
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
    pub(crate) fn serve_receive(&mut self, end: End) {
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
    pub(crate) fn pump(&mut self, end: End) {
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

    pub(crate) fn push_piece(&mut self, end: End, bytes: Bytes, last: bool) {
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
}
