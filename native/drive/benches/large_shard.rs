//! What one block of a large shard costs, whose checksums lie all together in its record.
//!
//! `cargo bench -p openlake-drive --bench large_shard -- <directory> [blocks]`: the directory is formatted and left to the caller to
//! remove. Blocks are of 4 KiB, so that a record as long as that of 5 GiB in blocks of 64 KiB (81,920 blocks) needs few bytes.

use bytes::Bytes;
use openlake_drive::{
    Adoption, Answer, Ballot, Coding, Drive, DriveOptions, Key, Kind, MountCheck, Record, Request, Shard, Space, WriteId,
};
use openlake_io::{Runtime, process_time};
use std::path::Path;

const BLOCK_SHIFT: u8 = 12;
const READS: u32 = 200;
const PIECE_BYTES: usize = 1 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(folder) = arguments.first() else {
        return println!("no directory given, nothing measured");
    };
    let most: u64 = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(81_920);
    let runtime = Runtime::new(Runtime::probe().0).expect("the engine that was probed");
    runtime.run(async {
        for (what, cache_bytes) in [("no cache", 0), ("cached", 64 << 20)] {
            let drive = open(&runtime, Path::new(folder), cache_bytes).await;
            for blocks in [1, 128, 16_384, most] {
                measure(&runtime, &drive, blocks, what).await;
            }
            drive.close().await;
        }
    });
}

async fn open(runtime: &Runtime, path: &Path, cache_bytes: u64) -> Drive {
    let options = DriveOptions {
        path: path.to_owned(),
        cluster: [1; 16],
        set: 0,
        slot: 0,
        set_epoch: 1,
        mount_check: MountCheck::Directory,
        adoption: Adoption::FormatNew,
        capacity_bytes: Some(1 << 30),
        cache_bytes,
        index_bytes: 64 << 20,
        boot_at_least: 0,
    };
    Drive::open(runtime, options).await.expect("the drive opens")
}

async fn measure(runtime: &Runtime, drive: &Drive, blocks: u64, what: &str) {
    let (key, write_id, length) = (key(blocks), WriteId(u128::from(blocks).to_le_bytes()), blocks << BLOCK_SHIFT);
    if !matches!(
        drive
            .handle(Request::Blocks {
                key: key.clone(),
                write_id,
                first: 0,
                count: 1
            })
            .await,
        Answer::Blocks(_)
    ) {
        store(runtime, drive, &key, write_id, length).await;
    }
    let (start, cpu, before) = (runtime.now(), process_time(), drive.status());
    for number in 0..READS {
        let first = (u64::from(number) * 7_919 % blocks) as u32;
        let answer = drive
            .handle(Request::Blocks {
                key: key.clone(),
                write_id,
                first,
                count: 1,
            })
            .await;
        assert!(matches!(&answer, Answer::Blocks(found) if found.blocks[0].is_some()), "{answer:?}");
    }
    let (spent, cpu, after) = (runtime.now().since(start), process_time() - cpu, drive.status());
    let each = |spent: std::time::Duration| spent.as_secs_f64() * 1e6 / f64::from(READS);
    println!(
        "{what}, {blocks} blocks: {:.0} us a block, {:.0} us of processor time, {:.1} reads of {:.0} bytes in all",
        each(spent),
        each(cpu),
        (after.reads - before.reads) as f64 / f64::from(READS),
        (after.read_bytes - before.read_bytes) as f64 / f64::from(READS)
    );
}

fn key(blocks: u64) -> Key {
    Key {
        bucket: 1,
        space: Space::Object,
        name: format!("shard of {blocks} blocks").into(),
    }
}

async fn store(runtime: &Runtime, drive: &Drive, key: &Key, write_id: WriteId, length: u64) {
    let mut offset = 0;
    while offset < length {
        let bytes = Bytes::from(vec![7; PIECE_BYTES.min((length - offset) as usize)]);
        let taken = bytes.len() as u64;
        let request = Request::Stage {
            key: key.clone(),
            write_id,
            block_shift: BLOCK_SHIFT,
            shard_length: length,
            offset,
            bytes,
        };
        let answer = drive.handle(request).await;
        assert!(matches!(answer, Answer::Staged { .. }), "{answer:?}");
        offset += taken;
    }
    let ballot = Ballot {
        clock: runtime.wall_ms() << 16,
        node: 1,
        boot: 1,
    };
    let record = Record {
        ballot,
        write_id,
        origin: ballot,
        base: None,
        kind: Kind::Data,
        unconditional: true,
        size: length,
        etag: [1; 16],
        etag_parts: 0,
        metadata: Bytes::new(),
        coding: Coding {
            data: 1,
            parity: 0,
            block_shift: BLOCK_SHIFT,
            whole: true,
            manifest: false,
        },
        slot: 0,
        payload_size: length,
        shard: Shard::Staged { length },
    };
    assert_eq!(drive.handle(Request::Publish { key: key.clone(), record }).await, Answer::Ack);
    drive.handle(Request::Stable { key: key.clone(), ballot }).await;
}
