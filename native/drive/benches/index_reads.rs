//! The index of a drive that holds more rows than memory shall: memory a key, lists, cold and hot lookups.
//!
//! `cargo bench -p openlake-drive --bench index_reads -- <directory> [keys] [index bytes]`: the directory is formatted, filled and left
//! to the caller to remove.

use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{
    Adoption, Answer, Ballot, Coding, Covers, Drive, DriveOptions, Key, Kind, MountCheck, Record, Request, Shard, Space, Want, WriteId,
};
use openlake_io::Runtime;
use std::path::PathBuf;
use std::time::Duration;

const PAGE_ROWS: u32 = 1000;
const LOOKUPS: u64 = 20_000;
const HOT: u64 = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(folder) = arguments.first() else {
        return println!("no directory given, nothing measured");
    };
    let number = |at: usize, default: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (keys, index_bytes) = (number(1, 100_000), number(2, 16 << 20));
    let (kind, why) = Runtime::probe();
    println!("engine {kind:?}: {why}");
    let runtime = Runtime::new(kind).expect("the engine that was probed");
    runtime.run(async {
        let options = DriveOptions {
            path: PathBuf::from(folder),
            cluster: [1; 16],
            set: 0,
            slot: 0,
            set_epoch: 1,
            mount_check: MountCheck::Directory,
            adoption: Adoption::FormatNew,
            capacity_bytes: Some(4 << 30),
            cache_bytes: 64 << 20,
            index_bytes,
            boot_at_least: 0,
        };
        let drive = Drive::open(&runtime, options.clone()).await.expect("the drive opens");
        let start = runtime.now();
        fill(&drive, &runtime, keys).await;
        println!("filled with {keys} keys in {:?}", runtime.now().since(start));
        println!("{:?}, {} waits", drive.status().memory, drive.status().memory_waits);
        // Dropped without a close: what a kill leaves.
        drop(drive);
        runtime.sleep(Duration::from_millis(100)).await;
        let start = runtime.now();
        let drive = Drive::open(&runtime, options.clone()).await.expect("the drive opens");
        println!("open after a kill: {:?}", runtime.now().since(start));
        drive.close().await;
        drop(drive);
        runtime.sleep(Duration::from_millis(100)).await;
        let start = runtime.now();
        let drive = Drive::open(&runtime, options.clone()).await.expect("the drive opens");
        let status = drive.status();
        println!(
            "open after a close: {:?}; {} keys, {:.2} bytes of memory a key for filters and fences",
            runtime.now().since(start),
            status.keys,
            status.memory.index_used() as f64 / status.keys.max(1) as f64
        );
        for pass in ["first", "second"] {
            let (start, before) = (runtime.now(), drive.status());
            let pages = list(&drive).await;
            let spent = runtime.now().since(start);
            let after = drive.status();
            let (reads, read_us) = (after.reads - before.reads, after.read_latency.since(&before.read_latency).total_us);
            println!(
                "{pass} walk: {:?} a page of {PAGE_ROWS} rows, {:.1} reads that took {:.0} us",
                spent / pages.max(1),
                f64::from(reads as u32) / f64::from(pages),
                read_us as f64 / f64::from(pages)
            );
        }
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % keys
        };
        let cold: Vec<u64> = (0..LOOKUPS).map(|_| random()).collect();
        look_up(&drive, &runtime, "cold", &cold).await;
        let hot: Vec<u64> = (0..LOOKUPS * 10).map(|at| at % HOT).collect();
        look_up(&drive, &runtime, "first of few", &hot).await;
        look_up(&drive, &runtime, "hot", &hot).await;
        let absent: Vec<u64> = (0..LOOKUPS).map(|at| keys + at).collect();
        look_up(&drive, &runtime, "absent", &absent).await;
        let status = drive.status();
        println!(
            "memory of the index: {} of {} bytes",
            status.memory.index_used(),
            status.memory.index_limit
        );
    });
}

fn key(number: u64) -> Key {
    // Neighbours in time are none in order.
    let name = format!("photos/2026/{:010}.jpg", number.wrapping_mul(7_919) % 9_999_999_967);
    Key {
        bucket: 7,
        space: Space::Object,
        name: name.into(),
    }
}

async fn fill(drive: &Drive, runtime: &Runtime, keys: u64) {
    let now_ms = runtime.wall_ms();
    for batch in 0..keys.div_ceil(64) {
        let puts = (batch * 64..keys.min(batch * 64 + 64)).map(|number| async move {
            let ballot = Ballot {
                clock: (now_ms << 16) + number,
                node: 1,
                boot: 1,
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
                size: 100,
                etag: [number as u8; 16],
                etag_parts: 0,
                metadata: Bytes::from_static(b"image/jpeg"),
                coding: Coding::default(),
                slot: 0,
                payload_size: 100,
                shard: Shard::Inline(Bytes::from_static(&[7; 100])),
            };
            let answer = drive.handle(Request::Publish { key: key(number), record }).await;
            assert_eq!(answer, Answer::Ack);
            drive.handle(Request::Stable { key: key(number), ballot }).await;
        });
        join_all(puts).await;
    }
}

async fn list(drive: &Drive) -> u32 {
    let (mut from, mut pages) = (Bytes::new(), 0);
    loop {
        let request = Request::Scan {
            bucket: 7,
            space: Space::Object,
            prefix: Bytes::new(),
            from,
            limit: PAGE_ROWS,
        };
        let Answer::Page { covers, .. } = drive.handle(request).await else {
            panic!("no page")
        };
        pages += 1;
        match covers {
            Covers::End => return pages,
            Covers::UpTo(name) => from = [&name[..], &[0]].concat().into(),
        }
    }
}

async fn look_up(drive: &Drive, runtime: &Runtime, what: &str, numbers: &[u64]) {
    let names: Vec<Key> = numbers.iter().map(|number| key(*number)).collect();
    let (start, before) = (runtime.now(), drive.status());
    let count = names.len();
    for key in names {
        let answer = drive.handle(Request::Read { key, want: Want::Heads }).await;
        assert!(matches!(answer, Answer::State { .. }));
    }
    let spent = runtime.now().since(start);
    let reads = drive.status().reads - before.reads;
    println!(
        "{what} lookups: {:.2} us each, {:.2} reads",
        spent.as_secs_f64() * 1e6 / count as f64,
        reads as f64 / count as f64
    );
}
