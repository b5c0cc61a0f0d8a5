//! Listeners, and the way from a connection request to two connected ends.

use super::connection::{Connection, EndState};
use super::event::Event;
use super::handle::{End, Resource};
use super::node::Pending;
use super::state::State;
use super::stream::Pipe;
use crate::engine::{Handle, Output, Token};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

/// How long a request without answer waits before it is sent again: 1 s, as Linux.
const REQUEST_AGAIN_NANOSECONDS: u64 = 1_000_000_000;

pub(crate) struct ListenerState {
    pub(crate) node: u32,
    pub(crate) address: SocketAddr,
    shared: bool,
    /// Connections that wait to be accepted.
    backlog: VecDeque<u64>,
    pub(crate) accept: Option<Token>,
}

impl State {
    pub(crate) fn listen(&mut self, number: u32, mut address: SocketAddr, shared: bool) -> io::Result<Handle> {
        let Some(node) = self.nodes.get_mut(&number) else {
            return Err(io::Error::other("no such node"));
        };
        let taken = |address: SocketAddr| {
            self.listeners.values().any(|other| {
                let overlap = other.address.ip() == address.ip() || other.address.ip().is_unspecified() || address.ip().is_unspecified();
                other.node == number && overlap && other.address.port() == address.port() && !(shared && other.shared)
            })
        };
        while address.port() == 0 {
            let port = node.new_port();
            if !taken(SocketAddr::new(address.ip(), port)) {
                address.set_port(port);
            }
        }
        let is_own = address.ip() == node.address || address.ip().is_unspecified() || address.ip().is_loopback();
        if !is_own || taken(address) {
            let kind = if is_own {
                io::ErrorKind::AddrInUse
            } else {
                io::ErrorKind::AddrNotAvailable
            };
            return Err(io::Error::new(kind, format!("cannot listen on {address} at node {number}")));
        }
        let listener = self.number();
        self.listeners.insert(
            listener,
            ListenerState {
                node: number,
                address,
                shared,
                backlog: VecDeque::new(),
                accept: None,
            },
        );
        Ok(self.new_handle(Resource::Listener(listener)))
    }

    pub(crate) fn submit_accept(&mut self, number: u32, token: Token, listener: u64) {
        let Some(state) = self.listeners.get_mut(&listener) else { return };
        state.accept = Some(token);
        if let Some(node) = self.nodes.get_mut(&number) {
            node.pending.insert(token, Pending::Accept { listener });
        }
        self.serve_accept(listener);
    }

    fn serve_accept(&mut self, listener: u64) {
        let connections = &self.connections;
        let Some(state) = self.listeners.get_mut(&listener) else { return };
        // Who asked may have gone away again while nobody accepted.
        state.backlog.retain(|number| connections.contains_key(number));
        let (Some(token), Some(number)) = (state.accept, state.backlog.front().copied()) else {
            return;
        };
        let node = state.node;
        state.accept = None;
        state.backlog.pop_front();
        if let Some(node) = self.nodes.get_mut(&node) {
            node.pending.remove(&token);
        }
        let Some(connection) = self.connections.get(&number) else { return };
        let peer = connection.ends[0].address;
        let handle = self.new_handle(Resource::Socket(End {
            connection: number,
            side: 1,
        }));
        self.complete(node, token, Ok(Output::Accepted(handle, peer)));
    }

    /// Connections that were not accepted are reset.
    pub(crate) fn close_listener(&mut self, listener: u64) {
        let Some(state) = self.listeners.remove(&listener) else { return };
        for number in state.backlog {
            self.break_end(number, 1, io::ErrorKind::ConnectionReset);
            self.close_end(End {
                connection: number,
                side: 1,
            });
            if let Some((from, to)) = self.route(End {
                connection: number,
                side: 1,
            }) {
                let delay = self.latency(from, to);
                self.schedule(
                    delay,
                    Event::Reset {
                        connection: number,
                        side: 0,
                    },
                );
            }
        }
    }

