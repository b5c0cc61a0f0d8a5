//! The formats of a drive, drawn above their codecs. Reading never panics, whatever the bytes.

mod batch;
mod fields;
mod log_record;
mod manifest;
mod mark_record;
mod record;
mod root;
mod segment_open;
mod state;
mod state_record;
mod superblock;

pub(crate) use batch::{BATCH_HEADER_BYTES, BATCH_LIMIT_BYTES, BatchHeader, BatchKind, DriveSeed, PAGE_BYTES, round_to_page};
pub(crate) use fields::{FieldReader, FieldWriter};
pub(crate) use log_record::LogRecord;
pub(crate) use manifest::{Manifest, ManifestRun};
pub(crate) use mark_record::{MarkKind, MarkParts, StoredMark, mark_bytes};
pub(crate) use record::{RecordParts, RecordType, StoredRecord, block_count, peek_record};
pub(crate) use root::{MANIFEST_EXTENTS_LIMIT, ManifestPlace, ROOT_BYTES, ROOT_SLOTS, Root};
pub(crate) use segment_open::{Predecessor, SEGMENT_OPEN_BYTES, SEGMENT_OPEN_TYPE, SegmentOpen};
pub(crate) use state::AcceptorState;
pub(crate) use state_record::{STATE_RECORD_BYTES, STATE_RECORD_TYPE, decode_state_record, encode_state_record};
pub(crate) use superblock::{SUPERBLOCK_BYTES, Superblock, SuperblockError};
