//! The headers of a request as an operation sees them: those that were sent, and, for a presigned URL, those that the signer put into
//! the query instead (SDKs hoist `x-amz-*` headers there).

use crate::uri::Query;

/// Query parameters that only carry the signature.
const SIGNATURE_PARAMETERS: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Lower-case names and values; sent ones come first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'r> {
    sent: &'r [(&'r str, &'r str)],
    hoisted: Vec<(String, String)>,
}

impl<'r> Fields<'r> {
    /// Those of a head alone.
    pub(crate) fn new(sent: &'r [(&'r str, &'r str)]) -> Fields<'r> {
        Fields { sent, hoisted: Vec::new() }
    }
    /// Those of a head and a presigned query; what was hoisted, or is part of the signature, leaves `query`.
    pub(crate) fn presigned(sent: &'r [(&'r str, &'r str)], query: &mut Query) -> Fields<'r> {
        let mut hoisted = Vec::new();
        query.pairs.retain_mut(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            if !lower.starts_with("x-amz-") {
                return true;
            }
            if !SIGNATURE_PARAMETERS.contains(&lower.as_str()) {
                hoisted.push((lower, std::mem::take(value)));
            }
            false
        });
        Fields { sent, hoisted }
    }
    /// The first value of a lower-case name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let hoisted = self.hoisted.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.sent.iter().copied().chain(hoisted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hoisted_headers_leave_the_query() {
        let mut query =
            Query::parse("X-Amz-Algorithm=a&x-id=PutObject&X-Amz-Meta-Colour=red&x-amz-checksum-crc32=AAAA&uploadId=u&X-Amz-Signature=s")
                .unwrap();
        let sent = [("host", "h"), ("x-amz-meta-colour", "blue")];
        let fields = Fields::presigned(&sent, &mut query);
        let left: Vec<&str> = query.pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left, ["x-id", "uploadId"]);
        assert_eq!(fields.get("x-amz-checksum-crc32"), Some("AAAA"));
        assert_eq!(fields.get("x-amz-meta-colour"), Some("blue"));
        assert_eq!(fields.get("x-amz-signature"), None);
    }
}
