//! The interface: encode data shards into parity, and rebuild any shard from any k others.
//!
//! The code works on each byte position alone, so every call may be given the same byte range of all shards instead of whole shards: a
//! damaged block is rebuilt from k blocks, not from k shards. An input that ends early counts as zeros from there on; that is how the
//! last stripe of an object keeps its exact length.

use crate::error::ErasureError;
use crate::matrix::{MAX_SHARDS, Row, generator_row, rebuild_row};
use crate::simd::dispatch::Kernel;

/// What an update computes at a time; stays in L1.
const UPDATE_BYTES: usize = 4096;

/// A Reed-Solomon code of k data and m parity shards. Shards 0 to k-1 are the data, k to k+m-1 the parity.
#[derive(Clone, Debug)]
pub struct Code {
    data: u8,
    parity: u8,
    kernel: Kernel,
    parity_rows: Vec<Row>,
}

impl Code {
    /// A code of `data` >= 1 and `parity` >= 0 shards, at most `MAX_SHARDS` in all, on the fastest kernel of this processor.
    pub fn new(data: u8, parity: u8) -> Result<Self, ErasureError> {
        Self::with_kernel(data, parity, Kernel::detect())
    }

    /// As `new`, with a given kernel instead of the fastest; for tests and benchmarks.
    pub fn with_kernel(data: u8, parity: u8, kernel: Kernel) -> Result<Self, ErasureError> {
        let shards = usize::from(data) + usize::from(parity);
        if data == 0 || shards > MAX_SHARDS {
            return Err(ErasureError::UnsupportedCode { data, parity });
        }
        let parity_rows = (usize::from(data)..shards)
            .map(|shard| generator_row(usize::from(data), shard))
            .collect();
        Ok(Self {
            data,
            parity,
            kernel,
            parity_rows,
        })
    }

    /// Data shards, k.
    pub fn data(&self) -> u8 {
        self.data
    }

    /// Parity shards, m.
    pub fn parity(&self) -> u8 {
        self.parity
    }

    /// All shards, k + m.
    pub fn shards(&self) -> u8 {
        self.data + self.parity
    }

    /// Fills all m `parity` shards from all k `data` shards.
    ///
    /// The parity shards have one length, that of the longest data shard; shorter data shards count as zeros behind their end. Longer
    /// parity shards are allowed and get zeros there.
    pub fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Result<(), ErasureError> {
        check_count("data", usize::from(self.data), data.len())?;
        check_count("parity", usize::from(self.parity), parity.len())?;
        self.multiply(&self.parity_rows, data, parity)
    }

    /// As `encode`, a slice of at most `slice_bytes` bytes of all shards at a time. `visit` is shown each slice of each shard, data and
    /// parity, right after it was coded, while the cache still has it: the place to compute checksums without a second pass over memory.
    ///
    /// `visit` gets the shard's index and the slice; slices of one shard come in order. Of a data shard that ends early, nothing is
    /// shown behind its end.
    pub fn encode_in_slices(
        &self,
        slice_bytes: usize,
        data: &[&[u8]],
        parity: &mut [&mut [u8]],
        mut visit: impl FnMut(u8, &[u8]),
    ) -> Result<(), ErasureError> {
        check_count("data", usize::from(self.data), data.len())?;
        check_count("parity", usize::from(self.parity), parity.len())?;
        check_lengths(data, parity)?;
        let longest_bytes = data.iter().map(|shard| shard.len());
        let length = parity.first().map_or(longest_bytes.max().unwrap_or(0), |shard| shard.len());
        for start in (0..length).step_by(slice_bytes.max(1)) {
            let end = length.min(start + slice_bytes.max(1));
            let inputs: Vec<&[u8]> = data
                .iter()
                .map(|shard| shard.get(start..end.min(shard.len())).unwrap_or_default())
                .collect();
            let mut outputs: Vec<&mut [u8]> = parity
                .iter_mut()
                .map(|shard| shard.get_mut(start..end).unwrap_or_default())
                .collect();
            self.kernel.multiply(&self.parity_rows, &inputs, &mut outputs);
            let coded = inputs.into_iter().chain(outputs.iter().map(|output| &**output));
            for (index, slice) in (0..).zip(coded).filter(|(_, slice)| !slice.is_empty()) {
                visit(index, slice);
            }
        }
        Ok(())
    }

    /// Changes parity after a range of one data shard changed from `before` to `after`: `parity` are the same range of all m parity
    /// shards. All ranges have one length. Costs no look at the other data shards; with `before` all zeros it adds a shard that was absent.
    pub fn update(&self, shard_index: u8, before: &[u8], after: &[u8], parity: &mut [&mut [u8]]) -> Result<(), ErasureError> {
        check_count("parity", usize::from(self.parity), parity.len())?;
        let column = usize::from(shard_index);
        if shard_index >= self.data {
            return Err(ErasureError::UnknownShard {
                index: shard_index,
                shards: self.data,
            });
        }
        for output in parity.iter() {
            for (position, input) in [before, after].iter().enumerate() {
                if input.len() != output.len() {
                    return Err(ErasureError::InputTooLong {
                        position,
                        length_bytes: input.len(),
                        output_bytes: output.len(),
                    });
                }
            }
        }
        let mut change = [0; UPDATE_BYTES];
        for (row, output) in self.parity_rows.iter().zip(parity) {
            // The sum of both products is the product of the difference, as adding and subtracting are the same.
            let mut coefficients = [0; MAX_SHARDS];
            coefficients[..2].fill(row[column]);
            let slices = before.chunks(UPDATE_BYTES).zip(after.chunks(UPDATE_BYTES));
            for ((before, after), output) in slices.zip(output.chunks_mut(UPDATE_BYTES)) {
                let change = &mut change[..output.len()];
                self.kernel.multiply(&[coefficients], &[before, after], &mut [change]);
                output.iter_mut().zip(change).for_each(|(sum, byte)| *sum ^= *byte);
            }
        }
        Ok(())
    }

