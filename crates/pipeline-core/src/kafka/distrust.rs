//! Why there is no trust between this client and a broker, in a word that a person can act on.
//!
//! librdkafka says "certificate verify failed", whatever is wrong with the certificate. So a second look is taken: one TLS
//! handshake with the same authority and the same client certificate, by a library that names the reason. The look only
//! explains: whether a client is let in is decided by librdkafka.

use std::fmt;

use crate::settings;

/// Why there is no trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// The broker's certificate is not signed by an authority that we trust.
    UnknownAuthority,
    /// The broker's certificate is for other names.
    WrongName {
        /// The name by which the broker was reached.
        name: String,
        /// The names in its certificate.
        names: Vec<String>,
    },
    /// The broker's certificate has expired.
    Expired,
    /// The broker's certificate does not hold yet.
    NotYetValid,
    /// The broker does not speak TLS at this port.
    NotTls,
    /// The broker asks for a client certificate, and none is set.
    CertificateWanted,
    /// The broker does not take the client certificate.
    CertificateRefused,
    /// The second look found nothing wrong, or could not be taken.
    Unknown,
}

// === impl Display ===

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => f.write_str(
                "its certificate is not signed by the authority of `kafka.ca_file`, or of the system without one",
            ),
            Self::WrongName { name, names } => {
                write!(f, "its certificate is not for `{name}`")?;
                if names.is_empty() { Ok(()) } else { write!(f, ", but for {}", names.join(", ")) }
            }
            Self::Expired => f.write_str("its certificate has expired"),
            Self::NotYetValid => f.write_str("its certificate does not hold yet: is this machine's clock right?"),
            Self::NotTls => f.write_str("it does not speak TLS at this port"),
            Self::CertificateWanted => {
                f.write_str("it asks for a client certificate, and `kafka.client_certificate_file` is not set")
            }
            Self::CertificateRefused => {
                f.write_str("it does not take the certificate of `kafka.client_certificate_file`")
            }
            Self::Unknown => f.write_str("the TLS handshake failed"),
        }
    }
}

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

    use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
    use tokio_rustls::{
        TlsConnector,
        rustls::{
            AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore,
            crypto::ring,
            pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        },
    };

    use super::Distrust;
    use crate::settings;

    /// How long the look may take: the broker has answered a moment ago.
    const PATIENCE: Duration = Duration::from_secs(3);

    pub(super) async fn look(settings: &settings::Kafka, broker: &str) -> Distrust {
        let Some(config) = config(settings) else { return Distrust::Unknown };
        match timeout(PATIENCE, shake_hands(config, broker)).await {
            Ok(Err(error)) => named(&error, settings),
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
            && let (Some(chain), Ok(key)) = (certificates(chain), PrivateKeyDer::from_pem_file(key))
        {
            return builder.with_client_auth_cert(chain, key).ok();
        }
        Some(builder.with_no_client_auth())
    }

    fn certificates(path: &Path) -> Option<Vec<CertificateDer<'static>>> {
        CertificateDer::pem_file_iter(path).ok()?.collect::<Result<_, _>>().ok()
    }

    fn named(error: &io::Error, settings: &settings::Kafka) -> Distrust {
        let error = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match error {
            Some(Error::InvalidCertificate(certificate)) => of_certificate(certificate),
            Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => Distrust::NotTls,
            Some(Error::AlertReceived(alert)) => of_alert(*alert, settings),
            _ => Distrust::Unknown,
        }
    }

    fn of_certificate(error: &CertificateError) -> Distrust {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Distrust::NotYetValid,
            CertificateError::NotValidForNameContext { expected, presented } => Distrust::WrongName {
                name: expected.to_str().into_owned(),
                names: presented.iter().map(|name| bare(name)).collect(),
            },
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Distrust::UnknownAuthority,
            _ => Distrust::Unknown,
        }
    }

    /// `a.example` of `DnsName("a.example")`; what is in it stays escaped.
    fn bare(name: &str) -> String {
        name.split('"').nth(1).unwrap_or(name).to_owned()
    }

    fn of_alert(alert: AlertDescription, settings: &settings::Kafka) -> Distrust {
        let about_us = matches!(
            alert,
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
        );
        match (about_us, &settings.client_certificate_file) {
            (true, None) => Distrust::CertificateWanted,
            (true, Some(_)) => Distrust::CertificateRefused,
            (false, _) => Distrust::Unknown,
        }
    }
}
