//! Encoding and reconstruction per core, beside what memory allows in the same run: `cargo bench -p openlake-erasure`, or
//! `npm run bench:kernels`.
//!
//! Figures are GB/s of **data** (k shards; parity and rebuilt shards not counted), each the best of many short windows, so that
//! neighbours on a shared machine cost little.
//! `floor` reads the same k shards and writes the same m without computing anything: the memory traffic alone.
//!
//! The bar is for 8+2 with shards of 128 KiB, in cache, with AVX-512 and GFNI. ISA-L 2.32.1 measured on a Zen 5 core: 82 encoding and
//! 84 decoding.

use openlake_checksum::{Crc64, crc64};
use openlake_erasure::{Code, Kernel};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Long enough for the clock, short enough that some windows are undisturbed.
const WINDOW: Duration = Duration::from_millis(3);
/// Of which the best counts.
const WINDOWS: usize = 60;
/// What encoding and reconstruction of 8+2 are to reach with AVX-512 and GFNI, in GB/s of data.
const BAR: f64 = 75.0;

/// GB/s of `work`, which handles `bytes` bytes.
fn best(bytes: usize, mut work: impl FnMut()) -> f64 {
    let mut best = 0.0_f64;
    for _ in 0..WINDOWS {
        let start = Instant::now();
        let mut rounds = 0_usize;
        while start.elapsed() < WINDOW {
            work();
            rounds += 1;
        }
        best = best.max((rounds * bytes) as f64 / start.elapsed().as_secs_f64() / 1e9);
    }
    best
}

/// Shards of one code, in buffers of their own as in a node.
struct Shards {
    data: Vec<Vec<u8>>,
    parity: Vec<Vec<u8>>,
}

impl Shards {
    fn new(data: u8, parity: u8, shard_bytes: usize) -> Shards {
        Shards {
            data: (0..data).map(|n| vec![n.wrapping_mul(31); shard_bytes]).collect(),
            parity: vec![vec![0; shard_bytes]; usize::from(parity)],
        }
    }
}

/// What memory allows: k shards read by comparing them in pairs, m written by filling them, both by the C library's vector code.
fn floor(data: u8, parity: u8, shard_bytes: usize) -> f64 {
    let mut shards = Shards::new(data, parity, shard_bytes);
    // Equal, or a comparison would stop at the first difference.
    shards.data.iter_mut().for_each(|shard| shard.fill(7));
    best(shard_bytes * usize::from(data), || {
        for pair in black_box(&shards.data).chunks(2) {
            black_box(pair.first() == pair.last());
        }
        black_box(&mut shards.parity).iter_mut().for_each(|shard| shard.fill(7));
    })
}

/// GB/s of data encoded, and reconstructed with the worst loss: as many data shards as there is parity.
fn measure(data: u8, parity: u8, shard_bytes: usize, kernel: Kernel) -> (f64, f64) {
    let bytes = shard_bytes * usize::from(data);
    let code = Code::with_kernel(data, parity, kernel).expect("a code of a few shards");
    let mut shards = Shards::new(data, parity, shard_bytes);
    let inputs: Vec<&[u8]> = shards.data.iter().map(Vec::as_slice).collect();
    let encode = best(bytes, || {
        let mut outputs: Vec<&mut [u8]> = shards.parity.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode(black_box(&inputs), black_box(&mut outputs))
            .expect("shards of one length");
    });
    let lost: Vec<u8> = (0..parity).collect();
    let all: Vec<(u8, &[u8])> = (0..).zip(shards.data.iter().chain(&shards.parity).map(Vec::as_slice)).collect();
    let present = &all[usize::from(parity)..];
    let mut rebuilt = vec![vec![0; shard_bytes]; usize::from(parity)];
    let rebuild = best(bytes, || {
        let mut outputs: Vec<&mut [u8]> = rebuilt.iter_mut().map(Vec::as_mut_slice).collect();
        code.rebuild_several(black_box(present), &lost, black_box(&mut outputs))
            .expect("shards of one length");
    });
    (encode, rebuild)
}

/// GB/s of data encoded with the CRC-64/NVME of every shard: in a second pass over all shards, and slice by slice.
fn measure_with_checksums(data: u8, parity: u8, shard_bytes: usize) {
    let bytes = shard_bytes * usize::from(data);
    let code = Code::new(data, parity).expect("a code of a few shards");
    let mut shards = Shards::new(data, parity, shard_bytes);
    let inputs: Vec<&[u8]> = shards.data.iter().map(Vec::as_slice).collect();
    let mut sums = vec![0; usize::from(data + parity)];
    let two_passes = best(bytes, || {
        let mut outputs: Vec<&mut [u8]> = shards.parity.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode(black_box(&inputs), &mut outputs).expect("shards of one length");
        let all = inputs.iter().copied().chain(outputs.iter().map(|output| &**output));
        sums.iter_mut().zip(all).for_each(|(sum, shard)| *sum = crc64(shard));
        black_box(&sums);
    });
    print!(
        "{data:>17}+{parity} {:>5} KiB  two passes {two_passes:6.1}; in slices of",
        shard_bytes >> 10
    );
    for slice_bytes in [4 << 10, 8 << 10, 16 << 10, 32 << 10] {
        let sliced = best(bytes, || {
            let mut crcs = vec![Crc64::new(); usize::from(data + parity)];
            let mut outputs: Vec<&mut [u8]> = shards.parity.iter_mut().map(Vec::as_mut_slice).collect();
            code.encode_in_slices(slice_bytes, black_box(&inputs), &mut outputs, |index, slice| {
                crcs[usize::from(index)].update(slice);
            })
            .expect("shards of one length");
            sums.iter_mut().zip(&crcs).for_each(|(sum, crc)| *sum = crc.finish());
            black_box(&sums);
        });
        print!(" {} KiB {sliced:6.1}", slice_bytes >> 10);
    }
    println!();
}

fn main() {
    println!("GB/s of data, encoded with the checksums of all shards");
    for (data, parity, shard_kib) in [(2, 2, 128), (4, 2, 128), (8, 2, 128), (8, 4, 128), (8, 2, 16 << 10)] {
        measure_with_checksums(data, parity, shard_kib << 10);
    }
    println!("GB/s of data   code   shard        kernel   encode  rebuild m   floor");
    let fastest = Kernel::detect();
    for (data, parity, shard_kib) in [
        (2, 2, 128),
        (4, 2, 128),
        (8, 2, 4),
        (8, 2, 32),
        (8, 2, 128),
        (8, 2, 1024),
        (8, 4, 128),
        (12, 4, 128),
    ] {
        let shard_bytes = shard_kib << 10;
        let floor = floor(data, parity, shard_bytes);
        for kernel in Kernel::available() {
            let (encode, rebuild) = measure(data, parity, shard_bytes, kernel);
            println!(
                "{:>17}+{parity} {shard_kib:>5} KiB {:>13} {encode:8.1} {rebuild:10.1} {floor:7.1}",
                data,
                kernel.name()
            );
            if (data, parity, shard_kib) == (8, 2, 128) && kernel.name() == fastest.name() && fastest.name() == "avx512+gfni" {
                let verdict = if encode.min(rebuild) >= BAR { "reached" } else { "NOT reached" };
                println!("{verdict}: 8+2 at 128 KiB is to encode and rebuild at least {BAR} GB/s of data each");
            }
        }
    }
}
