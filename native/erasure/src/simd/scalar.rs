//! The plain kernel: one table look-up for each byte and coefficient. It is the oracle of the others and runs everywhere.

use crate::galois::PRODUCTS;
use crate::matrix::Row;

/// See `simd`.
pub(super) fn multiply(rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    for (row, output) in rows.iter().zip(outputs) {
        output.fill(0);
        for (coefficient, input) in row.iter().zip(inputs) {
            add_product(*coefficient, input, output);
        }
    }
}

fn add_product(coefficient: u8, input: &[u8], output: &mut [u8]) {
    match coefficient {
        0 => {}
        1 => output.iter_mut().zip(input).for_each(|(sum, byte)| *sum ^= byte),
        _ => {
            let products = &PRODUCTS[usize::from(coefficient)];
            output
                .iter_mut()
                .zip(input)
                .for_each(|(sum, byte)| *sum ^= products[usize::from(*byte)]);
        }
    }
}
