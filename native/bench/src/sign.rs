//! SigV4 signatures in request headers, as a client makes them (AWS "Signature Version 4", header form).

use openlake_checksum::sha256::{self, Sha256};

/// Signs for one identity and day; the derived key is kept.
pub struct Signer {
    access_key: String,
    secret_key: String,
    region: String,
    day: String,
    key: [u8; 32],
}

/// What of a request is signed.
pub struct Signable<'request> {
    pub method: &'request str,
    pub host: &'request str,
    /// Percent-encoded path.
    pub path: &'request str,
    /// Percent-encoded, sorted query without `?`.
    pub query: &'request str,
    pub body: &'request [u8],
}

/// The headers that make a request a signed one.
pub struct Signed {
    pub date: String,
    pub content_sha256: String,
    pub authorization: String,
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0'))
        .collect()
}

fn digest(bytes: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(bytes);
    hex(&hasher.finish())
}

/// `YYYYMMDDTHHMMSSZ` of milliseconds since 1970 (civil-from-days after Howard Hinnant).
pub fn timestamp(wall_ms: u64) -> String {
    let seconds = wall_ms / 1000;
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z",
        clock / 3600,
        clock / 60 % 60,
        clock % 60
    )
}

impl Signer {
    /// A signer for the service `s3` in a region.
    pub fn new(access_key: &str, secret_key: &str, region: &str) -> Signer {
        Signer {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            region: region.to_owned(),
            day: String::new(),
            key: [0; 32],
        }
    }
    /// Signs a request at a time, over host, payload hash and date.
    pub fn sign(&mut self, request: &Signable<'_>, wall_ms: u64) -> Signed {
        let date = timestamp(wall_ms);
        let day = &date[..8];
        if self.day != day {
            let key = [day.as_bytes(), self.region.as_bytes(), b"s3", b"aws4_request"]
                .iter()
                .fold(format!("AWS4{}", self.secret_key).into_bytes(), |key, word| {
                    sha256::hmac(&key, word).to_vec()
                });
            self.key.copy_from_slice(&key);
            self.day = day.to_owned();
        }
        let content_sha256 = digest(request.body);
        let Signable {
            method, host, path, query, ..
        } = request;
        let names = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{content_sha256}\nx-amz-date:{date}\n\n{names}\n{content_sha256}"
        );
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", digest(canonical.as_bytes()));
        let signature = hex(&sha256::hmac(&self.key, to_sign.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key
        );
        Signed {
            date,
            content_sha256,
            authorization,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_civil_dates() {
        assert_eq!(timestamp(0), "19700101T000000Z");
        assert_eq!(timestamp(951_782_400_000), "20000229T000000Z");
        assert_eq!(timestamp(1_369_353_600_000), "20130524T000000Z");
    }

    /// The GET Object example of the S3 documentation, "Authenticating Requests: Using the Authorization Header", without its Range header
    /// has no published signature; the list example (GET ?max-keys=2&prefix=J) has, and signs exactly our three headers.
    #[test]
    fn the_documented_list_request_has_the_documented_signature() {
        let mut signer = Signer::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1");
        let request = Signable {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/",
            query: "max-keys=2&prefix=J",
            body: b"",
        };
        let signed = signer.sign(&request, 1_369_353_600_000);
        assert!(
            signed
                .authorization
                .ends_with("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
            "{}",
            signed.authorization
        );
    }
}
