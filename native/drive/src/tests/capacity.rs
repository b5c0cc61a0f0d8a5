//! A drive that fills: space of dropped bulk is used again, and a full drive still deletes and reads.

use super::harness::*;
use crate::{Answer, Drive, Kind, Request, Shard};
use bytes::Bytes;

async fn put_bulk(drive: &Drive, name: &str, ballot: crate::Ballot, id: u64, payload: &[u8]) -> Answer {
    let bytes = Bytes::copy_from_slice(payload);
    let shard_length = bytes.len() as u64;
    let stage = Request::Stage {
        key: key(name),
        write_id: write_id(id),
        block_shift: 16,
        shard_length,
        offset: 0,
        bytes,
    };
    match drive.handle(stage).await {
        Answer::Staged { .. } => {}
        other => return other,
    }
    let mut staged = record(ballot, id, b"");
    staged.shard = Shard::Staged { length: shard_length };
    (staged.size, staged.payload_size) = (shard_length, shard_length);
    drive
        .handle(Request::Publish {
            key: key(name),
            record: staged,
        })
        .await
}

#[test]
fn space_of_dropped_bulk_is_used_again() {
    let (folder, runtime) = (Folder::new("reuse"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        // Three times the drive's capacity, one version alive at a time.
        for round in 0..96 {
            let payload = pattern(round, 1 << 20);
            let answer = put_bulk(&drive, "k", ballot(now, round), round, &payload).await;
            assert_eq!(answer, Answer::Ack, "round {round}: {:?}", drive.status());
            stable(&drive, "k", ballot(now, round)).await;
            assert!(read_all(&drive, "k").await == Some(payload), "round {round}");
        }
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert!(read_all(&drive, "k").await == Some(pattern(95, 1 << 20)));
        assert!(drive.status().used_bytes < 8 << 20, "{:?}", drive.status());
    });
}

#[test]
fn unstaged_space_is_used_again() {
    let (folder, runtime) = (Folder::new("unstage"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        for id in 0..50 {
            let (bytes, shard_length) = (Bytes::from(pattern(id, 1 << 20)), 3 << 20);
            let stage = Request::Stage {
                key: key("k"),
                write_id: write_id(id),
                block_shift: 16,
                shard_length,
                offset: 0,
                bytes,
            };
            assert!(matches!(drive.handle(stage).await, Answer::Staged { .. }));
            assert_eq!(drive.handle(Request::Unstage { write_id: write_id(id) }).await, Answer::Nothing);
        }
    });
}

#[test]
fn a_full_drive_answers_full_and_still_takes_tombstones_and_reads() {
    let (folder, runtime) = (Folder::new("full"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        let mut held = 0;
        loop {
            match put(&drive, &format!("k{held}"), ballot(now, held), held, &pattern(held, 60_000)).await {
                Answer::Ack => held += 1,
                other => break assert_eq!(other, Answer::Full),
            }
        }
        assert!(held > 300, "{held} of about 500 fit");
        assert_eq!(
            put_bulk(&drive, "bulk", ballot(now, held), 9999, &pattern(1, 900_000)).await,
            Answer::Full
        );
        let mut tombstone = record(ballot(now, held + 1), 10_000, b"");
        tombstone.kind = Kind::Tombstone;
        assert_eq!(
            drive
                .handle(Request::Publish {
                    key: key("k0"),
                    record: tombstone
                })
                .await,
            Answer::Ack
        );
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(heads(&drive, "k0").await.records[0].kind, Kind::Tombstone);
        assert!(read_all(&drive, "k1").await == Some(pattern(1, 60_000)));
    });
}
