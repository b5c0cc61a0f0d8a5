//! MD5's compression function on up to sixteen messages at once, one 32-bit lane of AVX-512 registers each.
//!
//! Within one message every step waits for the step before it, so a processor that computes a single MD5 idles most of the time; sixteen
//! take hardly longer than one. Steps and constants: RFC 1321 section 3.4.

/// Messages at once.
pub(crate) const LANES: usize = 16;
/// Bytes of a block.
pub(crate) const BLOCK_BYTES: usize = 64;

/// Whether this processor has the kernel.
pub(crate) fn is_supported() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Compresses the next blocks of several messages into their states, as many as the shortest has; false (and nothing done) without the
/// kernel. `messages` are at most [`LANES`], each with its state.
pub(crate) fn compress(lanes: &mut [(&mut [u32; 4], &[[u8; BLOCK_BYTES]])]) -> bool {
    if !is_supported() || lanes.is_empty() || lanes.len() > LANES {
        return false;
    }
    #[cfg(target_arch = "x86_64")]
    {
        let count = lanes.iter().map(|(_, blocks)| blocks.len()).min().unwrap_or(0);
        let mut states = [[0; LANES]; 4];
        let mut messages = [&[][..]; LANES];
        for (lane, (state, blocks)) in lanes.iter().enumerate() {
            for (words, word) in states.iter_mut().zip(**state) {
                words[lane] = word;
            }
            messages[lane] = &blocks[..count];
        }
        // Lanes without a message compute on the first one's, for nobody.
        for lane in lanes.len()..LANES {
            messages[lane] = messages[0];
        }
        // SAFETY: avx512f was seen above.
        unsafe { avx512::compress(&mut states, &messages, count) };
        for (lane, (state, _)) in lanes.iter_mut().enumerate() {
            for (word, words) in state.iter_mut().zip(states) {
                *word = words[lane];
            }
        }
    }
    true
}

