//! Tests of the drive as a whole, and of its parts where only they can be seen from inside.

mod basics;
mod capacity;
mod cleaning;
mod checkpoints;
mod crash;
mod damage;
mod formats;
mod harness;
mod identity;
mod index;
mod model;
mod protocol;
mod rows;
mod runs;
