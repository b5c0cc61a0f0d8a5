//! What a client promises about its body, and whether the body kept it: payload hash, Content-MD5, one S3 checksum.
//!
//! Nothing is published before every promise was compared; the MD5 is computed as the ETag anyway.

use crate::encoding::{base64, from_base64, from_hex};
use crate::errors::{Failure, code};
use crate::fields::Fields;
use bytes::Bytes;
use openlake_checksum::md5::Md5;
use openlake_checksum::sha256::Sha256;
use openlake_checksum::{Algorithm, DigestLanes, Hasher, LaneDigest};
use openlake_object::BodyError;

/// What `x-amz-content-sha256` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadHash {
    /// The SHA-256 of the whole body.
    Whole([u8; 32]),
    Unsigned,
    /// The body is aws-chunked.
    Streaming {
        signed: bool,
        trailer: bool,
    },
}

impl PayloadHash {
    /// Reads the header's value.
    pub(crate) fn parse(text: &str) -> Result<PayloadHash, Failure> {
        match text {
            "UNSIGNED-PAYLOAD" => Ok(PayloadHash::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(PayloadHash::Streaming {
                signed: true,
                trailer: false,
            }),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(PayloadHash::Streaming {
                signed: true,
                trailer: true,
            }),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(PayloadHash::Streaming {
                signed: false,
                trailer: true,
            }),
            _ if text.starts_with("STREAMING-") => Err(Failure::new(
                code::NotImplemented,
                format!("The payload form {text} is not implemented."),
            )),
            _ => from_hex(text).map(PayloadHash::Whole).ok_or_else(|| {
                let message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- form, or 64 hex digits.";
                Failure::new(code::InvalidArgument, message)
            }),
        }
    }
}

/// Where a checksum's value is found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Header(Vec<u8>),
    Trailer,
}

/// All promises of a request.
#[derive(Clone, Debug)]
pub(crate) struct Promises {
    pub payload_hash: PayloadHash,
    md5: Option<[u8; 16]>,
    checksum: Option<(Algorithm, Place)>,
}

impl Promises {
    /// Reads Content-MD5, `x-amz-checksum-*`, `x-amz-trailer` and `x-amz-sdk-checksum-algorithm`.
    pub(crate) fn read(fields: &Fields<'_>, payload_hash: PayloadHash) -> Result<Promises, Failure> {
        let invalid = |message: String| Failure::new(code::InvalidRequest, message);
        let md5 = content_md5(fields)?;
        let mut checksum = None;
        for (name, value) in fields.iter().filter(|(name, _)| name.starts_with("x-amz-checksum-")) {
            let Some(algorithm) = Algorithm::from_header(name) else { continue };
            let bytes = from_base64(value).filter(|bytes| bytes.len() == algorithm.length_bytes());
            let bytes = bytes.ok_or_else(|| invalid(format!("Value for {name} header is invalid.")))?;
            if checksum.replace((algorithm, Place::Header(bytes))).is_some() {
                return Err(invalid(
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.".to_owned(),
                ));
            }
        }
        let trailing = matches!(payload_hash, PayloadHash::Streaming { trailer: true, .. });
        // A body without a trailer cannot keep what is said of one; SDKs that say it all the same send the value in a header too.
        let is_in_header = |name: &str| {
            checksum
                .as_ref()
                .is_some_and(|(algorithm, _)| Algorithm::from_header(name) == Some(*algorithm))
        };
        if let Some(name) = fields.get("x-amz-trailer").filter(|name| trailing || !is_in_header(name)) {
            let algorithm = Algorithm::from_header(name).filter(|algorithm| trailing && algorithm.header_name().eq_ignore_ascii_case(name));
            let algorithm = algorithm.ok_or_else(|| {
                invalid(format!(
                    "The value {name:?} of x-amz-trailer is not supported with this payload form."
                ))
            })?;
            if checksum.replace((algorithm, Place::Trailer)).is_some() {
                return Err(invalid("A checksum may stand in a header or in a trailer, not in both.".to_owned()));
            }
        }
        if let Some(named) = fields.get("x-amz-sdk-checksum-algorithm")
            && checksum.as_ref().map(|(algorithm, _)| *algorithm) != Algorithm::from_header(named)
        {
            return Err(invalid(
                "The x-amz-checksum- or x-amz-trailer header does not fit x-amz-sdk-checksum-algorithm.".to_owned(),
            ));
        }
        Ok(Promises {
            payload_hash,
            md5,
            checksum,
        })
    }
    /// Those of a message whose checksum headers do not speak of its own body.
    pub(crate) fn of_message(fields: &Fields<'_>, payload_hash: PayloadHash) -> Result<Promises, Failure> {
        Ok(Promises {
            payload_hash,
            md5: content_md5(fields)?,
            checksum: None,
        })
    }
    /// Whether the body must end with this trailer.
    pub(crate) fn trailer_name(&self) -> Option<&'static str> {
        self.checksum
            .as_ref()
            .filter(|(_, place)| *place == Place::Trailer)
            .map(|(algorithm, _)| algorithm.header_name())
    }
}

