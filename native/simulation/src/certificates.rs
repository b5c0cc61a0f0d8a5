//! Certificates for the nodes of simulated clusters whose links run over TLS.
//!
//! Everything of them has one length in every run: signatures are Ed25519, the serial number is fixed. Their bytes differ from run to run,
//! as keys do, but nothing that happens depends on them.

use openlake_peer::TlsOptions;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ED25519, SerialNumber};

const NAME: &str = "simulated";

/// A certificate that all nodes of a cluster share.
///
/// # Panics
/// When it cannot be made, which only a change of this code can cause.
pub fn shared_certificate() -> TlsOptions {
    let key = || KeyPair::generate_for(&PKCS_ED25519).expect("there is chance enough for a key");
    let params = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names are plain");
        params.serial_number = Some(SerialNumber::from(0x5eed_u64));
        params
    };
    let mut authority = params(&[]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("it signs itself");
    let own = key();
    let certificate = params(&[NAME]).signed_by(&own, &authority).expect("the authority signs");
    TlsOptions {
        required: true,
        certificate: certificate.pem(),
        key: own.serialize_pem(),
        authority: authority.pem(),
        name: Some(NAME.to_owned()),
    }
}
