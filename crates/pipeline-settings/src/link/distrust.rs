//! Why there is no trust between this program and a server, in a word that a person can act on.
//!
//! TLS libraries bury the reason: it is looked for in the sources of an error, whatever client it came through.

use std::fmt;

/// Why there is no trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// The server's certificate is not signed by an authority that we trust.
    UnknownAuthority,
    /// The server's certificate is for other names.
    WrongName {
        /// The name by which the server was reached.
        name: String,
        /// The names in its certificate.
        names: Vec<String>,
    },
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate does not hold yet.
    NotYetValid,
    /// Something else is wrong with the server's certificate.
    Invalid,
    /// The server does not speak TLS at this port.
    NotTls,
    /// The server asks for a client certificate, and none is set.
    CertificateWanted,
    /// The server does not take the client certificate.
    CertificateRefused,
    /// The second look found nothing wrong, or could not be taken.
    Unknown,
}

/// A reason with the settings that it is about; see [`Distrust::by`].
struct Told<'a> {
    distrust: &'a Distrust,
    keys: &'a str,
}

// === impl Distrust ===

impl Distrust {
    /// The reason as a sentence about a server; `keys` is how its settings begin, such as `kafka.`.
    pub fn by<'a>(&'a self, keys: &'a str) -> impl fmt::Display + 'a {
        Told { distrust: self, keys }
    }

    /// The reason among the sources of an error, if TLS is why it failed. `shows_certificate`: whether this program has a
    /// client certificate for that server. A program without TLS has no such errors.
    #[cfg_attr(not(feature = "certificates"), expect(unused_variables, reason = "there is nothing to look for"))]
    pub fn of(error: &(dyn std::error::Error + 'static), shows_certificate: bool) -> Option<Self> {
        #[cfg(feature = "certificates")]
        return reasons::of(error, shows_certificate);
        #[cfg(not(feature = "certificates"))]
        None
    }
}

// === impl Told ===

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys;
        match self.distrust {
            Distrust::UnknownAuthority => write!(
                f,
                "its certificate is not signed by the authority of `{keys}ca_file`, or of the system without one"
            ),
            Distrust::WrongName { name, names } => {
                write!(f, "its certificate is not for `{name}`")?;
                if names.is_empty() { Ok(()) } else { write!(f, ", but for {}", names.join(", ")) }
            }
            Distrust::Expired => f.write_str("its certificate has expired"),
            Distrust::NotYetValid => f.write_str("its certificate does not hold yet: is this machine's clock right?"),
            Distrust::Invalid => f.write_str("its certificate is not valid"),
            Distrust::NotTls => f.write_str("it does not speak TLS at this port"),
            Distrust::CertificateWanted => {
                write!(f, "it asks for a client certificate, and `{keys}client_certificate_file` is not set")
            }
            Distrust::CertificateRefused => {
                write!(f, "it does not take the certificate of `{keys}client_certificate_file`")
            }
            Distrust::Unknown => f.write_str("the TLS handshake failed"),
        }
    }
}

#[cfg(feature = "certificates")]
mod reasons {
    use std::{error, io};

    use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

    use super::Distrust;

    pub(super) fn of(error: &(dyn error::Error + 'static), shows_certificate: bool) -> Option<Distrust> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Error>() {
                return named(found, shows_certificate);
            }
            // An I/O error that wraps another one gives the sources of that, and leaves it out itself.
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }

    fn named(error: &Error, shows_certificate: bool) -> Option<Distrust> {
        match error {
            Error::InvalidCertificate(certificate) => Some(of_certificate(certificate)),
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => Some(Distrust::NotTls),
            Error::AlertReceived(alert) => Some(of_alert(*alert, shows_certificate)),
            _ => None,
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
            _ => Distrust::Invalid,
        }
    }

    /// `a.example` of `DnsName("a.example")`; what is in it stays escaped.
    fn bare(name: &str) -> String {
        name.split('"').nth(1).unwrap_or(name).to_owned()
    }

    fn of_alert(alert: AlertDescription, shows_certificate: bool) -> Distrust {
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
        match (about_us, shows_certificate) {
            (true, false) => Distrust::CertificateWanted,
            (true, true) => Distrust::CertificateRefused,
            (false, _) => Distrust::Unknown,
        }
    }
}
