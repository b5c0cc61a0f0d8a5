//! Conditional requests: the precedence of RFC 9110 section 13.2.2 for reads, and S3's two atomic conditions for writes.

use crate::date::parse_http_date;
use crate::encoding::{from_hex, hex};
use crate::errors::{Failure, code};
use crate::fields::Fields;
use openlake_object::{Condition, ObjectInfo};

/// What a read's conditions say about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Serve,
    /// 304
    NotModified,
    /// 412
    Failed,
}

/// An ETag as S3 writes it, without quotes: 32 hex digits, `-N` behind for an object of N parts.
pub(crate) fn etag(info: &ObjectInfo) -> String {
    match info.etag_parts {
        0 => hex(&info.etag),
        parts => format!("{}-{parts}", hex(&info.etag)),
    }
}

/// The same in quotes, as headers carry it.
pub(crate) fn quoted_etag(info: &ObjectInfo) -> String {
    ["\"", &etag(info), "\""].concat()
}

/// Whether a request has conditions that [`judge`] looks at.
pub(crate) fn are_there(fields: &Fields<'_>) -> bool {
    const NAMES: [&str; 4] = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];
    fields.iter().any(|(name, _)| name.starts_with("if-") && NAMES.contains(&name))
}

/// Judges a GET or HEAD. `etag` without quotes, `modified_seconds` since 1970.
pub(crate) fn judge(fields: &Fields<'_>, etag: &str, modified_seconds: u64) -> Verdict {
    let date = |name: &str| fields.get(name).and_then(parse_http_date);
    let matched = fields.get("if-match");
    if matched.is_some_and(|list| !names(list, etag, false)) {
        return Verdict::Failed;
    }
    if matched.is_none() && date("if-unmodified-since").is_some_and(|limit| modified_seconds > limit) {
        return Verdict::Failed;
    }
    match fields.get("if-none-match") {
        Some(list) if names(list, etag, true) => Verdict::NotModified,
        Some(_) => Verdict::Serve,
        None if date("if-modified-since").is_some_and(|limit| modified_seconds <= limit) => Verdict::NotModified,
        None => Verdict::Serve,
    }
}

/// Whether If-Range (absent: yes) still lets a Range header count.
pub(crate) fn range_counts(fields: &Fields<'_>, etag: &str, modified_seconds: u64) -> bool {
    match fields.get("if-range") {
        None => true,
        Some(text) if text.ends_with(" GMT") => parse_http_date(text) == Some(modified_seconds),
        Some(text) => names(text, etag, false),
    }
}

/// Whether a list of entity tags names `etag`. Many S3 clients leave out the quotes.
fn names(list: &str, etag: &str, weakly: bool) -> bool {
    list.split(',').map(str::trim).any(|tag| {
        let tag = if weakly { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
        tag == "*" || unquoted(tag) == etag
    })
}

fn unquoted(tag: &str) -> &str {
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag)
}

/// The condition of a write. `Ok(None)`: an If-Match that no object can ever meet, because it is no ETag of ours.
pub(crate) fn of_write(fields: &Fields<'_>, is_delete: bool) -> Result<Option<Condition>, Failure> {
    let refuse = |name: &str, value: &str| {
        Err(Failure::new(
            code::NotImplemented,
            format!("{name}: {value} is not implemented for this method."),
        ))
    };
    for name in ["if-modified-since", "if-unmodified-since", "if-range"] {
        if let Some(value) = fields.get(name) {
            return refuse(name, value);
        }
    }
    match (fields.get("if-match"), fields.get("if-none-match")) {
        (None, None) => Ok(Some(Condition::None)),
        (None, Some("*")) if !is_delete => Ok(Some(Condition::Absent)),
        (_, Some(value)) => refuse("If-None-Match", value),
        (Some("*"), None) if is_delete => Ok(Some(Condition::Exists)),
        (Some("*"), None) => refuse("If-Match", "*"),
        (Some(value), None) => Ok(parse_etag(unquoted(value)).map(|(etag, parts)| Condition::Matches { etag, parts })),
    }
}

fn parse_etag(text: &str) -> Option<([u8; 16], u16)> {
    match text.split_once('-') {
        None => Some((from_hex(text)?, 0)),
        Some((digest, parts)) => Some((from_hex(digest)?, parts.parse().ok().filter(|parts| *parts > 0)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "900150983cd24fb0d6963f7d28e17f72";
    const MODIFIED: u64 = 784_111_777;
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn verdict(headers: &[(&str, &str)]) -> Verdict {
        judge(&Fields::new(headers), ETAG, MODIFIED)
    }

    #[test]
    fn reads_follow_the_precedence_of_rfc_9110() {
        let quoted = format!("\"{ETAG}\"");
        let weak = format!("W/\"{ETAG}\"");
        for (headers, expected) in [
            (vec![], Verdict::Serve),
            (vec![("if-match", quoted.as_str())], Verdict::Serve),
            (vec![("if-match", ETAG)], Verdict::Serve),
            (vec![("if-match", "*")], Verdict::Serve),
            (vec![("if-match", "\"x\"")], Verdict::Failed),
            (vec![("if-match", weak.as_str())], Verdict::Failed),
            (vec![("if-match", quoted.as_str()), ("if-unmodified-since", BEFORE)], Verdict::Serve),
            (vec![("if-unmodified-since", BEFORE)], Verdict::Failed),
            (vec![("if-unmodified-since", SAME)], Verdict::Serve),
            (vec![("if-unmodified-since", "nonsense")], Verdict::Serve),
            (vec![("if-none-match", quoted.as_str())], Verdict::NotModified),
            (vec![("if-none-match", weak.as_str())], Verdict::NotModified),
            (vec![("if-none-match", "\"x\", *")], Verdict::NotModified),
            (vec![("if-none-match", "\"x\""), ("if-modified-since", SAME)], Verdict::Serve),
            (vec![("if-modified-since", SAME)], Verdict::NotModified),
            (vec![("if-modified-since", BEFORE)], Verdict::Serve),
            (vec![("if-match", "\"x\""), ("if-none-match", quoted.as_str())], Verdict::Failed),
        ] {
            assert_eq!(verdict(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn writes_know_two_conditions() {
        let write = |headers: &[(&str, &str)], is_delete| of_write(&Fields::new(headers), is_delete).map_err(|failure| failure.code);
        let etag = from_hex(ETAG).unwrap();
        assert_eq!(write(&[], false), Ok(Some(Condition::None)));
        assert_eq!(write(&[("if-none-match", "*")], false), Ok(Some(Condition::Absent)));
        assert_eq!(write(&[("if-match", ETAG)], true), Ok(Some(Condition::Matches { etag, parts: 0 })));
        let multipart = format!("\"{ETAG}-7\"");
        assert_eq!(
            write(&[("if-match", &multipart)], false),
            Ok(Some(Condition::Matches { etag, parts: 7 }))
        );
        assert_eq!(write(&[("if-match", "\"other\"")], false), Ok(None));
        assert_eq!(write(&[("if-none-match", ETAG)], false), Err("NotImplemented"));
        assert_eq!(write(&[("if-none-match", "*")], true), Err("NotImplemented"));
        assert_eq!(write(&[("if-match", "*")], false), Err("NotImplemented"));
        assert_eq!(write(&[("if-match", "*")], true), Ok(Some(Condition::Exists)));
        assert_eq!(write(&[("if-unmodified-since", SAME)], false), Err("NotImplemented"));
    }
}
