//! `publish`: decided and appended in one step, answered when durable (protocol.md section 3).

use crate::core::{Core, Effect, Repair};
use crate::entry::Entry;
use crate::format::{RecordParts, RecordType};
use crate::row::{Row, Verdict};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::{Claim, ExtentSet};
use crate::strain::Foreground;
use crate::{Answer, Head, Key, Kind, Record, Shard};
use bytes::Bytes;
use openlake_checksum::crc64;
use std::rc::Rc;

/// Inline payloads are at most this long.
const INLINE_LIMIT_BYTES: usize = 64 << 10;
/// Metadata is at most this long.
const METADATA_LIMIT_BYTES: usize = 16 << 10;
/// Names are at most this long: an S3 key, an upload id, a part number.
const NAME_LIMIT_BYTES: usize = 1024 + 64;

/// The bytes of a shard, ready to be put into a record.
#[derive(Clone)]
pub(crate) struct Bytewise {
    checksums: Bytes,
    payload: Bytes,
    shard_length: u64,
    extents: Option<Rc<ExtentSet>>,
}

/// Where a record goes.
pub(crate) enum Seat {
    /// On top of all others: just accepted.
    Newest,
    /// A complete version, wherever it belongs.
    Filled,
    /// In place of this one, which is damaged.
    Instead(Rc<Entry>),
}

/// What a look at the staged and held bytes gave.
pub(crate) enum Sourced {
    Ready(Bytewise),
    /// Something was waited for: decide anew.
    Again,
    Answer(Answer),
}

impl Core {
    /// Takes a record, or says why not.
    pub async fn publish(self: &Rc<Core>, key: Key, record: Record) -> Answer {
        if let Some(text) = unfit(&key, &record) {
            return Answer::Failed(text);
        }
        let mut bytewise = inline_bytes(&record);
        let mut flushed = false;
        loop {
            if let Err(answer) = self.load(&key).await {
                return answer;
            }
            if let Some(text) = self.failure() {
                return Answer::Failed(text);
            }
            if let Some(answer) = self.check_clock(&key, record.ballot) {
                return answer;
            }
            let now = self.runtime.now();
            match self.judge(&key, &record) {
                // Taken, it would make the publish of the one whose turn it is be refused.
                Verdict::Accept if record.base.is_none() && self.turns.is_anothers(&key, record.ballot, now) => return Answer::SettleFirst,
                Verdict::Accept => {}
                Verdict::Duplicate => return self.all_durable().await.map_or_else(|answer| answer, |()| Answer::Ack),
                Verdict::Refuse => {
                    self.turns.note_refusal(&key, now);
                    self.turns.note_publish(&key, record.ballot, now);
                    return self.refuse(&key).await;
                }
                Verdict::SettleFirst => {
                    self.turns.note_refusal(&key, now);
                    return Answer::SettleFirst;
                }
            }
            if !self.has_memory(record.kind == Kind::Tombstone) {
                match self.await_memory(record.kind == Kind::Tombstone).await {
                    Ok(()) => continue,
                    Err(answer) => return answer,
                }
            }
            if bytewise.is_none() || bytewise.as_ref().is_some_and(|bytes| bytes.extents.is_some()) {
                let acceptable = |core: &Core| matches!(core.judge(&key, &record), Verdict::Accept);
                match self.source(&key, &record, &mut flushed, acceptable).await {
                    Sourced::Ready(ready) => bytewise = Some(ready),
                    Sourced::Again => continue,
                    Sourced::Answer(answer) => return answer,
                }
            }
            let Some(bytes) = &bytewise else { return Answer::NotStaged };
            let claim = claim_of(bytes);
            if !self.has_room_for(claim) {
                match self.await_room_for(claim).await {
                    Ok(()) => continue,
                    Err(answer) => return answer,
                }
            }
            match self.append_record(&key, &record, bytes, Seat::Newest) {
                Err(needed) if needed > self.log.borrow().record_limit_bytes() => {
                    return Answer::Failed(format!("a record of {needed} bytes does not fit into a batch of the log"));
                }
                Ok(ordinal) => {
                    self.turns.note_publish(&key, record.ballot, self.runtime.now());
                    self.wake_pump();
                    if is_planted(Sabotage::EarlyAcknowledge) {
                        return Answer::Ack;
                    }
                    let wait = self.strain.begin(self.runtime.now());
                    let durable = self.durable(ordinal).await;
                    self.strain.end(Foreground::DurableWrite, wait, self.runtime.now());
                    return durable.map_or_else(|answer| answer, |()| Answer::Ack);
                }
                Err(needed) => {
                    if let Err(answer) = self.room(needed, claim).await {
                        return answer;
                    }
                }
            }
        }
    }

