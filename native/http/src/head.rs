//! The head of a request: where it ends, what it says, and what its body will be framed by.
//!
//! Two readers must agree on every head: a scan of our own, which finds the end and refuses whatever lets two servers disagree about
//! it (bare CR or LF, folded lines, NUL), and `httparse`, which checks methods, targets and header names byte by byte. Anything
//! doubtful about the body's length is refused and the connection closed, so that no byte of a body can pass for a request (RFC 9112
//! sections 6.3 and 11.2).

use crate::errors::{Failure, code};
use std::mem::MaybeUninit;

/// Largest head with its request line; AWS allows 8 KiB of headers, and presigned targets come on top.
pub(crate) const HEAD_BYTES: usize = 16 * 1024;
/// Largest target: a key of 1,024 bytes, all percent-coded, and a presigned query with a session token fit well.
pub(crate) const TARGET_BYTES: usize = 8 * 1024;
/// Most header lines: what 2 KiB of user metadata in the shortest lines and all other headers can come to.
pub(crate) const HEADER_LINES: usize = 512;

/// Why a head was refused. Always ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadError {
    pub code: &'static str,
    pub reason: &'static str,
}

impl HeadError {
    pub(crate) const fn malformed(reason: &'static str) -> HeadError {
        HeadError {
            code: code::BadRequest,
            reason,
        }
    }
    pub(crate) const TOO_LARGE: HeadError = HeadError {
        code: code::RequestHeaderSectionTooLarge,
        reason: "The request line and headers exceed 16384 bytes or 512 lines.",
    };
}

impl From<HeadError> for Failure {
    fn from(error: HeadError) -> Failure {
        Failure::new(error.code, error.reason).closing()
    }
}

/// Looks for the end of a head while its bytes arrive; never looks at a byte twice.
#[derive(Default)]
pub(crate) struct Scan {
    position: usize,
}

impl Scan {
    /// Nothing was looked at yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.position == 0
    }
    /// The length of the head that starts at `bytes[0]`, once all of it is there. `bytes` may only grow between calls.
    pub(crate) fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        while let Some(byte) = bytes.get(self.position) {
            if *byte > b' ' {
                self.position += 1;
                continue;
            }
            let before = |distance: usize| self.position.checked_sub(distance).and_then(|place| bytes.get(place)).copied();
            match byte {
                b'\n' if before(1) != Some(b'\r') => return Err(HeadError::malformed("A line ends in LF without CR.")),
                b'\n' if before(2) == Some(b'\n') && before(3) == Some(b'\r') => return Ok(Some(self.position + 1)),
                b'\r' => match bytes.get(self.position + 1) {
                    None => return Ok(None),
                    Some(b'\n') => {}
                    Some(_) => return Err(HeadError::malformed("A CR is not followed by LF.")),
                },
                b' ' | b'\t' if before(1) == Some(b'\n') => return Err(HeadError::malformed("A header line is folded.")),
                0 => return Err(HeadError::malformed("A head holds a NUL byte.")),
                _ => {}
            }
            self.position += 1;
        }
        Ok(None)
    }
}

/// How the body's end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body was announced.
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// A parsed head; borrows the connection's bytes.
#[derive(Debug)]
pub(crate) struct Head<'head> {
    pub method: &'head str,
    /// Path and query as they were sent; starts with `/`.
    pub target: &'head str,
    /// Lower-case names, trimmed values, in order of appearance.
    pub headers: Vec<(&'head str, &'head str)>,
    pub framing: Framing,
    pub keep_alive: bool,
    pub expects_continue: bool,
}

