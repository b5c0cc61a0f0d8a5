//! What a drive remembers of who took over the slots of its set, and when it answers.

use super::harness::*;
use crate::{Answer, Drive, Heir, Request, Standing, Step};

fn heir(slot: u8, generation: u32) -> Heir {
    Heir {
        slot,
        generation,
        drive: [slot * 16 + generation as u8; 16],
        filled: false,
    }
}

async fn step(drive: &Drive, step: Step) -> Result<Standing, Answer> {
    match drive.handle(Request::Succession { step }).await {
        Answer::Standing(standing) => Ok(standing),
        other => Err(other),
    }
}

#[test]
fn heirs_and_rounds_survive_any_end() {
    let (folder, runtime) = (Folder::new("heirs"), runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let (first, second) = (ballot(now, 1), ballot(now, 2));
        let drive = open(&runtime, folder.path()).await;
        step(&drive, Step::Announce { round: first }).await.expect("heard");
        let take = Step::Take {
            round: first,
            heir: heir(1, 2),
        };
        assert_eq!(step(&drive, take).await.expect("taken").heirs, [heir(1, 2)]);
        step(&drive, Step::Announce { round: second }).await.expect("heard");
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        let known = step(&drive, Step::Ask).await.expect("told");
        assert_eq!((known.round, known.heirs), (second, vec![heir(1, 2)]));
        let late = Step::Take {
            round: first,
            heir: heir(2, 2),
        };
        assert!(matches!(step(&drive, late).await, Err(Answer::Refuse { floor, .. }) if floor == second));
        assert!(matches!(
            step(&drive, Step::Announce { round: first }).await,
            Err(Answer::Refuse { .. })
        ));
        let filled = Step::Filled { slot: 1, generation: 2 };
        step(&drive, filled).await.expect("heard");
        drive.close().await;
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert!(drive.standing().heirs[0].filled);
    });
}

#[test]
fn a_slot_has_one_heir_of_a_generation() {
    let (folder, runtime) = (Folder::new("one-heir"), runtime());
    runtime.run(async {
        let round = ballot(runtime.wall_ms(), 1);
        let drive = open(&runtime, folder.path()).await;
        let take = |heir: Heir| Step::Take { round, heir };
        step(&drive, take(heir(1, 3))).await.expect("taken");
        step(&drive, take(heir(1, 3))).await.expect("said again");
        let other = Heir {
            drive: [9; 16],
            ..heir(1, 3)
        };
        assert!(step(&drive, take(other)).await.is_err());
        assert!(step(&drive, take(heir(1, 2))).await.is_err());
        assert_eq!(step(&drive, take(heir(1, 4))).await.expect("taken").heirs, [heir(1, 4)]);
    });
}

#[test]
fn changes_at_one_instant_are_all_remembered() {
    let (folder, runtime) = (Folder::new("at-once"), runtime());
    runtime.run(async {
        let round = ballot(runtime.wall_ms(), 1);
        let drive = open(&runtime, folder.path()).await;
        let takes = (0..6).map(|slot| {
            let heir = heir(slot, 2);
            step(&drive, Step::Take { round, heir })
        });
        assert!(futures_util::future::join_all(takes).await.iter().all(Result::is_ok));
        drop(drive);
        let drive = open(&runtime, folder.path()).await;
        assert_eq!(drive.standing().heirs.len(), 6);
    });
}

#[test]
fn a_drive_that_is_held_only_tells_what_it_knows() {
    let (folder, runtime) = (Folder::new("held"), runtime());
    runtime.run(async {
        let now = runtime.wall_ms();
        let drive = open(&runtime, folder.path()).await;
        drive.hold();
        assert!(matches!(put(&drive, "k", ballot(now, 9), 9, b"x").await, Answer::Failed(_)));
        assert!(step(&drive, Step::Announce { round: ballot(now, 1) }).await.is_err());
        assert!(!step(&drive, Step::Ask).await.expect("told").serves);
        drive.admit();
        assert_eq!(put(&drive, "k", ballot(now, 9), 9, b"x").await, Answer::Ack);
        assert!(step(&drive, Step::Ask).await.expect("told").serves);
    });
}