    fn judge(&self, key: &Key, record: &Record) -> Verdict {
        let promised = self.promises.borrow().get(key).copied().unwrap_or_default();
        let floor = self.acceptor.get().drive_floor.max(promised);
        let prepared = record.base.is_some();
        match self.index.borrow().get(key) {
            Some(row) => row.judge_publish(floor, record.ballot, prepared),
            None => Row::default().judge_publish(floor, record.ballot, prepared),
        }
    }

    /// Finds the bytes of a staged or held shard. `Held` means what the row holds: beside it, bytes of the same write id may be staged that
    /// are only the beginning of a shard, as others may just be supplying it. Without such a row, what is staged counts if it is known to
    /// be whole. Whatever has to be waited for is waited for; then the caller decides anew, unless the
    /// record is still `wanted`.
    pub async fn source(self: &Rc<Core>, key: &Key, record: &Record, flushed: &mut bool, wanted: impl Fn(&Core) -> bool) -> Sourced {
        let length = match &record.shard {
            Shard::Staged { length } => Some(*length),
            _ => None,
        };
        let held = self
            .index
            .borrow()
            .get(key)
            .and_then(|row| row.of_write_id(record.write_id).cloned());
        let staged = self.staged.borrow().get(record.write_id);
        let staged = staged.filter(|_| length.is_some() || held.is_none() || is_planted(Sabotage::HeldFromStage));
        if let Some(staged) = staged
            && let Some(complete) = staged.complete(length, record.coding.block_shift)
        {
            if !std::mem::replace(flushed, true) && !is_planted(Sabotage::PublishBeforeFlush) {
                return match self.flush_bulk().await {
                    Ok(()) => Sourced::Again,
                    Err(text) => Sourced::Answer(Answer::Failed(text)),
                };
            }
            let extents = Some(staged.extents.clone());
            return Sourced::Ready(Bytewise {
                checksums: complete.checksums,
                payload: Bytes::new(),
                shard_length: complete.length,
                extents,
            });
        }
        let Some(held) = held.filter(|held| length.is_none_or(|length| held.shard_length == length)) else {
            return Sourced::Answer(Answer::NotStaged);
        };
        if held.shard_length == 0 {
            return Sourced::Ready(Bytewise {
                checksums: Bytes::new(),
                payload: Bytes::new(),
                shard_length: 0,
                extents: None,
            });
        }
        let cached = held.place().and_then(|place| self.cache.borrow_mut().get(self.cache_key(place)));
        let tail = match cached {
            Some(tail) => tail,
            None => {
                // Not durable yet, or not in memory: the bytes come from the drive.
                if let Err(answer) = self.all_durable().await {
                    return Sourced::Answer(answer);
                }
                match self.read_tail(&held).await {
                    Some(tail) => tail,
                    None => return Sourced::Answer(Answer::NotStaged),
                }
            }
        };
        if let Err(answer) = self.load(key).await {
            return Sourced::Answer(answer);
        }
        // Reading may have taken time, so the caller's verdict is stale; but only the row can have changed, not these bytes.
        if !wanted(self) {
            return Sourced::Again;
        }
        let (checksums, payload) = (tail.slice(..held.checksum_bytes()), tail.slice(held.checksum_bytes()..));
        if payload.len() != held.payload as usize {
            return Sourced::Answer(Answer::NotStaged);
        }
        Sourced::Ready(Bytewise {
            checksums,
            payload,
            shard_length: held.shard_length,
            extents: held.extents.clone(),
        })
    }

