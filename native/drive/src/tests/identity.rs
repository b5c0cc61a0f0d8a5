//! A drive that is not the one expected is refused by name.

use super::harness::*;
use crate::{Adoption, Answer, DriveState, MountCheck, OpenError, Request};
use std::path::Path;

#[test]
fn blank_drives_are_formatted_only_where_allowed() {
    let (folder, runtime) = (Folder::new("blank"), runtime());
    runtime.run(async {
        let mut refusing = options(folder.path());
        refusing.adoption = Adoption::Refuse;
        let error = open_with(&runtime, refusing.clone()).await.err();
        assert!(matches!(error, Some(OpenError::Blank(_))), "{error:?}");
        assert!(
            runtime.list_directory(folder.path()).expect("the folder").is_empty(),
            "nothing may be left on what may be a bare mount point"
        );
        drop(open(&runtime, folder.path()).await);
        assert!(open_with(&runtime, refusing).await.is_ok());
    });
}

#[test]
fn foreign_drives_missing_paths_and_bare_directories_are_refused() {
    let (folder, runtime) = (Folder::new("foreign"), runtime());
    runtime.run(async {
        drop(open(&runtime, folder.path()).await);
        let mut wrong_slot = options(folder.path());
        wrong_slot.slot = 9;
        let error = open_with(&runtime, wrong_slot).await.err();
        assert!(
            matches!(&error, Some(OpenError::Foreign(text)) if text.contains("slot 2") && text.contains("slot 9")),
            "{error:?}"
        );
        let mut wrong_cluster = options(folder.path());
        wrong_cluster.cluster = [8; 16];
        let error = open_with(&runtime, wrong_cluster).await.err();
        assert!(
            matches!(&error, Some(OpenError::Foreign(text)) if text.contains("0808")),
            "{error:?}"
        );
        let error = open_with(&runtime, options(&folder.path().join("missing"))).await.err();
        assert!(
            matches!(&error, Some(OpenError::Unavailable(text)) if text.contains("missing")),
            "{error:?}"
        );
        let error = open_with(&runtime, options(&folder.path().join("superblock.0"))).await.err();
        assert!(matches!(error, Some(OpenError::Unavailable(_))), "{error:?}");
        let mut strict = options(folder.path());
        strict.mount_check = MountCheck::Strict;
        let error = open_with(&runtime, strict).await.err();
        assert!(
            matches!(&error, Some(OpenError::Unavailable(text)) if text.contains("mount")),
            "{error:?}"
        );
    });
}

#[test]
fn an_open_drive_is_busy_and_containers_without_superblock_are_kept() {
    let (folder, runtime) = (Folder::new("busy"), runtime());
    runtime.run(async {
        let drive = open(&runtime, folder.path()).await;
        let error = open_with(&runtime, options(folder.path())).await.err();
        assert!(matches!(error, Some(OpenError::Busy(_))), "{error:?}");
        drop(drive);
        for name in ["superblock.0", "superblock.1"] {
            runtime.remove(&folder.path().join(name)).expect("a superblock");
        }
        let error = open_with(&runtime, options(folder.path())).await.err();
        assert!(matches!(error, Some(OpenError::Damaged(_))), "{error:?}");
    });
}

#[test]
fn a_drive_whose_files_were_taken_away_takes_no_more_writes() {
    type Deed = fn(&Path) -> std::io::Result<()>;
    let deeds: [(&str, Deed, &str); 3] = [
        ("removed", |path| std::fs::remove_file(path.join("data.0000")), "data.0000 is gone"),
        (
            "replaced",
            |path| {
                // Not removed first: its number could be given to the new one.
                std::fs::rename(path.join("data.0000"), path.join("aside"))?;
                std::fs::write(path.join("data.0000"), b"")
            },
            "data.0000 is another file now",
        ),
        (
            "moved",
            |path| std::fs::rename(path, path.with_extension("aside")),
            "data.0000 is gone",
        ),
    ];
    for (name, deed, expected) in deeds {
        let (folder, runtime) = (Folder::new(name), runtime());
        runtime.run(async {
            let drive = open(&runtime, folder.path()).await;
            put(&drive, "before", ballot(runtime.wall_ms(), 1), 1, b"bytes").await;
            drive.check_place();
            assert_eq!(drive.status().state, DriveState::Healthy);
            deed(folder.path()).expect("a deed");
            drive.check_place();
            let state = drive.status().state;
            assert!(matches!(&state, DriveState::Failed(text) if text.contains(expected)), "{state:?}");
            let late = record(ballot(runtime.wall_ms(), 2), 2, b"bytes");
            let answer = drive
                .handle(Request::Publish {
                    key: key("late"),
                    record: late,
                })
                .await;
            assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
            assert_eq!(heads(&drive, "before").await.records.len(), 1, "what it holds can be read");
        });
        std::fs::remove_dir_all(folder.path().with_extension("aside")).ok();
    }
}

#[test]
fn the_boot_number_rises_with_every_start() {
    let (folder, runtime) = (Folder::new("boot"), runtime());
    runtime.run(async {
        for expected in 1..4 {
            assert_eq!(open(&runtime, folder.path()).await.boot(), expected);
        }
        let mut later = options(folder.path());
        later.boot_at_least = 40;
        assert_eq!(open_with(&runtime, later).await.expect("the drive opens").boot(), 40);
        assert_eq!(open(&runtime, folder.path()).await.boot(), 41);
    });
}
