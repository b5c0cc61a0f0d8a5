//! The index as a whole: rows come and go, checkpoints and merges run beside them, and nobody can tell.

use super::harness::*;
use crate::index::choose_merge;
use crate::{Answer, Covers, Drive, Request, Space};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;

async fn scan(drive: &Drive, prefix: &str, from: &str, limit: u32) -> (Vec<(String, u64)>, Covers) {
    let request = Request::Scan {
        bucket: 5,
        space: Space::Object,
        prefix: Bytes::copy_from_slice(prefix.as_bytes()),
        from: Bytes::copy_from_slice(from.as_bytes()),
        limit,
    };
    let Answer::Page { rows, covers, .. } = drive.handle(request).await else {
        panic!("no page")
    };
    let rows = rows.to_rows();
    let found = rows
        .iter()
        .map(|row| (String::from_utf8_lossy(&row.name).into_owned(), row.state.records[0].size));
    (found.collect(), covers)
}

#[test]
fn rows_in_many_runs_are_found_scanned_and_merged() {
    let (folder, runtime) = (Folder::new("index"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let core = drive.core().clone();
        core.index.borrow_mut().set_limit(0);
        let now = runtime.wall_ms();
        let mut expected = BTreeMap::new();
        let mut most_runs = 0;
        for round in 0..40_u64 {
            for step in 0..20_u64 {
                let id = round * 20 + step;
                let name = format!("k{:04}", (id * 7919) % 600);
                let size = id % 5;
                assert_eq!(
                    put(&drive, &name, ballot(now, id), id, &pattern(id, size as usize)).await,
                    Answer::Ack
                );
                stable(&drive, &name, ballot(now, id)).await;
                expected.insert(name, size);
            }
            runtime
                .sleep(std::time::Duration::from_millis(if round % 10 == 0 { 600 } else { 1 }))
                .await;
            core.checkpoint().await.expect("a checkpoint");
            most_runs = most_runs.max(core.index.borrow().runs().len());
        }
        // When all marks are in the log and in a run, nothing is pinned any more.
        for _ in 0..100 {
            runtime.sleep(std::time::Duration::from_millis(100)).await;
            core.checkpoint().await.expect("a checkpoint");
            if core.index.borrow().rows().next().is_none() {
                break;
            }
        }
        let status = drive.status();
        let left = core.index.borrow().rows().count();
        assert_eq!(left, 0, "rows are still in memory");
        assert!(most_runs < 12, "{most_runs} runs at a time");
        assert_eq!(status.keys, expected.len() as u64);
        for (name, size) in &expected {
            assert_eq!(heads(&drive, name).await.records[0].size, *size, "{name}");
        }
        assert!(heads(&drive, "k9999").await.records.is_empty());
        let all: Vec<_> = expected.clone().into_iter().collect();
        assert_eq!(scan(&drive, "k", "", 10_000).await, (all.clone(), Covers::End));
        let mut from = String::new();
        let mut walked = Vec::new();
        loop {
            let (rows, covers) = scan(&drive, "k", &from, 7).await;
            walked.extend(rows);
            match covers {
                Covers::End => break,
                Covers::UpTo(name) => from = format!("{}\0", String::from_utf8_lossy(&name)),
            }
        }
        assert_eq!(walked, all);
        let some: Vec<_> = all.iter().filter(|(name, _)| name.starts_with("k01")).cloned().collect();
        assert_eq!(scan(&drive, "k01", "", 10_000).await, (some, Covers::End));
    });
}

#[test]
fn a_damaged_block_of_the_index_is_told_and_never_taken_for_absence() {
    let (folder, runtime) = (Folder::new("damaged-index"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let core = drive.core().clone();
        core.index.borrow_mut().set_limit(0);
        let now = runtime.wall_ms();
        for id in 0..10_u64 {
            assert_eq!(put(&drive, &format!("k{id}"), ballot(now, id), id, b"x").await, Answer::Ack);
            stable(&drive, &format!("k{id}"), ballot(now, id)).await;
        }
        runtime.sleep(std::time::Duration::from_millis(700)).await;
        core.checkpoint().await.expect("a checkpoint");
        let extent = core.index.borrow().runs()[0].blob.extents.to_vec()[0];
        let geometry = *core.medium.geometry();
        let per_container = geometry.segments_per_container();
        let at = (extent.segment % per_container * geometry.segment_bytes + u32::from(extent.first) * geometry.granule_bytes) as usize;
        folder.flip(&format!("data.{:04}", extent.segment / per_container), at + 100..at + 101);
        let read = Request::Read {
            key: key("k3"),
            want: crate::Want::Heads,
        };
        assert!(matches!(drive.handle(read).await, Answer::Failed(_)));
        assert!(matches!(put(&drive, "k3", ballot(now, 99), 99, b"y").await, Answer::Failed(_)));
        assert!(matches!(drive.status().state, crate::DriveState::Suspect(_)));
        // What no run has is not touched by it.
        assert_eq!(put(&drive, "other", ballot(now, 100), 100, b"z").await, Answer::Ack);
    });
}

proptest! {
    #[test]
    fn merges_keep_the_number_of_runs_small(sizes in proptest::collection::vec(1_u64..40, 1..400)) {
        // Newest first; merging adds up (nothing is superseded).
        let mut runs: Vec<u64> = Vec::new();
        let (mut taken_in, mut written) = (0, 0);
        for size in sizes {
            runs.insert(0, size << 17);
            taken_in += size << 17;
            while let Some(range) = choose_merge(&runs) {
                prop_assert!(range.len() >= 4 && range.end <= runs.len());
                let merged: u64 = runs.drain(range.clone()).sum();
                written += merged;
                runs.insert(range.start, merged);
            }
        }
        prop_assert!(runs.len() <= 30, "{runs:?}");
        prop_assert!(written <= taken_in * 8, "{written} written for {taken_in}");
    }
}
