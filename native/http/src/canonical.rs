//! The canonical request of SigV4, the text that both sides hash (AWS, "Create a signed AWS API request"), with S3's rules: the path
//! is encoded once and never normalised.
//!
//! ```text
//! METHOD \n path \n query, sorted \n header:value \n ... \n \n signed;headers \n payload hash
//! ```

use crate::encoding::{percent_decode, push_percent_encoded};
use crate::head::Head;

/// The canonical request. `path` and `query` as they were sent; for a presigned query its signature is left out.
pub(crate) fn canonical_request(head: &Head<'_>, path: &str, query: &str, signed_headers: &str, payload_hash: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(512 + path.len() + query.len());
    text.extend_from_slice(head.method.as_bytes());
    text.push(b'\n');
    push_recoded(&mut text, path, true);
    text.push(b'\n');
    push_query(&mut text, query);
    text.push(b'\n');
    for name in signed_headers.split(';') {
        push_header(&mut text, head, name);
    }
    text.push(b'\n');
    text.extend_from_slice(signed_headers.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(payload_hash.as_bytes());
    text
}

/// Decodes and encodes again, so that clients that escape more or less than AWS agree on one text.
fn push_recoded(target: &mut Vec<u8>, text: &str, keep_slash: bool) {
    if !text.contains('%') {
        return push_percent_encoded(target, text.as_bytes(), keep_slash);
    }
    // A broken escape was refused before; it signs as it stands, which no client can have meant.
    let decoded = percent_decode(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec());
    push_percent_encoded(target, &decoded, keep_slash);
}

fn push_query(target: &mut Vec<u8>, query: &str) {
    if query.is_empty() {
        return;
    }
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (mut encoded_name, mut encoded_value) = (Vec::with_capacity(name.len()), Vec::with_capacity(value.len()));
        push_recoded(&mut encoded_name, name, false);
        if encoded_name.eq_ignore_ascii_case(b"X-Amz-Signature") {
            continue;
        }
        push_recoded(&mut encoded_value, value, false);
        pairs.push((encoded_name, encoded_value));
    }
    pairs.sort();
    for (number, (name, value)) in pairs.iter().enumerate() {
        if number > 0 {
            target.push(b'&');
        }
        target.extend_from_slice(name);
        target.push(b'=');
        target.extend_from_slice(value);
    }
}

/// `name:value\n`, several values joined by commas, runs of blanks shortened to one. A missing header signs as an empty one.
fn push_header(target: &mut Vec<u8>, head: &Head<'_>, name: &str) {
    target.extend_from_slice(name.as_bytes());
    target.push(b':');
    let values = head.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value);
    for (number, value) in values.enumerate() {
        if number > 0 {
            target.push(b',');
        }
        let mut blank = false;
        for byte in value.bytes() {
            let is_blank = byte == b' ' || byte == b'\t';
            if !is_blank {
                target.push(byte);
            } else if !blank {
                target.push(b' ');
            }
            blank = is_blank;
        }
    }
    target.push(b'\n');
}
