//! The scan against what protocol.md promises of it: small worlds built at random, and every subset of their drives asked.
//!
//! In a world of N drives some versions were accepted by chosen drives, some of those complete ones are marked, and a drive that is marked
//! has dropped what lies below. From that the truth is known: which versions are complete, and which can still become so.

use super::*;
use openlake_drive::{Coding, Kind, ScanRow, ScanRows, WriteId};
use proptest::prelude::*;

const CODINGS: [(u8, u8); 8] = [(1, 0), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 2), (3, 3)];

fn ballot(n: usize) -> Ballot {
    Ballot {
        clock: n as u64 + 1,
        node: 0,
        boot: 0,
    }
}

fn head(n: usize, slot: usize, quorum: Quorum) -> Head {
    Head {
        ballot: ballot(n),
        write_id: WriteId([n as u8; 16]),
        origin: ballot(n),
        base: None,
        kind: Kind::Data,
        unconditional: true,
        size: 1000,
        etag: [0; 16],
        etag_parts: 0,
        metadata: bytes::Bytes::new(),
        coding: Coding {
            data: quorum.data() as u8,
            parity: quorum.parity() as u8,
            block_shift: 17,
            whole: false,
            manifest: false,
        },
        slot: slot as u8,
        payload_size: 1000,
        inline: true,
    }
}

/// Who accepted each version (oldest first), and which drives know which version to be complete.
#[derive(Clone, Debug)]
struct World {
    quorum: Quorum,
    accepted: Vec<SlotMask>,
    marks: Vec<Option<usize>>,
}

impl World {
    fn is_complete(&self, version: usize) -> bool {
        count(self.accepted[version]) >= self.quorum.write()
    }
    fn state(&self, slot: usize) -> KeyState {
        let mark = self.marks[slot];
        let held = (0..self.accepted.len())
            .rev()
            .filter(|version| self.accepted[*version] & bit(slot as u8) != 0)
            .filter(|version| mark.is_none_or(|mark| *version >= mark));
        KeyState {
            records: held.map(|version| head(version, slot, self.quorum)).collect(),
            stable: mark.map(ballot),
            dirty: None,
            floor: ballot(0),
        }
    }
}

fn worlds() -> impl Strategy<Value = World> {
    let coding = (0..CODINGS.len()).prop_map(|n| Quorum::new(CODINGS[n].0, CODINGS[n].1));
    (coding, prop::collection::vec(any::<u16>(), 1..4), any::<u64>(), any::<bool>()).prop_map(|(quorum, masks, chance, dense)| {
        let all = (1u64 << quorum.slots()) - 1;
        // Dense worlds have many complete versions, the others many fragments.
        let spread = |mask: u16| {
            if dense {
                u64::from(mask | mask.rotate_left(5)) & all
            } else {
                u64::from(mask) & all
            }
        };
        let accepted: Vec<SlotMask> = masks.into_iter().map(spread).collect();
        let mut world = World {
            quorum,
            accepted,
            marks: vec![None; quorum.slots()],
        };
        for slot in 0..quorum.slots() {
            let known =
                (0..world.accepted.len()).filter(|version| world.is_complete(*version) && world.accepted[*version] & bit(slot as u8) != 0);
            world.marks[slot] = known.max().filter(|_| chance >> slot & 1 == 1);
        }
        world
    })
}

/// All subsets of a world's drives, as answers.
fn subsets(world: &World) -> impl Iterator<Item = Vec<(u8, KeyState)>> {
    let world = world.clone();
    (0u64..1 << world.quorum.slots()).map(move |asked| {
        let slots = (0..world.quorum.slots()).filter(|slot| asked >> slot & 1 == 1);
        slots.map(|slot| (slot as u8, world.state(slot))).collect()
    })
}

/// The answers as rows of pages.
fn pages(answers: &[(u8, KeyState)]) -> Vec<(u8, ScanRows)> {
    let page = |state: &KeyState| {
        let row = ScanRow {
            name: bytes::Bytes::from_static(b"key"),
            state: state.clone(),
        };
        // A drive that has nothing of a key has no row of it.
        Some(row)
            .filter(|row| row.state.dirty.is_some() || !row.state.records.is_empty())
            .into_iter()
            .collect()
    };
    answers.iter().map(|(slot, state)| (*slot, page(state))).collect()
}

