//! What callers of the code can get wrong. Each message says what was tried and the value seen.

use std::fmt;

use crate::matrix::MAX_SHARDS;

/// Why a code could not be made, or shards not be encoded or rebuilt. Nothing was written in that case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErasureError {
    /// A code with no data shards, or with more shards than the matrix has room for.
    UnsupportedCode {
        /// Data shards asked for.
        data: u8,
        /// Parity shards asked for.
        parity: u8,
    },
    /// Encoding or rebuilding with another number of shards than the code has.
    WrongShardCount {
        /// Which list: "data", "parity", "present" or "output".
        list: &'static str,
        /// Shards that belong in it.
        expected: usize,
        /// Shards given.
        actual: usize,
    },
    /// A shard index outside of the code.
    UnknownShard {
        /// The index given.
        index: u8,
        /// Shards of the code; indexes are smaller.
        shards: u8,
    },
    /// The same shard given twice for a rebuild.
    RepeatedShard {
        /// The index given twice.
        index: u8,
    },
    /// An input longer than the output it is to be encoded into, so that its tail would be lost.
    InputTooLong {
        /// Position in the list of inputs.
        position: usize,
        /// Its length in bytes.
        length_bytes: usize,
        /// The output's length in bytes.
        output_bytes: usize,
    },
    /// Outputs of one call with different lengths.
    UnequalOutputs {
        /// Length of the first in bytes.
        first_bytes: usize,
        /// Length of another in bytes.
        other_bytes: usize,
    },
}

impl fmt::Display for ErasureError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedCode { data, parity } => {
                write!(
                    formatter,
                    "cannot make an erasure code of {data} data and {parity} parity shards: \
                     it needs at least 1 data shard and at most {MAX_SHARDS} shards in all"
                )
            }
            Self::WrongShardCount { list, expected, actual } => {
                write!(formatter, "cannot code {actual} {list} shards: this code takes {expected}")
            }
            Self::UnknownShard { index, shards } => {
                write!(
                    formatter,
                    "cannot use shard {index}: this code has shards 0 to {}",
                    shards.saturating_sub(1)
                )
            }
            Self::RepeatedShard { index } => write!(formatter, "cannot rebuild from shard {index} given twice"),
            Self::InputTooLong {
                position,
                length_bytes,
                output_bytes,
            } => {
                write!(
                    formatter,
                    "cannot code input {position} of {length_bytes} bytes into outputs of {output_bytes} bytes"
                )
            }
            Self::UnequalOutputs { first_bytes, other_bytes } => {
                write!(
                    formatter,
                    "cannot code into outputs of different lengths: {first_bytes} and {other_bytes} bytes"
                )
            }
        }
    }
}

impl std::error::Error for ErasureError {}
