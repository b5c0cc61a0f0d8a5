//! The log: its writing end and its recovery.

mod abandoned;
mod acknowledge;
mod append;
mod batch;
mod head;
mod reader;
mod recover;
mod salvage;

pub(crate) use abandoned::{abandoned_behind, named_by};
pub(crate) use append::{Log, LogFailed, LogWrite};
pub(crate) use batch::SealedBatch;
pub(crate) use head::Head;
pub(crate) use reader::SegmentReader;
pub(crate) use recover::{Found, LogStart, Recovered, Replay, Unfollowed, recover};
pub(crate) use salvage::{KnownSegments, Salvaged, salvage};
