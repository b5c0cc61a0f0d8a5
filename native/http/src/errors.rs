//! Every S3 error code that the data plane can emit, with its status and a default message, and the failure that carries one.
//!
//! The control plane keeps the same table and may give other messages in [`crate::Tables`]; a test holds the two together.

use openlake_object::StoreError;

/// One row of the registry.
pub(crate) struct ErrorCode {
    pub code: &'static str,
    pub status: u16,
    pub message: &'static str,
}

macro_rules! registry {
    ($($code:ident $status:literal $message:literal;)*) => {
        const REGISTRY: &[ErrorCode] = &[$(ErrorCode { code: stringify!($code), status: $status, message: $message }),*];
        const CODES: &[(&str, u16)] = &[$((stringify!($code), $status)),*];
        /// The codes as constants, so that a misspelt one does not compile.
        #[allow(non_upper_case_globals, missing_docs)]
        pub(crate) mod code {
            $(pub(crate) const $code: &str = stringify!($code);)*
        }
    };
}

registry! {
    AccessDenied 403 "Access denied.";
    AuthorizationHeaderMalformed 400 "The authorization header that you provided is not valid.";
    AuthorizationQueryParametersError 400 "The authorization query parameters that you provided are not valid.";
    BadDigest 400 "The Content-MD5 or checksum value that you specified did not match what the server received.";
    BadRequest 400 "The request is not well-formed HTTP.";
    ConditionalRequestConflict 409 "A conflicting operation occurred during this conditional request. It had no effect; try again.";
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed object size.";
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed object size.";
    ExpectationFailed 417 "The only expectation this server meets is 100-continue.";
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    InsufficientStorage 507 "The drives of this key's erasure set are full.";
    InternalError 500 "The server met an unexpected condition.";
    InvalidAccessKeyId 403 "The access key ID that you provided does not exist in our records.";
    InvalidArgument 400 "An argument of the request is not valid.";
    InvalidDigest 400 "The Content-MD5 that you specified is not valid.";
    InvalidPart 400 "One or more of the specified parts could not be found.";
    InvalidPartNumber 416 "The requested part number is not satisfiable.";
    InvalidPartOrder 400 "The list of parts was not in ascending order.";
    InvalidRange 416 "The requested range is not satisfiable.";
    InvalidRequest 400 "The request is not valid.";
    InvalidToken 400 "The provided token is malformed or otherwise not valid.";
    InvalidURI 400 "The specified URI could not be parsed.";
    KeyTooLongError 400 "Your key is too long.";
    MalformedTrailerError 400 "The trailer of the body is not well-formed or lacks what x-amz-trailer promised.";
    MaxMessageLengthExceeded 400 "Your request was too large.";
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size.";
    MissingContentLength 411 "You must provide the Content-Length HTTP header.";
    NoSuchBucket 404 "The specified bucket does not exist.";
    NoSuchKey 404 "The specified key does not exist.";
    NoSuchUpload 404 "The specified multipart upload does not exist. It may have been aborted or completed.";
    NotImplemented 501 "A header or parameter you provided implies functionality that is not implemented.";
    PreconditionFailed 412 "At least one of the preconditions you specified did not hold.";
    RequestHeaderSectionTooLarge 400 "Your request header section exceeds the maximum allowed size.";
    RequestTimeTooSkewed 403 "The difference between the request time and the server's time is too large.";
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period.";
    ServiceUnavailable 503 "The service is not able to answer now. Try again.";
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    SlowDown 503 "Please reduce your request rate.";
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

/// All codes with their statuses, sorted by code.
pub fn error_codes() -> &'static [(&'static str, u16)] {
    CODES
}

/// All codes with statuses and default messages, in the form of [`crate::Tables::errors`].
pub fn default_errors() -> Vec<(String, u16, String)> {
    REGISTRY
        .iter()
        .map(|row| (row.code.to_owned(), row.status, row.message.to_owned()))
        .collect()
}

/// The row of `code`.
pub(crate) fn lookup(code: &str) -> Option<&'static ErrorCode> {
    let place = REGISTRY.binary_search_by(|row| row.code.cmp(code)).ok()?;
    REGISTRY.get(place)
}

/// A request's end in an error. `message` empty: the table's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub code: &'static str,
    pub message: String,
    /// Further headers of the reply, e.g. `content-range`.
    pub headers: Vec<(&'static str, String)>,
    /// The connection cannot go on: where the next request would start is not known.
    pub close: bool,
}

impl Failure {
    /// A failure with the table's message.
    pub(crate) fn plain(code: &'static str) -> Failure {
        Failure {
            code,
            message: String::new(),
            headers: Vec::new(),
            close: false,
        }
    }
    /// A failure that says what was seen.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            message: message.into(),
            ..Failure::plain(code)
        }
    }
    /// The same, and the connection ends after the reply.
    pub(crate) fn closing(mut self) -> Failure {
        self.close = true;
        self
    }
    /// The same with one more header.
    pub(crate) fn with_header(mut self, name: &'static str, value: String) -> Failure {
        self.headers.push((name, value));
        self
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let retry = |failure: Failure| failure.with_header("retry-after", "1".to_owned());
        match error {
            StoreError::NoSuchBucket => Failure::plain(code::NoSuchBucket),
            StoreError::NoSuchKey => Failure::plain(code::NoSuchKey),
            StoreError::NoSuchUpload => Failure::plain(code::NoSuchUpload),
            StoreError::PreconditionFailed => Failure::plain(code::PreconditionFailed),
            StoreError::ConditionalConflict => Failure::plain(code::ConditionalRequestConflict),
            StoreError::InvalidRange { size } => Failure::plain(code::InvalidRange).with_header("content-range", format!("bytes */{size}")),
            StoreError::Unavailable(text) => retry(Failure::new(
                code::ServiceUnavailable,
                format!("{text}. Nothing was changed; try again."),
            )),
            StoreError::Unknown(text) => retry(Failure::new(
                code::ServiceUnavailable,
                format!("The outcome is unknown: the request may have taken effect, or may take effect later. {text}"),
            )),
            StoreError::Full => Failure::plain(code::InsufficientStorage),
            StoreError::Body(error) => Failure::new(lookup(error.code).map_or(code::InvalidRequest, |row| row.code), error.message),
            StoreError::InvalidPart(text) => Failure::new(code::InvalidPart, text),
            StoreError::InvalidPartOrder => Failure::plain(code::InvalidPartOrder),
            StoreError::EntityTooSmall => Failure::plain(code::EntityTooSmall),
            StoreError::Invalid(text) => Failure::new(code::InvalidArgument, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_is_sorted_and_every_code_is_found() {
        assert!(error_codes().windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (code, status) in error_codes() {
            assert_eq!(lookup(code).map(|row| row.status), Some(*status));
        }
        assert!(lookup("NoSuchThing").is_none());
    }
}
