//! Rows as values of runs: written and read back whole, and no bytes mislead the decoder.

use crate::entry::Entry;
use crate::index::{decode_row, encode_row, put_stored_state};
use crate::row::Row;
use crate::space::{Extent, ExtentRegistry, ExtentSet, Place};
use crate::told::put_state;
use crate::{Ballot, Coding, Head, Key, Kind, Space, WriteId};
use bytes::Bytes;
use openlake_io::Instant;
use proptest::prelude::*;
use std::rc::Rc;

fn ballots() -> impl Strategy<Value = Ballot> {
    prop_oneof![
        any::<(u64, u32, u32)>().prop_map(|(clock, node, boot)| Ballot { clock, node, boot }),
        (1_700_000_000_000_u64..1_800_000_000_000, 0_u32..9, 1_u32..9).prop_map(|(ms, node, boot)| Ballot {
            clock: ms << 16,
            node,
            boot
        }),
    ]
}

/// Head, place, sizes in the log, shard length, extents, and whether it shares these with the one before.
type Version = (Head, Place, [u32; 3], u64, Vec<Extent>, bool);

/// A version, and whether it shares write id and extents with the one before.
fn versions() -> impl Strategy<Value = Version> {
    let identity = (
        ballots(),
        0_u8..4,
        ballots(),
        proptest::option::of(prop_oneof![Just(Ballot::ZERO), ballots()]),
    );
    let content = (
        any::<(bool, bool, u64, u16)>(),
        proptest::collection::vec(any::<u8>(), 0..60),
        any::<u8>(),
    );
    let coding = any::<(u8, u8, u8, bool, bool, u8)>();
    let lengths = (
        any::<[u32; 3]>(),
        prop_oneof![any::<u64>(), 0_u64..100_000],
        any::<(bool, bool, bool, bool)>(),
    );
    let extents = proptest::collection::vec(any::<(u32, u16, u16)>(), 0..5);
    let place = any::<(u32, u32)>();
    (identity, content, coding, lengths, extents, place).prop_map(
        |((ballot, id, origin, base), content, coding, (lengths, shard_length, flags), extents, place)| {
            let ((tombstone, unconditional, size, etag_parts), metadata, etag) = content;
            let (bulk, same_origin, same_size, shared) = flags;
            let head = Head {
                ballot,
                write_id: WriteId([id; 16]),
                origin: if same_origin { ballot } else { origin },
                base,
                kind: if tombstone { Kind::Tombstone } else { Kind::Data },
                unconditional,
                size,
                etag: [etag; 16],
                etag_parts,
                metadata: metadata.into(),
                coding: Coding {
                    data: coding.0,
                    parity: coding.1,
                    block_shift: coding.2,
                    whole: coding.3,
                    manifest: coding.4,
                },
                slot: coding.5,
                payload_size: if same_size { size } else { shard_length },
                inline: !bulk,
            };
            let extents = extents.into_iter().map(|(segment, first, more)| Extent {
                segment,
                first,
                granules: u32::from(more) + 1,
            });
            (
                head,
                Place::new(place.0 & 0xffff, place.1),
                lengths,
                shard_length,
                extents.collect(),
                shared,
            )
        },
    )
}

fn rows() -> impl Strategy<Value = Vec<Version>> {
    proptest::collection::vec(versions(), 0..6)
}

type Extra = (Option<prop::sample::Index>, Option<Ballot>, Option<(u32, u32)>, u64);

fn extras() -> impl Strategy<Value = Extra> {
    let mark = proptest::option::of((0_u32..70_000, any::<u32>()));
    (
        proptest::option::of(any::<prop::sample::Index>()),
        proptest::option::of(ballots()),
        mark,
        any::<u64>(),
    )
}

fn key() -> Key {
    Key {
        bucket: 3,
        space: Space::Object,
        name: Bytes::from_static(b"name"),
    }
}

fn build(versions: Vec<Version>, extra: Extra, registry: &Rc<ExtentRegistry>) -> Row {
    let mut row = Row::default();
    let mut sorted = versions;
    sorted.sort_by_key(|version| version.0.ballot);
    let mut before: Option<(WriteId, Option<Rc<ExtentSet>>)> = None;
    for (mut head, place, [total, tail_offset, payload], shard_length, extents, shared) in sorted {
        let extents = match before.filter(|_| shared) {
            Some((write_id, Some(extents))) if !head.inline => {
                head.write_id = write_id;
                Some(extents)
            }
            _ => (!head.inline).then(|| ExtentSet::new(extents, registry)),
        };
        before = Some((head.write_id, extents.clone()));
        let mut entry = Entry::pending(key(), head, shard_length, extents);
        (entry.total, entry.tail_offset, entry.payload) = (total, tail_offset, payload);
        entry.set_durable(place, Instant(0));
        row.accept(Rc::new(entry));
    }
    let (stable, floor, mark, oldest) = extra;
    if let Some(stable) = stable
        && !row.entries().is_empty()
    {
        let ballot = row.entries()[stable.index(row.entries().len())].head.ballot;
        row.settle(ballot);
    }
    floor.into_iter().for_each(|floor| row.raise_floor(floor));
    row.set_mark(mark.map(|(segment, offset)| Place::new(segment, offset)));
    row.note_generation(oldest);
    row
}

