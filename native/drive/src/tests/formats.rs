//! Formats: what is written is read back, and no bytes make a decoder panic.

use crate::format::{
    AcceptorState, BatchHeader, BatchKind, DriveSeed, LogRecord, ManifestPlace, MarkKind, MarkParts, Predecessor, RecordParts, RecordType,
    Root, SegmentOpen, StoredMark, StoredRecord, Superblock, decode_state_record, encode_state_record, peek_record,
};
use crate::space::{Extent, Geometry, Place};
use crate::{Ballot, Coding, Head, Identity, Key, Kind, Space, WriteId};
use bytes::Bytes;
use openlake_checksum::crc64;
use proptest::prelude::*;

fn ballots() -> impl Strategy<Value = Ballot> {
    any::<(u64, u32, u32)>().prop_map(|(clock, node, boot)| Ballot { clock, node, boot })
}

fn states() -> impl Strategy<Value = AcceptorState> {
    (ballots(), proptest::option::of(ballots()), any::<(u64, u32)>()).prop_map(|(drive_floor, dirty, (bound_clock, boot))| AcceptorState {
        drive_floor,
        dirty: dirty.filter(|dirty| *dirty != Ballot::ZERO),
        bound_clock,
        boot,
    })
}

fn heads() -> impl Strategy<Value = Head> {
    let identity = (ballots(), any::<[u8; 16]>(), ballots(), proptest::option::of(ballots()));
    let content = (
        any::<(bool, u64, [u8; 16], u16, u64)>(),
        proptest::collection::vec(any::<u8>(), 0..100),
    );
    let coding = any::<(u8, u8, bool, bool, u8)>();
    (identity, content, coding).prop_map(|((ballot, id, origin, base), (content, metadata), coding)| Head {
        ballot,
        write_id: WriteId(id),
        origin,
        base,
        kind: Kind::Data,
        unconditional: content.0,
        size: content.1,
        etag: content.2,
        etag_parts: content.3,
        metadata: metadata.into(),
        coding: Coding {
            data: coding.0,
            parity: coding.1,
            block_shift: 12,
            whole: coding.2,
            manifest: coding.3,
        },
        slot: coding.4,
        payload_size: content.4,
        inline: true,
    })
}

fn encode(key: &Key, kind: RecordType, head: &Head, extents: &[Extent], payload: &[u8], salt: u64) -> Vec<u8> {
    let checksums: Vec<u8> = payload.chunks(4096).flat_map(|block| crc64(block).to_le_bytes()).collect();
    let shard_length = payload.len() as u64;
    let payload = if kind == RecordType::Inline { payload } else { &[] };
    let parts = RecordParts {
        key,
        kind,
        head,
        shard_length,
        extents,
        checksums: &checksums,
        payload,
        stable: false,
    };
    let mut bytes = vec![0; parts.encoded_bytes()];
    parts.encode(&mut bytes, salt);
    bytes
}

