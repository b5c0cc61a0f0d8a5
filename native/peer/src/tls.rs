//! TLS between peers: by what a node proves that it belongs to the cluster, and whom it believes.
//!
//! Both sides show a certificate: issued by the cluster's authority, and for the name that the other side expects of that node. TLS
//! lies below everything else: it turns the stream of a connection into another stream (see `stream`). The handshake of frames runs
//! over it as always and proves the secret; its proofs cover the TLS session that they are made in, so that nobody in between can pass
//! them on into another one.

mod reason;
mod session;
mod wall;

pub use session::{Channel, NoSession, Session};

use bytes::Bytes;
use openlake_checksum::sha256::digest;
use openlake_io::{Runtime, Socket};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use std::net::IpAddr;
use std::sync::Arc;
use wall::Wall;

/// Names this protocol in the TLS handshake, so that a certificate is never used here by way of another service that takes it.
const PROTOCOL: &[u8] = b"openlake-peer/1";
/// Stands for a node's id in a name.
const ID: &str = "{id}";

/// What TLS between peers is made of. Texts are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// Without it links to nodes that have no TLS (yet, or any more) are made and taken without.
    pub required: bool,
    /// The node's certificate, then those between it and the authority's.
    pub certificate: String,
    pub key: String,
    /// Certificates of the authorities that issue certificates of nodes.
    pub authority: String,
    /// The name that a node's certificate must be for, with `{id}` for its id; none: its address.
    pub name: Option<String>,
}

/// What a node proves itself by, and whom it believes, ready for use. A cheap handle.
#[derive(Clone)]
pub struct PeerTls {
    inner: Arc<Inner>,
}

struct Inner {
    id: [u8; 8],
    required: bool,
    name: Option<String>,
    own: CertificateDer<'static>,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
    wall: Arc<Wall>,
}

impl PeerTls {
    /// Reads certificates and key. An error names the part that cannot be used.
    pub fn new(options: &TlsOptions) -> Result<PeerTls, String> {
        let chain = certificates("certificate", &options.certificate)?;
        let own = chain[0].clone();
        let key = || PrivateKeyDer::from_pem_slice(options.key.as_bytes()).map_err(|error| format!("the key cannot be read: {error}"));
        let mut roots = RootCertStore::empty();
        for authority in certificates("authority's certificate", &options.authority)? {
            roots
                .add(authority)
                .map_err(|error| format!("the authority's certificate cannot be used: {error}"))?;
        }
        let roots = Arc::new(roots);
        let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let wall = Arc::new(Wall::default());
        let unusable = |error: rustls::Error| format!("the certificate cannot be used with this key: {error}");
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| format!("the authority's certificate cannot be used: {error}"))?;
        let mut server = ServerConfig::builder_with_details(provider.clone(), wall.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(chain.clone(), key()?)
            .map_err(unusable)?;
        // Every connection shows both certificates: nothing is taken up from an earlier one.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        let mut client = ClientConfig::builder_with_details(provider, wall.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key()?)
            .map_err(unusable)?;
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        let this = PeerTls {
            inner: Arc::new(Inner {
                id: identify(options),
                required: options.required,
                name: options.name.clone(),
                own,
                client: Arc::new(client),
                server: Arc::new(server),
                verifier,
                wall,
            }),
        };
        // A pattern that gives no name would refuse everybody, later.
        this.name_of(u32::MAX, IpAddr::from([0, 0, 0, 0])).map(|_| this)
    }

    /// Whether links without TLS are refused.
    pub fn is_required(&self) -> bool {
        self.inner.required
    }

    /// Differs when certificate, key, authorities or name do.
    pub fn id(&self) -> [u8; 8] {
        self.inner.id
    }

    /// The name that the certificate of a node must be for.
    fn name_of(&self, node: u32, address: IpAddr) -> Result<ServerName<'static>, String> {
        match &self.inner.name {
            None => Ok(ServerName::IpAddress(address.into())),
            Some(pattern) => {
                let name = pattern.replace(ID, &node.to_string());
                ServerName::try_from(name.clone()).map_err(|error| format!("no name for a certificate: {name:?}, {error}"))
            }
        }
    }

    /// Begins TLS as the one who connects to `node`, which is at `address` by the layout.
    pub async fn connect(&self, runtime: &Runtime, socket: &Socket, node: u32, address: IpAddr) -> Result<Session, NoSession> {
        self.inner.wall.set_ms(runtime.wall_ms());
        let name = self.name_of(node, address).map_err(NoSession::Failed)?;
        let connection = ClientConnection::new(self.inner.client.clone(), name).map_err(|error| NoSession::Failed(reason::of(&error)))?;
        Session::shake_hands(self, socket, Connection::Client(connection), Bytes::new()).await
    }

    /// Begins TLS as the one who was connected to, and has received `early` already.
    pub async fn accept(&self, runtime: &Runtime, socket: &Socket, early: Bytes) -> Result<Session, NoSession> {
        self.inner.wall.set_ms(runtime.wall_ms());
        let connection = ServerConnection::new(self.inner.server.clone()).map_err(|error| NoSession::Failed(reason::of(&error)))?;
        Session::shake_hands(self, socket, Connection::Server(connection), early).await
    }

    /// Whether a connection that was made by an earlier configuration would be made by this one too. That a certificate has expired
    /// since is no reason: a connection outlives its certificate.
    pub fn still_believes(&self, channel: &Channel) -> bool {
        let Some((own, between)) = channel.peer_chain().split_first() else {
            return false;
        };
        self.inner.verifier.verify_client_cert(own, between, channel.began()).is_ok()
    }
}

fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(format!("the {what} is missing: the text holds no CERTIFICATE in PEM")),
        Err(error) => Err(format!("the {what} cannot be read: {error}")),
    }
}

fn identify(options: &TlsOptions) -> [u8; 8] {
    let name = options.name.as_deref().unwrap_or_default();
    let parts = [&options.certificate, &options.key, &options.authority, name].map(|part| digest(part.as_bytes()));
    let hash = digest(parts.as_flattened());
    std::array::from_fn(|index| hash[index])
}

#[cfg(test)]
mod tests;
