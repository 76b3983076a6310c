//! TLS for a listener of ours: its certificate and key, read again when their files change.

use std::{io, path::PathBuf, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};

use pipeline_settings::{files, link::renewal::Renewed};

/// How a listener proves who it is. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls(Arc<Held>);

struct Held {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: Renewed<TlsAcceptor>,
}

// === impl Tls ===

impl Tls {
    /// Reads a certificate with its chain, and its key, both PEM.
    pub(crate) fn new(certificate: PathBuf, key: PathBuf) -> io::Result<Self> {
        let both = vec![certificate.clone(), key.clone()];
        let acceptor = Renewed::new("admin endpoint", both, || acceptor(&certificate, &key))?;
        Ok(Self(Arc::new(Held { certificate, key, acceptor })))
    }

    /// The handshake of one connection, with the certificate that holds now.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let Held { certificate, key, acceptor: held } = &*self.0;
        held.get(|| acceptor(certificate, key)).accept(stream).await
    }
}

fn acceptor(certificate: &PathBuf, key: &PathBuf) -> io::Result<TlsAcceptor> {
    let about = |file: &PathBuf, reason: &dyn std::fmt::Display| {
        io::Error::other(format!("`{}` cannot be used: {reason}", file.display()))
    };
    let pem = |file: &PathBuf| files::read(file, files::WRITTEN_BY_HAND).map_err(|error| about(file, &error));
    let chain = CertificateDer::pem_slice_iter(&pem(certificate)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| about(certificate, &error))?;
    if chain.is_empty() {
        return Err(about(certificate, &"it holds no certificate in PEM"));
    }
    let secret = PrivateKeyDer::from_pem_slice(&pem(key)?).map_err(|error| about(key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| about(certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
