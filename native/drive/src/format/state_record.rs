//! The record of a change of the drive's acceptor state.
//!
//! ```text
//!  offset bytes field
//!       0     1 type               8 drive state
//!       1     3 zero
//!       4     4 total              56
//!       8    48 drive state
//! ```

use super::fields::{FieldReader, FieldWriter};
use super::state::{AcceptorState, STATE_BYTES};

/// Bytes of the record.
pub(crate) const STATE_RECORD_BYTES: usize = 8 + STATE_BYTES;
/// Type byte of the record.
pub(crate) const STATE_RECORD_TYPE: u8 = 8;

/// Writes the record into exactly its bytes.
pub(crate) fn encode_state_record(state: &AcceptorState, bytes: &mut [u8]) {
    let mut fields = FieldWriter::new(bytes);
    fields.byte(STATE_RECORD_TYPE).put(&[0; 3]).u32(STATE_RECORD_BYTES as u32);
    state.write(&mut fields);
}

/// Reads a record.
pub(crate) fn decode_state_record(bytes: &[u8]) -> Option<AcceptorState> {
    let mut fields = FieldReader::new(bytes);
    if fields.byte()? != STATE_RECORD_TYPE {
        return None;
    }
    fields.array::<3>()?;
    if fields.u32()? as usize != STATE_RECORD_BYTES {
        return None;
    }
    AcceptorState::read(&mut fields)
}
