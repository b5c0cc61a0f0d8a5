//! Every kernel writes what the scalar one writes, and not a byte beside it, wherever the shards lie and however they end.
//!
//! proptest prints a failing case and keeps its seed in `proptest-regressions`; `PROPTEST_RNG_SEED` replays a whole run.

use openlake_erasure::{Code, Kernel};
use proptest::prelude::*;

/// Bytes around every output that must stay as they are; more than one vector register.
const GUARD_BYTES: usize = 80;
const GUARD: u8 = 0xa5;

/// Parity of `inputs`, written at `offset` into guarded buffers, as whole buffers.
fn guarded_parity(kernel: Kernel, parity: u8, inputs: &[&[u8]], length: usize, offset: usize) -> Vec<Vec<u8>> {
    let code = Code::with_kernel(inputs.len() as u8, parity, kernel).unwrap();
    let mut buffers = vec![vec![GUARD; GUARD_BYTES + offset + length + GUARD_BYTES]; usize::from(parity)];
    let start = GUARD_BYTES + offset;
    let mut outputs: Vec<&mut [u8]> = buffers.iter_mut().map(|buffer| &mut buffer[start..start + length]).collect();
    code.encode(inputs, &mut outputs).unwrap();
    for buffer in &buffers {
        assert!(
            buffer[..start].iter().chain(&buffer[start + length..]).all(|byte| *byte == GUARD),
            "{} wrote outside of its output",
            kernel.name()
        );
    }
    buffers
}

#[test]
fn kernels_agree_at_every_length_around_the_registers() {
    let noise: Vec<u8> = (0..3000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for length in 0..400 {
        // The last shard is shorter, as that of an object's last stripe.
        let inputs = [&noise[..length], &noise[500..500 + length], &noise[1001..1001 + length / 2]];
        let expected = guarded_parity(Kernel::available()[0], 3, &inputs, length, 0);
        for kernel in Kernel::available() {
            assert_eq!(
                guarded_parity(kernel, 3, &inputs, length, 0),
                expected,
                "{} at {length} bytes",
                kernel.name()
            );
        }
    }
}

proptest! {
    #[test]
    fn kernels_agree_for_all_codes_lengths_and_places(
        // Each shard: its bytes, and how many of them lie before its start, so that starts are unaligned.
        shards in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..1200), 0_usize..70), 1..=24),
        parity in 0_u8..=8,
        same_length in any::<bool>(),
        extra in 0_usize..140,
        offset in 0_usize..70,
    ) {
        let mut inputs: Vec<&[u8]> = shards.iter().map(|(bytes, start)| bytes.get(*start..).unwrap_or_default()).collect();
        if same_length {
            let shortest = inputs.iter().map(|input| input.len()).min().unwrap_or(0);
            inputs.iter_mut().for_each(|input| *input = &input[..shortest]);
        }
        let length = inputs.iter().map(|input| input.len()).max().unwrap_or(0) + if same_length { 0 } else { extra };
        let expected = guarded_parity(Kernel::available()[0], parity, &inputs, length, offset);
        for kernel in Kernel::available() {
            prop_assert_eq!(&guarded_parity(kernel, parity, &inputs, length, offset), &expected, "{}", kernel.name());
        }
    }
}
