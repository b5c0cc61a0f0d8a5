//! Any k shards give back every shard: all ways to lose shards for small codes, random ones for large codes.
//!
//! proptest prints a failing case and keeps its seed in `proptest-regressions`; `PROPTEST_RNG_SEED` replays a whole run.

use openlake_erasure::{Code, Kernel};
use proptest::prelude::*;

/// The shards of `code` over `data`, all extended to one length.
fn encoded(code: &Code, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let length = data.iter().map(Vec::len).max().unwrap_or(0);
    let mut parity = vec![vec![0xee; length]; usize::from(code.parity())];
    let inputs: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    code.encode(&inputs, &mut outputs).unwrap();
    let extended = data
        .iter()
        .map(|shard| shard.iter().copied().chain(std::iter::repeat(0)).take(length).collect());
    extended.chain(parity).collect()
}

/// Bytes without any pattern that the code could hide behind.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

/// A whole step of every kernel, and an odd rest.
const LENGTH: usize = 256 + 45;

#[test]
fn small_codes_survive_every_loss_of_as_many_shards_as_they_have_parity() {
    for (data, parity) in (1..=6_u8).flat_map(|data| (0..=4_u8).map(move |parity| (data, parity))) {
        let content: Vec<Vec<u8>> = (0..data).map(|n| noise(u64::from(n) + 1, LENGTH)).collect();
        let shards = encoded(&Code::new(data, parity).unwrap(), &content);
        for kernel in Kernel::available() {
            let code = Code::with_kernel(data, parity, kernel).unwrap();
            for set in (0..1_u32 << code.shards()).filter(|set| set.count_ones() == u32::from(data)) {
                let is_present = |index: &u8| set >> index & 1 == 1;
                let present: Vec<(u8, &[u8])> = (0..code.shards())
                    .filter(is_present)
                    .map(|index| (index, shards[usize::from(index)].as_slice()))
                    .collect();
                let lost: Vec<u8> = (0..code.shards()).filter(|index| !is_present(index)).collect();
                let mut rebuilt = vec![vec![0xee; LENGTH]; lost.len()];
                let mut outputs: Vec<&mut [u8]> = rebuilt.iter_mut().map(Vec::as_mut_slice).collect();
                code.rebuild_several(&present, &lost, &mut outputs).unwrap();
                for (index, rebuilt) in lost.iter().zip(&rebuilt) {
                    assert!(
                        *rebuilt == shards[usize::from(*index)],
                        "{data}+{parity} by {}: shard {index} from the set {set:b}",
                        kernel.name()
                    );
                }
            }
        }
    }
}

/// A code, its data with an exact last shard, and an order of its shards: the first k of it are present.
fn lossy_code() -> impl Strategy<Value = (u8, u8, Vec<Vec<u8>>, Vec<u8>)> {
    (1_u8..=24, 0_u8..=8, 0_usize..700, any::<u64>())
        .prop_flat_map(|(data, parity, length, seed)| {
            let order: Vec<u8> = (0..data + parity).collect();
            let data_shards = (0..data).map(|n| noise(seed ^ u64::from(n), length)).collect::<Vec<_>>();
            (Just(data), Just(parity), Just(data_shards), Just(order).prop_shuffle(), 0..=length)
        })
        .prop_map(|(data, parity, mut shards, order, last_length)| {
            if let Some(last) = shards.last_mut() {
                last.truncate(last_length);
            }
            (data, parity, shards, order)
        })
}

proptest! {
    #[test]
    fn any_k_shards_in_any_order_rebuild_all_others((data, parity, content, order) in lossy_code()) {
        for kernel in Kernel::available() {
            let code = Code::with_kernel(data, parity, kernel).unwrap();
            let shards = encoded(&code, &content);
            let length = shards[0].len();
            // The exact data shards serve as well as the extended ones.
            let bytes = |index: u8| content.get(usize::from(index)).unwrap_or(&shards[usize::from(index)]).as_slice();
            let (present, lost) = order.split_at(usize::from(data));
            let present: Vec<(u8, &[u8])> = present.iter().map(|index| (*index, bytes(*index))).collect();
            let mut rebuilt = vec![vec![0xee; length]; lost.len()];
            let mut outputs: Vec<&mut [u8]> = rebuilt.iter_mut().map(Vec::as_mut_slice).collect();
            code.rebuild_several(&present, lost, &mut outputs).unwrap();
            for (index, several) in lost.iter().zip(&rebuilt) {
                prop_assert_eq!(several, &shards[usize::from(*index)], "shard {} by {}", index, kernel.name());
                let mut one = vec![0xee; length];
                code.rebuild(&present, *index, &mut one).unwrap();
                prop_assert_eq!(&one, several);
            }
        }
    }

    #[test]
    fn a_byte_range_is_rebuilt_from_the_same_range_of_the_others(
        (data, parity, content, order) in lossy_code(),
        ends in any::<[prop::sample::Index; 2]>(),
    ) {
        let code = Code::new(data, parity).unwrap();
        let shards = encoded(&code, &content);
        let [a, b] = ends.map(|end| end.index(shards[0].len() + 1));
        let range = a.min(b)..a.max(b);
        let present: Vec<(u8, &[u8])> =
            order[..usize::from(data)].iter().map(|index| (*index, &shards[usize::from(*index)][range.clone()])).collect();
        for wanted in &order {
            let mut out = vec![0xee; range.len()];
            code.rebuild(&present, *wanted, &mut out).unwrap();
            prop_assert_eq!(&out[..], &shards[usize::from(*wanted)][range.clone()]);
        }
    }

    #[test]
    fn one_row_encodes_the_same_shard_as_all_rows((data, parity, content, order) in lossy_code()) {
        let code = Code::new(data, parity).unwrap();
        let shards = encoded(&code, &content);
        let inputs: Vec<&[u8]> = content.iter().map(Vec::as_slice).collect();
        for index in order {
            let mut out = vec![0xee; shards[0].len()];
            code.encode_row(index, &inputs, &mut out).unwrap();
            prop_assert_eq!(&out, &shards[usize::from(index)]);
        }
    }
}
