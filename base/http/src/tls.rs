//! TLS at the door: the platform's certificate, and, where members must show theirs, the market's
//! authority that signed them.
//!
//! Handshakes run beside the listener, bounded in number and time, so a peer that says nothing
//! holds up nobody. A peer whose certificate does not hold never reaches a route.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most handshakes under way.
const MOST_HANDSHAKES: usize = 512;

/// Files of the platform's own identity and of the authority its callers must show.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// Certificate chain, PEM, the platform's own first.
    pub certificate_file: PathBuf,
    /// Private key, PEM.
    pub key_file: PathBuf,
    /// Certificates of the authority that signs members' certificates, PEM. When given, a caller
    /// without such a certificate is turned away in the handshake (mTLS).
    #[serde(default)]
    pub client_authority_file: Option<PathBuf>,
}

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or holds no PEM of its kind.
    #[error("cannot read {what} from {}", path.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that cannot be used.
    #[error("certificate and key cannot be used")]
    Unusable(#[from] rustls::Error),
    /// The authority's certificates cannot be used.
    #[error("the authority of client certificates cannot be used")]
    Authority(#[from] rustls::server::VerifierBuilderError),
}

impl TlsSettings {
    /// Reads the files; TLS 1.2 and 1.3.
    pub fn load(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = certificates("certificates", &self.certificate_file)?;
        let key = PrivateKeyDer::from_pem_file(&self.key_file).map_err(|source| {
            TlsError::File { what: "a private key", path: self.key_file.clone(), source }
        })?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        let builder = match &self.client_authority_file {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates("the authority's certificates", path)? {
                    roots.add(certificate)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::File { what, path: path.to_owned(), source };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(wrong)?.collect();
    let found = found.map_err(wrong)?;
    if found.is_empty() {
        return Err(wrong(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}

/// Accepts connections whose handshake is done.
pub struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

impl TlsListener {
    /// Takes connections from `listener` and greets them as `config` says.
    pub fn new(listener: TcpListener, config: ServerConfig) -> std::io::Result<TlsListener> {
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (done, ready) = mpsc::channel(MOST_HANDSHAKES);
        let places = Arc::new(Semaphore::new(MOST_HANDSHAKES));
        let accepting = tokio::spawn(async move {
            let mut listener = listener;
            // The semaphore is never closed, so a place always comes.
            while let Ok(place) = places.clone().acquire_owned().await {
                let (stream, peer) = Listener::accept(&mut listener).await;
                let (acceptor, done) = (acceptor.clone(), done.clone());
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        // Nobody listens any more: the connection closes with the process.
                        Ok(Ok(stream)) => drop(done.send((stream, peer)).await),
                        Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                        Err(_) => tracing::debug!("a handshake took too long"),
                    }
                    drop(place);
                });
            }
        });
        Ok(TlsListener { ready, address, accepting })
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TlsStream<TcpStream>, SocketAddr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // The accepting task ends only with the listener, so this waits for the shutdown.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Address of a peer that came through TLS.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

/// Shows routes the peer's address the way a plain listener does.
pub async fn show_peer(mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(Peer(address))) = request.extensions().get::<ConnectInfo<Peer>>() {
        let shown = ConnectInfo(*address);
        request.extensions_mut().insert(shown);
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

    use super::*;

    struct Files(PathBuf);

    impl Files {
        fn put(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn leaf(
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        issuer: &CertifiedIssuer<'static, KeyPair>,
    ) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
    }

    #[tokio::test]
    async fn only_members_of_the_market_pass_the_handshake() {
        let (market, stranger) = (authority(), authority());
        let files =
            Files(std::env::temp_dir().join(format!("commonwheel-tls-{}", std::process::id())));
        std::fs::create_dir_all(&files.0).unwrap();
        let (certificate, key) = leaf("localhost", ExtendedKeyUsagePurpose::ServerAuth, &market);
        let settings = TlsSettings {
            certificate_file: files.put("server.pem", &certificate),
            key_file: files.put("server.key", &key),
            client_authority_file: Some(files.put("market.pem", &market.pem())),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let listener = TlsListener::new(listener, settings.load().unwrap()).unwrap();
        let routes =
            Router::new()
                .route(
                    "/",
                    get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
                        peer.ip().to_string()
                    }),
                )
                .layer(from_fn(show_peer));
        let service = routes.into_make_service_with_connect_info::<Peer>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let client = |identity: Option<(String, String)>| {
            let mut builder = reqwest::Client::builder()
                .tls_certs_only([reqwest::Certificate::from_pem(market.pem().as_bytes()).unwrap()]);
            if let Some((certificate, key)) = identity {
                let pem = format!("{certificate}{key}");
                builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
            }
            builder.build().unwrap()
        };
        let url = format!("https://localhost:{port}/");
        let member = leaf("member", ExtendedKeyUsagePurpose::ClientAuth, &market);
        let answer = client(Some(member)).get(&url).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "127.0.0.1");
        let outsider = leaf("outsider", ExtendedKeyUsagePurpose::ClientAuth, &stranger);
        assert!(client(Some(outsider)).get(&url).send().await.is_err());
        assert!(client(None).get(&url).send().await.is_err());
    }

    #[test]
    fn a_missing_file_is_named() {
        let settings = TlsSettings {
            certificate_file: "/nowhere/server.pem".into(),
            key_file: "/nowhere/server.key".into(),
            client_authority_file: None,
        };
        let told = settings.load().unwrap_err().to_string();
        assert_eq!(told, "cannot read certificates from /nowhere/server.pem");
    }
}
