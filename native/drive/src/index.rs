//! From keys to rows: a table in memory of the rows in use, and sorted immutable runs on the drive of all others.
//!
//! A row is brought into memory, decided there, and written out by the next checkpoint. Nothing of it is the truth: the log is.

mod block;
mod evict;
mod fences;
mod filter;
mod freeze;
mod merge_choice;
mod merge_cursor;
mod piece;
mod piece_plan;
mod resident;
mod row_codec;
mod run;
mod run_cursor;
mod run_encoder;
mod run_footer;
mod run_key;
mod run_writer;
mod slot;
mod varint;
mod version_codec;

pub(crate) use block::Block;
#[cfg(test)]
pub(crate) use block::{BlockBuilder, RunSeed};
#[cfg(test)]
pub(crate) use fences::Fences;
#[cfg(test)]
pub(crate) use filter::Filter;
pub(crate) use filter::KeyHash;
pub(crate) use freeze::FrozenRows;
pub(crate) use merge_choice::choose_merge;
pub(crate) use merge_cursor::MergeCursor;
pub(crate) use piece::Piece;
pub(crate) use resident::Index;
#[cfg(test)]
pub(crate) use row_codec::encode_row;
pub(crate) use row_codec::{decode_row, put_stored_state, shared_extents};
pub(crate) use run::{Run, RunError};
#[cfg(test)]
pub(crate) use run_footer::RunFooter;
pub(crate) use run_key::{
    SpecialKey, bitmap_key, decode_key, decode_special_key, encode_key, name_in, range_end, special_range_start, unsettled_key,
};
pub(crate) use run_writer::RunWriter;
#[cfg(test)]
pub(crate) use varint::{put_varint, take_bytes, take_length, take_varint};
