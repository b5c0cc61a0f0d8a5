//! SigV4 against AWS's published examples, against botocore, and against everything a forger might leave out.

use crate::encoding::hex;
use crate::errors::Failure;
use crate::head::{Head, Scan};
use crate::keys::Keys;
use crate::sigv4::{Verified, verify};
use crate::uri::{Query, split_target};
use crate::{Identity, Limits, Tables, date};
use openlake_checksum::sha256;
use proptest::prelude::*;

macro_rules! vectors {
    ($($name:literal),* $(,)?) => {
        const VECTORS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../test/fixtures/sigv4/", $name, ".txt")))),*];
    };
}

vectors![
    "aws-get-object",
    "aws-put-object",
    "aws-get-bucket-lifecycle",
    "aws-list-objects",
    "aws-presigned-get",
    "aws-put-chunked",
    "aws-put-chunked-trailer",
    "generated-get-plain",
    "generated-get-unicode-key",
    "generated-get-dots-and-slashes",
    "generated-get-reserved-characters",
    "generated-list-query",
    "generated-query-without-values",
    "generated-put-metadata",
    "generated-put-unsigned-payload",
    "generated-presigned-get",
    "generated-presigned-get-overrides",
    "generated-presigned-put",
];

/// A vector's parts: secret, region, seconds since 1970, head with CRLF.
struct Vector {
    secret: String,
    region: String,
    now: u64,
    head: String,
}

impl Vector {
    fn named(name: &str) -> Vector {
        let text = VECTORS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text).unwrap();
        let (settings, head) = text.split_once("---\n").unwrap();
        let setting = |name: &str| settings.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        Vector {
            secret: setting("secret: "),
            region: setting("region: "),
            now: date::parse_basic(&setting("now: ")).unwrap(),
            head: head.replace('\n', "\r\n") + "\r\n",
        }
    }
    fn check(&self) -> Result<Verified, Failure> {
        let identity = |access_key: &str| Identity {
            access_key: access_key.to_owned(),
            secret_key: self.secret.clone(),
        };
        let keys = Keys::new(&Tables {
            region: self.region.clone(),
            identities: vec![identity("AKIAIOSFODNN7EXAMPLE"), identity("openlake-test")],
            limits: Limits::default(),
            errors: Vec::new(),
            error_template: String::new(),
        });
        let mut bytes = self.head.clone().into_bytes();
        let end = Scan::default().find_end(&bytes)?.unwrap_or_default();
        let head = Head::parse(&mut bytes[..end])?;
        let (path, query_text) = split_target(head.target)?;
        verify(&head, path, query_text, &Query::parse(query_text)?, &keys, self.now)
    }
    fn code(&self) -> &'static str {
        self.check().map_or_else(|failure| failure.code, |_| "accepted")
    }
    /// The same with a piece of its head replaced; the piece must be there.
    fn with(name: &str, from: &str, to: &str) -> Vector {
        let mut vector = Vector::named(name);
        assert!(vector.head.contains(from), "{name} lacks {from}");
        vector.head = vector.head.replacen(from, to, 1);
        vector
    }
}

#[test]
fn published_and_reference_signatures_are_accepted() {
    for (name, _) in VECTORS {
        assert_eq!(Vector::named(name).code(), "accepted", "{name}");
    }
}

#[test]
fn a_chunk_chain_of_awss_example_is_reproduced() {
    let mut signer = Vector::named("aws-put-chunked")
        .check()
        .unwrap_or_else(|failure| panic!("{failure:?}"))
        .chunk_signer
        .unwrap();
    for (length, signature) in [
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ] {
        assert!(signer.accepts_chunk(&sha256::digest(&vec![b'a'; length]), signature), "{length}");
    }
    assert!(!signer.accepts_chunk(&sha256::digest(b""), &hex(&[0; 32])));
}

