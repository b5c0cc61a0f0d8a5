//! Durable puts and reads of small records on one drive, in the terms of the budgets: records a second, CPU a record.
//!
//! `cargo bench -p openlake-drive -- <directory> [records] [in flight] [payload bytes]`: the directory should lie on the drive in
//! question; it is formatted, filled and left to the caller to remove.

use bytes::Bytes;
use futures_util::future::join_all;
use openlake_drive::{
    Adoption, Answer, Ballot, Coding, Drive, DriveOptions, Key, Kind, MountCheck, Record, Request, Shard, Space, Want, WriteId,
};
use openlake_io::Runtime;
use std::cell::Cell;
use std::path::PathBuf;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(folder) = arguments.first() else {
        return println!("no directory given, nothing measured");
    };
    let number = |at: usize, default: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (records, in_flight, payload_bytes) = (number(1, 200_000), number(2, 64), number(3, 4096));
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
            capacity_bytes: Some(8 << 30),
            cache_bytes: 256 << 20,
            index_bytes: 256 << 20,
            boot_at_least: 0,
        };
        let start = runtime.now();
        let drive = Drive::open(&runtime, options.clone()).await.expect("the drive opens");
        println!("open: {:?}", runtime.now().since(start));
        let payload = Bytes::from(vec![7; payload_bytes as usize]);
        let next = Cell::new(0);
        let now_ms = runtime.wall_ms();
        measure(
            "put",
            &runtime,
            records,
            join_all((0..in_flight).map(|_| put_all(&drive, &next, records, now_ms, &payload))),
        )
        .await;
        let status = drive.status();
        println!(
            "{:.1} records a batch, {:.2} bytes written per byte",
            records as f64 / status.batches as f64,
            status.written_bytes as f64 / (records * payload_bytes) as f64
        );
        next.set(0);
        measure(
            "get",
            &runtime,
            records,
            join_all((0..in_flight).map(|_| get_all(&drive, &next, records))),
        )
        .await;
        let status = drive.status();
        println!("cache hits {} misses {}", status.cache_hits, status.cache_misses);
        drop(drive);
        runtime.sleep(std::time::Duration::from_millis(50)).await;
        let start = runtime.now();
        let drive = Drive::open(&runtime, options).await.expect("the drive opens again");
        println!("open with {} keys: {:?}", drive.status().keys, runtime.now().since(start));
        drive.close().await;
    });
}

fn key(number: u64) -> Key {
    Key {
        bucket: 1,
        space: Space::Object,
        name: Bytes::from(format!(
            "folder/with some depth/object {:016x}",
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        )),
    }
}

async fn put_all(drive: &Drive, next: &Cell<u64>, records: u64, now_ms: u64, payload: &Bytes) {
    loop {
        let number = next.replace(next.get() + 1);
        if number >= records {
            return;
        }
        let ballot = Ballot {
            clock: (now_ms << 16) + number,
            node: 1,
            boot: 1,
        };
        let mut write_id = WriteId::default();
        write_id.0[..8].copy_from_slice(&number.to_le_bytes());
        let record = Record {
            ballot,
            write_id,
            origin: ballot,
            base: None,
            kind: Kind::Data,
            unconditional: true,
            size: payload.len() as u64,
            etag: [1; 16],
            etag_parts: 0,
            metadata: Bytes::from_static(b"\x01\x0c\x00content-type\x18\x00application/octet-stream"),
            coding: Coding {
                data: 1,
                parity: 0,
                block_shift: 16,
                whole: true,
                manifest: false,
            },
            slot: 0,
            payload_size: payload.len() as u64,
            shard: Shard::Inline(payload.clone()),
        };
        assert_eq!(drive.handle(Request::Publish { key: key(number), record }).await, Answer::Ack);
        drive.handle(Request::Stable { key: key(number), ballot }).await;
    }
}

async fn get_all(drive: &Drive, next: &Cell<u64>, records: u64) {
    loop {
        let number = next.replace(next.get() + 1);
        if number >= records {
            return;
        }
        let answer = drive
            .handle(Request::Read {
                key: key(number * 7 % records),
                want: Want::Blocks { first: 0, count: 1 },
            })
            .await;
        assert!(matches!(answer, Answer::State { shard: Some(_), .. }));
    }
}

async fn measure(name: &str, runtime: &Runtime, records: u64, work: impl Future) {
    let (start, cpu) = (runtime.now(), cpu_us());
    work.await;
    let (elapsed, cpu) = (runtime.now().since(start), cpu_us() - cpu);
    println!(
        "{name}: {:.0}/s, {:.2} us of CPU each, {elapsed:?}",
        records as f64 / elapsed.as_secs_f64(),
        cpu as f64 / records as f64
    );
}

/// CPU time of the process in microseconds, from the kernel's clock ticks of 10 ms.
fn cpu_us() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10_000
}
