//! A certificate authority of a test. Ed25519, whose signatures are all of one length, so that simulated nodes replay.

use openlake_peer::{PeerTls, TlsOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ED25519, date_time_ymd};

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Ends long ago.
pub const EXPIRED: (i32, i32) = (1975, 1980);
const USUAL: (i32, i32) = (1975, 4000);

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        Authority { issuer }
    }

    /// What a node is given: a certificate for these names and addresses, valid as long as can be.
    pub fn certify(&self, names: &[&str]) -> TlsOptions {
        self.certify_for(names, USUAL)
    }

    /// As `certify`, valid between the beginnings of two years.
    pub fn certify_for(&self, names: &[&str], (from, until): (i32, i32)) -> TlsOptions {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names and addresses");
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        TlsOptions {
            required: true,
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            authority: self.pem(),
            name: None,
        }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }
}

/// Ready for use.
pub fn ready(options: &TlsOptions) -> Option<PeerTls> {
    Some(PeerTls::new(options).expect("the authority made it"))
}
