//! An explicit-state model of one key of one erasure set: every interleaving of the steps of drives and coordinators.
//!
//! Loss, delay, reordering, the crash of a coordinator and an absent drive are "the step never happens" or "happens late": a request may
//! be handled by a drive at any later time, also after its coordinator ended or moved on. What a step may do stands in `coordinator`
//! and `drive`; what must hold afterwards in `newest_check`, `version_check` and `decodable`; who looks where in `explore` and `walk`.

pub mod bugs;
pub mod config;
pub mod coordinator;
pub mod decodable;
pub mod drive;
pub mod explore;
pub mod newest_check;
pub mod prepared;
pub mod published;
pub mod reading;
pub mod record;
pub mod removal;
pub mod scan;
pub mod set_change;
pub mod state;
pub mod steps;
pub mod succession;
pub mod version_check;
pub mod walk;