proptest! {
    #[test]
    fn records_round_trip_and_a_flipped_bit_is_found(
        head in heads(), name in proptest::collection::vec(any::<u8>(), 0..80), payload in proptest::collection::vec(any::<u8>(), 0..9000),
        bulk in any::<bool>(), salt in any::<u64>(), flip in any::<proptest::sample::Index>(),
    ) {
        let key = Key { bucket: 77, space: Space::Part, name: name.into() };
        let extents = [Extent { segment: 5, first: 65_535, granules: 65_536 }, Extent { segment: 6, first: 0, granules: 1 }];
        let (kind, extents) = if bulk { (RecordType::Bulk, &extents[..]) } else { (RecordType::Inline, &[][..]) };
        let mut bytes = encode(&key, kind, &head, extents, &payload, salt);
        let record = StoredRecord::decode(&bytes, salt).expect("a whole record");
        prop_assert_eq!((record.kind, record.bucket, record.space, record.name), (kind, 77, Space::Part, &key.name[..]));
        prop_assert_eq!(record.metadata, &head.metadata[..]);
        prop_assert_eq!(&record.extents[..], extents);
        prop_assert_eq!(record.payload, if bulk { &[][..] } else { &payload[..] });
        prop_assert_eq!((record.total, peek_record(&bytes).map(|(_, total)| total)), (bytes.len(), Some(bytes.len())));
        prop_assert_eq!(Head { metadata: Bytes::new(), inline: !bulk, ..head }, record.head);
        let checked = record.tail_offset + payload.len().div_ceil(4096) * 8;
        prop_assert!(StoredRecord::decode(&bytes, salt ^ 1).is_none());
        // All but `total`'s effect on padding is under the checksum.
        let at = flip.index(checked);
        bytes[at] ^= 1;
        prop_assert!(StoredRecord::decode(&bytes, salt).is_none());
    }

    #[test]
    fn marks_round_trip_and_a_flipped_bit_is_found(
        name in proptest::collection::vec(any::<u8>(), 0..80), ballots in (ballots(), ballots()), flags in any::<(bool, bool)>(),
        salt in any::<u64>(), flip in any::<proptest::sample::Index>(),
    ) {
        let key = Key { bucket: 77, space: Space::Upload, name: name.into() };
        let kind = if flags.0 { MarkKind::Settled } else { MarkKind::Drop };
        let parts = MarkParts { kind, key: &key, ballot: ballots.0, floor: ballots.1, moved: flags.1 };
        let mut bytes = vec![0; parts.encoded_bytes()];
        parts.encode(&mut bytes, salt);
        let mark = StoredMark::decode(&bytes, salt).expect("a whole mark");
        prop_assert_eq!((mark.kind, mark.bucket, mark.space, mark.name), (kind, 77, Space::Upload, &key.name[..]));
        prop_assert_eq!((mark.ballot, mark.floor, mark.moved, mark.total), (ballots.0, ballots.1, flags.1, bytes.len()));
        prop_assert!(StoredMark::decode(&bytes, salt ^ 1).is_none());
        bytes[flip.index(64 + key.name.len())] ^= 1;
        prop_assert!(StoredMark::decode(&bytes, salt).is_none());
    }

    #[test]
    fn moved_copies_differ_in_their_flags_alone(
        head in heads(), name in proptest::collection::vec(any::<u8>(), 0..80), payload in proptest::collection::vec(any::<u8>(), 0..9000),
        stable in any::<bool>(), salt in any::<u64>(),
    ) {
        let key = Key { bucket: 77, space: Space::Object, name: name.into() };
        let bytes = encode(&key, RecordType::Inline, &head, &[], &payload, salt);
        let record = StoredRecord::decode(&bytes, salt).expect("a whole record");
        let mut moved = vec![0; bytes.len()];
        record.copy_moved(&bytes, stable, &mut moved, salt);
        let copy = StoredRecord::decode(&moved, salt).expect("a whole copy");
        prop_assert_eq!((record.stable, copy.stable), (false, stable));
        prop_assert_eq!((copy.head, copy.payload, copy.name), (record.head, record.payload, record.name));
    }

    #[test]
    fn states_roots_and_openings_round_trip(state in states(), numbers in any::<(u64, bool, u64, u64, u64, u64)>(), next in any::<u32>()) {
        let mut bytes = [0; 56];
        encode_state_record(&state, &mut bytes);
        prop_assert_eq!(decode_state_record(&bytes), Some(state));
        let (sequence, clean, start, log_start_generation, generation, last_sequence) = numbers;
        let manifest = ManifestPlace { extents: vec![Extent { segment: next, first: 7, granules: 9 }; 40], length: generation | 1, crc: start };
        let manifest = Some(manifest).filter(|_| !clean);
        let root = Root { sequence, clean, rebuild: !clean, log_start: Place(start), log_start_generation, last_sequence, state, manifest };
        let page = root.encode(9);
        prop_assert_eq!(Root::decode(&page, 9), Some(root));
        prop_assert_eq!(Root::decode(&page, 8), None);
        let predecessor = Predecessor { segment: 4, generation, end: 8192, last_sequence, last_crc: start };
        for predecessor in [None, Some(predecessor)] {
            let open = SegmentOpen { next, predecessor, state };
            let mut bytes = [0; 96];
            open.encode(&mut bytes);
            prop_assert_eq!(SegmentOpen::decode(&bytes), Some(open));
        }
    }

    #[test]
    fn batches_verify_only_whole_and_in_their_place(
        records in proptest::collection::vec(any::<u8>(), 0..5000), numbers in any::<(u64, u64, u64, u64)>(), flip in any::<proptest::sample::Index>(),
    ) {
        let used = 64 + records.len();
        let mut bytes = vec![0; used.next_multiple_of(4096)];
        bytes[64..used].copy_from_slice(&records);
        let (generation, sequence, previous, acknowledged) = numbers;
        let seed = DriveSeed { salt: 3, drive: [4; 16] };
        let (length, used) = (bytes.len() as u32, used as u32);
        let header = BatchHeader { kind: BatchKind::Data, segment: 7, records: 1, generation, sequence, length, used, previous, acknowledged };
        let crc = header.seal(&mut bytes, Place::new(7, 8192), &seed);
        prop_assert_eq!(BatchHeader::peek(&bytes), Some(header));
        prop_assert_eq!(header.verify(&bytes, Place::new(7, 8192), &seed), Some(crc));
        prop_assert_eq!(header.verify(&bytes, Place::new(7, 4096), &seed), None);
        prop_assert_eq!(header.verify(&bytes, Place::new(8, 8192), &seed), None);
        prop_assert_eq!(header.verify(&bytes, Place::new(7, 8192), &DriveSeed { salt: 2, ..seed }), None);
        bytes[flip.index(used as usize)] ^= 1;
        let flipped = BatchHeader::peek(&bytes).and_then(|header| header.verify(&bytes, Place::new(7, 8192), &seed));
        prop_assert_eq!(flipped, None);
    }

    #[test]
    fn decoders_take_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..5000), kind in 0_u8..10) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        StoredRecord::decode(&bytes, 1);
        LogRecord::decode(&bytes, 1);
        peek_record(&bytes);
        decode_state_record(&bytes);
        SegmentOpen::decode(&bytes);
        Root::decode(&bytes, 1);
        Superblock::decode(&bytes).ok();
        for magic in [*b"OLBT", *b"OLRT", *b"OLDR"] {
            if let Some(start) = bytes.first_chunk_mut::<4>() {
                *start = magic;
            }
            if let Some(header) = BatchHeader::peek(&bytes) {
                header.verify(&bytes, Place::new(0, 0), &DriveSeed { salt: 0, drive: [0; 16] });
            }
        }
    }
}

