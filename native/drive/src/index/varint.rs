//! Numbers in as few bytes as they need: seven bits a byte, lowest first, the top bit set while more follow (LEB128).

/// Most bytes of one number.
const LONGEST_BYTES: usize = 10;

/// Appends `value`.
pub(crate) fn put_varint(bytes: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Takes a number off the front of `bytes`; `None` when it is cut off, too long, or longer than it had to be.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    // Most numbers have one byte.
    if let [only @ 0..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Some(u64::from(*only));
    }
    take_long_varint(bytes)
}

fn take_long_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(LONGEST_BYTES).enumerate() {
        let bits = u64::from(byte & 0x7f);
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            let overflows = at == LONGEST_BYTES - 1 && bits > 1;
            let padded = at > 0 && *byte == 0;
            *bytes = bytes.get(at + 1..)?;
            return (!overflows && !padded).then_some(value);
        }
    }
    None
}

/// Takes a number that counts or measures something in memory.
pub(crate) fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(take_varint(bytes)?).ok()
}

/// Takes the next `count` bytes.
pub(crate) fn take_bytes<'bytes>(bytes: &mut &'bytes [u8], count: usize) -> Option<&'bytes [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}
