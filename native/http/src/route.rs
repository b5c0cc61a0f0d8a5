//! Which operation a request is. Pure, and closed: what is not surely a hot operation goes up to the control plane, which refuses what
//! it does not know, so an unknown sub-resource never falls through to the plain operation.

use crate::encoding::from_hex;
use crate::errors::{Failure, code};
use crate::fields::Fields;
use crate::uri::{Address, Query};

/// Parameters of GetObject and HeadObject that replace headers of the reply.
pub(crate) const RESPONSE_OVERRIDES: [(&str, &str); 6] = [
    ("response-content-type", "content-type"),
    ("response-content-language", "content-language"),
    ("response-expires", "expires"),
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
];
/// SDKs add the operation's name; it means nothing.
const OPERATION_NAME: &str = "x-id";
/// S3's largest part number.
const PARTS: u16 = 10_000;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `part`: the value of `partNumber`.
    GetObject {
        part: Option<u16>,
    },
    HeadObject {
        part: Option<u16>,
    },
    PutObject,
    DeleteObject,
    UploadPart {
        upload: [u8; 16],
        number: u16,
    },
    Control,
}

/// Decides. `query` holds no signature parameters any more.
pub(crate) fn route(method: &str, address: &Address, query: &Query, fields: &Fields<'_>) -> Result<Operation, Failure> {
    if address.key.is_none() {
        return Ok(Operation::Control);
    }
    let only = |allowed: &[&str]| {
        query
            .pairs
            .iter()
            .all(|(name, _)| name == OPERATION_NAME || allowed.contains(&name.as_str()))
    };
    match method {
        "GET" | "HEAD" => {
            let overrides = RESPONSE_OVERRIDES.map(|(parameter, _)| parameter);
            let known = query
                .pairs
                .iter()
                .all(|(name, _)| name == OPERATION_NAME || name == "partNumber" || overrides.contains(&name.as_str()));
            if !known {
                return Ok(Operation::Control);
            }
            let part = query.get("partNumber").map(part_number).transpose()?;
            Ok(if method == "GET" {
                Operation::GetObject { part }
            } else {
                Operation::HeadObject { part }
            })
        }
        "PUT" if fields.get("x-amz-copy-source").is_some() => Ok(Operation::Control),
        "PUT" if only(&[]) => Ok(Operation::PutObject),
        "PUT" if only(&["partNumber", "uploadId"]) => match (query.get("partNumber"), query.get("uploadId")) {
            (Some(number), Some(upload)) => {
                let number = part_number(number)?;
                let upload = from_hex(upload).ok_or_else(|| Failure::plain(code::NoSuchUpload))?;
                Ok(Operation::UploadPart { upload, number })
            }
            _ => Ok(Operation::Control),
        },
        "DELETE" if only(&[]) => Ok(Operation::DeleteObject),
        _ => Ok(Operation::Control),
    }
}

fn part_number(text: &str) -> Result<u16, Failure> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=PARTS).contains(number) && text.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| {
        Failure::new(
            code::InvalidArgument,
            format!("Part number must be an integer between 1 and {PARTS}, inclusive; it is {text:?}."),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(method: &str, target: &str) -> Result<Operation, &'static str> {
        let (path, query) = crate::uri::split_target(target).map_err(|failure| failure.code)?;
        let address = Address::parse(None, path, &[]).map_err(|failure| failure.code)?;
        route(
            method,
            &address,
            &Query::parse(query).map_err(|failure| failure.code)?,
            &Fields::default(),
        )
        .map_err(|failure| failure.code)
    }

    #[test]
    fn hot_operations_are_recognised() {
        let upload = [0xab; 16];
        for (method, target, operation) in [
            ("GET", "/b/k", Operation::GetObject { part: None }),
            (
                "GET",
                "/b/k?x-id=GetObject&response-content-type=a",
                Operation::GetObject { part: None },
            ),
            ("GET", "/b/k?partNumber=1", Operation::GetObject { part: Some(1) }),
            ("HEAD", "/b/k", Operation::HeadObject { part: None }),
            ("PUT", "/b/k?x-id=PutObject", Operation::PutObject),
            ("DELETE", "/b/k", Operation::DeleteObject),
            (
                "PUT",
                "/b/k?partNumber=7&uploadId=abababababababababababababababab",
                Operation::UploadPart { upload, number: 7 },
            ),
        ] {
            assert_eq!(routed(method, target), Ok(operation), "{method} {target}");
        }
    }

    #[test]
    fn everything_else_goes_up() {
        for (method, target) in [
            ("GET", "/"),
            ("GET", "/b"),
            ("GET", "/b/?list-type=2"),
            ("PUT", "/b"),
            ("DELETE", "/b/"),
            ("POST", "/b/k?uploads"),
            ("GET", "/b/k?uploadId=abababababababababababababababab"),
            ("DELETE", "/b/k?uploadId=abababababababababababababababab"),
            ("DELETE", "/b/k?versionId=1"),
            ("GET", "/b/k?versionId=null"),
            ("GET", "/b/k?acl"),
            ("GET", "/b/k?ACL"),
            ("PUT", "/b/k?acl"),
            ("PUT", "/b/k?tagging"),
            ("PUT", "/b/k?x-id=PutObject&invented"),
            ("PUT", "/b/k?partNumber=1"),
            ("PUT", "/b/k?uploadId=1"),
            ("PUT", "/b/k?partNumber=1&uploadId=1&tagging"),
            ("HEAD", "/b/k?torrent"),
            ("PATCH", "/b/k"),
            ("OPTIONS", "/b/k"),
            ("get", "/b/k"),
        ] {
            assert_eq!(routed(method, target), Ok(Operation::Control), "{method} {target}");
        }
        let copy = [("x-amz-copy-source", "/b/other")];
        let address = Address::parse(None, "/b/k", &[]).unwrap();
        for query in ["", "partNumber=1&uploadId=abababababababababababababababab"] {
            assert_eq!(
                route("PUT", &address, &Query::parse(query).unwrap(), &Fields::new(&copy)),
                Ok(Operation::Control)
            );
        }
    }

    #[test]
    fn bad_parts_are_refused() {
        for number in ["0", "10001", "-1", "+1", "x", "", "99999999999"] {
            assert_eq!(
                routed(
                    "PUT",
                    &format!("/b/k?partNumber={number}&uploadId=abababababababababababababababab")
                ),
                Err("InvalidArgument"),
                "{number}"
            );
        }
        assert_eq!(routed("PUT", "/b/k?partNumber=1&uploadId=../x"), Err("NoSuchUpload"));
    }
}
