//! What is not accepted as a certificate, and that a session's proofs are worth nothing in another.

use super::*;
use crate::NodeAddress;
use crate::frame::MAX_STRANGER_BYTES;
use crate::handshake::{Credentials, KnownBoots, Peer, Refusal, Versions, initiate, respond};
use crate::incoming::Incoming;
use crate::stream::Stream;
use openlake_io::{AlignedBuffer, EngineKind, Listener};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

fn issue() -> (TlsOptions, TlsOptions) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
    let certify = || {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
        TlsOptions {
            required: true,
            certificate: params.signed_by(&key, &issuer).expect("a certificate").pem(),
            key: key.serialize_pem(),
            authority: issuer.pem(),
            name: None,
        }
    };
    (certify(), certify())
}

#[test]
fn what_cannot_be_used_is_named() {
    let (one, two) = issue();
    let text = |options: TlsOptions| PeerTls::new(&options).err().expect("it cannot be used");
    let certificate = String::new();
    assert!(
        text(TlsOptions {
            certificate,
            ..one.clone()
        })
        .contains("the certificate is missing")
    );
    let key = one.certificate.clone();
    assert!(text(TlsOptions { key, ..one.clone() }).contains("the key cannot be read"));
    let key = two.key.clone();
    assert!(text(TlsOptions { key, ..one.clone() }).contains("the certificate cannot be used with this key"));
    let authority = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    assert!(text(TlsOptions { authority, ..one.clone() }).contains("the authority's certificate cannot be used"));
    let name = Some("not a name".to_owned());
    assert!(text(TlsOptions { name, ..one.clone() }).contains("no name for a certificate"));
    let ids = [&one, &one, &two].map(|options| PeerTls::new(options).expect("it can be used").id());
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

fn credentials(node: u32, tls: &PeerTls) -> Credentials {
    Credentials {
        cluster: [1; 16],
        node,
        boot: 1,
        epoch: 1,
        layout_hash: [2; 16],
        versions: Versions::SPOKEN,
        secrets: vec![b"secret".to_vec()],
        tls: Some(tls.clone()),
        nodes: [1, 2]
            .map(|id| NodeAddress {
                id,
                address: ([127, 0, 0, 1], 9001).into(),
            })
            .to_vec(),
    }
}

/// Node 1 links to node 2, directly or by a man in the middle who has a certificate of the cluster and not its secret.
async fn link(runtime: &Runtime, options: (TlsOptions, TlsOptions), man_in_the_middle: bool) -> [Result<Peer, Refusal>; 2] {
    let (one, two) = (PeerTls::new(&options.0).expect("usable"), PeerTls::new(&options.1).expect("usable"));
    let listen = || runtime.listen(([127, 0, 0, 1], 0).into(), false).expect("a free port");
    let (listener, middle) = (listen(), listen());
    let address = |listener: &Listener| listener.local_address().expect("it listens");
    let target = if man_in_the_middle { address(&middle) } else { address(&listener) };
    let here = IpAddr::from([127, 0, 0, 1]);
    let (spawner, tls, beyond) = (runtime.clone(), two.clone(), address(&listener));
    runtime.spawn(async move {
        let Ok((socket, _)) = middle.accept().await else { return };
        let near = Stream::accept(&spawner, socket, &credentials(2, &tls)).await;
        let near = near.expect("TLS").expect("a stream");
        let socket = spawner.connect(beyond).await.expect("node 2 listens");
        let far = Stream::connect(&spawner, socket, &tls, 2, here).await.expect("TLS");
        spawner.spawn(pass_on(near.clone(), far.clone()));
        pass_on(far, near).await;
    });
    let initiator = async {
        let socket = runtime.connect(target).await.expect("someone listens");
        let stream = Stream::connect(runtime, socket, &one, 2, here).await.expect("TLS");
        let mut incoming = Incoming::new(runtime, &stream, MAX_STRANGER_BYTES, MAX_STRANGER_BYTES);
        initiate(runtime, &stream, &mut incoming, &credentials(1, &one), b"secret", 2).await
    };
    let responder = async {
        let (socket, _) = listener.accept().await.expect("someone comes");
        let me = credentials(2, &two);
        let stream = Stream::accept(runtime, socket, &me).await.expect("TLS").expect("a stream");
        let mut incoming = Incoming::new(runtime, &stream, MAX_STRANGER_BYTES, MAX_STRANGER_BYTES);
        respond(runtime, &stream, &mut incoming, &me, 1, |_| KnownBoots::default()).await
    };
    let (initiated, responded) = futures_util::future::join(initiator, responder).await;
    [initiated, responded]
}

async fn pass_on(from: Stream, to: Stream) {
    while let Ok((buffer, count)) = from.receive(AlignedBuffer::with_capacity(4096)).await {
        if count == 0 || to.send(vec![buffer.freeze()]).await.is_err() {
            break;
        }
    }
    to.shutdown();
}

#[test]
fn a_man_in_the_middle_cannot_pass_proofs_on() {
    let runtime = Runtime::new(EngineKind::Poll).expect("poll runs everywhere");
    runtime.run(async {
        let linked = link(&runtime, issue(), false).await;
        assert!(linked.iter().all(Result::is_ok), "{linked:?}");
        let [initiated, responded] = link(&runtime, issue(), true).await;
        assert!(initiated.is_err_and(|refusal| refusal.reason.contains("its proof is wrong")));
        assert!(responded.is_err());
    });
}