fn look(quorum: Quorum, answers: &[(u8, KeyState)]) -> Finding {
    scan(quorum, &answers.iter().map(|(slot, state)| (*slot, state)).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_told_at_first_sight_is_what_a_scan_finds(world in worlds(), dirty in 0_usize..6) {
        for mut answers in subsets(&world) {
            if let Some((_, state)) = answers.get_mut(dirty) {
                state.dirty = Some(ballot(dirty));
            }
            let pages = pages(&answers);
            let rows: Vec<_> = pages.iter().map(|(slot, rows)| (*slot, rows.iter().next())).collect();
            let seen = newest_known(world.quorum, &rows).map(|(_, _, head)| head.to_head(bytes::Bytes::new()));
            let found = match look(world.quorum, &answers) {
                Finding::Complete(found) => Some(found.head),
                _ => None,
            };
            let single = answers.iter().all(|(_, state)| state.records.len() <= 1 && state.dirty.is_none());
            let newest = answers.iter().flat_map(|(_, state)| &state.records).map(|head| head.ballot).max();
            let marked = newest.is_some() && answers.iter().any(|(_, state)| state.stable == newest);
            if single && marked && found.is_some() {
                prop_assert_eq!(&seen, &found);
            }
            prop_assert!(seen.is_none() || seen == found, "{:?} at first sight, {:?} by a scan", seen, found);
        }
    }

    #[test]
    fn never_looks_past_a_complete_version_nor_takes_a_fragment_for_one(world in worlds()) {
        let newest = (0..world.accepted.len()).rev().find(|version| world.is_complete(*version));
        for answers in subsets(&world) {
            match look(world.quorum, &answers) {
                Finding::Complete(found) => {
                    prop_assert_eq!(Some(found.head.ballot), newest.map(ballot), "asked {:?}", answers.len());
                }
                Finding::Possible(found) => {
                    prop_assert!(newest.is_none_or(|newest| found.head.ballot >= ballot(newest)));
                    prop_assert!(!found.marked);
                }
                Finding::Absent => prop_assert_eq!(newest, None),
                Finding::TooFew => prop_assert!(answers.len() < world.quorum.meet()),
            }
        }
    }

    #[test]
    fn with_half_the_parity_away_what_must_be_decoded_can_be(world in worlds()) {
        let enough = world.quorum.slots() - world.quorum.parity() / 2;
        for answers in subsets(&world).filter(|answers| answers.len() >= enough.max(world.quorum.write())) {
            if let Finding::Possible(found) | Finding::Complete(found) = look(world.quorum, &answers) {
                // A drive that is marked higher has dropped its shard, but then the higher version is found instead.
                prop_assert!(count(found.holders) >= world.quorum.data(), "{} holders", count(found.holders));
            }
        }
    }

    #[test]
    fn a_blank_drive_never_makes_an_older_version_the_answer(world in worlds(), blank in 0usize..6) {
        let blank = blank % world.quorum.slots();
        let newest = (0..world.accepted.len()).rev().find(|version| world.is_complete(*version));
        for mut answers in subsets(&world) {
            if let Some((_, state)) = answers.iter_mut().find(|(slot, _)| usize::from(*slot) == blank) {
                *state = KeyState { dirty: Some(ballot(100)), floor: ballot(100), ..KeyState::default() };
            }
            match look(world.quorum, &answers) {
                Finding::Complete(found) => prop_assert_eq!(Some(found.head.ballot), newest.map(ballot)),
                Finding::Possible(found) => prop_assert!(newest.is_none_or(|newest| found.head.ballot >= ballot(newest))),
                Finding::Absent => prop_assert_eq!(newest, None),
                Finding::TooFew => {}
            }
        }
    }
}

#[test]
fn equal_answers_alone_prove_nothing() {
    let quorum = Quorum::new(2, 2);
    let world = World {
        quorum,
        accepted: vec![0b1111, 0b0011],
        marks: vec![Some(0); 4],
    };
    let answers = [(0, world.state(0)), (1, world.state(1))];
    assert!(matches!(look(quorum, &answers), Finding::Possible(found) if found.head.ballot == ballot(1)));
}

#[test]
fn shards_of_two_tries_of_a_write_do_not_count_together() {
    // 2+1: one drive took the first try and another one the second, which a single drive shows as possible.
    let quorum = Quorum::new(2, 1);
    let state = |records: Vec<Head>| KeyState {
        records,
        stable: None,
        dirty: None,
        floor: ballot(0),
    };
    let (first, second) = (head(1, 0, quorum), head(2, 2, quorum));
    let second = Head {
        write_id: first.write_id,
        ..second
    };
    let answers = [(0, state(vec![first.clone()])), (2, state(vec![second.clone()]))];
    let Finding::Possible(found) = scan(quorum, &answers) else {
        panic!("the second try may be complete")
    };
    assert_eq!((found.head.ballot, found.accepted, found.holders), (second.ballot, 0b100, 0b100));
    // The same try, published again by a reader at a higher ballot, keeps its origin.
    let again = Head {
        origin: first.origin,
        ..second
    };
    let Finding::Possible(found) = scan(quorum, &[(0, state(vec![first])), (2, state(vec![again]))]) else {
        panic!("so may this")
    };
    assert_eq!((found.accepted, found.holders), (0b100, 0b101));
}
