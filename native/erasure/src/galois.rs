//! The field GF(2^8): 256 bytes that add by exclusive or and multiply as polynomials modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d).
//!
//! 0x11d is the polynomial of most storage codes; 2, that is x, generates all 255 nonzero elements. All tables are made
//! at compile time.

/// The field's polynomial without its leading term.
pub(crate) const POLYNOMIAL: u8 = 0x1d;

/// `PRODUCTS[a][b]` is a times b. One row multiplies a whole shard by one coefficient.
pub(crate) static PRODUCTS: [[u8; 256]; 256] = products();

/// `AFFINE[c]` is multiplication by c as an 8 x 8 bit matrix in the layout of the GF2P8AFFINEQB instruction.
///
/// Multiplication by a constant is linear over GF(2), so it works for any polynomial, although the instruction set's own
/// multiplication (GF2P8MULB) has AES's polynomial 0x11b built in. Byte 7 - i of the matrix selects the bits of the input whose sum is
/// bit i of the output.
#[cfg(any(target_arch = "x86_64", test))]
pub(crate) static AFFINE: [u64; 256] = affine_matrices();

/// The products of one element with the 16 low nibbles, and with the 16 high ones: what a shuffle looks up.
#[cfg(feature = "shuffle")]
pub(crate) type NibbleProducts = [[u8; 16]; 2];

/// `NIBBLE_PRODUCTS[c]` is for multiplication by c.
#[cfg(feature = "shuffle")]
pub(crate) static NIBBLE_PRODUCTS: [NibbleProducts; 256] = nibble_products();

/// The product of two elements.
pub(crate) const fn multiply(left: u8, right: u8) -> u8 {
    let mut product = 0;
    let mut shifted = left;
    let mut bit = 0;
    while bit < 8 {
        // Masks of all ones or zeros instead of branches.
        product ^= shifted & (right >> bit & 1).wrapping_neg();
        shifted = shifted << 1 ^ POLYNOMIAL & (shifted >> 7).wrapping_neg();
        bit += 1;
    }
    product
}

/// The element that multiplied by `element` gives 1: its 254th power, as the 255th is 1. That of 0 comes out as 0 and means nothing.
pub(crate) const fn inverse(element: u8) -> u8 {
    // 254 = 2 + 4 + 8 + ... + 128.
    let mut power = element;
    let mut product = 1;
    let mut step = 0;
    while step < 7 {
        power = multiply(power, power);
        product = multiply(product, power);
        step += 1;
    }
    product
}

const fn products() -> [[u8; 256]; 256] {
    // Row by row from smaller numbers: a * b = (a * (b / 2)) * 2 + a * (b mod 2), one doubling each, cheap for the compiler.
    let mut products = [[0; 256]; 256];
    let mut left = 0;
    while left < 256 {
        let mut right = 1;
        while right < 256 {
            let half: u8 = products[left][right / 2];
            let doubled = half << 1 ^ POLYNOMIAL & (half >> 7).wrapping_neg();
            products[left][right] = doubled ^ if right % 2 == 1 { left as u8 } else { 0 };
            right += 1;
        }
        left += 1;
    }
    products
}

#[cfg(feature = "shuffle")]
const fn nibble_products() -> [NibbleProducts; 256] {
    let mut products = [[[0; 16]; 2]; 256];
    let mut constant = 0;
    while constant < 256 {
        let mut nibble = 0;
        while nibble < 16 {
            products[constant][0][nibble] = multiply(constant as u8, nibble as u8);
            products[constant][1][nibble] = multiply(constant as u8, (nibble as u8) << 4);
            nibble += 1;
        }
        constant += 1;
    }
    products
}

#[cfg(any(target_arch = "x86_64", test))]
const fn affine_matrices() -> [u64; 256] {
    let mut matrices = [0; 256];
    let mut constant = 0;
    while constant < 256 {
        let mut rows = [0_u8; 8];
        let mut input_bit = 0;
        while input_bit < 8 {
            let image = multiply(constant as u8, 1 << input_bit);
            let mut output_bit = 0;
            while output_bit < 8 {
                rows[7 - output_bit] |= (image >> output_bit & 1) << input_bit;
                output_bit += 1;
            }
            input_bit += 1;
        }
        matrices[constant] = u64::from_le_bytes(rows);
        constant += 1;
    }
    matrices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_has_the_laws_of_a_field() {
        for a in 0..=255_u8 {
            assert_eq!(multiply(a, 1), a);
            assert_eq!(multiply(a, inverse(a)), u8::from(a != 0), "{a} times its inverse");
            for b in 0..=255_u8 {
                let product = multiply(a, b);
                assert_eq!(product, multiply(b, a));
                assert_eq!(product, PRODUCTS[usize::from(a)][usize::from(b)]);
                assert_eq!(multiply(a, b ^ 0x53), product ^ multiply(a, 0x53));
                assert_eq!(multiply(product, 0xca), multiply(a, multiply(b, 0xca)));
            }
        }
    }

    #[test]
    fn powers_of_two_follow_the_polynomial_0x11d() {
        let mut power = 1;
        let mut powers = Vec::new();
        for _ in 0..255 {
            powers.push(power);
            power = multiply(power, 2);
        }
        assert_eq!(power, 1, "2 has order 255");
        assert_eq!(powers[8], 0x1d);
        assert_eq!(powers[..8], [1, 2, 4, 8, 16, 32, 64, 128]);
    }

    #[test]
    fn affine_matrices_multiply() {
        for constant in 0..=255_u8 {
            let rows = AFFINE[usize::from(constant)].to_le_bytes();
            for byte in 0..=255_u8 {
                let image = (0..8).fold(0, |image, bit| image | ((rows[7 - bit] & byte).count_ones() as u8 & 1) << bit);
                assert_eq!(image, multiply(constant, byte));
            }
        }
    }
}