    pub(crate) fn submit_connect(&mut self, number: u32, token: Token, target: SocketAddr) {
        let Some(node) = self.nodes.get_mut(&number) else { return };
        let own = SocketAddr::new(if target.ip().is_loopback() { target.ip() } else { node.address }, node.new_port());
        let peer = if target.ip().is_loopback() {
            Some(number)
        } else {
            self.addresses.get(&target.ip()).copied()
        };
        let mut client = EndState::new(Some(number), own);
        client.connect = Some(token);
        let mut server = EndState::new(peer, target);
        // Nobody has the other end until a listener takes it.
        server.open = false;
        let connection = self.number();
        if let Some(node) = self.nodes.get_mut(&number) {
            node.pending.insert(token, Pending::Connect { connection });
        }
        let pipes = [Pipe::default(), Pipe::default()];
        self.connections.insert(
            connection,
            Connection {
                ends: [client, server],
                pipes,
                started_at: self.now,
            },
        );
        let delay = self.latency(number, peer.unwrap_or(number));
        self.schedule(delay, Event::Request { connection });
    }

    /// A request gets to its target, or is lost and sent again.
    pub(crate) fn arrive_request(&mut self, number: u64) {
        let Some(connection) = self.connections.get(&number) else { return };
        let target = connection.ends[1].address;
        let route = self.route(End {
            connection: number,
            side: 0,
        });
        let reached = route.filter(|(from, to)| {
            let powered = self.nodes.get(to).is_some_and(|node| node.powered);
            powered && self.is_open(*from, *to) && self.is_open(*to, *from)
        });
        let Some((from, to)) = reached else {
            return self.repeat_request(number, Event::Request { connection: number });
        };
        let running = self.nodes.get(&to).is_some_and(|node| node.running);
        let candidates: Vec<u64> = self
            .listeners
            .iter()
            .filter(|(_, listener)| {
                let ip = listener.address.ip();
                running && listener.node == to && listener.address.port() == target.port() && (ip == target.ip() || ip.is_unspecified())
            })
            .map(|(number, _)| *number)
            .collect();
        let accepted = !candidates.is_empty();
        if accepted {
            let listener = candidates[self.random.below(candidates.len() as u64) as usize];
            if let Some(connection) = self.connections.get_mut(&number) {
                connection.ends[1].open = true;
            }
            if let Some(state) = self.listeners.get_mut(&listener) {
                state.backlog.push_back(number);
            }
            self.serve_accept(listener);
        }
        let delay = self.latency(to, from);
        self.schedule(
            delay,
            Event::Answer {
                connection: number,
                accepted,
            },
        );
    }

    fn repeat_request(&mut self, number: u64, event: Event) {
        let timeout = self.options.connect_timeout.as_nanos() as u64;
        let Some(connection) = self.connections.get(&number) else { return };
        if self.now - connection.started_at < timeout {
            return self.schedule(REQUEST_AGAIN_NANOSECONDS, event);
        }
        self.end_connect(number, Err(io::ErrorKind::TimedOut));
    }

    /// The answer gets back, or is lost and sent again.
    pub(crate) fn arrive_answer(&mut self, number: u64, accepted: bool) {
        let Some((from, to)) = self.route(End {
            connection: number,
            side: 0,
        }) else {
            return;
        };
        if !self.is_open(to, from) {
            return self.repeat_request(
                number,
                Event::Answer {
                    connection: number,
                    accepted,
                },
            );
        }
        self.end_connect(number, if accepted { Ok(()) } else { Err(io::ErrorKind::ConnectionRefused) });
    }

    fn end_connect(&mut self, number: u64, result: Result<(), io::ErrorKind>) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let end = End {
            connection: number,
            side: 0,
        };
        let client = &mut connection.ends[0];
        let waiting = client.connect.take().zip(client.node);
        // A connection that broke while its answer travelled is reported as such.
        let result = result.and_then(|()| client.error.map_or(Ok(()), Err));
        let Some((token, node)) = waiting else { return self.close_end(end) };
        if let Some(node) = self.nodes.get_mut(&node) {
            node.pending.remove(&token);
        }
        match result {
            Ok(()) => {
                let handle = self.new_handle(Resource::Socket(end));
                self.complete(node, token, Ok(Output::Connected(handle)));
            }
            Err(kind) => {
                self.complete(node, token, Err(kind.into()));
                self.break_end(number, 0, kind);
                self.close_end(end);
            }
        }
    }
}
