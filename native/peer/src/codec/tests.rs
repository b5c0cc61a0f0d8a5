//! Round trips of every message, arbitrary bytes, and golden bytes that pin the format.

mod succession;

use super::*;
use crate::{Fence, NodeAnswer, NodeRequest, SlotId};
use bytes::Bytes;
use openlake_drive::{Answer, Block, Coding, Covers, Head, Key, KeyState, Kind, Record, Request, ScanRow, Shard, ShardBytes, Space, Want};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn ballot() -> impl Strategy<Value = Ballot> {
    any::<(u64, u32, u32)>().prop_map(|(clock, node, boot)| Ballot { clock, node, boot })
}

fn write_id() -> impl Strategy<Value = WriteId> {
    any::<[u8; 16]>().prop_map(WriteId)
}

/// Around the border between head and bulk, and on both sides of it.
fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(Bytes::from),
        (BULK_MIN_BYTES - 1..BULK_MIN_BYTES + 2, any::<u8>()).prop_map(|(length, byte)| Bytes::from(vec![byte; length])),
    ]
}

fn name() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn space() -> impl Strategy<Value = Space> {
    prop_oneof![Just(Space::Object), Just(Space::Upload), Just(Space::Part)]
}

fn key() -> impl Strategy<Value = Key> {
    (any::<u64>(), space(), name()).prop_map(|(bucket, space, name)| Key { bucket, space, name })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Data), Just(Kind::Tombstone)]
}

fn coding() -> impl Strategy<Value = Coding> {
    any::<(u8, u8, u8, bool, bool)>().prop_map(|(data, parity, block_shift, whole, manifest)| Coding {
        data,
        parity,
        block_shift,
        whole,
        manifest,
    })
}

fn head() -> impl Strategy<Value = Head> {
    let versions = (ballot(), write_id(), ballot(), option::of(ballot()), kind(), any::<bool>());
    let sizes = (
        any::<u64>(),
        any::<[u8; 16]>(),
        any::<u16>(),
        name(),
        coding(),
        any::<u8>(),
        any::<u64>(),
        any::<bool>(),
    );
    (versions, sizes).prop_map(|(version, size)| {
        let (ballot, write_id, origin, base, kind, unconditional) = version;
        let (size, etag, etag_parts, metadata, coding, slot, payload_size, inline) = size;
        Head {
            ballot,
            write_id,
            origin,
            base,
            kind,
            unconditional,
            size,
            etag,
            etag_parts,
            metadata,
            coding,
            slot,
            payload_size,
            inline,
        }
    })
}

fn record() -> impl Strategy<Value = Record> {
    let shard = prop_oneof![
        Just(Shard::None),
        bytes().prop_map(Shard::Inline),
        any::<u64>().prop_map(|length| Shard::Staged { length }),
        Just(Shard::Held),
    ];
    (head(), shard).prop_map(|(head, shard)| Record {
        ballot: head.ballot,
        write_id: head.write_id,
        origin: head.origin,
        base: head.base,
        kind: head.kind,
        unconditional: head.unconditional,
        size: head.size,
        etag: head.etag,
        etag_parts: head.etag_parts,
        metadata: head.metadata,
        coding: head.coding,
        slot: head.slot,
        payload_size: head.payload_size,
        shard,
    })
}

fn request() -> impl Strategy<Value = Request> {
    let want = prop_oneof![
        Just(Want::Heads),
        any::<(u32, u32)>().prop_map(|(first, count)| Want::Blocks { first, count })
    ];
    prop_oneof![
        (key(), want).prop_map(|(key, want)| Request::Read { key, want }),
        (key(), write_id(), any::<u32>(), any::<u32>()).prop_map(|(key, write_id, first, count)| Request::Blocks {
            key,
            write_id,
            first,
            count
        }),
        (key(), write_id(), any::<u8>(), any::<u64>(), any::<u64>(), bytes()).prop_map(
            |(key, write_id, block_shift, shard_length, offset, bytes)| Request::Stage {
                key,
                write_id,
                block_shift,
                shard_length,
                offset,
                bytes
            }
        ),
        write_id().prop_map(|write_id| Request::Unstage { write_id }),
        (key(), ballot()).prop_map(|(key, ballot)| Request::Prepare { key, ballot }),
        (key(), record()).prop_map(|(key, record)| Request::Publish { key, record }),
        (key(), ballot()).prop_map(|(key, ballot)| Request::Stable { key, ballot }),
        (key(), ballot()).prop_map(|(key, ballot)| Request::Drop { key, ballot }),
        (any::<u64>(), space(), name(), name(), any::<u32>()).prop_map(|(bucket, space, prefix, from, limit)| Request::Scan {
            bucket,
            space,
            prefix,
            from,
            limit
        }),
        ballot().prop_map(|floor| Request::Barrier { floor }),
        option::of((any::<u64>(), space())).prop_map(|after| Request::NextSpace { after }),
        (any::<u64>(), space(), name(), any::<u32>(), ballot()).prop_map(|(bucket, space, from, limit, barrier)| Request::HealScan {
            bucket,
            space,
            from,
            limit,
            barrier
        }),
        (any::<u64>(), space(), name(), option::of(name())).prop_map(|(bucket, space, from, to)| Request::Digest {
            bucket,
            space,
            from,
            to
        }),
        (vec(key(), 0..3), any::<bool>()).prop_map(|(keys, lost)| Request::Missed { keys, lost }),
        succession::step().prop_map(|step| Request::Succession { step }),
    ]
}

