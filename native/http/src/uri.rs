//! The target of a request: which bucket and key it names, and its query.
//!
//! Keys are opaque: `../x`, `a//b` and `a/` beside `a` are different keys, and nothing is ever normalised. Percent escapes are decoded
//! once, as RFC 3986 says; `+` stays `+`.

use crate::encoding::percent_decode;
use crate::errors::{Failure, code};
use bytes::Bytes;

/// Longest key in bytes, as S3 has it.
const KEY_BYTES: usize = 1024;
/// The cluster's own bucket; clients never reach it.
const RESERVED_BUCKET_NAME: &str = ".openlake";

/// What a path names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    /// `None`: the service itself.
    pub bucket: Option<String>,
    /// UTF-8, 1 to 1,024 bytes. `None`: the bucket itself.
    pub key: Option<Bytes>,
}

/// Splits a target into path and query, both still encoded.
pub(crate) fn split_target(target: &str) -> Result<(&str, &str), Failure> {
    if !target.starts_with('/') {
        return Err(Failure::new(
            code::InvalidURI,
            "The request target must be a path that starts with '/'.",
        ));
    }
    if target.contains('#') {
        return Err(Failure::new(code::InvalidURI, "The request target holds a fragment."));
    }
    Ok(target.split_once('?').unwrap_or((target, "")))
}

impl Address {
    /// Reads path style, or virtual-hosted style where `host` is a bucket's name in front of one of `suffixes` (`.s3.example.org`).
    pub(crate) fn parse(host: Option<&str>, path: &str, suffixes: &[String]) -> Result<Address, Failure> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = match host.and_then(|host| bucket_of_host(host, suffixes)) {
            Some(bucket) => (bucket.to_owned(), path),
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                (decode(bucket)?, key)
            }
        };
        if bucket == RESERVED_BUCKET_NAME {
            return Err(Failure::new(
                code::AccessDenied,
                "The bucket name .openlake is reserved for the cluster itself.",
            ));
        }
        let key = Bytes::from(decode(key)?);
        if key.len() > KEY_BYTES {
            return Err(Failure::new(
                code::KeyTooLongError,
                format!("The key has {} bytes; at most {KEY_BYTES} are allowed.", key.len()),
            ));
        }
        if bucket.is_empty() {
            return match key.is_empty() {
                true => Ok(Address::default()),
                false => Err(Failure::new(code::InvalidURI, "The path names a key without a bucket.")),
            };
        }
        Ok(Address {
            bucket: Some(bucket),
            key: Some(key).filter(|key| !key.is_empty()),
        })
    }
}

/// The bucket in front of a known suffix; the port does not count.
fn bucket_of_host<'host>(host: &'host str, suffixes: &[String]) -> Option<&'host str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    suffixes
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix.as_str()))
        .filter(|bucket| !bucket.is_empty())
}

/// Percent-decodes to UTF-8.
pub(crate) fn decode(text: &str) -> Result<String, Failure> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let bytes =
        percent_decode(text.as_bytes()).ok_or_else(|| Failure::new(code::InvalidURI, "A '%' is not followed by two hex digits."))?;
    String::from_utf8(bytes).map_err(|_| Failure::new(code::InvalidURI, "The URI does not decode to UTF-8."))
}

/// A decoded query, in order of appearance; a parameter without `=` has an empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub pairs: Vec<(String, String)>,
}

impl Query {
    /// Decodes the text after `?`.
    pub(crate) fn parse(text: &str) -> Result<Query, Failure> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Query { pairs })
    }
    /// The first value of a name (exact case).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
    /// The first value of a name in any case, as presigned parameters are read.
    pub(crate) fn get_any_case(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(path: &str) -> Result<(Option<String>, Option<String>), &'static str> {
        let parsed = Address::parse(Some("127.0.0.1:9000"), path, &[]).map_err(|failure| failure.code)?;
        Ok((parsed.bucket, parsed.key.map(|key| String::from_utf8(key.to_vec()).unwrap())))
    }

    #[test]
    fn keys_are_never_normalised() {
        for (path, bucket, key) in [
            ("/", None, None),
            ("/b", Some("b"), None),
            ("/b/", Some("b"), None),
            ("/b/k", Some("b"), Some("k")),
            ("/b//", Some("b"), Some("/")),
            ("/b/a//b", Some("b"), Some("a//b")),
            ("/b/a/", Some("b"), Some("a/")),
            ("/b/../x", Some("b"), Some("../x")),
            ("/b/%2E%2E/x", Some("b"), Some("../x")),
            ("/b/a+b%20c%2Bd", Some("b"), Some("a+b c+d")),
            ("/b/%25zz", Some("b"), Some("%zz")),
            ("/b/%E2%82%AC", Some("b"), Some("€")),
            ("/-/dead", Some("-"), Some("dead")),
        ] {
            assert_eq!(address(path), Ok((bucket.map(str::to_owned), key.map(str::to_owned))), "{path}");
        }
    }

    #[test]
    fn impossible_addresses_are_refused() {
        for (path, code) in [
            ("/b/%", "InvalidURI"),
            ("/b/%f", "InvalidURI"),
            ("/b/%ff", "InvalidURI"),
            ("/%c3/k", "InvalidURI"),
            ("//k", "InvalidURI"),
            ("/.openlake", "AccessDenied"),
            ("/.openlake/cluster", "AccessDenied"),
            ("/%2eopenlake/cluster", "AccessDenied"),
        ] {
            assert_eq!(address(path), Err(code), "{path}");
        }
        assert!(address(&format!("/b/{}", "k".repeat(1024))).is_ok());
        assert_eq!(address(&format!("/b/{}", "k".repeat(1025))), Err("KeyTooLongError"));
        assert_eq!(
            address(&format!("/b/{}", "%6b".repeat(1024))).map(|(_, key)| key.map(|key| key.len())),
            Ok(Some(1024))
        );
        for target in ["", "*", "http://h/b", "/b#f"] {
            assert!(split_target(target).is_err(), "{target}");
        }
    }

    #[test]
    fn a_bucket_may_stand_in_the_host() {
        let suffixes = [".s3.example.org".to_owned()];
        let parsed = Address::parse(Some("models.s3.example.org:9000"), "/a/b", &suffixes).unwrap();
        assert_eq!(
            (parsed.bucket.as_deref(), parsed.key.as_deref()),
            (Some("models"), Some(&b"a/b"[..]))
        );
        let parsed = Address::parse(Some("s3.example.org"), "/a/b", &suffixes).unwrap();
        assert_eq!((parsed.bucket.as_deref(), parsed.key.as_deref()), (Some("a"), Some(&b"b"[..])));
    }

    #[test]
    fn queries_are_read_in_order() {
        let query = Query::parse("acl&a=1&&b=x%20y+z&a=2=3").unwrap();
        let expected = [("acl", ""), ("a", "1"), ("b", "x y+z"), ("a", "2=3")];
        assert_eq!(query.pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(Query::parse("a=%").is_err());
    }

    proptest! {
        #[test]
        fn any_key_survives_percent_coding(key in "\\PC{1,60}") {
            let mut path = b"/b/".to_vec();
            crate::encoding::push_percent_encoded(&mut path, key.as_bytes(), true);
            prop_assert_eq!(address(std::str::from_utf8(&path).unwrap()), Ok((Some("b".to_owned()), Some(key))));
        }
    }
}
