//! Rows of scans as bytes: read back as they were packed, cut, and refused where they make no sense.

use crate::{Ballot, Coding, Head, KeyState, Kind, ScanRow, ScanRows, WriteId};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

fn ballot() -> impl Strategy<Value = Ballot> {
    any::<(u64, u32, u32)>().prop_map(|(clock, node, boot)| Ballot { clock, node, boot })
}

fn head() -> impl Strategy<Value = Head> {
    let numbers = (
        ballot(),
        any::<[u8; 16]>(),
        ballot(),
        proptest::option::of(ballot()),
        any::<[u8; 16]>(),
    );
    let sizes = (
        any::<u64>(),
        any::<u16>(),
        vec(any::<u8>(), 0..20),
        any::<u64>(),
        any::<[u8; 4]>(),
        any::<[bool; 5]>(),
    );
    (numbers, sizes).prop_map(|(numbers, sizes)| {
        let (ballot, write_id, origin, base, etag) = numbers;
        let (size, etag_parts, metadata, payload_size, bytes, flags) = sizes;
        Head {
            ballot,
            write_id: WriteId(write_id),
            origin,
            base,
            kind: if flags[0] { Kind::Tombstone } else { Kind::Data },
            unconditional: flags[1],
            size,
            etag,
            etag_parts,
            metadata: metadata.into(),
            coding: Coding {
                data: bytes[0],
                parity: bytes[1],
                block_shift: bytes[2],
                whole: flags[2],
                manifest: flags[3],
            },
            slot: bytes[3],
            payload_size,
            inline: flags[4],
        }
    })
}

fn row() -> impl Strategy<Value = ScanRow> {
    let ballots = (proptest::option::of(ballot()), proptest::option::of(ballot()), ballot());
    (vec(any::<u8>(), 0..12), vec(head(), 0..4), ballots).prop_map(|(name, records, (stable, dirty, floor))| ScanRow {
        name: name.into(),
        state: KeyState {
            records,
            stable,
            dirty,
            floor,
        },
    })
}

proptest! {
    #[test]
    fn rows_are_read_back_as_they_were_packed(rows in vec(row(), 0..6)) {
        let packed: ScanRows = rows.clone().into_iter().collect();
        let mut rows = rows;
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        rows.dedup_by(|later, earlier| later.name == earlier.name);
        prop_assert_eq!(packed.to_rows(), rows.clone());
        prop_assert_eq!(packed.len(), rows.len());
        let mut rest = &packed.bytes()[..];
        prop_assert_eq!(ScanRows::take(rows.len(), &mut rest), Some(packed.clone()));
        prop_assert!(rest.is_empty());
        for (view, row) in packed.iter().zip(&rows) {
            prop_assert_eq!(packed.share(view.name), &row.name);
            let heads: Vec<Head> = view.state.heads().map(|head| head.to_head(packed.share(head.metadata()))).collect();
            prop_assert_eq!(&heads, &row.state.records);
            let seen = view.state.newest().map(|head| (head.ballot(), head.kind()));
            prop_assert_eq!(seen, heads.first().map(|head| (head.ballot, head.kind)));
        }
        for count in 0..=rows.len() {
            let (cut, last) = packed.first(count);
            prop_assert_eq!(cut.to_rows(), &rows[..count]);
            prop_assert_eq!(last, rows[..count].last().map_or(Bytes::new(), |row| row.name.clone()));
        }
    }

    #[test]
    fn damaged_rows_are_refused_or_make_sense(rows in vec(row(), 1..4), place: prop::sample::Index, value: u8, count in 0_usize..6) {
        let packed: ScanRows = rows.into_iter().collect();
        let mut bytes = packed.bytes().to_vec();
        let at = place.index(bytes.len());
        bytes[at] = value;
        let mut rest = &bytes[..];
        if let Some(taken) = ScanRows::take(count, &mut rest) {
            prop_assert_eq!(taken.to_rows().len(), count);
            prop_assert!(taken.to_rows().is_sorted_by(|one, other| one.name < other.name));
        }
        let mut short = &packed.bytes()[..packed.bytes().len() - 1];
        prop_assert_eq!(ScanRows::take(packed.len(), &mut short), None);
    }
}

#[test]
fn rows_out_of_order_are_refused() {
    let row = |name: &'static str| ScanRow {
        name: Bytes::from_static(name.as_bytes()),
        state: KeyState::default(),
    };
    let [one, other] = ["a", "b"].map(|name| [row(name)].into_iter().collect::<ScanRows>());
    for (first, second, is_taken) in [(&one, &other, true), (&other, &one, false), (&one, &one, false)] {
        let bytes = [&first.bytes()[..], second.bytes()].concat();
        assert_eq!(ScanRows::take(2, &mut &bytes[..]).is_some(), is_taken);
    }
}
