//! Why there is no trust between this client and a broker.
//!
//! librdkafka says "certificate verify failed", whatever is wrong with the certificate. So a second look is taken: one TLS
//! handshake with the same authority and the same client certificate, by a library that names the reason. The look only
//! explains: whether a client is let in is decided by librdkafka.

pub use pipeline_settings::link::distrust::Distrust;
use pipeline_settings::settings;

/// Takes the second look at a broker, `host:port`.
#[cfg(feature = "tls")]
pub(super) async fn look(settings: &settings::Kafka, broker: &str) -> Distrust {
    handshake::look(settings, broker).await
}

/// Without TLS there is no handshake, and nothing to look at.
#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "with TLS it waits for the broker")]
pub(super) async fn look(_: &settings::Kafka, _: &str) -> Distrust {
    Distrust::Unknown
}

#[cfg(feature = "tls")]
mod handshake {
    use std::{io, path::Path, sync::Arc, time::Duration};

    use pipeline_settings::{files, settings};
    use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
    use tokio_rustls::{
        TlsConnector,
        rustls::{
            ClientConfig, Error, InvalidMessage, RootCertStore,
            crypto::ring,
            pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        },
    };

    use super::Distrust;

    /// How long the look may take: the broker has answered a moment ago.
    const PATIENCE: Duration = Duration::from_secs(3);

    pub(super) async fn look(settings: &settings::Kafka, broker: &str) -> Distrust {
        let Some(config) = config(settings) else { return Distrust::Unknown };
        match timeout(PATIENCE, shake_hands(config, broker)).await {
            Ok(Err(error)) => {
                Distrust::of(&error, settings.client_certificate_file.is_some()).unwrap_or(Distrust::Unknown)
            }
            Ok(Ok(())) | Err(_) => Distrust::Unknown,
        }
    }

    /// A broker that wants another client certificate says so after the handshake: the first read hears it.
    async fn shake_hands(config: ClientConfig, broker: &str) -> io::Result<()> {
        let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host).trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let stream = TcpStream::connect(broker).await?;
        // A broker that takes our first bytes for a request that makes no sense hangs up without an answer.
        let hung_up = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                io::Error::other(Error::InvalidMessage(InvalidMessage::InvalidContentType))
            }
            _ => error,
        };
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(hung_up)?;
        stream.read(&mut [0]).await.map(drop)
    }

    fn config(settings: &settings::Kafka) -> Option<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let authorities = match &settings.ca_file {
            Some(path) => certificates(path)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        roots.add_parsable_certificates(authorities);
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots);
        let identity = (&settings.client_certificate_file, &settings.client_key_file);
        // An encrypted key is not read here; what the broker says then is about the missing certificate.
        if let (Some(chain), Some(key)) = identity
            && let (Some(chain), Some(key)) = (certificates(chain), pem(key))
            && let Ok(key) = PrivateKeyDer::from_pem_slice(&key)
        {
            return builder.with_client_auth_cert(chain, key).ok();
        }
        Some(builder.with_no_client_auth())
    }

    fn certificates(path: &Path) -> Option<Vec<CertificateDer<'static>>> {
        CertificateDer::pem_slice_iter(&pem(path)?).collect::<Result<_, _>>().ok()
    }

    fn pem(path: &Path) -> Option<Vec<u8>> {
        files::read(path, files::WRITTEN_BY_HAND).ok()
    }
}
