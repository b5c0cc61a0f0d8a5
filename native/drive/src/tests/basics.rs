//! A drive keeps what it acknowledged, over clean and unclean ends.

use super::harness::*;
use crate::{Answer, Covers, Drive, DriveState, Request, Shard, Space};
use bytes::Bytes;
use futures_util::future::join_all;

#[test]
fn a_published_record_is_read_back_before_and_after_a_restart() {
    let (folder, runtime) = (Folder::new("restart"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        let payload = pattern(1, 5000);
        assert_eq!(put(&drive, "a", ballot(now, 1), 1, &payload).await, Answer::Ack);
        assert_eq!(read_all(&drive, "a").await, Some(payload.clone()));
        stable(&drive, "a", ballot(now, 1)).await;
        assert_eq!(drive.boot(), 1);
        drive.close().await;
        assert!(matches!(put(&drive, "a", ballot(now, 2), 2, b"x").await, Answer::Failed(_)));
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(drive.boot(), 2);
        assert_eq!(drive.status().state, DriveState::Healthy);
        assert_eq!(read_all(&drive, "a").await, Some(payload));
        let state = heads(&drive, "a").await;
        assert_eq!(state.stable, Some(ballot(now, 1)));
        assert_eq!(state.records.len(), 1);
        assert_eq!(state.dirty, None);
    });
}

#[test]
fn many_records_cross_segments_and_survive_an_unclean_end() {
    let (folder, runtime) = (Folder::new("many"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        for round in 0..20_u64 {
            let puts = (0..64_u64).map(|at| {
                let (drive, id) = (drive.clone(), round * 64 + at);
                async move { put(&drive, &format!("key {at:03}"), ballot(now, id), id, &pattern(id, 4096)).await }
            });
            assert!(join_all(puts).await.iter().all(|answer| *answer == Answer::Ack));
            for at in 0..64_u64 {
                stable(&drive, &format!("key {at:03}"), ballot(now, round * 64 + at)).await;
            }
        }
        let status = drive.status();
        assert!(status.batches < status.records, "{status:?}");
        drop(drive);
        runtime.sleep(std::time::Duration::from_millis(20)).await;
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(drive.status().state, DriveState::Healthy);
        for at in 0..64_u64 {
            assert_eq!(read_all(&drive, &format!("key {at:03}")).await, Some(pattern(19 * 64 + at, 4096)));
        }
        let scan = Request::Scan {
            bucket: 5,
            space: Space::Object,
            prefix: Bytes::from("key"),
            from: Bytes::from("key 01"),
            limit: 10,
        };
        let Answer::Page { rows, covers, dirty } = drive.handle(scan).await else {
            panic!("no page")
        };
        assert_eq!(rows.len(), 10);
        assert_eq!(rows.iter().next().map(|row| row.name), Some(&b"key 010"[..]));
        assert_eq!(covers, Covers::UpTo(Bytes::from("key 019")));
        assert!(!dirty);
    });
}

#[test]
fn staged_bytes_become_a_version_and_a_held_one_shares_them() {
    let (folder, runtime) = (Folder::new("staged"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        let bytes = pattern(9, 300_001);
        for (at, part) in bytes.chunks(128 << 10).enumerate() {
            let stage = Request::Stage {
                key: key("b"),
                write_id: write_id(9),
                block_shift: 16,
                shard_length: if at == 0 { 0 } else { bytes.len() as u64 },
                offset: at as u64 * (128 << 10),
                bytes: Bytes::copy_from_slice(part),
            };
            assert!(matches!(drive.handle(stage).await, Answer::Staged { .. }));
        }
        let mut staged = record(ballot(now, 1), 9, b"");
        staged.shard = Shard::Staged {
            length: bytes.len() as u64,
        };
        staged.payload_size = bytes.len() as u64;
        let publish = |record| Request::Publish { key: key("b"), record };
        let mut wrong = staged.clone();
        wrong.shard = Shard::Staged { length: 300_000 };
        assert_eq!(drive.handle(publish(wrong)).await, Answer::NotStaged);
        assert_eq!(drive.handle(publish(staged.clone())).await, Answer::Ack);
        assert_eq!(read_all(&drive, "b").await, Some(bytes.clone()));
        let mut held = staged.clone();
        (held.ballot, held.shard) = (ballot(now, 2), Shard::Held);
        assert_eq!(drive.handle(publish(held)).await, Answer::Ack);
        stable(&drive, "b", ballot(now, 2)).await;
        assert_eq!(heads(&drive, "b").await.records.len(), 1);
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(read_all(&drive, "b").await, Some(bytes.clone()));
        let blocks = Request::Blocks {
            key: key("b"),
            write_id: write_id(9),
            first: 4,
            count: 9,
        };
        let Answer::Blocks(shard) = drive.handle(blocks).await else {
            panic!("no blocks")
        };
        assert_eq!(shard.blocks.len(), 1);
        assert_eq!(&shard.blocks[0].as_ref().expect("an intact block").bytes[..], &bytes[4 << 16..]);
        let gone = Request::Blocks {
            key: key("b"),
            write_id: write_id(10),
            first: 0,
            count: 1,
        };
        assert_eq!(drive.handle(gone).await, Answer::Gone);
    });
}

#[test]
fn the_highest_ballot_is_told_after_a_restart_too() {
    let (folder, runtime) = (Folder::new("highest"), runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let highest = ballot(now + 3_000, 7);
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(put(&drive, "k", highest, 1, b"x").await, Answer::Ack);
        // All of the log lies below its checkpoint.
        drive.close().await;
        drop(drive);
        let told = async |drive: &Drive| match drive.handle(Request::Barrier { floor: ballot(now, 0) }).await {
            Answer::Done { highest, .. } => highest,
            other => panic!("{other:?}"),
        };
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(told(&drive).await, highest);
        drive.close().await;
        drop(drive);
        crate::offline::rebuild_index(&runtime, folder.path()).await.expect("an index");
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(told(&drive).await, highest);
    });
}
