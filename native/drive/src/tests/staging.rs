//! Staged bytes beside everything else: what they take, when they go, and what they never stand for.

use super::harness::*;
use crate::{Answer, Drive, Request, Shard};
use bytes::Bytes;

const BLOCK: usize = 64 << 10;

async fn stage(drive: &Drive, id: u64, offset: usize, bytes: &[u8], shard_length: u64) -> Answer {
    let request = Request::Stage {
        key: key("k"),
        write_id: write_id(id),
        block_shift: 16,
        shard_length,
        offset: offset as u64,
        bytes: Bytes::copy_from_slice(bytes),
    };
    drive.handle(request).await
}

async fn publish(drive: &Drive, ballot: crate::Ballot, id: u64, length: usize, shard: Shard) -> Answer {
    let mut record = record(ballot, id, b"");
    (record.size, record.payload_size, record.shard) = (length as u64, length as u64, shard);
    drive.handle(Request::Publish { key: key("k"), record }).await
}

#[test]
fn what_is_staged_again_does_not_stand_for_what_is_held() {
    let (folder, runtime) = (Folder::new("held"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let (now, bytes) = (runtime.wall_ms(), pattern(1, 2 * BLOCK));
        let length = bytes.len() as u64;
        assert!(matches!(stage(&drive, 1, 0, &bytes, length).await, Answer::Staged { .. }));
        assert_eq!(
            publish(&drive, ballot(now, 1), 1, bytes.len(), Shard::Staged { length }).await,
            Answer::Ack
        );
        // Somebody who does not know that it is held supplies it, and comes half-way.
        assert!(matches!(stage(&drive, 1, 0, &bytes[..BLOCK], length).await, Answer::Staged { .. }));
        assert_eq!(publish(&drive, ballot(now, 2), 1, bytes.len(), Shard::Held).await, Answer::Ack);
        stable(&drive, "k", ballot(now, 2)).await;
        assert!(read_all(&drive, "k").await == Some(bytes));
    });
}

#[test]
fn what_is_staged_stands_for_a_held_shard_only_if_it_is_whole() {
    let (folder, runtime) = (Folder::new("whole"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let (now, bytes) = (runtime.wall_ms(), pattern(2, 2 * BLOCK));
        let length = bytes.len() as u64;
        assert!(matches!(stage(&drive, 1, 0, &bytes[..BLOCK], length).await, Answer::Staged { .. }));
        assert_eq!(
            publish(&drive, ballot(now, 1), 1, bytes.len(), Shard::Held).await,
            Answer::NotStaged
        );
        assert!(matches!(
            stage(&drive, 1, BLOCK, &bytes[BLOCK..], length).await,
            Answer::Staged { .. }
        ));
        assert_eq!(publish(&drive, ballot(now, 1), 1, bytes.len(), Shard::Held).await, Answer::Ack);
        assert!(read_all(&drive, "k").await == Some(bytes));
    });
}

#[test]
fn announced_bytes_take_no_space_before_they_come() {
    let (folder, runtime) = (Folder::new("announced"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        // Ten times more than the drive holds.
        for id in 0..10 {
            let answer = stage(&drive, id, 0, &pattern(id, BLOCK), 30 << 20).await;
            assert!(matches!(answer, Answer::Staged { .. }), "{id}: {answer:?}");
        }
    });
}

#[test]
fn a_part_that_its_unstaging_overtook_is_not_kept() {
    let (folder, runtime) = (Folder::new("overtaken"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let bytes = pattern(3, BLOCK);
        let length = bytes.len() as u64;
        drive.handle(Request::Unstage { write_id: write_id(1) }).await;
        assert!(matches!(stage(&drive, 1, 0, &bytes, length).await, Answer::Failed(_)));
        assert!(matches!(stage(&drive, 2, 0, &bytes, length).await, Answer::Staged { .. }));
        drive.discard_staged(write_id(2));
        drive.allow_staging(write_id(1));
        assert!(matches!(stage(&drive, 1, 0, &bytes, length).await, Answer::Staged { .. }));
        assert!(matches!(stage(&drive, 2, 0, &bytes, length).await, Answer::Staged { .. }));
    });
}
