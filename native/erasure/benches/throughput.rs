//! Prints GB/s of encoding and rebuilding beside memcpy of the same bytes: `cargo bench -p openlake-erasure`.
//!
//! Encoding counts data and parity, rebuilding counts the shards read and written, memcpy counts the bytes copied.

use openlake_erasure::{Code, Kernel};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Long enough to even out the clock, short enough to run all of them in a few seconds.
const MEASURE: Duration = Duration::from_millis(300);

fn gigabytes_per_second(bytes: usize, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut rounds = 0_u64;
    while start.elapsed() < MEASURE {
        for _ in 0..4 {
            work();
        }
        rounds += 4;
    }
    (rounds * bytes as u64) as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn measure(data: u8, parity: u8, shard_bytes: usize, kernel: Kernel) {
    let code = Code::with_kernel(data, parity, kernel).expect("a code of a few shards");
    let shards: Vec<Vec<u8>> = (0..data).map(|n| vec![n.wrapping_mul(31); shard_bytes]).collect();
    let inputs: Vec<&[u8]> = shards.iter().map(Vec::as_slice).collect();
    let mut outputs = vec![vec![0; shard_bytes]; usize::from(parity)];
    let encode = gigabytes_per_second(shard_bytes * usize::from(data + parity), || {
        let mut outputs: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode(black_box(&inputs), black_box(&mut outputs))
            .expect("shards of one length");
    });
    // The worst case: as many data shards lost as there are parity shards.
    let lost: Vec<u8> = (0..parity).collect();
    let parity_bytes = outputs.clone();
    let all: Vec<(u8, &[u8])> = (0..)
        .zip(inputs.iter().copied().chain(parity_bytes.iter().map(Vec::as_slice)))
        .collect();
    let present = &all[usize::from(parity)..];
    let rebuild = gigabytes_per_second(shard_bytes * usize::from(data + parity), || {
        let mut outputs: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        code.rebuild_several(black_box(present), &lost, black_box(&mut outputs))
            .expect("shards of one length");
    });
    let source = vec![1_u8; shard_bytes * usize::from(data)];
    let mut target = vec![0_u8; source.len()];
    let copy = gigabytes_per_second(source.len(), || black_box(&mut target).copy_from_slice(black_box(&source)));
    println!(
        "{data:>2}+{parity} {:>4} KiB {:>12}: encode {encode:6.1}, rebuild {parity} {rebuild:6.1}, memcpy {copy:5.1} GB/s, \
         encode/memcpy {:.2}",
        shard_bytes >> 10,
        kernel.name(),
        encode / copy
    );
}

fn main() {
    for (data, parity, shard_kib) in [
        (2, 2, 128),
        (3, 1, 128),
        (4, 2, 128),
        (8, 2, 4),
        (8, 2, 32),
        (8, 2, 128),
        (8, 2, 1024),
        (8, 4, 128),
        (12, 4, 128),
    ] {
        for kernel in Kernel::available() {
            measure(data, parity, shard_kib << 10, kernel);
        }
    }
}
