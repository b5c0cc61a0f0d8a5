//! Every row of the table of protocol.md section 5, and what must not be decided.

use super::*;
use openlake_drive::{Coding, Head, Kind};

const OWN: WriteId = WriteId([1; 16]);
const OTHER: WriteId = WriteId([2; 16]);

fn at(clock: u64) -> Ballot {
    Ballot { clock, node: 1, boot: 1 }
}

fn found(write_id: WriteId, ballot: u64, origin: u64, base: Option<u64>) -> Found {
    let head = Head {
        ballot: at(ballot),
        write_id,
        origin: at(origin),
        base: base.map(at),
        kind: Kind::Data,
        unconditional: true,
        size: 1,
        etag: [0; 16],
        etag_parts: 0,
        metadata: bytes::Bytes::new(),
        coding: Coding::default(),
        slot: 0,
        payload_size: 1,
        inline: true,
    };
    Found {
        head,
        accepted: 0b11,
        holders: 0b11,
        marked: false,
    }
}

fn attempt(ballot: u64, acked: SlotMask, refused: SlotMask) -> Attempt {
    Attempt {
        ballot: at(ballot),
        acked,
        refused,
    }
}

/// 2+2: W = 3, M = 2, T = 2.
fn writer(attempts: &[Attempt], witnessed: Option<u64>) -> Writer<'_> {
    Writer {
        quorum: Quorum::new(2, 2),
        write_id: OWN,
        unconditional: true,
        needed: 2,
        attempts,
        witnessed: witnessed.map(at),
        shared: None,
    }
}

#[test]
fn too_little_to_see_or_to_decode_is_unknown() {
    let attempts = [attempt(5, 0, 0)];
    assert_eq!(decide(&writer(&attempts, None), &Finding::TooFew, 1), Decision::Unknown);
    let undecodable = Found {
        holders: 0b1,
        ..found(OTHER, 9, 9, None)
    };
    assert_eq!(
        decide(&writer(&attempts, None), &Finding::Complete(undecodable), 2),
        Decision::Unknown
    );
}

#[test]
fn ones_own_version_is_success_or_is_finished() {
    let attempts = [attempt(5, 0b1, 0b10)];
    assert_eq!(
        decide(&writer(&attempts, None), &Finding::Complete(found(OWN, 9, 5, Some(5))), 2),
        Decision::Done
    );
    assert_eq!(
        decide(&writer(&attempts, None), &Finding::Possible(found(OWN, 9, 5, Some(5))), 2),
        Decision::FinishOwn
    );
}

#[test]
fn a_new_ballot_is_proposed_only_if_no_own_one_can_return() {
    let propose = |attempts: &[Attempt], found: Found| decide(&writer(attempts, None), &Finding::Complete(found), 2);
    assert_eq!(decide(&writer(&[attempt(5, 0, 0)], None), &Finding::Absent, 1), Decision::Propose);
    assert_eq!(
        propose(&[attempt(5, 0, 0)], found(OTHER, 4, 4, None)),
        Decision::Propose,
        "what is there lies below"
    );
    assert_eq!(
        propose(&[attempt(5, 0, 0)], found(OTHER, 9, 9, Some(4))),
        Decision::Propose,
        "nothing between base and ballot"
    );
    assert_eq!(
        propose(&[attempt(5, 0, 0)], found(OTHER, 9, 9, Some(0))),
        Decision::Propose,
        "the prepare before it found nothing"
    );
    assert_eq!(
        propose(&[attempt(5, 0, 0b111)], found(OTHER, 9, 9, None)),
        Decision::Propose,
        "three refused: below T"
    );
    assert_eq!(
        propose(&[attempt(5, 0, 0b11)], found(OTHER, 9, 9, None)),
        Decision::Unknown,
        "two refusals are not enough"
    );
    assert_eq!(
        propose(&[attempt(5, 0, 0)], found(OTHER, 9, 9, Some(6))),
        Decision::Unknown,
        "the base lies above the attempt"
    );
    let both = [attempt(5, 0, 0b111), attempt(7, 0, 0)];
    assert_eq!(
        propose(&both, found(OTHER, 9, 9, None)),
        Decision::Unknown,
        "every own ballot counts"
    );
}

