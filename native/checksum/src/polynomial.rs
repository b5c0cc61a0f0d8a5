//! A CRC's generator polynomial, with everything that can be derived from it at compile time: byte tables, folding constants, powers of x.
//!
//! A message is a polynomial over GF(2), and its CRC is the remainder after division by the generator P. All CRCs here are *reflected*:
//! the lowest bit of the first byte is the highest power of x. A remainder of `width` bits is kept in the low bits of a `u64`, bit
//! `width - 1 - i` being the coefficient of x^i, so the same code serves 32 and 64 bits.
//!
//! **Folding** (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009): a 16-byte block
//! L x^64 + H that lies D bits ahead of another block may be replaced by L (x^(D+64) mod P) + H (x^D mod P) added to that other block,
//! as both are equal modulo P. A carry-less product of two reflected words comes out multiplied by x, hence the exponents below are
//! one smaller.

/// Two multipliers which move a 16-byte block forward by a fixed distance: for its first and its second 8 bytes.
pub(crate) type FoldPair = [u64; 2];

#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(
        dead_code,
        reason = "only kernels with carry-less multiplication fold, and only those of x86-64 by 256 bytes"
    )
)]
/// A reflected CRC generator of 32 or 64 bits, and what is derived from it.
pub(crate) struct Polynomial {
    width_bits: u32,
    reflected: u64,
    /// `tables[n][b]` is the remainder of byte `b` followed by `n` zero bytes.
    pub(crate) tables: [[u64; 256]; 8],
    /// Moves a block by 16 bytes.
    pub(crate) fold_16: FoldPair,
    /// Moves a block by 64 bytes.
    pub(crate) fold_64: FoldPair,
    /// Moves a block by 256 bytes.
    pub(crate) fold_256: FoldPair,
    /// `byte_shifts[n]` is x^(8 * 2^n) mod P: multiplying by it appends 2^n zero bytes.
    pub(crate) byte_shifts: [u64; 64],
}

/// CRC-64/NVME: NVM Express NVM Command Set Specification 1.0, section 5.2.1.3.4; S3's CRC64NVME.
pub(crate) static CRC64_NVME: Polynomial = Polynomial::new(64, 0xad93_d235_94c9_3659);
/// CRC-32/ISO-HDLC: IEEE 802.3, zlib; S3's CRC32.
pub(crate) static CRC32: Polynomial = Polynomial::new(32, 0x04c1_1db7);
/// CRC-32/ISCSI, Castagnoli: RFC 3720; S3's CRC32C.
pub(crate) static CRC32C: Polynomial = Polynomial::new(32, 0x1edc_6f41);

impl Polynomial {
    /// Derives everything from `normal`: P without its leading term, highest power in the highest of `width_bits` (32 or 64) bits.
    const fn new(width_bits: u32, normal: u64) -> Self {
        let reflected = normal.reverse_bits() >> (64 - width_bits);
        let mut polynomial = Self {
            width_bits,
            reflected,
            tables: byte_tables(reflected),
            fold_16: [0; 2],
            fold_64: [0; 2],
            fold_256: [0; 2],
            byte_shifts: [0; 64],
        };
        polynomial.fold_16 = polynomial.fold_pair(16);
        polynomial.fold_64 = polynomial.fold_pair(64);
        polynomial.fold_256 = polynomial.fold_pair(256);
        polynomial.byte_shifts[0] = polynomial.power_of_x(8);
        let mut n = 1;
        while n < 64 {
            let half = polynomial.byte_shifts[n - 1];
            polynomial.byte_shifts[n] = polynomial.multiply(half, half);
            n += 1;
        }
        polynomial
    }

    /// The state before the first byte and the mask of the last step: all three CRCs start and end with all ones.
    pub(crate) const fn all_ones(&self) -> u64 {
        u64::MAX >> (64 - self.width_bits)
    }

    /// The product of two remainders modulo P.
    pub(crate) const fn multiply(&self, left: u64, right: u64) -> u64 {
        let mut product = 0;
        let mut shifted = left;
        let mut bit = self.width_bits;
        while bit > 0 {
            bit -= 1;
            // `shifted` is left times x^i; the coefficient of x^i of `right` is this bit, taken as a mask to stay free of branches.
            product ^= shifted & (right >> bit & 1).wrapping_neg();
            shifted = times_x(self.reflected, shifted);
        }
        product
    }

    const fn power_of_x(&self, exponent: u32) -> u64 {
        let mut power = 1 << (self.width_bits - 1);
        let mut step = 0;
        while step < exponent {
            power = times_x(self.reflected, power);
            step += 1;
        }
        power
    }

    /// Multipliers for a move by `distance_bytes`, as reflected 64-bit words whatever the width.
    const fn fold_pair(&self, distance_bytes: u32) -> FoldPair {
        let distance_bits = distance_bytes * 8;
        let align = 64 - self.width_bits;
        [
            self.power_of_x(distance_bits + 64 - 1) << align,
            self.power_of_x(distance_bits - 1) << align,
        ]
    }
}

const fn times_x(reflected: u64, value: u64) -> u64 {
    (value >> 1) ^ (reflected & (value & 1).wrapping_neg())
}

const fn byte_tables(reflected: u64) -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            remainder = times_x(reflected, remainder);
            bit += 1;
        }
        tables[0][byte] = remainder;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let shorter = tables[zeros - 1][byte];
            tables[zeros][byte] = (shorter >> 8) ^ tables[0][(shorter & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}
