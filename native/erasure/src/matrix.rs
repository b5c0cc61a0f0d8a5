//! The generator matrix: which bytes a parity shard holds. **Part of the on-disk format**: it can never change, only be joined by another
//! code id.
//!
//! ```text
//!              data 0   data 1   ...  data k-1
//! shard 0        1        0              0        the data itself: the code is systematic
//! ...            0        1              0
//! shard k-1      0        0              1
//! shard k        1        1              1        parity row 0: plain exclusive or
//! shard k+1      1     p(1,1)         p(1,k-1)    parity row 1
//! ...           ...
//! shard k+m-1    1    p(m-1,1)       p(m-1,k-1)
//!
//! byte b of shard s = sum over j of row s, column j  *  byte b of data shard j          (in GF(2^8), polynomial 0x11d)
//!
//!              (x(i) + y(0)) * (x(0) + y(j))
//!     p(i,j) = -----------------------------          x(i) = 255 - i,  y(j) = j,  + is exclusive or
//!              (x(i) + y(j)) * (x(0) + y(0))
//! ```
//!
//! The fraction 1 / (x(i) + y(j)) is Cauchy's matrix, of which every square submatrix can be inverted as long as all x and y differ
//! (true up to 224 rows; we stop at 32 shards). Scaling rows and columns keeps that, and is chosen such that the first row and the
//! first column are all ones: one parity shard is the exclusive or that everybody knows, and with one data shard all others are copies.
//! An entry depends on neither k nor m, so one table serves all codes, and a data shard that is absent counts as zeros.
//!
//! Source: Bloemer, Kalfane, Karp, Karpinski, Luby, Zuckerman, "An XOR-Based Erasure-Resilient Coding Scheme", ICSI TR-95-048, 1995;
//! Plank and Xu, "Optimizing Cauchy Reed-Solomon Codes for Fault-Tolerant Network Storage Applications", 2006 (the scaling).

use crate::galois::{inverse, multiply};

/// The most shards, data and parity together, that a code may have. Reed-Solomon pays off for small sets; more would only widen tables.
pub const MAX_SHARDS: usize = 32;

/// Coefficients of one shard, one for each input; those past the inputs in use are zero.
pub(crate) type Row = [u8; MAX_SHARDS];

static PARITY: [Row; MAX_SHARDS] = parity_rows();

const fn parity_rows() -> [Row; MAX_SHARDS] {
    let mut rows = [[0; MAX_SHARDS]; MAX_SHARDS];
    let mut i = 0;
    while i < MAX_SHARDS {
        let mut j = 0;
        while j < MAX_SHARDS {
            let x = 255 - i as u8;
            let y = j as u8;
            // x(0) = 255 and y(0) = 0.
            let numerator = multiply(x, 255 ^ y);
            let denominator = multiply(x ^ y, 255);
            rows[i][j] = multiply(numerator, inverse(denominator));
            j += 1;
        }
        i += 1;
    }
    rows
}

/// Row `shard` of the generator matrix with `data` data shards.
pub(crate) fn generator_row(data: usize, shard: usize) -> Row {
    let mut row = [0; MAX_SHARDS];
    match shard.checked_sub(data) {
        None => row[shard] = 1,
        Some(parity) => row[..data].copy_from_slice(&PARITY[parity][..data]),
    }
    row
}

/// How shard `wanted` follows from the shards `present`: coefficient n belongs to `present[n]`.
///
/// `present` are `data` different shards, in any order; all indexes are below `MAX_SHARDS`.
///
/// Let y be the coefficients of the present parity shards. Summed with y, their rows must match the wanted row in every column whose
/// data shard is absent: a square system, no larger than the number of lost data shards, so solving it costs less than a cache of
/// inverted matrices would. What y leaves over in the columns of present data shards is their coefficient.
pub(crate) fn rebuild_row(data: usize, present: &[u8], wanted: usize) -> Row {
    let target = generator_row(data, wanted);
    let is_present = |column: usize| present.iter().any(|shard| usize::from(*shard) == column);
    let missing: Vec<usize> = (0..data).filter(|column| !is_present(*column)).collect();
    let helpers: Vec<Row> = present
        .iter()
        .map(|shard| usize::from(*shard))
        .filter(|shard| *shard >= data)
        .map(|shard| generator_row(data, shard))
        .collect();

    // One equation for each missing column: the sum of y(q) * helper(q, column) equals the target's entry, kept behind the unknowns.
    let mut equations: Vec<Row> = Vec::with_capacity(missing.len());
    for column in &missing {
        let mut equation = [0; MAX_SHARDS];
        for (entry, helper) in equation.iter_mut().zip(&helpers) {
            *entry = helper[*column];
        }
        equation[helpers.len()] = target[*column];
        equations.push(equation);
    }
    let weights = solve(equations);

    let mut row = [0; MAX_SHARDS];
    let mut parities = 0;
    for (coefficient, shard) in row.iter_mut().zip(present) {
        let shard = usize::from(*shard);
        if shard >= data {
            *coefficient = weights[parities];
            parities += 1;
        } else {
            let covered = weights
                .iter()
                .zip(&helpers)
                .fold(0, |sum, (weight, helper)| sum ^ multiply(*weight, helper[shard]));
            *coefficient = target[shard] ^ covered;
        }
    }
    row
}

/// Solves a square system by Gauss and Jordan. Each row holds its coefficients and then its right side.
///
/// The systems come from submatrices of Cauchy's matrix, so each has exactly one solution and a pivot is always found.
fn solve(mut equations: Vec<Row>) -> Vec<u8> {
    let size = equations.len();
    for column in 0..size {
        let Some(pivot) = (column..size).find(|row| equations[*row][column] != 0) else {
            unreachable!("a square submatrix of Cauchy's matrix is singular at column {column} of {size}");
        };
        equations.swap(column, pivot);
        let scale = inverse(equations[column][column]);
        for entry in equations[column].iter_mut().take(size + 1) {
            *entry = multiply(*entry, scale);
        }
        let pivot_row = equations[column];
        for (row, equation) in equations.iter_mut().enumerate() {
            let factor = equation[column];
            if row != column && factor != 0 {
                for (entry, pivot_entry) in equation.iter_mut().zip(&pivot_row).take(size + 1) {
                    *entry ^= multiply(factor, *pivot_entry);
                }
            }
        }
    }
    equations.iter().map(|equation| equation[size]).collect()
}