#[test]
fn being_overwritten_at_once_needs_a_witness_and_no_condition_on_either_side() {
    let attempts = [attempt(5, 0b11, 0b1)];
    let complete = |writer: &Writer<'_>, found: Found| decide(writer, &Finding::Complete(found), 2);
    assert_eq!(
        complete(&writer(&attempts, Some(5)), found(OTHER, 9, 9, None)),
        Decision::Overwritten
    );
    assert_eq!(
        decide(&writer(&attempts, Some(5)), &Finding::Possible(found(OTHER, 9, 9, None)), 2),
        Decision::FinishOther
    );
    assert_eq!(
        complete(&writer(&attempts, None), found(OTHER, 9, 9, None)),
        Decision::Unknown,
        "no witness"
    );
    assert_eq!(
        complete(&writer(&attempts, Some(5)), found(OTHER, 9, 4, None)),
        Decision::Unknown,
        "it began before"
    );
    let conditional = Writer {
        unconditional: false,
        ..writer(&attempts, Some(5))
    };
    assert_eq!(complete(&conditional, found(OTHER, 9, 9, None)), Decision::Unknown);
    let mut theirs = found(OTHER, 9, 9, None);
    theirs.head.unconditional = false;
    assert_eq!(complete(&writer(&attempts, Some(5)), theirs), Decision::Unknown);
}

#[test]
fn no_effect_is_claimed_only_where_nobody_can_complete_an_own_ballot() {
    let claims = |attempts: &[Attempt], finding: Option<&Finding>| provably_without_effect(&writer(attempts, None), finding);
    assert!(claims(&[], None), "nothing was published");
    assert!(claims(&[attempt(5, 0, 0b111)], None), "refused by more than can be missed");
    assert!(!claims(&[attempt(5, 0, 0b11)], None));
    assert!(
        claims(&[attempt(5, 0, 0)], Some(&Finding::Complete(found(OTHER, 9, 9, Some(4))))),
        "excluded by a complete successor"
    );
    assert!(
        !claims(&[attempt(5, 0, 0)], Some(&Finding::Possible(found(OTHER, 9, 9, Some(4))))),
        "it may never become complete"
    );
    assert!(
        !claims(&[attempt(5, 0, 0)], Some(&Finding::Complete(found(OTHER, 4, 4, Some(3))))),
        "an own ballot above it may be adopted"
    );
    assert!(
        !claims(&[attempt(5, 0, 0)], Some(&Finding::Complete(found(OWN, 9, 5, Some(4))))),
        "that is the write itself"
    );
}

#[test]
fn a_write_that_others_publish_too_is_proposed_only_if_none_of_them_can_return() {
    let shared = |alone| SharedWrite { since: at(5), alone };
    let decide = |alone, unconditional, finding: &Finding| {
        let writer = Writer {
            shared: Some(shared(alone)),
            unconditional,
            ..writer(&[], Some(5))
        };
        super::decide(&writer, finding, 2)
    };
    for alone in [false, true] {
        let complete = |found| Finding::Complete(found);
        assert_eq!(decide(alone, true, &Finding::Absent), Decision::Propose);
        assert_eq!(decide(alone, true, &complete(found(OTHER, 4, 4, None))), Decision::Propose);
        assert_eq!(
            decide(alone, true, &complete(found(OTHER, 9, 4, Some(4)))),
            Decision::Propose,
            "published again by a reader"
        );
        assert_eq!(decide(alone, true, &complete(found(OWN, 9, 6, Some(6)))), Decision::Done);
        assert_eq!(
            decide(alone, true, &complete(found(OTHER, 9, 9, None))),
            Decision::Overwritten,
            "it came after the write began"
        );
        assert_eq!(
            decide(alone, true, &Finding::Possible(found(OTHER, 9, 9, None))),
            Decision::FinishOther
        );
        assert_eq!(decide(alone, false, &complete(found(OTHER, 9, 9, None))), Decision::Unknown);
        assert_eq!(decide(alone, false, &complete(found(OTHER, 9, 9, Some(7)))), Decision::Unknown);
    }
    let writer = |alone| Writer {
        shared: Some(shared(alone)),
        ..writer(&[], Some(5))
    };
    assert!(provably_without_effect(&writer(true), None));
    assert!(!provably_without_effect(&writer(false), None));
}