fn content_md5(fields: &Fields<'_>) -> Result<Option<[u8; 16]>, Failure> {
    let Some(text) = fields.get("content-md5") else { return Ok(None) };
    let digest = from_base64(text).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    digest.map(Some).ok_or(Failure::plain(code::InvalidDigest))
}

/// What was computed of a body that kept its promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digests {
    pub md5: [u8; 16],
    /// Header name and base64 value.
    pub checksum: Option<(&'static str, String)>,
}

/// The digests of bodies of this length and more are computed beside those of others.
const LANES_FROM_BYTES: u64 = 64 * 1024;

/// MD5 and SHA-256 of a body, as far as they are wanted.
enum BodyDigests {
    Alone { md5: Option<Md5>, sha256: Option<Sha256> },
    InLanes(LaneDigest),
}

impl BodyDigests {
    fn update(&mut self, bytes: &Bytes) {
        match self {
            BodyDigests::InLanes(digest) => digest.push(bytes.clone()),
            BodyDigests::Alone { md5, sha256 } => {
                if let Some(md5) = md5 {
                    md5.update(bytes);
                }
                if let Some(sha256) = sha256 {
                    sha256.update(bytes);
                }
            }
        }
    }
    fn finish(self) -> (Option<[u8; 16]>, Option<[u8; 32]>) {
        match self {
            BodyDigests::InLanes(digest) => {
                let digests = digest.finish();
                (Some(digests.md5), digests.sha256)
            }
            BodyDigests::Alone { md5, sha256 } => (md5.map(Md5::finish), sha256.map(Sha256::finish)),
        }
    }
}

/// The digests under way.
pub(crate) struct Integrity {
    promises: Promises,
    digests: Option<BodyDigests>,
    hasher: Option<Hasher>,
}