#[test]
fn superblocks_round_trip() {
    let geometry = Geometry::for_capacity(10 << 30, None).expect("room for a drive");
    assert_eq!(
        (geometry.segment_bytes, geometry.segments, geometry.container_bytes),
        (4 << 20, 2560, 160 << 20)
    );
    let identity = Identity {
        cluster: [1; 16],
        drive: [2; 16],
        set: 3,
        slot: 4,
        generation: 5,
        set_epoch: 6,
    };
    let superblock = Superblock {
        sequence: 9,
        identity,
        salt: 10,
        geometry,
    };
    let mut page = superblock.encode();
    assert_eq!(Superblock::decode(&page), Ok(superblock));
    page[60] ^= 1;
    assert!(Superblock::decode(&page).is_err());
}

/// Bytes of every format as first written; a change of any of them is a new version, not an edit here.
#[test]
fn golden_bytes_stay() {
    let state = AcceptorState {
        drive_floor: Ballot {
            clock: 1,
            node: 2,
            boot: 3,
        },
        dirty: None,
        bound_clock: 4,
        boot: 5,
    };
    let key = Key {
        bucket: 0x0102_0304_0506_0708,
        space: Space::Upload,
        name: Bytes::from_static(b"name"),
    };
    let head = Head {
        ballot: Ballot {
            clock: 6,
            node: 7,
            boot: 8,
        },
        write_id: WriteId([9; 16]),
        origin: Ballot {
            clock: 10,
            node: 11,
            boot: 12,
        },
        base: Some(Ballot::ZERO),
        kind: Kind::Data,
        unconditional: true,
        size: 13,
        etag: [14; 16],
        etag_parts: 15,
        metadata: Bytes::from_static(b"metadata"),
        coding: Coding {
            data: 2,
            parity: 1,
            block_shift: 12,
            whole: true,
            manifest: true,
        },
        slot: 1,
        payload_size: 16,
        inline: true,
    };
    let identity = Identity {
        cluster: [1; 16],
        drive: [2; 16],
        set: 3,
        slot: 4,
        generation: 5,
        set_epoch: 6,
    };
    let geometry = Geometry {
        segment_bytes: 4 << 20,
        segments: 100,
        granule_bytes: 16 << 10,
        container_bytes: 8 << 20,
    };
    let superblock = Superblock {
        sequence: 9,
        identity,
        salt: 10,
        geometry,
    }
    .encode();
    let root = Root {
        sequence: 1,
        clean: true,
        log_start: Place::new(2, 0),
        rebuild: false,
        log_start_generation: 3,
        last_sequence: 5,
        state,
        manifest: None,
    };
    let mut open = [0; 96];
    SegmentOpen {
        next: 6,
        predecessor: None,
        state,
    }
    .encode(&mut open);
    let record = encode(&key, RecordType::Inline, &head, &[], b"payload", 17);
    let (ballot, floor) = (head.ballot, head.origin);
    let parts = MarkParts {
        kind: MarkKind::Settled,
        key: &key,
        ballot,
        floor,
        moved: false,
    };
    let mut mark = vec![0; parts.encoded_bytes()];
    parts.encode(&mut mark, 17);
    let fingerprints = [
        crc64(&superblock),
        crc64(&root.encode(18)),
        crc64(&open),
        crc64(&record),
        crc64(&mark),
    ];
    let expected = [
        0xab60_2fdc_dce8_f10e,
        0xc71a_f00d_ed8a_478b,
        0x1155_aa74_f5d9_f64a,
        0x94f8_0155_c03e_8b00,
        0xb0ca_2dd8_aecb_381e,
    ];
    assert_eq!(fingerprints, expected, "{fingerprints:#x?}");
    assert_eq!(&record[..8], [1, 0b11_1010, 4, 0, 184, 0, 0, 0]);
}
