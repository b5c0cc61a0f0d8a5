//! A flood of new keys, on a real disk and in a process of its own: the memory of the process stays within the drive's budget.

use bytes::Bytes;
use openlake_drive::{
    Adoption, Answer, Ballot, Coding, Drive, DriveOptions, Key, Kind, MountCheck, Record, Request, Shard, Space, WriteId,
};
use openlake_io::{EngineKind, Runtime};
use std::cell::Cell;
use std::path::Path;

const INDEX_BYTES: u64 = 16 << 20;
const CACHE_BYTES: u64 = 8 << 20;
/// Batches of the log, requests in flight, runs being written and merged, buffers that each thread keeps, what the allocator loses.
const BESIDE_BYTES: u64 = 72 << 20;
/// The second half of the keys takes no more than this beside what the first half took.
const FLAT_BYTES: u64 = 16 << 20;
const KEYS: u64 = 240_000;
const WRITERS: u64 = 128;

/// Resident memory of this process, by `/proc`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

fn options(path: &Path) -> DriveOptions {
    DriveOptions {
        path: path.to_owned(),
        cluster: [7; 16],
        set: 0,
        slot: 0,
        set_epoch: 1,
        mount_check: MountCheck::Directory,
        adoption: Adoption::FormatNew,
        capacity_bytes: Some(1 << 30),
        cache_bytes: CACHE_BYTES,
        index_bytes: INDEX_BYTES,
        boot_at_least: 0,
    }
}

fn request(number: u64, ballot: Ballot) -> (Key, Record) {
    let key = Key {
        bucket: 1,
        space: Space::Object,
        name: format!("flood/{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into(),
    };
    let mut write_id = [0; 16];
    write_id[..8].copy_from_slice(&number.to_le_bytes());
    let record = Record {
        ballot,
        write_id: WriteId(write_id),
        origin: ballot,
        base: None,
        kind: Kind::Data,
        unconditional: true,
        size: 64,
        etag: [1; 16],
        etag_parts: 0,
        metadata: Bytes::new(),
        coding: Coding {
            data: 1,
            parity: 0,
            block_shift: 16,
            whole: true,
            manifest: false,
        },
        slot: 0,
        payload_size: 64,
        shard: Shard::Inline(Bytes::copy_from_slice(&[number as u8; 64])),
    };
    (key, record)
}

async fn write(runtime: &Runtime, drive: &Drive, writer: u64, most: &[Cell<u64>; 2]) {
    for number in (writer..KEYS).step_by(WRITERS as usize) {
        let ballot = Ballot {
            clock: (runtime.wall_ms() << 16) + (number & 0xffff),
            node: 1,
            boot: 1,
        };
        let (key, record) = request(number, ballot);
        assert_eq!(drive.handle(Request::Publish { key: key.clone(), record }).await, Answer::Ack);
        drive.handle(Request::Stable { key, ballot }).await;
        if number % 1000 == 0 {
            let now = resident_bytes().unwrap_or_default();
            let of_half = if number < KEYS / 2 { &most[0] } else { &most[1] };
            of_half.set(of_half.get().max(now));
        }
    }
}

#[test]
fn the_process_stays_within_the_budget_of_its_drive() {
    let Some(before) = resident_bytes() else {
        eprintln!("not run: this system has no /proc");
        return;
    };
    let folder = std::env::temp_dir().join(format!("openlake-memory-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a directory for the test");
    let runtime = Runtime::new(EngineKind::Poll).expect("the poll engine");
    let most = runtime.run(async {
        let drive = Drive::open(&runtime, options(&folder)).await.expect("the drive opens");
        let most = [Cell::new(0), Cell::new(0)];
        futures_util::future::join_all((0..WRITERS).map(|writer| write(&runtime, &drive, writer, &most))).await;
        let status = drive.status();
        eprintln!("{:?}, {} waits, {} keys", status.memory, status.memory_waits, status.keys);
        drive.close().await;
        most.map(Cell::into_inner)
    });
    std::fs::remove_dir_all(&folder).ok();
    let [grown, later] = most.map(|most| most.saturating_sub(before));
    eprintln!(
        "{} MiB more than before after half of the keys, {} MiB after all",
        grown >> 20,
        later >> 20
    );
    assert!(later <= grown + FLAT_BYTES, "the process grew from {grown} to {later} bytes");
    let grown = grown.max(later);
    assert!(
        grown <= INDEX_BYTES + CACHE_BYTES + BESIDE_BYTES,
        "the process grew by {grown} bytes"
    );
}