fn state() -> impl Strategy<Value = KeyState> {
    (vec(head(), 0..3), option::of(ballot()), option::of(ballot()), ballot()).prop_map(|(records, stable, dirty, floor)| KeyState {
        records,
        stable,
        dirty,
        floor,
    })
}

fn shard_bytes() -> impl Strategy<Value = ShardBytes> {
    let block = (bytes(), any::<u64>()).prop_map(|(bytes, checksum)| Block {
        bytes,
        checksum,
        verified: false,
    });
    (write_id(), any::<u32>(), vec(option::of(block), 0..4)).prop_map(|(write_id, first, blocks)| ShardBytes { write_id, first, blocks })
}

fn answer() -> impl Strategy<Value = Answer> {
    let row = (name(), state()).prop_map(|(name, state)| ScanRow { name, state });
    let covers = prop_oneof![Just(Covers::End), name().prop_map(Covers::UpTo)];
    prop_oneof![
        (state(), option::of(shard_bytes())).prop_map(|(state, shard)| Answer::State { state, shard }),
        shard_bytes().prop_map(Answer::Blocks),
        ballot().prop_map(|floor| Answer::Staged { floor }),
        state().prop_map(Answer::Promise),
        (ballot(), option::of(ballot()), option::of(ballot())).prop_map(|(floor, stable, dirty)| Answer::Refuse { floor, stable, dirty }),
        (ballot(), any::<bool>(), any::<u64>()).prop_map(|(highest, dirty, keys)| Answer::Done { highest, dirty, keys }),
        option::of((any::<u64>(), space())).prop_map(Answer::Space),
        any::<(u64, u64)>().prop_map(|(digest, keys)| Answer::Digest { digest, keys }),
        succession::standing().prop_map(Answer::Standing),
        (vec(row, 0..3), covers, any::<bool>()).prop_map(|(rows, covers, dirty)| Answer::Page {
            rows: rows.into_iter().collect(),
            covers,
            dirty
        }),
        any::<u64>().prop_map(|now_ms| Answer::Clock { now_ms }),
        ".{0,20}".prop_map(Answer::Failed),
        ".{0,20}".prop_map(Answer::Wrong),
        proptest::sample::select(vec![
            Answer::Ack,
            Answer::Nothing,
            Answer::NotStaged,
            Answer::SettleFirst,
            Answer::Gone,
            Answer::Full,
            Answer::Behind
        ]),
    ]
}

fn envelope() -> impl Strategy<Value = RequestEnvelope> {
    let fence = (any::<u64>(), ballot()).prop_map(|(bucket, revision)| Fence { bucket, revision });
    (any::<(u32, u8, u32, u32)>(), option::of(fence), any::<(u32, u64)>()).prop_map(|((set, slot, epoch, generation), fence, last)| {
        RequestEnvelope {
            slot: SlotId { set, slot },
            epoch,
            generation,
            fence,
            deadline_ms: last.0,
            clock: last.1,
        }
    })
}

fn written(message: &impl Wire) -> (Vec<u8>, Bytes) {
    let (mut head, mut bulk) = (Vec::new(), Vec::new());
    message.encode(&mut Writer::new(&mut head, &mut bulk));
    (head, Bytes::from(bulk.concat()))
}

fn survives<T: Wire + PartialEq + std::fmt::Debug>(message: &T) {
    let (head, bulk) = written(message);
    assert!(
        head.len() >= T::MIN_BYTES,
        "{} bytes of {message:?} are fewer than MIN_BYTES",
        head.len()
    );
    assert_eq!(
        &decode_all::<T>(&head, bulk.clone()).expect("what was written can be read"),
        message
    );
    let mut longer = head.clone();
    longer.push(0);
    assert!(decode_all::<T>(&longer, bulk.clone()).is_err(), "a byte too many is noticed");
    if let Some((_, shorter)) = head.split_last() {
        assert!(
            decode_all::<T>(shorter, bulk).is_err() || head.len() == T::MIN_BYTES,
            "a byte too few is noticed"
        );
    }
}

