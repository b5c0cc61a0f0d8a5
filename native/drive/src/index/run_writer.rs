//! Writes a run to bulk space as its entries come, in order.

use super::block::RunSeed;
use super::run::Run;
use super::run_encoder::RunEncoder;
use crate::Answer;
use crate::blob::BlobWriter;
use crate::core::Core;
use crate::space::KEPT_FROM_INDEX;
use std::rc::Rc;

/// Encoded bytes are handed on in such steps.
const STEP_BYTES: usize = 64 << 10;

/// A run on its way to the drive. Dropped before its end, it gives its space back.
pub(crate) struct RunWriter {
    encoder: RunEncoder,
    blob: BlobWriter,
    salt: u64,
    level: u8,
}

impl RunWriter {
    /// A run of about `expected_entries`; `level` as in [`Run`].
    pub fn new(core: &Rc<Core>, level: u8, expected_entries: u64) -> RunWriter {
        RunWriter::keeping(core, level, expected_entries, KEPT_FROM_INDEX)
    }
    /// The same for a run that can wait: it takes no segment when only `kept_segments` are free.
    pub fn keeping(core: &Rc<Core>, level: u8, expected_entries: u64, kept_segments: u32) -> RunWriter {
        let salt = core.seed.salt;
        let seed = RunSeed {
            salt,
            run: core.runtime.random_u64(),
        };
        RunWriter {
            encoder: RunEncoder::new(seed, expected_entries),
            blob: BlobWriter::keeping(core, kept_segments),
            salt,
            level,
        }
    }
    /// Adds an entry without writing; call [`RunWriter::write_out`] every now and then. Keys rise (see `run_key`); an empty value
    /// says that the key was removed.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        self.encoder.push(key, value);
    }
    /// Entries so far.
    pub fn entries(&self) -> u64 {
        self.encoder.entries()
    }
    /// Bytes handed on so far.
    pub fn written_bytes(&self) -> u64 {
        self.blob.length()
    }
    /// Hands on what was encoded, if it is worth it. Errors: `Full`, `Failed`.
    pub async fn write_out(&mut self) -> Result<(), Answer> {
        if self.encoder.waiting() >= STEP_BYTES {
            self.blob.append(&self.encoder.take()).await?;
        }
        Ok(())
    }
    /// Writes the rest. The run is not durable yet: flush (`Core::flush_bulk`), then name it in a manifest, then install it.
    pub async fn finish(mut self) -> Result<Run, Answer> {
        let (bytes, encoded) = self.encoder.finish();
        self.blob.append(&bytes).await?;
        let blob = self.blob.finish().await?;
        Ok(Run::written(blob, self.level, self.salt, encoded))
    }
}
