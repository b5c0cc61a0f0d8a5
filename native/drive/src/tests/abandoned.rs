//! A batch that the device reported as failed and that is on the medium all the same: it never comes back, not even when the segment
//! that named the end before it is long used again and the index is made anew.

use super::harness::*;
use crate::core::Core;
use crate::space::SegmentClass;
use crate::{Answer, Drive, Request};
use bytes::Bytes;
use futures_util::FutureExt;
use openlake_io::{Durability, Runtime};
use std::time::Duration;

/// Issues the log's next write in the pump's place; `lands`: it reaches the medium. The device reports `succeeds`.
async fn write_next(core: &Core, lands: bool, succeeds: bool) {
    let write = core.log.borrow_mut().next_write().expect("a batch to write");
    if lands {
        let bytes: Vec<Bytes> = vec![write.bytes];
        core.medium.write(write.place, bytes, Durability::Sync).await.expect("a write");
    }
    core.log.borrow_mut().complete(write.sequence, succeeds);
    core.resolve_error();
}

/// Publishes `refused` on a device that fails twice: the first time although the batch is written. Returns the segments of it and of the
/// one that the log went on in.
async fn refuse_what_lands(drive: &Drive, now: u64) -> (u32, u32) {
    let core = drive.core();
    core.all_durable().await.expect("a log that works");
    let (left, successor) = {
        let log = core.log.borrow();
        (log.durable_head().segment, log.durable_head().next)
    };
    let record = record(ballot(now, 9), 9, b"never acknowledged");
    let mut publishing = Box::pin(drive.handle(Request::Publish {
        key: key("refused"),
        record,
    }));
    assert!((&mut publishing).now_or_never().is_none(), "it waits for its batch");
    core.log.borrow_mut().close();
    write_next(core, true, false).await;
    // The next segment is opened; the batch fails there, too.
    write_next(core, true, true).await;
    write_next(core, false, false).await;
    assert!(matches!(publishing.await, Answer::Failed(_)), "the second error within a minute");
    (left, successor)
}

async fn is_given_back(runtime: &Runtime, drive: &Drive, segment: u32) -> bool {
    let core = drive.core();
    for _ in 0..100 {
        if core
            .space
            .borrow()
            .segment(segment)
            .is_some_and(|row| row.class == SegmentClass::Free)
        {
            return true;
        }
        core.checkpoint().await.expect("a checkpoint");
        runtime.sleep(Duration::from_millis(20)).await;
    }
    false
}

#[test]
fn what_was_abandoned_stays_so_when_nobody_names_the_end_before_it_any_more() {
    come_back_behind_an_end();
}

/// Refuses a record that lands all the same, gives back the segment that named the end before it, and makes the index anew.
pub fn come_back_behind_an_end() {
    let (folder, runtime) = (Folder::new("abandoned"), runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(put(&drive, "kept", ballot(now, 1), 1, b"kept").await, Answer::Ack);
        stable(&drive, "kept", ballot(now, 1)).await;
        let (left, successor) = refuse_what_lands(&drive, now).await;
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert!(heads(&drive, "refused").await.records.is_empty(), "its end is named");
        assert!(is_given_back(&runtime, &drive, successor).await, "nothing lives in it");
        let class = drive.core().space.borrow().segment(left).map(|row| row.class);
        assert_eq!(class, Some(SegmentClass::Log), "something lives in the segment that was left");
        drive.core().index_damaged.set(true);
        drive.core().write_root(false).await.expect("a root");
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert!(heads(&drive, "refused").await.records.is_empty(), "it came back");
        assert_eq!(read_all(&drive, "kept").await.as_deref(), Some(&b"kept"[..]));
        drop(drive);
        audit_at_rest(&runtime, folder.path()).await;
    });
}
