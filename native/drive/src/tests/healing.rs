//! A blank drive is adopted, filled and clean again; damaged bytes are replaced; what others ask for while they are filled.

use super::harness::*;
use crate::{Adoption, Answer, Covers, Drive, Filling, Key, Kind, OpenError, Record, Request, Shard, Space};
use bytes::Bytes;
use openlake_io::Runtime;
use std::path::Path;

async fn replacement(runtime: &Runtime, path: &Path) -> Drive {
    let options = crate::DriveOptions {
        adoption: Adoption::Replace,
        ..options(path)
    };
    open_with(runtime, options).await.expect("a blank drive opens")
}

async fn fill(drive: &Drive, name: &str, record: Record) -> Answer {
    let filling = Filling {
        drive_floor: drive.floor(),
        replaces: false,
    };
    drive.fill(key(name), record, filling).await
}

#[test]
fn a_blank_drive_answers_nothing_before_its_adoption_and_only_newer_ballots_after_it() {
    let (folder, runtime) = (Folder::new("adopt"), runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let drive = replacement(&runtime, folder.path()).await;
        assert!(drive.heal_progress().blank);
        assert!(matches!(put(&drive, "k", ballot(now, 9), 9, b"x").await, Answer::Failed(_)));
        drop(drive);
        let drive = replacement(&runtime, folder.path()).await;
        assert!(drive.heal_progress().blank, "a restart does not adopt it");
        let floor = ballot(now, 5);
        drive.adopt(floor, 7).await.expect("it is adopted");
        assert!(drive.adopt(floor, 8).await.is_err(), "once");
        let refused = Answer::Refuse {
            floor,
            stable: None,
            dirty: Some(floor),
        };
        assert_eq!(put(&drive, "k", ballot(now, 4), 4, b"x").await, refused);
        assert_eq!(put(&drive, "k", ballot(now, 6), 6, b"x").await, Answer::Ack);
        drop(drive);
        let refuse = crate::DriveOptions {
            adoption: Adoption::Refuse,
            ..options(folder.path())
        };
        let drive = open_with(&runtime, refuse).await.expect("it is no blank drive any more");
        assert_eq!(drive.identity().generation, 7);
        let state = heads(&drive, "other").await;
        assert_eq!(state.dirty, Some(floor));
        assert!(state.floor >= floor);
        assert_eq!(heads(&drive, "k").await.records.len(), 1);
    });
}

#[test]
fn a_blank_drive_is_refused_where_none_may_be_adopted() {
    let (folder, runtime) = (Folder::new("refused"), runtime());
    runtime.run(async {
        drop(replacement(&runtime, folder.path()).await);
        let refuse = crate::DriveOptions {
            adoption: Adoption::Refuse,
            ..options(folder.path())
        };
        assert!(matches!(open_with(&runtime, refuse).await, Err(OpenError::Blank(_))));
    });
}

#[test]
fn a_fill_adds_marks_and_drops_what_is_older_but_keeps_what_is_newer() {
    fill_beside_newer_versions();
}

pub(super) fn fill_beside_newer_versions() {
    let (folder, runtime) = (Folder::new("fill"), runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let drive = replacement(&runtime, folder.path()).await;
        drive.adopt(ballot(now, 50), 2).await.expect("it is adopted");
        let complete = record(ballot(now, 9), 9, b"nine");
        assert_eq!(fill(&drive, "k", record(ballot(now, 3), 3, b"three")).await, Answer::Ack);
        assert_eq!(put(&drive, "k", ballot(now, 60), 60, b"sixty").await, Answer::Ack);
        assert_eq!(fill(&drive, "k", complete.clone()).await, Answer::Ack);
        assert_eq!(fill(&drive, "k", complete.clone()).await, Answer::Ack, "twice is once");
        let ballots = |state: &crate::KeyState| state.records.iter().map(|head| head.ballot).collect::<Vec<_>>();
        let state = heads(&drive, "k").await;
        assert_eq!(ballots(&state), [ballot(now, 60), ballot(now, 9)]);
        assert_eq!(state.stable, Some(ballot(now, 9)));
        stable(&drive, "k", ballot(now, 60)).await;
        assert_eq!(fill(&drive, "k", complete).await, Answer::Ack, "older than what is known complete");
        assert_eq!(ballots(&heads(&drive, "k").await), [ballot(now, 60)]);
        drive.close().await;
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(read_all(&drive, "k").await.as_deref(), Some(&b"sixty"[..]));
        drop(drive);
        audit_at_rest(&runtime, folder.path()).await;
    });
}