#[test]
fn a_trailer_chain_of_awss_example_is_reproduced() {
    let mut signer = Vector::named("aws-put-chunked-trailer")
        .check()
        .unwrap_or_else(|failure| panic!("{failure:?}"))
        .chunk_signer
        .unwrap();
    for (length, signature) in [
        (65_536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
        (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
        (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
    ] {
        assert!(signer.accepts_chunk(&sha256::digest(&vec![b'a'; length]), signature), "{length}");
    }
    let trailer = sha256::digest(b"x-amz-checksum-crc32c:sOO8/Q==\n");
    assert!(signer.accepts_trailer(&trailer, "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"));
}

#[test]
fn changed_requests_are_refused() {
    for (name, from, to) in [
        ("aws-get-object", "/test.txt", "/test.txu"),
        ("aws-get-object", "bytes=0-9", "bytes=0-8"),
        ("aws-get-object", "GET ", "PUT "),
        ("aws-get-object", "e3b0", "e3b1"),
        ("aws-get-object", "Host: e", "Host: f"),
        ("aws-list-objects", "prefix=J", "prefix=K"),
        ("aws-list-objects", "prefix=J", "prefix=J&acl"),
        ("aws-get-object", "Signature=f", "Signature=e"),
        ("aws-get-object", "Signature=f0", "Signature="),
        ("aws-presigned-get", "Expires=86400", "Expires=86401"),
        ("generated-get-dots-and-slashes", "a//b", "a/b"),
        ("generated-put-metadata", "two   blanks", "twoblanks"),
    ] {
        assert_eq!(
            Vector::with(name, from, to).code(),
            "SignatureDoesNotMatch",
            "{name}: {from} -> {to}"
        );
    }
}

#[test]
fn each_fault_has_its_code() {
    let header = "aws-get-object";
    let query = "aws-presigned-get";
    for (name, from, to, code) in [
        (header, "Authorization:", "X-Other:", "AccessDenied"),
        (header, "AWS4-HMAC-SHA256 Credential=", "AWS AKIA:", "InvalidRequest"),
        (header, "Credential=", "Credentials=", "AuthorizationHeaderMalformed"),
        (header, ",Signature=", ",Signature=a,Signature=", "AuthorizationHeaderMalformed"),
        (header, "us-east-1", "eu-west-1", "AuthorizationHeaderMalformed"),
        (header, "/s3/", "/ec2/", "AuthorizationHeaderMalformed"),
        (header, "/aws4_request", "", "AuthorizationHeaderMalformed"),
        (header, "/20130524/", "/20130525/", "AuthorizationHeaderMalformed"),
        (header, "/20130524/", "/2013052/", "AuthorizationHeaderMalformed"),
        (header, "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLF", "InvalidAccessKeyId"),
        (header, "SignedHeaders=host;", "SignedHeaders=", "AuthorizationHeaderMalformed"),
        (header, "x-amz-date: 20130524T000000Z", "x-amz-date: now", "AccessDenied"),
        (header, "x-amz-date: 20130524T000000Z\r\n", "", "AccessDenied"),
        (header, "x-amz-content-sha256: e", "x-other: e", "InvalidRequest"),
        (header, "Range:", "x-amz-meta-added: 1\r\nRange:", "AccessDenied"),
        (header, "Range:", "x-amz-security-token: 1\r\nRange:", "InvalidToken"),
        (header, "Range:", "Authorization: 1\r\nRange:", "InvalidArgument"),
        (query, "Host:", "Authorization: 1\r\nHost:", "InvalidArgument"),
        (query, "X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", "AuthorizationQueryParametersError"),
        (query, "X-Amz-Expires=86400", "X-Amz-Expires=0", "AuthorizationQueryParametersError"),
        (
            query,
            "X-Amz-Expires=86400",
            "X-Amz-Expires=604801",
            "AuthorizationQueryParametersError",
        ),
        (
            query,
            "X-Amz-Expires=86400",
            "X-Amz-Expires=-1",
            "AuthorizationQueryParametersError",
        ),
        (query, "us-east-1", "eu-west-1", "AuthorizationQueryParametersError"),
        (
            query,
            "SignedHeaders=host",
            "SignedHeaders=range",
            "AuthorizationQueryParametersError",
        ),
        (query, "Host:", "x-amz-meta-added: 1\r\nHost:", "AccessDenied"),
    ] {
        assert_eq!(Vector::with(name, from, to).code(), code, "{name}: {from} -> {to}");
    }
}

#[test]
fn clocks_may_differ_by_15_minutes() {
    for (name, shift, code) in [
        ("aws-get-object", 900, "accepted"),
        ("aws-get-object", -900, "accepted"),
        ("aws-get-object", 901, "RequestTimeTooSkewed"),
        ("aws-get-object", -901, "RequestTimeTooSkewed"),
        ("aws-presigned-get", 86_400, "accepted"),
        ("aws-presigned-get", 86_401, "AccessDenied"),
        ("aws-presigned-get", -901, "RequestTimeTooSkewed"),
    ] {
        let mut vector = Vector::named(name);
        vector.now = vector.now.checked_add_signed(shift).unwrap();
        assert_eq!(vector.code(), code, "{name} {shift}");
    }
}

proptest! {
    /// No head, however cut or spoilt, panics or is accepted with another text than the signed one.
    #[test]
    fn spoilt_requests_never_panic(number in 0..VECTORS.len(), place in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
        let mut vector = Vector::named(VECTORS[number].0);
        let mut bytes = vector.head.clone().into_bytes();
        let place = place.index(bytes.len() - 4);
        bytes[place] = byte;
        vector.head = String::from_utf8(bytes).unwrap_or_default();
        let _ = vector.check();
    }
}
