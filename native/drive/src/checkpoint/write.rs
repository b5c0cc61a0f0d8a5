//! Writing a frozen state: run, manifest, root.

use super::freeze::Frozen;
use super::{KEPT, Kept, RootBase};
use crate::Answer;
use crate::blob::{Blob, BlobWriter};
use crate::cleaner::{Pace, Work};
use crate::core::Core;
use crate::format::{MANIFEST_EXTENTS_LIMIT, Manifest, ManifestPlace, ManifestRun};
use crate::index::{FrozenRows, Run, RunWriter, bitmap_key};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::BitmapImage;
use openlake_checksum::crc64;
use std::rc::Rc;

/// Rows encoded between two looks at what else there is to do; few in tests, so that rows change before their turn.
const ROWS_A_STEP: usize = if cfg!(any(test, feature = "sabotage")) { 2 } else { 64 };

impl Core {
    /// Freezes, writes, installs. In words, why not; then everything is as before.
    pub(super) async fn checkpoint_once(self: &Rc<Core>) -> Result<(), String> {
        let (frozen, rows) = self.freeze().await?;
        let written = self.write_checkpoint(&frozen, rows).await;
        self.space.borrow_mut().let_go_of_released();
        match written {
            Ok((run, kept, base)) => {
                self.install(run, kept, base);
                Ok(())
            }
            Err(text) => {
                self.index.borrow_mut().thaw();
                self.space.borrow_mut().forget_image(&frozen.space, &frozen.retired);
                // The freeze has answered whoever asked; nobody will ask again.
                self.checkpoints.wanted.set(true);
                Err(text)
            }
        }
    }
    /// Writes rows out to make room for others, without a checkpoint: nothing durable names the run.
    pub async fn spill(self: &Rc<Core>) -> Result<(), String> {
        let rows = self.index.borrow_mut().freeze();
        let run = self.write_run(rows, &[]).await?;
        self.index.borrow_mut().install(run);
        self.runs_installed();
        Ok(())
    }
    async fn write_checkpoint(self: &Rc<Core>, frozen: &Frozen, rows: FrozenRows) -> Result<(Option<Rc<Run>>, Kept, RootBase), String> {
        let run = self.write_run(rows, &frozen.space.bitmaps).await?;
        let older = self.index.borrow().runs();
        let runs: Vec<Rc<Run>> = run.iter().chain(older.iter()).cloned().collect();
        let (manifest, place) = self.write_manifest(frozen, &runs).await.map_err(in_words)?;
        let base = RootBase {
            log_start: frozen.log.place(),
            log_start_generation: frozen.log.generation,
            manifest: Some(place),
        };
        if !is_planted(Sabotage::EarlyRoot) {
            self.flush_bulk().await?;
        }
        let before = self.checkpoints.base.replace(Some(base.clone()));
        if let Err(error) = self.write_root(false).await {
            let text = format!("a root could not be written: {error}");
            *self.checkpoints.base.borrow_mut() = before;
            // It may be there all the same, and what it names is about to be given up: another one must take its place.
            if self.write_root(false).await.is_err() {
                self.fail(text.clone());
            }
            return Err(text);
        }
        let kept = Kept {
            _runs: runs,
            _manifest: Some(manifest.extents),
            retired: frozen.retired.clone(),
        };
        Ok((run, kept, base))
    }
    /// Writes frozen rows and bitmaps into a run, which is not durable yet; `None` when there is nothing to write.
    async fn write_run(self: &Rc<Core>, mut rows: FrozenRows, bitmaps: &[BitmapImage]) -> Result<Option<Rc<Run>>, String> {
        // A row may add a marker.
        let mut writer = RunWriter::new(self, 0, rows.rows() * 2 + bitmaps.len() as u64);
        let (mut pace, mut written) = (Pace::new(self, Work::Checkpoint), 0);
        loop {
            let more = self.index.borrow_mut().encode_frozen(&mut rows, ROWS_A_STEP, &mut writer);
            writer.write_out().await.map_err(in_words)?;
            if !more {
                break;
            }
            self.runtime.yield_now().await;
            let before = std::mem::replace(&mut written, writer.written_bytes());
            pace.after((written - before) as usize).await;
        }
        for image in bitmaps {
            let words: Vec<u8> = image.words.iter().flat_map(|word| word.to_le_bytes()).collect();
            writer.push(&bitmap_key(image.segment), &words);
            writer.write_out().await.map_err(in_words)?;
        }
        rows.push_markers(&mut writer).await.map_err(in_words)?;
        if writer.entries() == 0 {
            return Ok(None);
        }
        let run = writer.finish().await.map_err(in_words)?;
        Ok(Some(Rc::new(run)))
    }
    async fn write_manifest(self: &Rc<Core>, frozen: &Frozen, runs: &[Rc<Run>]) -> Result<(Blob, ManifestPlace), Answer> {
        let manifest = Manifest {
            checkpoint: self.checkpoints.number.get() + 1,
            log: frozen.log,
            state: frozen.state,
            highest: frozen.highest,
            keys: frozen.keys,
            runs: runs
                .iter()
                .map(|run| ManifestRun {
                    level: run.level,
                    length: run.blob.length,
                    extents: run.blob.extents.to_vec(),
                })
                .collect(),
            log_segments: frozen.space.log.clone(),
        };
        let bytes = manifest.encode();
        let mut writer = BlobWriter::new(self);
        writer.append(&bytes).await?;
        let blob = writer.finish().await?;
        let extents = blob.extents.to_vec();
        if extents.len() > MANIFEST_EXTENTS_LIMIT {
            return Err(Answer::Failed("free space is too fragmented for a manifest".to_owned()));
        }
        let (length, crc) = (blob.length, crc64(&bytes));
        Ok((blob, ManifestPlace { extents, length, crc }))
    }
    /// The root is durable: the run counts, and what only older checkpoints needed is free.
    fn install(self: &Rc<Core>, run: Option<Rc<Run>>, kept: Kept, base: RootBase) {
        let state = &self.checkpoints;
        *state.base.borrow_mut() = Some(base);
        state.number.set(state.number.get() + 1);
        {
            let mut index = self.index.borrow_mut();
            index.install(run);
            // Those that a root may still name are kept below.
            drop(index.take_retired());
        }
        let mut all = state.kept.borrow_mut();
        all.push_back(kept);
        while all.len() > KEPT {
            all.pop_front();
        }
        // The oldest kept does not need what was retired before its freeze, nor does any newer one.
        let free: Vec<u32> = match all.front_mut() {
            Some(oldest) => std::mem::take(&mut oldest.retired),
            None => Vec::new(),
        };
        drop(all);
        self.free_retired(free);
        let mut space = self.space.borrow_mut();
        self.extents.take_returned().into_iter().for_each(|extent| space.release(extent));
        drop(space);
        self.runs_installed();
        self.log_changed.notify();
        self.provision.notify();
    }
}

fn in_words(answer: Answer) -> String {
    match answer {
        Answer::Failed(text) => text,
        Answer::Full => "no space is left for the index".to_owned(),
        other => format!("{other:?}"),
    }
}