#[test]
fn a_fill_is_refused_when_a_tombstone_may_have_been_collected_since() {
    let (folder, runtime) = (Folder::new("late"), runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let drive = open(&runtime, folder.path()).await;
        let filling = Filling {
            drive_floor: drive.floor(),
            replaces: false,
        };
        let mut tombstone = record(ballot(now, 8), 8, b"");
        tombstone.kind = Kind::Tombstone;
        let publish = Request::Publish {
            key: key("k"),
            record: tombstone,
        };
        assert_eq!(drive.handle(publish).await, Answer::Ack);
        stable(&drive, "k", ballot(now, 8)).await;
        let collect = Request::Drop {
            key: key("k"),
            ballot: ballot(now, 8),
        };
        assert_eq!(drive.handle(collect).await, Answer::Ack);
        let late = drive.fill(key("k"), record(ballot(now, 7), 7, b"back"), filling).await;
        assert!(matches!(late, Answer::Refuse { .. }), "{late:?}");
        assert_eq!(heads(&drive, "k").await.records, []);
    });
}

#[test]
fn what_is_filled_counts_again_and_the_cursor_survives_restarts() {
    let (folder, runtime) = (Folder::new("cursor"), runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let drive = replacement(&runtime, folder.path()).await;
        let floor = ballot(now, 50);
        drive.adopt(floor, 2).await.expect("it is adopted");
        assert_eq!(fill(&drive, "b", record(ballot(now, 3), 3, b"three")).await, Answer::Ack);
        drive.note_healed(key("c")).await.expect("noted");
        drive.note_healed(key("d")).await.expect("noted again");
        let check = async |drive: &Drive| {
            assert_eq!(heads(drive, "a").await.dirty, None);
            assert_eq!(heads(drive, "c").await.dirty, None);
            assert_eq!(heads(drive, "d").await.dirty, Some(floor));
            let page = |limit| Request::Scan {
                bucket: 5,
                space: Space::Object,
                prefix: Bytes::new(),
                from: Bytes::new(),
                limit,
            };
            assert_eq!(put(drive, "b2", ballot(now, 77), 7, b"x").await, Answer::Ack);
            let cut = drive.handle(page(1)).await;
            assert!(
                matches!(
                    cut,
                    Answer::Page {
                        dirty: false,
                        covers: Covers::UpTo(_),
                        ..
                    }
                ),
                "{cut:?}"
            );
            let whole = drive.handle(page(9)).await;
            assert!(
                matches!(
                    whole,
                    Answer::Page {
                        dirty: true,
                        covers: Covers::End,
                        ..
                    }
                ),
                "{whole:?}"
            );
        };
        check(&drive).await;
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        check(&drive).await;
        drive.end_healing().await.expect("ended");
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(heads(&drive, "d").await.dirty, None);
        assert_eq!(drive.heal_progress().dirty, None);
        assert_eq!(
            drive.handle(Request::NextSpace { after: None }).await,
            Answer::Space(Some((5, Space::Object)))
        );
        let behind = Request::NextSpace {
            after: Some((5, Space::Object)),
        };
        assert_eq!(
            drive.handle(behind).await,
            Answer::Space(None),
            "what the drive keeps for itself is nobody's"
        );
    });
}

#[test]
fn a_barrier_keeps_older_ballots_out_and_lets_heal_reads_in() {
    let (folder, runtime) = (Folder::new("barrier"), runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(put(&drive, "k", ballot(now, 20), 1, b"x").await, Answer::Ack);
        let barrier = ballot(now, 30);
        let read = Request::HealScan {
            bucket: 5,
            space: Space::Object,
            from: Bytes::new(),
            limit: 10,
            barrier,
        };
        assert!(matches!(drive.handle(read.clone()).await, Answer::Failed(_)));
        let done = drive.handle(Request::Barrier { floor: barrier }).await;
        assert!(
            matches!(done, Answer::Done { highest, dirty: false, keys: 1 } if highest >= barrier),
            "{done:?}"
        );
        assert!(matches!(put(&drive, "k", ballot(now, 29), 2, b"x").await, Answer::Refuse { .. }));
        let far = Request::Barrier {
            floor: ballot(now + 60_000, 0),
        };
        assert!(matches!(drive.handle(far).await, Answer::Clock { .. }));
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        let page = drive.handle(read).await;
        assert!(matches!(&page, Answer::Page { rows, .. } if rows.len() == 1), "{page:?}");
        assert!(matches!(put(&drive, "new", ballot(now, 29), 2, b"x").await, Answer::Refuse { .. }));
    });
}

#[test]
fn spaces_are_found_one_after_the_other_in_memory_and_in_runs() {
    let (folder, runtime) = (Folder::new("spaces"), runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let drive = open(&runtime, folder.path()).await;
        let expected = [(0, Space::Object), (5, Space::Upload), (5, Space::Part), (9, Space::Object)];
        for (number, (bucket, space)) in expected.into_iter().enumerate() {
            let name = Bytes::from_static(b"k");
            let record = record(ballot(now, number as u64), number as u64, b"x");
            let key = Key { bucket, space, name };
            assert_eq!(drive.handle(Request::Publish { key, record }).await, Answer::Ack);
            if number == 1 {
                drive.core().checkpoint().await.expect("a checkpoint");
            }
        }
        let mut found = Vec::new();
        let mut after = None;
        while let Answer::Space(Some(space)) = drive.handle(Request::NextSpace { after }).await {
            found.push(space);
            after = Some(space);
        }
        assert_eq!(found, expected);
    });
}

