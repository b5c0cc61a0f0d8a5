//! Every code of up to 20 shards, on every kernel of this processor: encoding, the worst losses, updates of ranges and encoding in
//! slices agree with the scalar kernel, for shards of odd lengths at odd addresses.
//!
//! The seed of the contents is printed; `SEED` replays it.

use openlake_erasure::{Code, ErasureError, Kernel};
use std::hash::BuildHasher;

const MAX_SHARDS: u8 = 20;
/// A whole step of every kernel, and an odd rest.
const LENGTH: usize = 2 * 256 + 77;

/// Numbers that look like chance and replay by their seed.
struct Chance(u64);

impl Chance {
    fn new() -> Chance {
        let seed = match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
            Some(seed) => seed,
            None => std::collections::hash_map::RandomState::new().hash_one(1),
        };
        println!("SEED={seed}");
        Chance(seed)
    }
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }
    /// A buffer of `length` bytes behind 0 to 63 others, so that it starts at any address.
    fn shard(&mut self, length: usize) -> Shard {
        let start = self.below(64);
        let bytes = (0..start + length).map(|_| self.next() as u8).collect();
        Shard { bytes, start }
    }
}

#[derive(Clone)]
struct Shard {
    bytes: Vec<u8>,
    start: usize,
}

impl Shard {
    fn get(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
    fn get_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

fn codes() -> impl Iterator<Item = (u8, u8)> {
    (1..=MAX_SHARDS).flat_map(|data| (0..=MAX_SHARDS - data).map(move |parity| (data, parity)))
}

fn slices(shards: &[Shard]) -> Vec<&[u8]> {
    shards.iter().map(Shard::get).collect()
}

fn slices_mut(shards: &mut [Shard]) -> Vec<&mut [u8]> {
    shards.iter_mut().map(Shard::get_mut).collect()
}

/// All shards of a code over random data, the parity by the scalar kernel.
fn oracle(chance: &mut Chance, data: u8, parity: u8) -> Vec<Shard> {
    let content: Vec<Shard> = (0..data).map(|_| chance.shard(LENGTH)).collect();
    let mut coded: Vec<Shard> = (0..parity).map(|_| chance.shard(LENGTH)).collect();
    let code = Code::with_kernel(data, parity, Kernel::available()[0]).unwrap();
    code.encode(&slices(&content), &mut slices_mut(&mut coded)).unwrap();
    content.into_iter().chain(coded).collect()
}

fn assert_same(seen: &[Shard], expected: &[Shard], what: &str) {
    for (index, (seen, expected)) in seen.iter().zip(expected).enumerate() {
        assert!(seen.get() == expected.get(), "{what}: shard {index} differs");
    }
}

#[test]
fn every_kernel_encodes_and_rebuilds_as_the_scalar_one_does() {
    let mut chance = Chance::new();
    for (data, parity) in codes() {
        let shards = oracle(&mut chance, data, parity);
        // The worst loss: as many data shards as there is parity, and as many shards as there is parity by chance.
        let worst: Vec<u8> = (0..parity).map(|n| n % (data + parity)).collect();
        let mut order: Vec<u8> = (0..data + parity).collect();
        for n in 0..order.len() {
            order.swap(n, n + chance.below(shards.len() - n));
        }
        let by_chance = order[..usize::from(parity)].to_vec();
        for kernel in Kernel::available() {
            let what = format!("{data}+{parity} by {}", kernel.name());
            let code = Code::with_kernel(data, parity, kernel).unwrap();
            let (content, coded) = shards.split_at(usize::from(data));
            let mut seen: Vec<Shard> = coded.iter().map(|_| chance.shard(LENGTH)).collect();
            code.encode(&slices(content), &mut slices_mut(&mut seen)).unwrap();
            assert_same(&seen, coded, &what);
            for lost in [&worst, &by_chance] {
                let present: Vec<(u8, &[u8])> = (0..)
                    .zip(slices(&shards))
                    .filter(|(index, _)| !lost.contains(index))
                    .take(usize::from(data))
                    .collect();
                let expected: Vec<Shard> = lost.iter().map(|index| shards[usize::from(*index)].clone()).collect();
                let mut seen: Vec<Shard> = lost.iter().map(|_| chance.shard(LENGTH)).collect();
                code.rebuild_several(&present, lost, &mut slices_mut(&mut seen)).unwrap();
                assert_same(&seen, &expected, &format!("{what}, lost {lost:?}"));
            }
        }
    }
}

#[test]
fn updating_a_range_of_one_shard_gives_the_parity_of_the_new_content() {
    let mut chance = Chance::new();
    for (data, parity) in codes() {
        let shards = oracle(&mut chance, data, parity);
        for kernel in Kernel::available() {
            let code = Code::with_kernel(data, parity, kernel).unwrap();
            let (mut content, mut coded) = (shards[..usize::from(data)].to_vec(), shards[usize::from(data)..].to_vec());
            let changed = chance.below(content.len());
            let [a, b] = [chance.below(LENGTH + 1), chance.below(LENGTH + 1)];
            let range = a.min(b)..a.max(b);
            let before = content[changed].get()[range.clone()].to_vec();
            let after = chance.shard(range.len());
            content[changed].get_mut()[range.clone()].copy_from_slice(after.get());
            let mut ranges: Vec<&mut [u8]> = coded.iter_mut().map(|shard| &mut shard.get_mut()[range.clone()]).collect();
            code.update(changed as u8, &before, after.get(), &mut ranges).unwrap();
            let mut expected = coded.clone();
            code.encode(&slices(&content), &mut slices_mut(&mut expected)).unwrap();
            assert_same(
                &coded,
                &expected,
                &format!("{data}+{parity} by {}, shard {changed}, {range:?}", kernel.name()),
            );
        }
    }
}

#[test]
fn parity_can_be_made_of_data_shards_that_arrive_one_by_one() {
    let mut chance = Chance::new();
    let shards = oracle(&mut chance, 5, 3);
    let code = Code::new(5, 3).unwrap();
    let mut coded: Vec<Shard> = (0..3).map(|_| chance.shard(LENGTH)).collect();
    coded.iter_mut().for_each(|shard| shard.get_mut().fill(0));
    for index in [3, 0, 4, 2, 1] {
        code.update(index, &[0; LENGTH], shards[usize::from(index)].get(), &mut slices_mut(&mut coded))
            .unwrap();
    }
    assert_same(&coded, &shards[5..], "one by one");
}

#[test]
fn updates_refuse_what_does_not_fit() {
    let code = Code::new(4, 2).unwrap();
    let (mut a, mut b) = ([0; 8], [0; 8]);
    let parity_shard = code.update(4, &[0; 8], &[1; 8], &mut [&mut a, &mut b]);
    assert_eq!(parity_shard, Err(ErasureError::UnknownShard { index: 4, shards: 4 }));
    let few = code.update(0, &[0; 8], &[1; 8], &mut [&mut a]);
    assert!(matches!(few, Err(ErasureError::WrongShardCount { list: "parity", .. })));
    for (before, after) in [(7, 8), (8, 7), (9, 8)] {
        let refused = code.update(0, &vec![0; before], &vec![1; after], &mut [&mut a, &mut b]);
        assert!(refused.is_err(), "{before} and {after} bytes into 8");
    }
    assert_eq!([a, b], [[0; 8]; 2], "nothing was written");
}

#[test]
fn encoding_in_slices_shows_every_byte_of_every_shard_once_and_in_order() {
    let mut chance = Chance::new();
    for (data, parity) in codes().filter(|(data, parity)| data + parity <= 12) {
        let mut shards = oracle(&mut chance, data, parity);
        // The last data shard ends early, as in the last stripe of an object.
        let short = chance.below(LENGTH);
        let last = usize::from(data) - 1;
        let cut = shards[last].start + short;
        shards[last].bytes.truncate(cut);
        let length = if data == 1 { short } else { LENGTH };
        let code = Code::new(data, parity).unwrap();
        let mut expected = vec![vec![0xee; length]; usize::from(parity)];
        let mut outputs: Vec<&mut [u8]> = expected.iter_mut().map(Vec::as_mut_slice).collect();
        let content = slices(&shards[..usize::from(data)]);
        code.encode(&content, &mut outputs).unwrap();
        let mut sliced = vec![vec![0xee; length]; usize::from(parity)];
        let mut outputs: Vec<&mut [u8]> = sliced.iter_mut().map(Vec::as_mut_slice).collect();
        let mut shown = vec![Vec::new(); usize::from(data + parity)];
        let slice_bytes = 1 + chance.below(200);
        code.encode_in_slices(slice_bytes, &content, &mut outputs, |index, slice| {
            assert!(slice.len() <= slice_bytes);
            shown[usize::from(index)].extend_from_slice(slice);
        })
        .unwrap();
        assert_eq!(sliced, expected, "{data}+{parity}");
        let whole: Vec<&[u8]> = content.into_iter().chain(expected.iter().map(Vec::as_slice)).collect();
        assert!(shown.iter().zip(whole).all(|(shown, shard)| shown == shard), "{data}+{parity}");
    }
}
