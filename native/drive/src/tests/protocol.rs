//! The acceptor, message by message (protocol.md section 3).

use super::harness::*;
use crate::{Answer, Ballot, Drive, Kind, Request, Shard};
use openlake_io::Runtime;

fn with_drive(test: impl AsyncFnOnce(&Runtime, Drive, u64, &Folder)) {
    let (folder, runtime) = (Folder::new("protocol"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        test(&runtime, drive, now, &folder).await;
    });
}

async fn prepare(drive: &Drive, name: &str, ballot: Ballot) -> Answer {
    drive.handle(Request::Prepare { key: key(name), ballot }).await
}

#[test]
fn publish_acks_duplicates_and_refuses_below_the_floor() {
    with_drive(async |_, drive, now, _| {
        assert_eq!(put(&drive, "k", ballot(now, 5), 5, b"five").await, Answer::Ack);
        assert_eq!(put(&drive, "k", ballot(now, 5), 5, b"five").await, Answer::Ack);
        assert_eq!(heads(&drive, "k").await.records.len(), 1);
        assert_eq!(
            put(&drive, "k", ballot(now, 4), 4, b"four").await,
            Answer::Refuse {
                floor: ballot(now, 5),
                stable: None,
                dirty: None,
            }
        );
        assert_eq!(put(&drive, "k", ballot(now, 6), 6, b"six").await, Answer::Ack);
        let state = heads(&drive, "k").await;
        assert_eq!(
            state.records.iter().map(|head| head.ballot).collect::<Vec<_>>(),
            [ballot(now, 6), ballot(now, 5)]
        );
        stable(&drive, "k", ballot(now, 6)).await;
        let refused = Answer::Refuse {
            floor: ballot(now, 6),
            stable: Some(ballot(now, 6)),
            dirty: None,
        };
        assert_eq!(
            put(&drive, "k", ballot(now, 5), 5, b"five").await,
            refused,
            "dropped under a newer stable one"
        );
        assert_eq!(put(&drive, "k", ballot(now, 6), 6, b"six").await, Answer::Ack, "still held");
    });
}

#[test]
fn publish_never_removes_another_record_and_asks_to_settle_at_eight() {
    with_drive(async |_, drive, now, _| {
        for number in 1..=8 {
            assert_eq!(put(&drive, "k", ballot(now, number), number, b"x").await, Answer::Ack);
        }
        assert_eq!(heads(&drive, "k").await.records.len(), 8);
        assert_eq!(put(&drive, "k", ballot(now, 9), 9, b"x").await, Answer::SettleFirst);
        stable(&drive, "k", ballot(now, 3)).await;
        assert_eq!(heads(&drive, "k").await.records.len(), 6);
        assert_eq!(put(&drive, "k", ballot(now, 9), 9, b"x").await, Answer::Ack);
        stable(&drive, "k", ballot(now, 77)).await;
        assert_eq!(
            heads(&drive, "k").await.stable,
            Some(ballot(now, 3)),
            "a mark for what is not held is ignored"
        );
    });
}

#[test]
fn prepare_promises_repeats_and_refuses_and_a_restart_keeps_the_promise() {
    with_drive(async |runtime, drive, now, folder| {
        assert_eq!(put(&drive, "k", ballot(now, 1), 1, b"x").await, Answer::Ack);
        for _ in 0..2 {
            let Answer::Promise(state) = prepare(&drive, "k", ballot(now, 7)).await else {
                panic!("no promise")
            };
            assert_eq!((state.floor, state.records.len(), state.dirty), (ballot(now, 7), 1, None));
        }
        assert_eq!(
            prepare(&drive, "k", ballot(now, 6)).await,
            Answer::Refuse {
                floor: ballot(now, 7),
                stable: None,
                dirty: None,
            }
        );
        assert!(matches!(put(&drive, "k", ballot(now, 6), 6, b"x").await, Answer::Refuse { .. }));
        let Answer::Promise(state) = prepare(&drive, "unknown", ballot(now, 9)).await else {
            panic!("no promise")
        };
        assert_eq!(state.floor, ballot(now, 9));
        assert!(matches!(
            put(&drive, "unknown", ballot(now, 8), 8, b"x").await,
            Answer::Refuse { .. }
        ));
        drop(drive);
        let drive = open(runtime, folder.path()).await;
        assert!(matches!(
            put(&drive, "unknown", ballot(now, 8), 8, b"x").await,
            Answer::Refuse { .. }
        ));
        assert!(matches!(put(&drive, "k", ballot(now, 6), 6, b"x").await, Answer::Refuse { .. }));
        assert!(heads(&drive, "never seen").await.floor >= ballot(now, 9));
    });
}