#[test]
fn digests_differ_when_a_version_is_missing_and_only_then() {
    let (folders, runtime) = ([Folder::new("digest-a"), Folder::new("digest-b")], runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let one = open(&runtime, folders[0].path()).await;
        let other = open(&runtime, folders[1].path()).await;
        for number in 0..5 {
            for drive in [&one, &other] {
                let name = format!("k{number}");
                assert_eq!(put(drive, &name, ballot(now, number), number, b"x").await, Answer::Ack);
                stable(drive, &name, ballot(now, number)).await;
            }
        }
        let digest = async |drive: &Drive, to: Option<&'static str>| {
            drive
                .handle(Request::Digest {
                    bucket: 5,
                    space: Space::Object,
                    from: Bytes::new(),
                    to: to.map(Bytes::from),
                })
                .await
        };
        assert_eq!(digest(&one, None).await, digest(&other, None).await);
        assert_eq!(put(&one, "k3", ballot(now, 9), 9, b"y").await, Answer::Ack);
        assert_eq!(digest(&one, None).await, digest(&other, None).await, "on its way");
        stable(&one, "k3", ballot(now, 9)).await;
        assert_ne!(digest(&one, None).await, digest(&other, None).await);
        assert_eq!(digest(&one, Some("k2")).await, digest(&other, Some("k2")).await);
        assert!(matches!(digest(&one, Some("k2")).await, Answer::Digest { keys: 3, .. }));
    });
}

/// Damages a shard, inline or bulk, sees that it is noticed, and puts sound bytes in its place.
async fn damaged_and_repaired(runtime: &Runtime, folder: &Folder, length: usize) {
    let now = runtime.wall_ms();
    let content = pattern(1, length);
    let staged = async |drive: &Drive| {
        let stage = Request::Stage {
            key: key("k"),
            write_id: write_id(1),
            block_shift: 16,
            shard_length: length as u64,
            offset: 0,
            bytes: Bytes::from(content.clone()),
        };
        assert!(matches!(drive.handle(stage).await, Answer::Staged { .. }));
    };
    let mut record = record(ballot(now, 1), 1, &content);
    let is_bulk = length > 65_536;
    let drive = open(runtime, folder.path()).await;
    if is_bulk {
        record.shard = Shard::Staged { length: length as u64 };
        staged(&drive).await;
    }
    let publish = Request::Publish {
        key: key("k"),
        record: record.clone(),
    };
    assert_eq!(drive.handle(publish).await, Answer::Ack);
    stable(&drive, "k", ballot(now, 1)).await;
    drive.close().await;
    drop(drive);
    let files = (0..32).map(|number| format!("data.{number:04}"));
    let files: Vec<String> = files.filter(|name| folder.path().join(name).exists()).collect();
    let places = files.iter().map(|name| (name, folder.find(name, &content[..64]).first().copied()));
    let found = places.filter_map(|(name, at)| Some((name, at?))).collect::<Vec<_>>();
    let (name, at) = *found.first().unwrap_or_else(|| panic!("not in {files:?}"));
    folder.flip(name, at + 10..at + 11);
    let drive = open(runtime, folder.path()).await;
    assert_eq!(read_all(&drive, "k").await, None);
    assert_eq!(drive.take_damaged(9), [key("k")]);
    if is_bulk {
        staged(&drive).await;
    }
    let filling = Filling {
        drive_floor: drive.floor(),
        replaces: true,
    };
    assert_eq!(drive.fill(key("k"), record, filling).await, Answer::Ack);
    assert_eq!(read_all(&drive, "k").await.as_deref(), Some(&content[..]));
    drop(drive);
    let drive = open(runtime, folder.path()).await;
    assert_eq!(
        read_all(&drive, "k").await.as_deref(),
        Some(&content[..]),
        "after a start that reads the log"
    );
    drive.close().await;
    drop(drive);
    audit_at_rest(runtime, folder.path()).await;
}

#[test]
fn damaged_bytes_are_noticed_and_replaced() {
    let runtime = runtime();
    runtime.run(async {
        damaged_and_repaired(&runtime, &Folder::new("inline"), 3_000).await;
        damaged_and_repaired(&runtime, &Folder::new("bulk"), 200_000).await;
    });
}

#[test]
fn keys_that_were_missed_are_remembered_until_they_are_taken() {
    let (folder, runtime) = (Folder::new("missed"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let hint = Request::Missed {
            keys: vec![key("a"), key("b"), key("a")],
            lost: false,
        };
        assert_eq!(drive.handle(hint).await, Answer::Ack);
        assert_eq!(drive.heal_progress().missed, 2);
        assert!(!drive.take_lost());
        assert_eq!(drive.take_missed(9), [key("a"), key("b")]);
    });
}