impl<'head> Head<'head> {
    /// Parses a head that [`Scan`] found complete. Names are lower-cased in place.
    pub(crate) fn parse(bytes: &'head mut [u8]) -> Result<Head<'head>, HeadError> {
        lower_names(bytes);
        let bytes: &'head [u8] = bytes;
        let mut slots = [const { MaybeUninit::uninit() }; HEADER_LINES];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, &mut slots) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(HeadError::malformed("The head ends early.")),
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TOO_LARGE),
            Err(httparse::Error::HeaderName) => return Err(HeadError::malformed("A header name is not a token followed by a colon.")),
            Err(httparse::Error::HeaderValue) => return Err(HeadError::malformed("A header value holds a control character.")),
            Err(httparse::Error::Version) => return Err(HeadError::malformed("The protocol is neither HTTP/1.1 nor HTTP/1.0.")),
            Err(_) => return Err(HeadError::malformed("The request line is not METHOD SP TARGET SP HTTP/1.1.")),
        }
        let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
            return Err(HeadError::malformed("The request line is incomplete."));
        };
        if target.len() > TARGET_BYTES {
            return Err(HeadError {
                code: code::InvalidURI,
                reason: "The URI is longer than 8192 bytes.",
            });
        }
        let mut headers = Vec::with_capacity(request.headers.len());
        for header in request.headers.iter() {
            let value = std::str::from_utf8(header.value).map_err(|_| HeadError::malformed("A header value is not UTF-8."))?;
            headers.push((header.name, value.trim_matches([' ', '\t'])));
        }
        let mut head = Head {
            method,
            target,
            headers,
            framing: Framing::None,
            keep_alive: version == 1,
            expects_continue: false,
        };
        head.judge(version)?;
        Ok(head)
    }

    /// The first header of this (lower-case) name.
    pub(crate) fn header(&self, name: &str) -> Option<&'head str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Reads the headers that rule the connection: body framing, keep-alive, expectation, host.
    fn judge(&mut self, version: u8) -> Result<(), HeadError> {
        let (mut hosts, mut length, mut chunked) = (0, None, false);
        for (name, value) in &self.headers {
            match *name {
                "content-length" => {
                    let digits = !value.is_empty() && value.len() <= 19 && value.bytes().all(|byte| byte.is_ascii_digit());
                    let number = value.parse::<u64>().ok().filter(|_| digits);
                    let number = number.ok_or(HeadError::malformed("Content-Length is not a decimal number below 10^19."))?;
                    if length.replace(number).is_some() {
                        return Err(HeadError::malformed("Content-Length is given twice."));
                    }
                }
                "transfer-encoding" if chunked => return Err(HeadError::malformed("Transfer-Encoding is given twice.")),
                "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => chunked = true,
                "transfer-encoding" => {
                    return Err(HeadError {
                        code: code::NotImplemented,
                        reason: "The only Transfer-Encoding is chunked.",
                    });
                }
                "connection" => {
                    for option in value.split(',').map(str::trim) {
                        if option.eq_ignore_ascii_case("close") {
                            self.keep_alive = false;
                        } else if option.eq_ignore_ascii_case("keep-alive") && version == 0 {
                            self.keep_alive = true;
                        }
                    }
                }
                "expect" if version == 0 => {}
                "expect" if value.eq_ignore_ascii_case("100-continue") => self.expects_continue = true,
                "expect" => {
                    return Err(HeadError {
                        code: code::ExpectationFailed,
                        reason: "The only expectation this server meets is 100-continue.",
                    });
                }
                "host" => hosts += 1,
                _ => {}
            }
        }
        self.framing = match (length, chunked) {
            (Some(_), true) => return Err(HeadError::malformed("Content-Length and Transfer-Encoding exclude each other.")),
            (None, true) if version == 0 => return Err(HeadError::malformed("HTTP/1.0 knows no Transfer-Encoding.")),
            (None, true) => Framing::Chunked,
            (Some(length), false) => Framing::Length(length),
            (None, false) => Framing::None,
        };
        match hosts {
            1 => Ok(()),
            0 if version == 0 => Ok(()),
            _ => Err(HeadError::malformed("HTTP/1.1 needs exactly one Host header.")),
        }
    }
}

/// Lower-cases everything before the colon of each header line.
fn lower_names(bytes: &mut [u8]) {
    for line in bytes.split_mut(|byte| *byte == b'\n').skip(1) {
        for byte in line.iter_mut().take_while(|byte| **byte != b':') {
            byte.make_ascii_lowercase();
        }
    }
}
