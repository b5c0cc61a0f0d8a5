//! One drive alone: random histories on its public interface, with ends at every moment, judged by a model of the acceptor.
//!
//! A cluster hides much of what one drive does wrong, as others answer in its place. Here nothing is hidden: what the drive said once
//! binds it in all its later lives. A seed decides everything: the device, the load, when and how each life ends.

pub mod audit;
pub mod checks;
pub mod device;
pub mod examine;
pub mod key_model;
pub mod model;
pub mod mutants;
pub mod payload;
pub mod plan;
pub mod reads;
pub mod requests;
pub mod shift;
pub mod simulation;
pub mod theme;
pub mod worker;
pub mod writes;
