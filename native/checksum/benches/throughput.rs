//! Prints GB/s of every CRC kernel and digest over content that stays in cache: `npm run bench:kernels`.

use bytes::Bytes;
use openlake_checksum::{Algorithm, Crc64, DigestLanes, Hasher, Kernel, LaneDigest, combine, md5};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Long enough for the clock, short enough that some windows are undisturbed.
const WINDOW: Duration = Duration::from_millis(3);
/// Of which the best counts, so that neighbours on a shared machine cost little.
const WINDOWS: usize = 60;

fn gigabytes_per_second(length_bytes: usize, mut work: impl FnMut()) -> f64 {
    let mut best = 0.0_f64;
    for _ in 0..WINDOWS {
        let start = Instant::now();
        let mut rounds = 0_u64;
        while start.elapsed() < WINDOW {
            for _ in 0..16 {
                work();
            }
            rounds += 16;
        }
        best = best.max((rounds * length_bytes as u64) as f64 / start.elapsed().as_secs_f64() / 1e9);
    }
    best
}

fn main() {
    for length_bytes in [64, 256, 1024, 4096, 16 << 10, 128 << 10, 1 << 20] {
        let content = vec![0x5a; length_bytes];
        for kernel in Kernel::available() {
            let speed = gigabytes_per_second(length_bytes, || {
                let mut crc = Crc64::with_kernel(kernel);
                crc.update(black_box(&content));
                black_box(crc.finish());
            });
            println!("crc64 {:>18} {length_bytes:>8} B {speed:8.2} GB/s", kernel.name());
        }
    }
    let content = vec![0x5a; 128 << 10];
    for algorithm in Algorithm::ALL {
        let speed = gigabytes_per_second(content.len(), || {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(black_box(&content));
            black_box(hasher.finish());
        });
        println!("{:<24} {:>8} B {speed:8.2} GB/s", algorithm.name(), content.len());
    }
    let speed = gigabytes_per_second(content.len(), || {
        black_box(md5::digest(black_box(&content)));
    });
    println!("{:<24} {:>8} B {speed:8.2} GB/s", "MD5", content.len());
    let content = Bytes::from(content);
    for with_sha256 in [false, true] {
        for bodies in [1, 2, 4, 8, 16] {
            let speed = gigabytes_per_second(bodies * content.len(), || {
                let lanes = DigestLanes::new();
                let mut streams: Vec<LaneDigest> = (0..bodies).map(|_| lanes.stream(with_sha256)).collect();
                for stream in &mut streams {
                    stream.push(black_box(content.clone()));
                }
                for stream in streams {
                    black_box(stream.finish());
                }
            });
            let name = if with_sha256 { "MD5 and SHA-256" } else { "MD5" };
            println!("{name:<15} of {bodies:>2} bodies at once {speed:8.2} GB/s");
        }
    }
    let calls = gigabytes_per_second(1, || {
        black_box(combine(black_box(1), black_box(2), black_box(128 << 10)));
    });
    println!("combine by 128 KiB: {:.1} ns", 1.0 / calls);
}
