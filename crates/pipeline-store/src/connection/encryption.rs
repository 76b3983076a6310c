//! TLS of the driver that loads rows: no less than the other driver has on the same link.

#[cfg(feature = "tls")]
use mysql_async::ClientIdentity;
use mysql_async::SslOpts;
use pipeline_settings::target_url::Link;

/// What the driver that loads is told; or why it cannot have a link like the other one.
#[cfg(feature = "tls")]
pub(super) fn of_loader(link: &Link) -> Result<SslOpts, &'static str> {
    use pipeline_settings::target_url::TlsMode;
    use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

    // The driver has a switch for it, and takes the library's words for a wrong name, which are others by now, for any
    // other fault: with the switch it would refuse what the other driver takes.
    if link.tls == TlsMode::VerifyCa {
        return Err("the driver that loads them cannot leave out the host's name alone: `ssl-mode=VERIFY_CA`");
    }
    // The driver takes the process's own, and two are linked, so that there is none by itself.
    if CryptoProvider::get_default().is_none() {
        // Lost only to another thread that installs one, which is as good.
        let _installed = ring::default_provider().install_default();
    }
    let verifies = link.tls == TlsMode::VerifyIdentity;
    let authorities = link.authority.iter().map(|path| path.clone().into()).collect();
    let identity = link.certificate.clone().zip(link.key.clone());
    let identity = identity.map(|(chain, key)| ClientIdentity::new(chain.into(), key.into()));
    Ok(SslOpts::default()
        .with_root_certs(authorities)
        .with_client_identity(identity)
        // As for the other driver: who did not ask for a verified server gets an encrypted link to whoever answers.
        .with_danger_accept_invalid_certs(!verifies))
}

/// A build without TLS has no encrypted link.
#[cfg(not(feature = "tls"))]
pub(super) fn of_loader(_: &Link) -> Result<SslOpts, &'static str> {
    Err("the link to the server is encrypted")
}