/// The integer part of 2^32 |sin(i)|, i from 1 on.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub(super) const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];
/// Truth tables of the four rounds' functions of (b, c, d).
#[cfg(target_arch = "x86_64")]
pub(super) const FUNCTIONS: [i32; 4] = [0xca, 0xe4, 0x96, 0x39];
/// How far the steps of each round rotate, in turns.
#[cfg(target_arch = "x86_64")]
pub(super) const ROTATIONS: [[i32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// Which word of the block a step takes.
#[cfg(target_arch = "x86_64")]
pub(super) const fn word_of(step: usize) -> usize {
    const START_AND_STRIDE: [(usize, usize); 4] = [(0, 1), (1, 5), (5, 3), (0, 7)];
    let (start, stride) = START_AND_STRIDE[step / 16];
    (start + step % 16 * stride) % 16
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{BLOCK_BYTES, FUNCTIONS, LANES, ROTATIONS, SINES, word_of};
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_rol_epi32, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_shuffle_i32x4,
        _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
        _mm512_unpacklo_epi64,
    };

    /// One step: a = b + rotl(a + f(b, c, d) + word + sine).
    #[target_feature(enable = "avx512f")]
    fn step<const FUNCTION: i32, const ROTATE: i32>(state: &mut [__m512i; 4], word: __m512i, sine: u32) {
        let [a, b, c, d] = *state;
        let addend = _mm512_add_epi32(a, _mm512_add_epi32(word, _mm512_set1_epi32(sine.cast_signed())));
        let sum = _mm512_add_epi32(addend, _mm512_ternarylogic_epi32::<FUNCTION>(b, c, d));
        // The roles move on by one word.
        *state = [d, _mm512_add_epi32(b, _mm512_rol_epi32::<ROTATE>(sum)), b, c];
    }

    /// Steps by number, four at a time.
    macro_rules! steps {
        ($state:ident, $words:ident, $($quad:literal)*) => {$({
            const FIRST: usize = 4 * $quad;
            const FUNCTION: i32 = FUNCTIONS[FIRST / 16];
            const ROTATE: [i32; 4] = ROTATIONS[FIRST / 16];
            step::<FUNCTION, { ROTATE[0] }>(&mut $state, $words[word_of(FIRST)], SINES[FIRST]);
            step::<FUNCTION, { ROTATE[1] }>(&mut $state, $words[word_of(FIRST + 1)], SINES[FIRST + 1]);
            step::<FUNCTION, { ROTATE[2] }>(&mut $state, $words[word_of(FIRST + 2)], SINES[FIRST + 2]);
            step::<FUNCTION, { ROTATE[3] }>(&mut $state, $words[word_of(FIRST + 3)], SINES[FIRST + 3]);
        })*};
    }

    /// Compresses `count` blocks of every message; each has that many. `states`: word by word, of all lanes.
    #[target_feature(enable = "avx512f")]
    pub(super) fn compress(states: &mut [[u32; LANES]; 4], messages: &[&[[u8; BLOCK_BYTES]]; LANES], count: usize) {
        let mut state = [_mm512_setzero_si512(); 4];
        for (register, words) in state.iter_mut().zip(&*states) {
            // SAFETY: sixteen words are the 64 bytes that are read; the load needs no alignment.
            *register = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
        }
        for index in 0..count {
            let words = transposed(messages, index);
            let before = state;
            steps!(state, words, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            for (register, before) in state.iter_mut().zip(before) {
                *register = _mm512_add_epi32(*register, before);
            }
        }
        for (register, words) in state.iter().zip(states) {
            // SAFETY: sixteen words are the 64 bytes that are written; the store needs no alignment.
            unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), *register) };
        }
    }

    /// Word w of block `index` of all messages in register w: a 16 x 16 transposition, in four rounds that double what stands together.
    #[target_feature(enable = "avx512f")]
    fn transposed(messages: &[&[[u8; BLOCK_BYTES]]; LANES], index: usize) -> [__m512i; 16] {
        let mut rows = [_mm512_setzero_si512(); LANES];
        for (row, message) in rows.iter_mut().zip(messages) {
            // SAFETY: the reference makes 64 bytes readable, and the load needs no alignment.
            *row = unsafe { _mm512_loadu_si512(message[index].as_ptr().cast()) };
        }
        let mut pairs = rows;
        for at in 0..8 {
            pairs[2 * at] = _mm512_unpacklo_epi32(rows[2 * at], rows[2 * at + 1]);
            pairs[2 * at + 1] = _mm512_unpackhi_epi32(rows[2 * at], rows[2 * at + 1]);
        }
        // quads[4 g + j]: in 128-bit part p, word 4 p + j of messages 4 g to 4 g + 3.
        let mut quads = rows;
        for group in 0..4 {
            let at = 4 * group;
            quads[at] = _mm512_unpacklo_epi64(pairs[at], pairs[at + 2]);
            quads[at + 1] = _mm512_unpackhi_epi64(pairs[at], pairs[at + 2]);
            quads[at + 2] = _mm512_unpacklo_epi64(pairs[at + 1], pairs[at + 3]);
            quads[at + 3] = _mm512_unpackhi_epi64(pairs[at + 1], pairs[at + 3]);
        }
        let mut words = rows;
        for j in 0..4 {
            let even = [
                _mm512_shuffle_i32x4::<0x88>(quads[j], quads[4 + j]),
                _mm512_shuffle_i32x4::<0x88>(quads[8 + j], quads[12 + j]),
            ];
            let odd = [
                _mm512_shuffle_i32x4::<0xdd>(quads[j], quads[4 + j]),
                _mm512_shuffle_i32x4::<0xdd>(quads[8 + j], quads[12 + j]),
            ];
            words[j] = _mm512_shuffle_i32x4::<0x88>(even[0], even[1]);
            words[4 + j] = _mm512_shuffle_i32x4::<0x88>(odd[0], odd[1]);
            words[8 + j] = _mm512_shuffle_i32x4::<0xdd>(even[0], even[1]);
            words[12 + j] = _mm512_shuffle_i32x4::<0xdd>(odd[0], odd[1]);
        }
        words
    }
}
