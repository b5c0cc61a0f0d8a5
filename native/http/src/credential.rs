//! What a request claims about its signer: from the `Authorization` header or from a presigned query.
//!
//! ```text
//! Authorization: AWS4-HMAC-SHA256 Credential=KEY/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range, Signature=HEX
//! ?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=...&X-Amz-Date=...&X-Amz-Expires=...&X-Amz-SignedHeaders=...&X-Amz-Signature=...
//! ```

use crate::date;
use crate::errors::{Failure, code};
use crate::head::Head;
use crate::uri::Query;
use std::borrow::Cow;

/// The only signing method.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// A presigned URL may live for seven days (AWS, "Authenticating Requests: Using Query Parameters").
const EXPIRES_SECONDS: u64 = 604_800;

/// Where the claim stood, and for how long it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Header,
    Query { expires_seconds: u64 },
}

/// A claim, not yet checked against any key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim<'r> {
    pub form: Form,
    pub access_key: &'r str,
    /// `YYYYMMDD`
    pub scope_date: &'r str,
    pub region: &'r str,
    pub service: &'r str,
    /// Names separated by `;`.
    pub signed_headers: &'r str,
    pub signature: &'r str,
    /// `YYYYMMDDTHHMMSSZ`
    pub timestamp: Cow<'r, str>,
    /// The same in seconds since 1970.
    pub time_seconds: u64,
}

impl Claim<'_> {
    /// `YYYYMMDD/region/service/aws4_request`
    pub(crate) fn scope(&self) -> String {
        [self.scope_date, self.region, self.service, "aws4_request"].join("/")
    }
    /// The code for a malformed claim of this form.
    pub(crate) fn malformed(&self, message: String) -> Failure {
        match self.form {
            Form::Header => Failure::new(
                code::AuthorizationHeaderMalformed,
                format!("The authorization header is malformed; {message}"),
            ),
            Form::Query { .. } => Failure::new(code::AuthorizationQueryParametersError, message),
        }
    }
    /// Whether a (lower-case) header name is signed.
    pub(crate) fn signs(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|signed| signed == name)
    }
}

/// Finds the one claim of a request.
pub(crate) fn claim<'r>(head: &Head<'r>, query: &'r Query) -> Result<Claim<'r>, Failure> {
    let mut authorizations = head
        .headers
        .iter()
        .filter(|(name, _)| *name == "authorization")
        .map(|(_, value)| *value);
    let presigned = query
        .get_any_case("x-amz-algorithm")
        .or(query.get_any_case("x-amz-signature"))
        .is_some();
    match (authorizations.next(), authorizations.next(), presigned) {
        (Some(value), None, false) => from_header(head, value),
        (None, _, true) => from_query(query),
        (None, _, false) if query.get("AWSAccessKeyId").is_some() && query.get("Signature").is_some() => Err(other_algorithm()),
        (None, _, false) => Err(Failure::new(
            code::AccessDenied,
            "The request is not signed; anonymous access is not allowed.",
        )),
        (Some(_), Some(_), _) => Err(Failure::new(code::InvalidArgument, "The Authorization header is given twice.")),
        (Some(_), None, true) => Err(Failure::new(
            code::InvalidArgument,
            "Only one auth mechanism allowed: the Authorization header or the X-Amz-Algorithm parameters.",
        )),
    }
}

fn other_algorithm() -> Failure {
    Failure::new(
        code::InvalidRequest,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

fn from_header<'r>(head: &Head<'r>, value: &'r str) -> Result<Claim<'r>, Failure> {
    let malformed = |message: &str| {
        Failure::new(
            code::AuthorizationHeaderMalformed,
            format!("The authorization header is malformed; {message}"),
        )
    };
    let fields = value.strip_prefix(ALGORITHM).ok_or_else(other_algorithm)?;
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in fields.split(',') {
        let (name, value) = field
            .trim()
            .split_once('=')
            .ok_or_else(|| malformed("a field is not NAME=VALUE."))?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(malformed("the fields are Credential, SignedHeaders and Signature.")),
        };
        if slot.replace(value).is_some() {
            return Err(malformed("a field is given twice."));
        }
    }
    let (Some(credential), Some(signed_headers), Some(signature)) = (credential, signed_headers, signature) else {
        return Err(malformed("it needs Credential, SignedHeaders and Signature."));
    };
    let (access_key, scope_date, region, service) =
        split_credential(credential).ok_or_else(|| malformed("the Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request."))?;
    let (timestamp, time_seconds) = time_of(head)?;
    Ok(Claim {
        form: Form::Header,
        access_key,
        scope_date,
        region,
        service,
        signed_headers,
        signature,
        timestamp,
        time_seconds,
    })
}

fn from_query(query: &Query) -> Result<Claim<'_>, Failure> {
    let refuse = |message: &str| Failure::new(code::AuthorizationQueryParametersError, message);
    let field = |name: &str| {
        query
            .get_any_case(name)
            .ok_or_else(|| refuse(&format!("The query parameter {name} is missing.")))
    };
    if field("X-Amz-Algorithm")? != ALGORITHM {
        return Err(refuse("X-Amz-Algorithm only supports AWS4-HMAC-SHA256."));
    }
    let (access_key, scope_date, region, service) = split_credential(field("X-Amz-Credential")?)
        .ok_or_else(|| refuse("X-Amz-Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request."))?;
    let timestamp = field("X-Amz-Date")?;
    let time_seconds = date::parse_basic(timestamp).ok_or_else(|| refuse("X-Amz-Date must be in the ISO8601 form YYYYMMDDTHHMMSSZ."))?;
    let expires = field("X-Amz-Expires")?;
    let expires_seconds = expires
        .parse()
        .ok()
        .filter(|seconds| (1..=EXPIRES_SECONDS).contains(seconds))
        .ok_or_else(|| {
            refuse(&format!(
                "X-Amz-Expires is {expires:?}; it must be a number of seconds from 1 to {EXPIRES_SECONDS}."
            ))
        })?;
    Ok(Claim {
        form: Form::Query { expires_seconds },
        access_key,
        scope_date,
        region,
        service,
        signed_headers: field("X-Amz-SignedHeaders")?,
        signature: field("X-Amz-Signature")?,
        timestamp: Cow::Borrowed(timestamp),
        time_seconds,
    })
}

/// Splits from the right, so that an access key may hold slashes.
fn split_credential(text: &str) -> Option<(&str, &str, &str, &str)> {
    let mut parts = text.rsplitn(5, '/');
    let (terminator, service, region, date, key) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let date_is_sound = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    (terminator == "aws4_request" && date_is_sound && !key.is_empty()).then_some((key, date, region, service))
}

/// The signing time: `x-amz-date`, or `Date` in either form.
fn time_of<'r>(head: &Head<'r>) -> Result<(Cow<'r, str>, u64), Failure> {
    let refused = || Failure::new(code::AccessDenied, "AWS authentication requires a valid Date or x-amz-date header.");
    let text = head.header("x-amz-date").or(head.header("date")).ok_or_else(refused)?;
    if let Some(seconds) = date::parse_basic(text) {
        return Ok((Cow::Borrowed(text), seconds));
    }
    let seconds = date::parse_http_date(text).ok_or_else(refused)?;
    Ok((Cow::Owned(date::basic(seconds)), seconds))
}
