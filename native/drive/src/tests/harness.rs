//! What the tests share: a drive in a directory of its own, and short ways to make requests.

use crate::core::Core;
use crate::open::{Tuning, recovered};
use crate::verify::verify;
use crate::{
    Adoption, Answer, Ballot, Coding, Drive, DriveOptions, Key, Kind, MountCheck, OpenError, Record, Request, Shard, Space, Want, WriteId,
};
use bytes::Bytes;
use openlake_io::{EngineKind, Runtime};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A directory that goes away with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("openlake-drive-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Folder(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// Inverts the bytes `range` of a file.
    pub fn flip(&self, name: &str, range: std::ops::Range<usize>) {
        let path = self.0.join(name);
        let mut bytes = std::fs::read(&path).expect("file to damage");
        bytes[range].iter_mut().for_each(|byte| *byte ^= 0xff);
        std::fs::write(&path, bytes).expect("file to damage");
    }
    /// Positions of `pattern` in a file.
    pub fn find(&self, name: &str, pattern: &[u8]) -> Vec<usize> {
        let bytes = std::fs::read(self.0.join(name)).expect("file to search");
        bytes
            .windows(pattern.len())
            .enumerate()
            .filter(|(_, window)| *window == pattern)
            .map(|(at, _)| at)
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The engine that runs everywhere.
pub fn runtime() -> Runtime {
    Runtime::new(EngineKind::Poll).expect("the poll engine")
}

/// Tiny segments, so that tests cross their borders.
pub const TINY: Tuning = Tuning {
    segment_bytes: Some(256 << 10),
    log_bytes_between_checkpoints: Some(96 << 10),
    clean_always: None,
    without_turns: Some(true),
};

pub fn options(path: &Path) -> DriveOptions {
    DriveOptions {
        path: path.to_owned(),
        cluster: [7; 16],
        set: 3,
        slot: 2,
        set_epoch: 1,
        mount_check: MountCheck::Directory,
        adoption: Adoption::FormatNew,
        capacity_bytes: Some(32 << 20),
        cache_bytes: 1 << 20,
        index_bytes: 8 << 20,
        boot_at_least: 0,
    }
}

pub async fn open(runtime: &Runtime, path: &Path) -> Drive {
    open_with(runtime, options(path)).await.expect("the drive opens")
}

pub async fn open_with(runtime: &Runtime, options: DriveOptions) -> Result<Drive, OpenError> {
    Drive::open_tuned(runtime, options, TINY).await
}

/// A drive that nobody has open is exactly what its log says.
pub async fn audit_at_rest(runtime: &Runtime, path: &Path) {
    let (core, _, _) = recovered(runtime, &options(path), TINY).await.expect("a recoverable drive");
    let found = verify(&core).await.expect("a readable drive");
    assert_eq!(found.errors, [""; 0]);
}

pub fn key(name: &str) -> Key {
    Key {
        bucket: 5,
        space: Space::Object,
        name: Bytes::copy_from_slice(name.as_bytes()),
    }
}

/// A ballot of node 1 near the given wall clock.
pub fn ballot(now_ms: u64, counter: u64) -> Ballot {
    Ballot {
        clock: (now_ms << 16) + counter,
        node: 1,
        boot: 1,
    }
}

pub fn write_id(number: u64) -> WriteId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    WriteId(id)
}

/// A record of `payload`, inline, in blocks of 64 KiB.
pub fn record(ballot: Ballot, id: u64, payload: &[u8]) -> Record {
    Record {
        ballot,
        write_id: write_id(id),
        origin: ballot,
        base: None,
        kind: Kind::Data,
        unconditional: true,
        size: payload.len() as u64,
        etag: [id as u8; 16],
        etag_parts: 0,
        metadata: Bytes::from_static(b"meta"),
        coding: Coding {
            data: 2,
            parity: 2,
            block_shift: 16,
            whole: false,
            manifest: false,
        },
        slot: 2,
        payload_size: payload.len() as u64,
        shard: if payload.is_empty() {
            Shard::None
        } else {
            Shard::Inline(Bytes::copy_from_slice(payload))
        },
    }
}

/// The newest version's blocks put together; `None` where a block is damaged or nothing is held.
pub async fn read_all(drive: &Drive, name: &str) -> Option<Vec<u8>> {
    let answer = drive
        .handle(Request::Read {
            key: key(name),
            want: Want::Blocks { first: 0, count: u32::MAX },
        })
        .await;
    let Answer::State { shard: Some(shard), .. } = answer else {
        return None;
    };
    shard
        .blocks
        .into_iter()
        .map(|block| block.map(|block| block.bytes.to_vec()))
        .collect::<Option<Vec<_>>>()
        .map(|blocks| blocks.concat())
}

pub async fn put(drive: &Drive, name: &str, ballot: Ballot, id: u64, payload: &[u8]) -> Answer {
    drive
        .handle(Request::Publish {
            key: key(name),
            record: record(ballot, id, payload),
        })
        .await
}

pub async fn stable(drive: &Drive, name: &str, ballot: Ballot) {
    drive.handle(Request::Stable { key: key(name), ballot }).await;
}

pub async fn heads(drive: &Drive, name: &str) -> crate::KeyState {
    match drive
        .handle(Request::Read {
            key: key(name),
            want: Want::Heads,
        })
        .await
    {
        Answer::State { state, .. } => state,
        other => panic!("a read answered {other:?}"),
    }
}

/// Makes checkpoints, over and over.
pub async fn checkpoint_forever(core: Rc<Core>) {
    while core.failure().is_none() && !core.closing.get() {
        core.runtime.sleep(Duration::from_millis(3)).await;
        core.checkpoint().await.ok();
    }
}

/// Bytes that differ from seed to seed and from block to block.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
