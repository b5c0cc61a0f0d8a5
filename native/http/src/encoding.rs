//! Hex and base64, the two ways in which S3 writes digests into headers, and percent coding of signed text.

pub(crate) use openlake_checksum::base64::{decode as from_base64, encode as base64};

/// Lower-case hex of `bytes`, appended to `target`.
pub(crate) fn push_hex(target: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        target.push(DIGITS[usize::from(byte >> 4)]);
        target.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Lower-case hex of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len() * 2);
    push_hex(&mut text, bytes);
    String::from_utf8(text).unwrap_or_default()
}

/// The value of one hex digit of either case.
pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Exactly `N` bytes from `2 N` hex digits of either case.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(*pair.first()?)? << 4 | hex_digit(*pair.last()?)?;
    }
    Some(bytes)
}

/// Decodes `%XX` (RFC 3986 section 2.1); `+` stays `+`. `None` when a `%` is not followed by two hex digits.
pub(crate) fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'%' {
            decoded.push(hex_digit(*rest.next()?)? << 4 | hex_digit(*rest.next()?)?);
        } else {
            decoded.push(*byte);
        }
    }
    Some(decoded)
}

/// AWS's `UriEncode`: everything but `A-Z a-z 0-9 - . _ ~` becomes `%XX` in upper case; `/` is left alone when `keep_slash`.
pub(crate) fn push_percent_encoded(target: &mut Vec<u8>, bytes: &[u8], keep_slash: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => target.push(*byte),
            b'/' if keep_slash => target.push(b'/'),
            _ => target.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_matches_rfc_4648() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
            assert_eq!(from_base64(coded).as_deref(), Some(plain.as_bytes()));
        }
        for bad in ["Z", "Zg=", "Zg", "Zh==", "Z===", "Zm9v====", "Zm 9", "Zm9v\n"] {
            assert_eq!(from_base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn percent_decoding_keeps_plus_and_refuses_broken_escapes() {
        assert_eq!(percent_decode(b"a+b%20%2F%e2%82%AC").as_deref(), Some("a+b /€".as_bytes()));
        for bad in ["%", "%2", "%zz", "a%2"] {
            assert_eq!(percent_decode(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn codings_return_what_went_in(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(from_base64(&base64(&bytes)), Some(bytes.clone()));
            let mut encoded = Vec::new();
            push_percent_encoded(&mut encoded, &bytes, false);
            prop_assert_eq!(percent_decode(&encoded), Some(bytes.clone()));
            if let Ok(array) = <[u8; 16]>::try_from(bytes.as_slice()) {
                prop_assert_eq!(from_hex::<16>(&hex(&array)), Some(array));
            }
        }
    }
}