    /// Fills `out` with shard `shard_index`, data or parity, from all k `data` shards. Lengths as in `encode`.
    pub fn encode_row(&self, shard_index: u8, data: &[&[u8]], out: &mut [u8]) -> Result<(), ErasureError> {
        check_count("data", usize::from(self.data), data.len())?;
        self.check_index(shard_index)?;
        let shard = usize::from(shard_index);
        match data.get(shard) {
            Some(input) => copy_extended(shard, input, out),
            None => self.multiply(&[generator_row(usize::from(self.data), shard)], data, &mut [out]),
        }
    }

    /// Fills `out` with shard `wanted` from exactly k different `present` shards, each given as index and bytes.
    ///
    /// `present` may be in any order and contain `wanted` itself. Present shards shorter than `out` count as zeros behind their end.
    pub fn rebuild(&self, present: &[(u8, &[u8])], wanted: u8, out: &mut [u8]) -> Result<(), ErasureError> {
        self.rebuild_several(present, &[wanted], &mut [out])
    }

    /// As `rebuild`, for several shards in one pass over the present ones: `outputs[n]` becomes shard `wanted[n]`.
    pub fn rebuild_several(&self, present: &[(u8, &[u8])], wanted: &[u8], outputs: &mut [&mut [u8]]) -> Result<(), ErasureError> {
        check_count("present", usize::from(self.data), present.len())?;
        check_count("output", wanted.len(), outputs.len())?;
        let mut seen = 0_u32;
        for (index, _) in present {
            self.check_index(*index)?;
            if seen >> index & 1 == 1 {
                return Err(ErasureError::RepeatedShard { index: *index });
            }
            seen |= 1 << index;
        }
        for index in wanted {
            self.check_index(*index)?;
        }
        if let ([wanted], [out]) = (wanted, &mut *outputs)
            && let Some((position, (_, shard))) = present.iter().enumerate().find(|(_, (index, _))| index == wanted)
        {
            return copy_extended(position, shard, out);
        }
        let indexes: Vec<u8> = present.iter().map(|(index, _)| *index).collect();
        let inputs: Vec<&[u8]> = present.iter().map(|(_, shard)| *shard).collect();
        let rows: Vec<Row> = wanted
            .iter()
            .map(|wanted| rebuild_row(usize::from(self.data), &indexes, usize::from(*wanted)))
            .collect();
        self.multiply(&rows, &inputs, outputs)
    }

    /// Checks lengths and lets the kernel compute `outputs[r] = sum of rows[r][n] * inputs[n]`.
    fn multiply(&self, rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), ErasureError> {
        check_lengths(inputs, outputs)?;
        self.kernel.multiply(rows, inputs, outputs);
        Ok(())
    }

    fn check_index(&self, index: u8) -> Result<(), ErasureError> {
        if index < self.shards() {
            Ok(())
        } else {
            Err(ErasureError::UnknownShard {
                index,
                shards: self.shards(),
            })
        }
    }
}

fn check_count(list: &'static str, expected: usize, actual: usize) -> Result<(), ErasureError> {
    if expected == actual {
        Ok(())
    } else {
        Err(ErasureError::WrongShardCount { list, expected, actual })
    }
}

/// All outputs must have one length, and no input may be longer.
fn check_lengths(inputs: &[&[u8]], outputs: &[&mut [u8]]) -> Result<(), ErasureError> {
    let Some(output_bytes) = outputs.first().map(|output| output.len()) else {
        return Ok(());
    };
    if let Some(other) = outputs.iter().find(|output| output.len() != output_bytes) {
        return Err(ErasureError::UnequalOutputs {
            first_bytes: output_bytes,
            other_bytes: other.len(),
        });
    }
    if let Some((position, input)) = inputs.iter().enumerate().find(|(_, input)| input.len() > output_bytes) {
        return Err(ErasureError::InputTooLong {
            position,
            length_bytes: input.len(),
            output_bytes,
        });
    }
    Ok(())
}

/// Copies `input`, which stands at `position` of its list, to the start of `out` and fills the rest with zeros.
fn copy_extended(position: usize, input: &[u8], out: &mut [u8]) -> Result<(), ErasureError> {
    let Some((head, tail)) = out.split_at_mut_checked(input.len()) else {
        return Err(ErasureError::InputTooLong {
            position,
            length_bytes: input.len(),
            output_bytes: out.len(),
        });
    };
    head.copy_from_slice(input);
    tail.fill(0);
    Ok(())
}