fn assert_same(row: &Row, other: &Row) {
    assert_eq!(row.entries().len(), other.entries().len());
    let mut sets = Vec::new();
    for (one, two) in row.entries().iter().zip(other.entries()) {
        assert_eq!(one.head, two.head);
        assert_eq!(
            (one.place(), one.total, one.tail_offset, one.payload),
            (two.place(), two.total, two.tail_offset, two.payload)
        );
        assert_eq!(one.shard_length, two.shard_length);
        let list = |entry: &Entry| entry.extents.as_ref().map(|extents| extents.to_vec());
        assert_eq!(list(one), list(two));
        sets.extend(two.extents.clone().map(|set| (two.head.write_id, set)));
    }
    for (at, (write_id, set)) in sets.iter().enumerate() {
        for (other_write_id, other) in &sets[at + 1..] {
            // One shard at one place is one set, so that its space is given back when the last version goes.
            let same = write_id == other_write_id && set.to_vec() == other.to_vec();
            assert_eq!(Rc::ptr_eq(set, other), same);
        }
    }
    assert_eq!(
        (row.stable(), row.floor(), row.mark(), row.oldest()),
        (other.stable(), other.floor(), other.mark(), other.oldest())
    );
}

proptest! {
    #[test]
    fn a_row_is_read_back_as_it_was(versions in rows(), extra in extras()) {
        let registry = Rc::new(ExtentRegistry::default());
        let row = build(versions, extra, &registry);
        let bytes = encode_row(&row);
        let Some(read) = decode_row(&key(), &bytes, &registry).expect("a row") else {
            prop_assert!(row.entries().is_empty());
            return Ok(());
        };
        assert_same(&row, &read);
        let (mut told, mut of_row, mut of_state) = (Vec::new(), Vec::new(), Vec::new());
        prop_assert_eq!(put_stored_state(&mut told, &bytes, Ballot::ZERO, None), Some(true));
        row.put_state(&mut of_row, Ballot::ZERO, None);
        put_state(&mut of_state, &row.state(Ballot::ZERO, None, false));
        prop_assert_eq!((&told, &told), (&of_row, &of_state));
        // A row that leaves memory keeps its space; versions dropped from one that was read give it back.
        registry.take_returned();
        drop(read);
        prop_assert!(registry.take_returned().is_empty());
        let again = decode_row(&key(), &bytes, &registry).expect("a row").expect("versions");
        again.entries().iter().for_each(|entry| entry.leave_row());
        let distinct: std::collections::HashSet<_> = again.entries().iter().filter_map(|entry| entry.extents.as_ref().map(Rc::as_ptr)).collect();
        let expected: usize = distinct.len();
        let held: Vec<_> = again.entries().iter().filter_map(|entry| entry.extents.clone()).collect();
        drop(again);
        let counts: std::collections::HashMap<_, usize> = held.iter().map(|set| (Rc::as_ptr(set), set.to_vec().len())).collect();
        let granted: usize = counts.values().sum();
        prop_assert_eq!(counts.len(), expected);
        drop(held);
        prop_assert_eq!(registry.take_returned().len(), granted);
    }

    #[test]
    fn any_bytes_are_a_row_or_not(versions in rows(), extra in extras(), at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>(), noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        let registry = Rc::new(ExtentRegistry::default());
        let mut bytes = encode_row(&build(versions, extra, &registry));
        decode_row(&key(), &noise, &registry);
        if bytes.is_empty() {
            return Ok(());
        }
        let cut = cut.index(bytes.len());
        // A cut row is no row (an empty one says that the key was removed).
        prop_assert!(cut == 0 || decode_row(&key(), &bytes[..cut], &registry).is_none());
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Some(Some(row)) = decode_row(&key(), &bytes, &registry) {
            // What is taken makes sense: it can be written and read again.
            let again = decode_row(&key(), &encode_row(&row), &registry).expect("a row").expect("versions");
            assert_same(&row, &again);
        }
    }
}

#[test]
fn a_plain_object_takes_less_than_100_bytes() {
    let registry = Rc::new(ExtentRegistry::default());
    let ballot = Ballot {
        clock: 1_763_600_000_000 << 16,
        node: 3,
        boot: 12,
    };
    let head = Head {
        ballot,
        write_id: WriteId([9; 16]),
        origin: ballot,
        base: None,
        kind: Kind::Data,
        unconditional: true,
        size: 40_000,
        etag: [7; 16],
        etag_parts: 0,
        metadata: Bytes::from_static(b"ct\x18application/octet-stream"),
        coding: Coding::default(),
        slot: 2,
        payload_size: 40_000,
        inline: true,
    };
    let mut entry = Entry::pending(key(), head, 20_000, None);
    (entry.total, entry.tail_offset, entry.payload) = (20_300, 200, 20_000);
    entry.set_durable(Place::new(7000, 200 << 20), Instant(0));
    let mut row = Row::default();
    row.accept(Rc::new(entry));
    row.settle(ballot);
    row.set_mark(Some(Place::new(7001, 10 << 20)));
    row.note_generation(5000);
    let bytes = encode_row(&row).len();
    assert!(bytes < 100 + 27, "{bytes} bytes, 27 of them metadata");
    assert!(decode_row(&key(), &encode_row(&row), &registry).is_some());
}