impl Integrity {
    /// `etag`: the MD5 is wanted even where none was promised, and where the digests of large bodies are computed. `length` of the body, if known.
    pub(crate) fn new(promises: Promises, etag: Option<&DigestLanes>, length: Option<u64>) -> Integrity {
        let with_sha256 = matches!(promises.payload_hash, PayloadHash::Whole(_));
        let digests = match etag {
            Some(lanes) if length.is_some_and(|length| length >= LANES_FROM_BYTES) => BodyDigests::InLanes(lanes.stream(with_sha256)),
            _ => BodyDigests::Alone {
                md5: (etag.is_some() || promises.md5.is_some()).then(Md5::new),
                sha256: with_sha256.then(Sha256::new),
            },
        };
        let hasher = promises.checksum.as_ref().map(|(algorithm, _)| Hasher::new(*algorithm));
        Integrity {
            promises,
            digests: Some(digests),
            hasher,
        }
    }
    /// The promises.
    pub(crate) fn promises(&self) -> &Promises {
        &self.promises
    }
    /// Appends decoded bytes.
    pub(crate) fn update(&mut self, bytes: &Bytes) {
        if let Some(digests) = &mut self.digests {
            digests.update(bytes);
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
    }
    /// Compares everything with what was promised; `trailer` is the value of the promised trailer. Call once.
    pub(crate) fn finish(&mut self, trailer: Option<&str>) -> Result<Digests, BodyError> {
        let refuse = |code: &'static str, message: String| Err(BodyError { code, message });
        let (md5, sha256) = self.digests.take().map(BodyDigests::finish).unwrap_or_default();
        if let PayloadHash::Whole(expected) = &self.promises.payload_hash
            && sha256.as_ref() != Some(expected)
        {
            return refuse(code::XAmzContentSHA256Mismatch, String::new());
        }
        let md5 = md5.unwrap_or_default();
        if self.promises.md5.is_some_and(|expected| expected != md5) {
            return refuse(
                code::BadDigest,
                "The Content-MD5 you specified did not match what we received.".to_owned(),
            );
        }
        let (Some((algorithm, place)), Some(hasher)) = (&self.promises.checksum, self.hasher.take()) else {
            return Ok(Digests { md5, checksum: None });
        };
        let expected = match (place, trailer) {
            (Place::Header(bytes), _) => bytes.clone(),
            (Place::Trailer, Some(text)) => match from_base64(text).filter(|bytes| bytes.len() == algorithm.length_bytes()) {
                Some(bytes) => bytes,
                None => {
                    return refuse(
                        code::InvalidRequest,
                        format!("Value for {} trailing header is invalid.", algorithm.header_name()),
                    );
                }
            },
            (Place::Trailer, None) => {
                return refuse(
                    code::MalformedTrailerError,
                    format!("The trailer {} is missing.", algorithm.header_name()),
                );
            }
        };
        let value = hasher.finish();
        if value != expected {
            let message = format!("The {} you specified did not match the calculated checksum.", algorithm.name());
            return refuse(code::BadDigest, message);
        }
        Ok(Digests {
            md5,
            checksum: Some((algorithm.header_name(), base64(&value))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(headers: &[(&str, &str)], body: &[u8]) -> Result<Digests, &'static str> {
        let promises = Promises::read(&Fields::new(headers), PayloadHash::Unsigned).map_err(|failure| failure.code)?;
        let mut integrity = Integrity::new(promises, Some(&DigestLanes::new()), None);
        integrity.update(&Bytes::copy_from_slice(body));
        integrity.finish(None).map_err(|error| error.code)
    }

    #[test]
    fn checksums_are_compared() {
        let known = [
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("x-amz-checksum-crc32c", "4waSgw=="),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ];
        for (name, value) in known {
            let digests = run(&[(name, value)], b"123456789").unwrap_or_else(|code| panic!("{name}: {code}"));
            assert_eq!(digests.checksum, Some((name, value.to_owned())));
            assert_eq!(run(&[(name, value)], b"123456780"), Err("BadDigest"), "{name}");
            assert_eq!(run(&[(name, "AAA=")], b"123456789"), Err("InvalidRequest"), "{name}");
        }
        assert_eq!(run(&known[..2], b"123456789"), Err("InvalidRequest"));
    }

    #[test]
    fn a_trailer_announced_for_a_body_without_one_gives_way_to_the_header() {
        let header = ("x-amz-checksum-crc32", "y/Q5Jg==");
        let announced = ("x-amz-trailer", "x-amz-checksum-crc32");
        assert!(run(&[header, announced], b"123456789").is_ok());
        assert_eq!(run(&[header, announced], b"123456780"), Err("BadDigest"));
        assert_eq!(run(&[announced], b"123456789"), Err("InvalidRequest"));
        assert_eq!(
            run(&[header, ("x-amz-trailer", "x-amz-checksum-sha1")], b"123456789"),
            Err("InvalidRequest")
        );
    }

    #[test]
    fn content_md5_is_compared() {
        assert!(run(&[("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")], b"123456789").is_ok());
        assert_eq!(run(&[("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")], b""), Err("BadDigest"));
        assert_eq!(run(&[("content-md5", "xx")], b""), Err("InvalidDigest"));
    }

    #[test]
    fn a_named_algorithm_needs_its_value() {
        assert_eq!(run(&[("x-amz-sdk-checksum-algorithm", "CRC32")], b""), Err("InvalidRequest"));
        assert_eq!(
            run(
                &[("x-amz-sdk-checksum-algorithm", "SHA1"), ("x-amz-checksum-crc32", "AAAAAA==")],
                b""
            ),
            Err("InvalidRequest")
        );
        assert!(
            run(
                &[("x-amz-sdk-checksum-algorithm", "crc32"), ("x-amz-checksum-crc32", "AAAAAA==")],
                b""
            )
            .is_ok()
        );
    }

    #[test]
    fn payload_forms_are_told_apart() {
        assert_eq!(PayloadHash::parse(&"0".repeat(64)), Ok(PayloadHash::Whole([0; 32])));
        assert_eq!(
            PayloadHash::parse("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            Ok(PayloadHash::Streaming {
                signed: false,
                trailer: true
            })
        );
        for (bad, code) in [
            ("", "InvalidArgument"),
            ("abc", "InvalidArgument"),
            ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "NotImplemented"),
        ] {
            assert_eq!(PayloadHash::parse(bad).map_err(|failure| failure.code), Err(code));
        }
    }
}