    /// Appends in one step with the verdict: no await lies between. `Err`: the bytes that need room first.
    pub fn append_record(&self, key: &Key, record: &Record, bytes: &Bytewise, seat: Seat) -> Result<u64, usize> {
        let kind = match (record.kind, &bytes.extents) {
            (Kind::Tombstone, _) => RecordType::Delete,
            (Kind::Data, Some(_)) => RecordType::Bulk,
            (Kind::Data, None) => RecordType::Inline,
        };
        let may_roll = self.may_roll(claim_of(bytes));
        let mut index = self.index.borrow_mut();
        let key = index.own_key(key);
        let mut entry = Entry::pending(key.clone(), head_of(record, kind), bytes.shard_length, bytes.extents.clone());
        if let Some(extents) = &bytes.extents {
            // Space taken in steps may reach behind the shard's end.
            let granule = u64::from(self.medium.geometry().granule_bytes);
            extents.trim(bytes.shard_length.div_ceil(granule));
        }
        let extents = bytes.extents.as_ref().map(|extents| extents.to_vec()).unwrap_or_default();
        let stable = match &seat {
            Seat::Instead(damaged) => index.get(&key).and_then(|row| row.stable()) == Some(damaged.head.ballot),
            Seat::Newest | Seat::Filled => false,
        };
        let parts = RecordParts {
            key: &key,
            kind,
            head: &entry.head,
            shard_length: bytes.shard_length,
            extents: &extents,
            checksums: &bytes.checksums,
            payload: &bytes.payload,
            stable,
        };
        let (total, tail_offset) = (parts.encoded_bytes(), parts.tail_offset());
        let mut log = self.log.borrow_mut();
        if !log.has_room(total, may_roll) {
            return Err(total);
        }
        let salt = self.seed.salt;
        let appended = log.append(total, |target| parts.encode(target, salt));
        let Ok(ordinal) = appended else { return Err(total) };
        (entry.total, entry.tail_offset, entry.payload) = (total as u32, tail_offset as u32, bytes.payload.len() as u32);
        let entry = Rc::new(entry);
        if let Seat::Instead(damaged) = seat {
            damaged.replacing.set(true);
            log.set_last_effect(total, Effect::Repaired(Repair { entry, damaged, stable }));
            self.staged.borrow_mut().remove(record.write_id);
            return Ok(ordinal);
        }
        log.set_last_effect(total, Effect::Accepted(entry.clone()));
        self.note_record(record.ballot);
        let filled = matches!(seat, Seat::Filled).then(|| entry.clone());
        let row = index.get_or_insert(key.clone());
        if let Some(promised) = self.promises.borrow_mut().remove(&entry.key) {
            row.raise_floor(promised);
        }
        row.accept(entry);
        if bytes.extents.is_some() {
            self.staged.borrow_mut().remove(record.write_id);
        }
        index.evict(Some(&key));
        drop(index);
        if let Some(entry) = filled {
            self.note_filled(&entry);
        }
        Ok(ordinal)
    }
}

/// What a record wants of the space.
pub(crate) fn claim_of(bytes: &Bytewise) -> Claim {
    match (&bytes.extents, bytes.shard_length) {
        (_, 0) => Claim::Removal,
        (Some(_), _) => Claim::Record,
        (None, _) => Claim::Data,
    }
}

fn head_of(record: &Record, kind: RecordType) -> Head {
    Head {
        ballot: record.ballot,
        write_id: record.write_id,
        origin: record.origin,
        base: record.base,
        kind: record.kind,
        unconditional: record.unconditional,
        size: record.size,
        etag: record.etag,
        etag_parts: record.etag_parts,
        metadata: Bytes::copy_from_slice(&record.metadata),
        coding: record.coding,
        slot: record.slot,
        payload_size: record.payload_size,
        inline: kind != RecordType::Bulk,
    }
}

/// Bytes that came with the record itself; `None` when they have to be found.
pub(crate) fn inline_bytes(record: &Record) -> Option<Bytewise> {
    let payload = match &record.shard {
        Shard::Inline(payload) => payload.clone(),
        Shard::None => Bytes::new(),
        Shard::Staged { .. } | Shard::Held => return None,
    };
    let block = match record.coding.block_shift {
        0 => payload.len().max(1),
        shift => 1_usize << shift,
    };
    let checksums: Vec<u8> = payload.chunks(block).flat_map(|block| crc64(block).to_le_bytes()).collect();
    Some(Bytewise {
        checksums: checksums.into(),
        shard_length: payload.len() as u64,
        payload,
        extents: None,
    })
}

/// Why a record cannot be stored whatever the state, if so.
pub(crate) fn unfit(key: &Key, record: &Record) -> Option<String> {
    let payload = match &record.shard {
        Shard::Inline(payload) => payload.len(),
        _ => 0,
    };
    if payload > INLINE_LIMIT_BYTES {
        return Some(format!(
            "an inline shard holds at most {INLINE_LIMIT_BYTES} bytes, this one has {payload}"
        ));
    }
    if record.metadata.len() > METADATA_LIMIT_BYTES {
        return Some(format!(
            "metadata holds at most {METADATA_LIMIT_BYTES} bytes, this one has {}",
            record.metadata.len()
        ));
    }
    if key.name.len() > NAME_LIMIT_BYTES {
        return Some(format!(
            "a name has at most {NAME_LIMIT_BYTES} bytes, this one has {}",
            key.name.len()
        ));
    }
    if !matches!(record.coding.block_shift, 0 | 9..=30) {
        return Some(format!("block shift {} is neither 0 nor within 9 to 30", record.coding.block_shift));
    }
    let bytes_on_tombstone = record.kind == Kind::Tombstone && !matches!(record.shard, Shard::None | Shard::Held);
    bytes_on_tombstone.then(|| "a tombstone carries no bytes".to_owned())
}
