//! Object metadata: header pairs that come back with the object. Opaque to drives.
//!
//! Encoding: a version byte 1, then per pair: name length u16, name, value length u16, value (little-endian).

use bytes::Bytes;

/// Lower-case header names and their values, in order: `content-type`, `x-amz-meta-...`, `x-amz-checksum-crc32`, ...
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    pub pairs: Vec<(String, String)>,
}

impl Metadata {
    /// The value of a name, if present.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
    /// Encodes; names and values over 65,535 bytes are cut off by the caller's limits, never here.
    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![1];
        for (name, value) in &self.pairs {
            for text in [name, value] {
                bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        bytes.into()
    }
    /// The inverse of [`Metadata::encode`]; anything unreadable decodes to what came before it.
    pub fn decode(bytes: &[u8]) -> Metadata {
        fn text<'bytes>(rest: &mut &'bytes [u8]) -> Option<&'bytes str> {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let length = u16::from_le_bytes(*length) as usize;
            let text = std::str::from_utf8(after.get(..length)?).ok()?;
            *rest = &after[length..];
            Some(text)
        }
        let mut pairs = Vec::new();
        let Some((1, mut rest)) = bytes.split_first() else {
            return Metadata { pairs };
        };
        while let (Some(name), Some(value)) = (text(&mut rest), text(&mut rest)) {
            pairs.push((name.to_owned(), value.to_owned()));
        }
        Metadata { pairs }
    }
}
