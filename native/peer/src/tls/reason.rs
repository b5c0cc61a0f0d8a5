//! Why TLS came to nothing, for those who run the cluster: whose certificate is at fault, and what to do.

use rustls::{AlertDescription, CertificateError, Error};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The reason in words. "Its" is the other side's.
pub fn of(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => format!("its certificate is refused: {}", of_certificate(error)),
        Error::NoCertificatesPresented => "it shows no certificate".to_owned(),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::PeerIncompatible(error) => format!("it speaks TLS in a way that is not spoken here, which is TLS 1.3 only ({error:?})"),
        other => format!("TLS failed: {other}"),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { time, not_after } => {
            let since = time.as_secs().saturating_sub(not_after.as_secs());
            format!("it expired {} ago by the clock of this node; renew it", span(since))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let until = not_before.as_secs().saturating_sub(time.as_secs());
            format!("it is valid only in {} by the clock of this node; compare the clocks", span(until))
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "it was not issued by an authority of this node's ca_file".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its extended key usage must allow both clientAuth and serverAuth, or not restrict the usage".to_owned()
        }
        other => other.to_string(),
    }
}

/// What the other side makes known is one byte.
fn of_alert(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::CertificateExpired => "has expired, or is not valid yet, by the clock of the other side",
        AlertDescription::UnknownCA | AlertDescription::DecryptError => "was not issued by an authority of the other side's ca_file",
        AlertDescription::BadCertificate => "is not for the name or address that the other side expects of this node, or cannot be read",
        AlertDescription::UnsupportedCertificate => "does not allow this use: extended key usage must allow clientAuth and serverAuth",
        AlertDescription::CertificateRequired => "was not shown",
        AlertDescription::NoApplicationProtocol => return "the other side speaks TLS, but is no OpenLake peer".to_owned(),
        AlertDescription::ProtocolVersion => return "the other side does not speak TLS 1.3".to_owned(),
        other => return format!("the other side ended TLS: {other:?}"),
    };
    format!("the other side refuses the certificate of this node: it {why}")
}

/// A span of time in its largest unit.
fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        DAY.. => (seconds / DAY, "days"),
        HOUR.. => (seconds / HOUR, "hours"),
        MINUTE.. => (seconds / MINUTE, "minutes"),
        _ => (seconds, "seconds"),
    };
    format!("{count} {unit}")
}