proptest! {
    #[test]
    fn requests_survive((envelope, request) in (envelope(), request())) {
        survives(&(envelope, request));
    }

    #[test]
    fn answers_survive(generation: u32, clock: u64, answer in answer()) {
        survives(&(AnswerEnvelope { generation, clock }, answer));
    }

    #[test]
    fn node_messages_survive(clock: u64, bucket: u64, revision in ballot(), name in ".{0,20}", wall_ms: u64, loaded: bool) {
        survives(&(NodeEnvelope { clock }, NodeRequest::Touched { bucket, revision, name }));
        survives(&(NodeEnvelope { clock }, NodeAnswer::Pong { wall_ms, loaded }));
        survives(&NodeRequest::Ping);
        survives(&NodeAnswer::Done);
    }

    #[test]
    fn arbitrary_bytes_never_panic(head in vec(any::<u8>(), 0..400), bulk in vec(any::<u8>(), 0..64)) {
        let bulk = Bytes::from(bulk);
        let _ = decode_all::<(RequestEnvelope, Request)>(&head, bulk.clone());
        let _ = decode_all::<(AnswerEnvelope, Answer)>(&head, bulk.clone());
        let _ = decode_all::<Request>(&head, bulk.clone());
        let _ = decode_all::<Answer>(&head, bulk.clone());
        let _ = decode_all::<(NodeEnvelope, NodeRequest)>(&head, bulk.clone());
        let _ = decode_all::<(NodeEnvelope, NodeAnswer)>(&head, bulk);
    }

    #[test]
    fn damaged_messages_never_panic(request in request(), answer in answer(), place: proptest::sample::Index, value: u8) {
        let (mut head, bulk) = written(&request);
        let index = place.index(head.len());
        head[index] = value;
        let _ = decode_all::<Request>(&head, bulk);
        let (mut head, bulk) = written(&answer);
        let index = place.index(head.len());
        head[index] = value;
        let _ = decode_all::<Answer>(&head, bulk);
    }
}

#[test]
fn long_bytes_are_shared_not_copied() {
    let bytes = Bytes::from(vec![7; 1 << 20]);
    let request = Request::Stage {
        key: Key {
            bucket: 1,
            space: Space::Object,
            name: Bytes::from_static(b"k"),
        },
        write_id: WriteId([0; 16]),
        block_shift: 16,
        shard_length: 0,
        offset: 0,
        bytes: bytes.clone(),
    };
    let (mut head, mut bulk) = (Vec::new(), Vec::new());
    request.encode(&mut Writer::new(&mut head, &mut bulk));
    assert!(head.len() < 100);
    assert_eq!(bulk.len(), 1);
    assert_eq!(bulk[0].as_ptr(), bytes.as_ptr());
    let Ok(Request::Stage { bytes: read, .. }) = decode_all(&head, bytes.clone()) else {
        panic!("not a stage")
    };
    assert_eq!(read.as_ptr(), bytes.as_ptr());
}

/// These bytes are the format of version 2: a change of them is a change of the version.
#[test]
fn no_block_from_the_wire_counts_as_verified() {
    let block = Block {
        bytes: Bytes::from_static(b"block"),
        checksum: 1,
        verified: true,
    };
    let (head, bulk) = written(&block);
    let read: Block = decode_all(&head, bulk).expect("what was written can be read");
    assert!(!read.verified);
}

#[test]
fn golden_bytes() {
    let ballot = Ballot {
        clock: 0x0102,
        node: 3,
        boot: 4,
    };
    let key = Key {
        bucket: 5,
        space: Space::Upload,
        name: Bytes::from_static(b"ab"),
    };
    let prepare = Request::Prepare { key, ballot };
    let expected = [
        5, 5, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, b'a', b'b', 2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0,
    ];
    assert_eq!(written(&prepare).0, expected);

    let refuse = Answer::Refuse {
        floor: ballot,
        stable: None,
        dirty: None,
    };
    assert_eq!(written(&refuse).0, [6, 2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0]);

    let barrier = Request::Barrier { floor: ballot };
    assert_eq!(written(&barrier).0, [10, 2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);

    let envelope = RequestEnvelope {
        slot: SlotId { set: 1, slot: 2 },
        epoch: 3,
        generation: 4,
        fence: Some(Fence {
            bucket: 5,
            revision: ballot,
        }),
        deadline_ms: 6,
        clock: 7,
    };
    let mut expected = vec![1, 0, 0, 0, 2, 3, 0, 0, 0, 4, 0, 0, 0, 1, 5, 0, 0, 0, 0, 0, 0, 0];
    expected.extend([2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
    expected.extend([6, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(written(&envelope).0, expected);

    let touched = NodeRequest::Touched {
        bucket: 9,
        revision: ballot,
        name: "b".to_owned(),
    };
    assert_eq!(
        written(&touched).0,
        [
            1, 9, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, b'b'
        ]
    );
}
