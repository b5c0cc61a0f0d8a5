//! Headers that are stored with an object and come back with it; and headers that ask for what is not built, which are refused instead
//! of dropped.

use crate::errors::{Failure, code};
use crate::fields::Fields;
use openlake_object::Metadata;

/// S3's limit for names and values of user metadata together, in bytes (names without `x-amz-meta-`).
const USER_METADATA_BYTES: usize = 2048;
/// The prefix of user metadata.
const USER_PREFIX: &str = "x-amz-meta-";
/// The prefix of checksums.
pub(crate) const CHECKSUM_PREFIX: &str = "x-amz-checksum-";
/// Standard headers that come back as they came in; `content-encoding` too, but for `aws-chunked`.
const STANDARD: [&str; 5] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-language",
    "expires",
];
/// `x-amz-` headers that a hot operation understands, or may ignore without breaking a promise.
const UNDERSTOOD: [&str; 10] = [
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
    "x-amz-trailer-signature",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-user-agent",
    "x-amz-request-payer",
    "x-amz-te",
    "x-amz-api-version",
];

/// The metadata of a PUT. Errors: MetadataTooLarge; InvalidArgument for values that no reply could carry.
pub(crate) fn read(fields: &Fields<'_>) -> Result<Metadata, Failure> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut user_bytes = 0;
    for (name, value) in fields.iter() {
        let value = if name == "content-encoding" {
            without_aws_chunked(value)
        } else {
            value.to_owned()
        };
        let user_name = name.strip_prefix(USER_PREFIX);
        let standard = STANDARD.contains(&name) || name == "content-encoding" && !value.is_empty();
        if user_name.is_none() && !standard {
            continue;
        }
        if value.contains(|character: char| character.is_control() && character != '\t') {
            return Err(Failure::new(
                code::InvalidArgument,
                format!("The value of {name} holds a control character."),
            ));
        }
        user_bytes += user_name.map_or(0, |name| name.len() + value.len());
        match pairs.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => {
                known.push(',');
                known.push_str(&value);
            }
            None => pairs.push((name.to_owned(), value)),
        }
    }
    if user_bytes > USER_METADATA_BYTES {
        let message = format!("Your metadata headers have {user_bytes} bytes; at most {USER_METADATA_BYTES} are allowed.");
        return Err(Failure::new(code::MetadataTooLarge, message));
    }
    Ok(Metadata { pairs })
}

/// `aws-chunked` describes the transfer, not the object.
fn without_aws_chunked(value: &str) -> String {
    let kept: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    kept.join(", ")
}

/// Which pairs of stored metadata are sent as headers of GET and HEAD; checksums only where asked for.
pub(crate) fn returned(metadata: &Metadata, with_checksums: bool) -> impl Iterator<Item = (&str, &str)> {
    metadata
        .pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(move |(name, _)| {
            STANDARD.contains(name)
                || *name == "content-encoding"
                || name.starts_with(USER_PREFIX)
                || with_checksums && name.starts_with(CHECKSUM_PREFIX)
        })
}

/// Refuses `x-amz-` headers that a hot operation does not understand, and values that ask for what is not there.
pub(crate) fn refuse_unknown(fields: &Fields<'_>) -> Result<(), Failure> {
    for (name, value) in fields.iter() {
        let refused = match name {
            // Every object belongs to the cluster's one owner: these two grant nothing beyond that.
            "x-amz-acl" => value != "private" && value != "bucket-owner-full-control",
            "x-amz-storage-class" => value != "STANDARD",
            _ if !name.starts_with("x-amz-") => false,
            _ => !(UNDERSTOOD.contains(&name) || name.starts_with(USER_PREFIX) || name.starts_with(CHECKSUM_PREFIX)),
        };
        if refused {
            return Err(Failure::new(
                code::NotImplemented,
                format!("The header {name} with the value {value:?} is not implemented here."),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_headers_come_back_and_transfer_headers_do_not() {
        let sent = [
            ("host", "h"),
            ("content-type", "text/plain"),
            ("content-encoding", "aws-chunked,gzip"),
            ("content-length", "5"),
            ("x-amz-meta-a", "1"),
            ("x-amz-meta-a", "2"),
            ("x-amz-date", "x"),
            ("expires", "0"),
        ];
        let metadata = read(&Fields::new(&sent)).unwrap();
        let expected = [
            ("content-type", "text/plain"),
            ("content-encoding", "gzip"),
            ("x-amz-meta-a", "1,2"),
            ("expires", "0"),
        ];
        assert_eq!(returned(&metadata, false).collect::<Vec<_>>(), expected);
        assert!(read(&Fields::new(&[("content-encoding", "aws-chunked")])).unwrap().pairs.is_empty());
    }

    #[test]
    fn user_metadata_is_limited_to_2_kib() {
        let value = "v".repeat(2046);
        assert!(read(&Fields::new(&[("x-amz-meta-ab", &value)])).is_ok());
        assert_eq!(
            read(&Fields::new(&[("x-amz-meta-abc", &value)])).unwrap_err().code,
            "MetadataTooLarge"
        );
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        for (name, value) in [
            ("x-amz-tagging", "a=b"),
            ("x-amz-acl", "public-read"),
            ("x-amz-grant-read", "id=1"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-website-redirect-location", "/"),
            ("x-amz-write-offset-bytes", "0"),
            ("x-amz-invented-tomorrow", "1"),
        ] {
            let failure = refuse_unknown(&Fields::new(&[(name, value)])).unwrap_err();
            assert!(failure.code == "NotImplemented" && failure.message.contains(name), "{name}");
        }
        for (name, value) in [
            ("x-amz-acl", "private"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("amz-sdk-request", "1"),
        ] {
            assert!(refuse_unknown(&Fields::new(&[(name, value)])).is_ok(), "{name}");
        }
    }
}
