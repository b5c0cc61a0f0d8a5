//! Requests to a node, and its answers.
//!
//! ```text
//! request  1 touched  bucket u64, revision 16, name text
//!          2 ping
//! answer   1 done
//!          3 passing
//!          2 pong     wall clock u64 in milliseconds since 1970, loaded u8
//! ```

use super::{Cursor, DecodeError, Wire, Writer};
use crate::{NodeAnswer, NodeRequest};

impl Wire for NodeRequest {
    const MIN_BYTES: usize = 1;
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            NodeRequest::Touched { bucket, revision, name } => {
                writer.u8(1);
                writer.u64(*bucket);
                revision.encode(writer);
                writer.bytes(name.as_bytes());
            }
            NodeRequest::Ping => writer.u8(2),
        }
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<NodeRequest, DecodeError> {
        Ok(match cursor.u8()? {
            1 => NodeRequest::Touched {
                bucket: cursor.u64()?,
                revision: Wire::decode(cursor)?,
                name: cursor.text()?,
            },
            2 => NodeRequest::Ping,
            value => {
                return Err(DecodeError::Unknown {
                    field: "node request",
                    value: value.into(),
                });
            }
        })
    }
}

impl Wire for NodeAnswer {
    const MIN_BYTES: usize = 1;
    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            NodeAnswer::Done => writer.u8(1),
            NodeAnswer::Passing => writer.u8(3),
            NodeAnswer::Pong { wall_ms, loaded } => {
                writer.u8(2);
                writer.u64(*wall_ms);
                writer.u8(u8::from(*loaded));
            }
        }
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<NodeAnswer, DecodeError> {
        Ok(match cursor.u8()? {
            1 => NodeAnswer::Done,
            3 => NodeAnswer::Passing,
            2 => NodeAnswer::Pong {
                wall_ms: cursor.u64()?,
                loaded: cursor.flag("loaded")?,
            },
            value => {
                return Err(DecodeError::Unknown {
                    field: "node answer",
                    value: value.into(),
                });
            }
        })
    }
}
