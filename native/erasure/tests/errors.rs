//! Wrong calls are refused with what was tried and the value seen, and write nothing.

use openlake_erasure::{Code, ErasureError};

#[test]
fn codes_have_at_least_one_data_shard_and_at_most_32_shards() {
    assert!(Code::new(1, 0).is_ok());
    assert!(Code::new(16, 16).is_ok());
    for (data, parity) in [(0, 0), (0, 4), (17, 16), (32, 1), (255, 255)] {
        assert_eq!(Code::new(data, parity).unwrap_err(), ErasureError::UnsupportedCode { data, parity });
    }
    assert_eq!(
        Code::new(0, 4).unwrap_err().to_string(),
        "cannot make an erasure code of 0 data and 4 parity shards: it needs at least 1 data shard and at most 32 shards in all"
    );
}

#[test]
fn encoding_refuses_wrong_counts_and_lengths() {
    let code = Code::new(2, 2).unwrap();
    let mut a = [7; 4];
    let mut b = [7; 4];
    let mut short = [7; 3];
    let encode = |data: &[&[u8]], parity: &mut [&mut [u8]]| code.encode(data, parity).unwrap_err();
    assert_eq!(
        encode(&[&[1]], &mut [&mut a, &mut b]),
        ErasureError::WrongShardCount {
            list: "data",
            expected: 2,
            actual: 1
        }
    );
    assert_eq!(
        encode(&[&[1], &[2]], &mut [&mut a]),
        ErasureError::WrongShardCount {
            list: "parity",
            expected: 2,
            actual: 1
        }
    );
    assert_eq!(
        encode(&[&[1], &[2]], &mut [&mut a, &mut short]),
        ErasureError::UnequalOutputs {
            first_bytes: 4,
            other_bytes: 3
        }
    );
    assert_eq!(
        encode(&[&[1], &[2; 5]], &mut [&mut a, &mut b]),
        ErasureError::InputTooLong {
            position: 1,
            length_bytes: 5,
            output_bytes: 4
        }
    );
    assert_eq!(
        code.encode_row(4, &[&[1], &[2]], &mut a),
        Err(ErasureError::UnknownShard { index: 4, shards: 4 })
    );
    assert!(code.encode_row(0, &[&[1; 5], &[2]], &mut a).is_err());
    assert_eq!((a, b, short), ([7; 4], [7; 4], [7; 3]));
}

#[test]
fn rebuilding_refuses_wrong_counts_unknown_and_repeated_shards() {
    let code = Code::new(2, 2).unwrap();
    let mut out = [7; 4];
    let shard: &[u8] = &[1, 2, 3, 4];
    assert_eq!(
        code.rebuild(&[(0, shard)], 1, &mut out),
        Err(ErasureError::WrongShardCount {
            list: "present",
            expected: 2,
            actual: 1
        })
    );
    assert_eq!(
        code.rebuild(&[(0, shard), (4, shard)], 1, &mut out),
        Err(ErasureError::UnknownShard { index: 4, shards: 4 })
    );
    assert_eq!(
        code.rebuild(&[(0, shard), (255, shard)], 1, &mut out),
        Err(ErasureError::UnknownShard { index: 255, shards: 4 })
    );
    assert_eq!(
        code.rebuild(&[(0, shard), (1, shard)], 9, &mut out),
        Err(ErasureError::UnknownShard { index: 9, shards: 4 })
    );
    assert_eq!(
        code.rebuild(&[(3, shard), (3, shard)], 1, &mut out),
        Err(ErasureError::RepeatedShard { index: 3 })
    );
    assert!(code.rebuild(&[(2, &[0; 5]), (3, shard)], 1, &mut out).is_err());
    assert_eq!(out, [7; 4]);
}
