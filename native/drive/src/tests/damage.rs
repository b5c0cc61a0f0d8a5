//! Damage is detected and never served; a torn tail is no damage.

use super::harness::*;
use crate::{Answer, Drive, DriveState, OpenError};
use openlake_io::Runtime;

/// Ten records, each in a batch of its own, the drive dropped without a clean end.
async fn filled(runtime: &Runtime, folder: &Folder) -> u64 {
    let drive = open(runtime, folder.path()).await;
    let now = runtime.wall_ms();
    for number in 0..10 {
        assert_eq!(
            put(&drive, &format!("k{number}"), ballot(now, number), number, &pattern(number, 3000)).await,
            Answer::Ack
        );
    }
    drop(drive);
    now
}

async fn missing(drive: &Drive) -> Vec<u64> {
    let mut missing = Vec::new();
    for number in 0..10 {
        match read_all(drive, &format!("k{number}")).await {
            Some(payload) => assert_eq!(payload, pattern(number, 3000)),
            None => missing.push(number),
        }
    }
    missing
}

#[test]
fn a_flipped_byte_inside_the_log_is_damage_and_later_records_stay() {
    let (folder, runtime) = (Folder::new("inside"), runtime());
    runtime.run(async {
        let now = filled(&runtime, &folder).await;
        let at = folder.find("data.0000", &pattern(4, 3000))[0];
        folder.flip("data.0000", at..at + 1);
        let drive = open(&runtime, folder.path()).await;
        assert!(matches!(drive.status().state, DriveState::Suspect(_)), "{:?}", drive.status().state);
        assert_eq!(missing(&drive).await, [4]);
        let state = heads(&drive, "k4").await;
        assert!(
            state.dirty.is_some_and(|dirty| dirty > ballot(now, 4)),
            "what it lacks is unknown, not absent"
        );
        assert!(matches!(put(&drive, "k4", ballot(now, 3), 3, b"x").await, Answer::Refuse { .. }));
    });
}

#[test]
fn a_torn_tail_ends_the_log_silently() {
    let (folder, runtime) = (Folder::new("tail"), runtime());
    runtime.run(async {
        filled(&runtime, &folder).await;
        let at = folder.find("data.0000", &pattern(9, 3000))[0];
        folder.flip("data.0000", at..at + 100);
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(drive.status().state, DriveState::Healthy);
        assert_eq!(missing(&drive).await, [9], "indistinguishable from a tear without a clean end");
    });
}

#[test]
fn a_lost_last_batch_is_damage_where_a_root_knew_it() {
    let (folder, runtime) = (Folder::new("clean"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let now = runtime.wall_ms();
        assert_eq!(put(&drive, "k0", ballot(now, 0), 0, &pattern(0, 3000)).await, Answer::Ack);
        drive.close().await;
        drop(drive);
        // A start writes one batch, the opening of the second segment, and a root that knows it.
        drop(open(&runtime, folder.path()).await);
        folder.flip("data.0000", 256 << 10..(256 << 10) + 100);
        let drive = open(&runtime, folder.path()).await;
        assert!(matches!(drive.status().state, DriveState::Suspect(_)), "{:?}", drive.status());
        let state = heads(&drive, "k0").await;
        assert!(state.dirty.is_some() && state.records.len() == 1, "{state:?}");
    });
}

#[test]
fn a_damaged_opening_of_a_segment_loses_nothing_behind_it() {
    let (folder, runtime) = (Folder::new("opening"), runtime());
    runtime.run(async {
        filled(&runtime, &folder).await;
        let magics = folder.find("data.0000", b"OLBT");
        folder.flip("data.0000", magics[0]..magics[0] + 1);
        let drive = open(&runtime, folder.path()).await;
        assert!(matches!(drive.status().state, DriveState::Suspect(_)));
        assert_eq!(missing(&drive).await, [0_u64; 0]);
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(missing(&drive).await, [0_u64; 0], "the successor is found by its predecessor");
    });
}

#[test]
fn a_payload_flipped_after_the_start_is_never_served() {
    let (folder, runtime) = (Folder::new("payload"), runtime());
    runtime.run(async {
        filled(&runtime, &folder).await;
        let mut options = options(folder.path());
        options.cache_bytes = 0;
        let drive = open_with(&runtime, options).await.expect("the drive opens");
        assert_eq!(missing(&drive).await, [0_u64; 0]);
        let at = folder.find("data.0000", &pattern(4, 3000))[0];
        folder.flip("data.0000", at + 2999..at + 3000);
        assert_eq!(missing(&drive).await, [4]);
        assert_eq!(drive.status().corrupt_blocks, 1);
        let state = heads(&drive, "k4").await;
        assert_eq!(state.records.len(), 1, "the version is known though its bytes are damaged");
    });
}

#[test]
fn one_lost_superblock_is_repaired_and_two_are_an_error() {
    let (folder, runtime) = (Folder::new("superblock"), runtime());
    runtime.run(async {
        filled(&runtime, &folder).await;
        folder.flip("superblock.0", 40..41);
        assert_eq!(missing(&open(&runtime, folder.path()).await).await, [0_u64; 0]);
        folder.flip("superblock.1", 40..41);
        assert_eq!(missing(&open(&runtime, folder.path()).await).await, [0_u64; 0]);
        folder.flip("superblock.0", 40..41);
        folder.flip("superblock.1", 40..41);
        let error = open_with(&runtime, options(folder.path())).await.err();
        assert!(matches!(error, Some(OpenError::Damaged(_))), "{error:?}");
    });
}
