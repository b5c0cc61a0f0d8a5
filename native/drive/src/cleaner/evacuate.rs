//! Evacuating a victim: read in order, batch by batch, each record judged by the index and moved if it lives.

use super::moving::Moving;
use super::pace::Pace;
use super::victim::Candidate;
use crate::core::Core;
use crate::entry::Entry;
use crate::format::{BATCH_HEADER_BYTES, LogRecord, MarkKind, PAGE_BYTES, SEGMENT_OPEN_TYPE, STATE_RECORD_TYPE, peek_record};
use crate::log::SegmentReader;
use crate::space::Place;
use crate::{Key, Space};
use bytes::Bytes;
use std::collections::HashSet;
use std::rc::Rc;

/// Bytes of one read: large enough to cost little, small enough to stand in nobody's way.
pub(super) const STEP_BYTES: usize = 256 << 10;

/// What one walk through a segment remembers.
#[derive(Default)]
struct Walk {
    /// Marks whose version was copied with a flag that makes them superfluous.
    replaced_marks: HashSet<Place>,
}

impl Core {
    /// Moves all that lives in a segment. False when it could not be finished; it is tried again later, or never where what lives
    /// cannot be read.
    pub(super) async fn evacuate(self: &Rc<Core>, victim: Candidate, pace: &mut Pace) -> bool {
        let _lease = self.leases.take(victim.segment);
        let walked = self.copy_living(&victim, pace).await;
        // Those copied before it stopped count: else the next try would copy them again.
        if self.all_durable().await.is_err() {
            return false;
        }
        self.cleaner.moving_bytes.set(0);
        if walked && self.lives(&victim) {
            // Its records lie in damaged batches. They stay for who can still read them, and for the scrub to replace.
            self.cleaner.unreadable.borrow_mut().insert(victim.segment, victim.generation);
        }
        walked
    }
    /// Copies what lives in a segment; false when it stopped before the end.
    async fn copy_living(self: &Rc<Core>, victim: &Candidate, pace: &mut Pace) -> bool {
        let mut reader = SegmentReader::with_window(&self.medium, self.seed, victim.segment, STEP_BYTES);
        let (mut offset, mut walk) = (0, Walk::default());
        let end = self.medium.geometry().segment_bytes as usize;
        while offset < end && self.lives(victim) {
            let batch = reader
                .batch(offset)
                .await
                .filter(|found| found.header.generation == victim.generation);
            let Some(batch) = batch else {
                offset += PAGE_BYTES;
                continue;
            };
            let bytes = reader.bytes(offset, batch.header.used as usize);
            let mut at = BATCH_HEADER_BYTES;
            for _ in 0..batch.header.records {
                let rest = bytes.get(at..).unwrap_or(&[]);
                let Some((kind, total)) = peek_record(rest).filter(|(_, total)| (8..=rest.len()).contains(total)) else {
                    break;
                };
                let place = Place::new(victim.segment, (offset + at) as u32);
                if kind != STATE_RECORD_TYPE && kind != SEGMENT_OPEN_TYPE && !self.keep(victim, &rest[..total], place, &mut walk).await {
                    return false;
                }
                at += total;
            }
            offset += batch.header.length as usize;
            self.wake_pump();
            pace.after(batch.header.length as usize).await;
            if !self.may_clean() {
                return false;
            }
        }
        true
    }
    fn lives(&self, victim: &Candidate) -> bool {
        let space = self.space.borrow();
        space
            .segment(victim.segment)
            .is_some_and(|segment| segment.generation == victim.generation && segment.live_records > 0)
    }
    /// Moves the record at `place` if it lives. False when that is not possible now.
    async fn keep(self: &Rc<Core>, victim: &Candidate, source: &[u8], place: Place, walk: &mut Walk) -> bool {
        let Some(record) = LogRecord::decode(source, self.seed.salt) else {
            return true;
        };
        let (bucket, space, name) = match &record {
            LogRecord::Version(record) => (record.bucket, record.space, record.name),
            LogRecord::Mark(mark) => (mark.bucket, mark.space, mark.name),
        };
        let key = key_of(bucket, space, name);
        let mut waited = false;
        loop {
            if self.load(&key).await.is_err() {
                // Until the index is rebuilt; others must not wait for it.
                self.cleaner.unreadable.borrow_mut().insert(victim.segment, victim.generation);
                return false;
            }
            if !self.may_clean() {
                return false;
            }
            if !self.fits_moved_row(&key) && !std::mem::replace(&mut waited, true) {
                if self.await_moved_rows().await {
                    continue;
                }
                return false;
            }
            let moving = match &record {
                LogRecord::Version(version) => match self.entry_at(&key, place) {
                    Some(entry) => {
                        let moving = self.move_version(&entry, place, version, source);
                        if matches!(moving, Moving::Appended) {
                            self.note_replaced_mark(&entry, walk);
                        }
                        moving
                    }
                    None => Moving::Dead,
                },
                LogRecord::Mark(_) if walk.replaced_marks.contains(&place) => Moving::Dead,
                LogRecord::Mark(mark) if mark.kind == MarkKind::Drop => self.move_trace(&key, mark, place),
                LogRecord::Mark(_) => match self.stable_entry(&key) {
                    Some(entry) => self.move_mark(&entry, place),
                    None => Moving::Dead,
                },
            };
            match moving {
                Moving::Appended => {
                    self.count_moving(&key);
                    return true;
                }
                Moving::Dead => return true,
                Moving::NeedsRoom(bytes) => {
                    if self.room_to_move(bytes).await.is_err() {
                        return false;
                    }
                }
            }
        }
    }
    fn entry_at(&self, key: &Key, place: Place) -> Option<Rc<Entry>> {
        let index = self.index.borrow();
        let mut entries = index.get(key)?.entries().iter();
        entries.find(|entry| entry.place() == Some(place)).cloned()
    }
    fn stable_entry(&self, key: &Key) -> Option<Rc<Entry>> {
        self.index.borrow().get(key)?.stable_entry().cloned()
    }
    fn note_replaced_mark(&self, entry: &Entry, walk: &mut Walk) {
        let index = self.index.borrow();
        let row = index.get(&entry.key).filter(|row| row.stable() == Some(entry.head.ballot));
        walk.replaced_marks.extend(row.and_then(|row| row.mark()));
    }
}

fn key_of(bucket: u64, space: Space, name: &[u8]) -> Key {
    Key {
        bucket,
        space,
        name: Bytes::copy_from_slice(name),
    }
}
