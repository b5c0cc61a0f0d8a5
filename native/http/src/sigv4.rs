//! AWS Signature Version 4: is this request signed, now, by somebody we know, and with which payload hash?
//!
//! The order of checks decides which error a client sees: form, scope, time, key, signature; the cheap ones first, and none says
//! anything about a secret. Source: AWS, "Authenticating Requests (AWS Signature Version 4)".

use crate::canonical::canonical_request;
use crate::chunk_signature::ChunkSigner;
use crate::credential::{ALGORITHM, Claim, Form, claim};
use crate::encoding::{hex, push_hex};
use crate::errors::{Failure, code};
use crate::head::Head;
use crate::integrity::PayloadHash;
use crate::keys::{Keys, SERVICE};
use crate::uri::Query;
use openlake_checksum::sha256;

/// How far a request's clock may be from ours.
const SKEW_SECONDS: u64 = 15 * 60;
/// What stands for a payload that is not signed.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// `x-amz-` headers that a proxy or an SDK may add after signing: harmless, or covered by the signature in another place.
const MAY_BE_UNSIGNED: [&str; 3] = ["x-amz-content-sha256", "x-amz-date", "x-amz-user-agent"];

/// A request whose signature is right.
pub(crate) struct Verified {
    pub access_key: String,
    pub payload_hash: PayloadHash,
    /// Present where the body's chunks are signed too.
    pub chunk_signer: Option<ChunkSigner>,
    /// Signed by a query: its `x-amz-*` parameters stand for headers.
    pub presigned: bool,
}

/// Verifies a request. `path` and `query_text` as sent, `query` decoded.
pub(crate) fn verify(
    head: &Head<'_>,
    path: &str,
    query_text: &str,
    query: &Query,
    keys: &Keys,
    now_seconds: u64,
) -> Result<Verified, Failure> {
    let claim = claim(head, query)?;
    check_scope(&claim, keys)?;
    check_time(&claim, now_seconds)?;
    if head
        .header("x-amz-security-token")
        .or(query.get_any_case("x-amz-security-token"))
        .is_some()
    {
        return Err(Failure::new(
            code::InvalidToken,
            "Session tokens are not issued here; sign with a long-term key.",
        ));
    }
    check_signed_headers(head, &claim)?;
    let (hash_text, payload_hash) = payload_hash(head, query, &claim)?;
    let key = keys.get(claim.access_key).ok_or_else(|| Failure::plain(code::InvalidAccessKeyId))?;
    let signing_key = keys.signing_key(key, claim.scope_date);

    let canonical = canonical_request(head, path, query_text, claim.signed_headers, hash_text);
    let scope = claim.scope();
    let mut text = Vec::with_capacity(192);
    for line in [ALGORITHM, &claim.timestamp, &scope] {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    push_hex(&mut text, &sha256::digest(&canonical));
    let signature = hex(&signing_key.sign(&text));
    if !equal_in_constant_time(signature.as_bytes(), claim.signature.as_bytes()) {
        return Err(Failure::plain(code::SignatureDoesNotMatch));
    }
    let signed_chunks = matches!(payload_hash, PayloadHash::Streaming { signed: true, .. });
    Ok(Verified {
        access_key: claim.access_key.to_owned(),
        payload_hash,
        chunk_signer: signed_chunks.then(|| ChunkSigner::new(signing_key, &claim.timestamp, &scope, signature)),
        presigned: matches!(claim.form, Form::Query { .. }),
    })
}

fn check_scope(claim: &Claim<'_>, keys: &Keys) -> Result<(), Failure> {
    if claim.region != keys.region {
        return Err(claim.malformed(format!("the region '{}' is wrong; expecting '{}'", claim.region, keys.region)));
    }
    if claim.service != SERVICE {
        return Err(claim.malformed(format!(
            "incorrect service '{}'; this endpoint belongs to '{SERVICE}'",
            claim.service
        )));
    }
    if !claim.timestamp.starts_with(claim.scope_date) {
        return Err(claim.malformed(format!(
            "the scope's date {} differs from the date of {}",
            claim.scope_date, claim.timestamp
        )));
    }
    Ok(())
}

fn check_time(claim: &Claim<'_>, now_seconds: u64) -> Result<(), Failure> {
    let skewed = || {
        let message = format!(
            "The request's time {} is more than {SKEW_SECONDS} s away from the server's.",
            claim.timestamp
        );
        Failure::new(code::RequestTimeTooSkewed, message)
    };
    match claim.form {
        Form::Header if claim.time_seconds.abs_diff(now_seconds) > SKEW_SECONDS => Err(skewed()),
        Form::Query { .. } if claim.time_seconds > now_seconds + SKEW_SECONDS => Err(skewed()),
        Form::Query { expires_seconds } if claim.time_seconds + expires_seconds < now_seconds => {
            Err(Failure::new(code::AccessDenied, "Request has expired"))
        }
        _ => Ok(()),
    }
}

/// `host` must be signed, and every `x-amz-` header that is present: else a middleman could add meaning to a signed request.
fn check_signed_headers(head: &Head<'_>, claim: &Claim<'_>) -> Result<(), Failure> {
    if !claim.signs("host") {
        return Err(claim.malformed("the header 'host' must be signed".to_owned()));
    }
    let unsigned = |name: &str| name.starts_with("x-amz-") && !MAY_BE_UNSIGNED.contains(&name) && !claim.signs(name);
    match head.headers.iter().find(|(name, _)| unsigned(name)) {
        Some((name, _)) => Err(Failure::new(
            code::AccessDenied,
            format!("There were headers present in the request which were not signed: {name}"),
        )),
        None => Ok(()),
    }
}

/// The payload hash as it was signed, and what it demands of the body.
fn payload_hash<'r>(head: &Head<'r>, query: &'r Query, claim: &Claim<'_>) -> Result<(&'r str, PayloadHash), Failure> {
    let sent = head.header("x-amz-content-sha256");
    match claim.form {
        Form::Header => {
            let missing = || {
                Failure::new(
                    code::InvalidRequest,
                    "Missing required header for this request: x-amz-content-sha256",
                )
            };
            let text = sent.ok_or_else(missing)?;
            Ok((text, PayloadHash::parse(text)?))
        }
        Form::Query { .. } => {
            let signed = sent
                .filter(|_| claim.signs("x-amz-content-sha256"))
                .or(query.get_any_case("x-amz-content-sha256"));
            let demanded = PayloadHash::parse(sent.or(signed).unwrap_or(UNSIGNED_PAYLOAD))?;
            Ok((signed.unwrap_or(UNSIGNED_PAYLOAD), demanded))
        }
    }
}

/// Compares without telling by its duration where the first difference lies.
pub(crate) fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let difference = left.iter().zip(right).fold(0u8, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0
}