#[test]
fn a_clean_end_lowers_the_bound_to_what_was_promised() {
    with_drive(async |runtime, drive, now, folder| {
        assert!(matches!(prepare(&drive, "k", ballot(now, 7)).await, Answer::Promise(_)));
        drive.close().await;
        drop(drive);
        let drive = open(runtime, folder.path()).await;
        let floor = heads(&drive, "other").await.floor;
        assert!(floor >= ballot(now, 7) && floor.time_ms() == now, "{floor}");
    });
}

#[test]
fn ballots_far_ahead_of_the_clock_are_not_taken() {
    with_drive(async |_, drive, now, _| {
        let ahead = ballot(now + 60_000, 0);
        assert!(matches!(put(&drive, "k", ahead, 1, b"x").await, Answer::Clock { .. }));
        assert!(matches!(prepare(&drive, "k", ahead).await, Answer::Clock { .. }));
        assert_eq!(put(&drive, "k", ballot(now + 2_000, 0), 1, b"x").await, Answer::Ack);
    });
}

#[test]
fn tombstones_are_records_and_unknown_shards_are_not_staged() {
    with_drive(async |_, drive, now, _| {
        let mut tombstone = record(ballot(now, 1), 1, b"");
        tombstone.kind = Kind::Tombstone;
        assert_eq!(
            drive
                .handle(Request::Publish {
                    key: key("k"),
                    record: tombstone
                })
                .await,
            Answer::Ack
        );
        assert_eq!(heads(&drive, "k").await.records[0].kind, Kind::Tombstone);
        let mut held = record(ballot(now, 2), 2, b"");
        held.shard = Shard::Held;
        assert_eq!(
            drive
                .handle(Request::Publish {
                    key: key("k"),
                    record: held.clone()
                })
                .await,
            Answer::NotStaged
        );
        held.shard = Shard::Staged { length: 10 };
        assert_eq!(
            drive
                .handle(Request::Publish {
                    key: key("k"),
                    record: held
                })
                .await,
            Answer::NotStaged
        );
    });
}

#[test]
fn a_held_inline_shard_is_copied_into_the_new_record() {
    with_drive(async |runtime, drive, now, folder| {
        assert_eq!(put(&drive, "k", ballot(now, 1), 1, b"payload").await, Answer::Ack);
        let mut held = record(ballot(now, 2), 1, b"payload");
        held.shard = Shard::Held;
        assert_eq!(
            drive
                .handle(Request::Publish {
                    key: key("k"),
                    record: held
                })
                .await,
            Answer::Ack
        );
        stable(&drive, "k", ballot(now, 2)).await;
        drop(drive);
        let drive = open(runtime, folder.path()).await;
        assert_eq!(read_all(&drive, "k").await.as_deref(), Some(&b"payload"[..]));
    });
}

#[test]
fn unsettled_names_keys_whose_newest_record_is_unmarked() {
    with_drive(async |_, drive, now, _| {
        for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(
                put(&drive, name, ballot(now, number as u64), number as u64, b"x").await,
                Answer::Ack
            );
        }
        stable(&drive, "b", ballot(now, 1)).await;
        let found = drive.unsettled(std::time::Duration::ZERO, 10);
        assert_eq!(found, [(key("a"), ballot(now, 0)), (key("c"), ballot(now, 2))]);
        assert!(drive.unsettled(std::time::Duration::from_secs(60), 10).is_empty());
        assert_eq!(drive.unsettled(std::time::Duration::ZERO, 1).len(), 1);
    });
}

#[test]
fn marks_reach_the_log_without_other_traffic() {
    with_drive(async |runtime, drive, now, folder| {
        assert_eq!(put(&drive, "k", ballot(now, 1), 1, b"x").await, Answer::Ack);
        stable(&drive, "k", ballot(now, 1)).await;
        let before = drive.status().records;
        while drive.status().records == before {
            runtime.sleep(std::time::Duration::from_millis(20)).await;
        }
        drop(drive);
        let drive = open(runtime, folder.path()).await;
        assert_eq!(heads(&drive, "k").await.stable, Some(ballot(now, 1)));
        assert!(drive.unsettled(std::time::Duration::ZERO, 10).is_empty());
    });
}
