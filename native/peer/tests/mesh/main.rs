//! Several nodes in one process, over real sockets on loopback and over the simulated world.

mod authentication;
mod cluster;
mod cores;
mod failure;
mod simulated;
mod traffic;
