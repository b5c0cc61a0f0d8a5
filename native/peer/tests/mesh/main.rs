//! Several nodes in one process, over real sockets on loopback and over the simulated world.

mod authentication;
mod authority;
mod cluster;
mod cores;
mod failure;
mod simulated;
mod simulated_tls;
mod tls;
mod traffic;
