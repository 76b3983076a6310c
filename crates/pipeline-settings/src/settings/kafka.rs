//! How a client talks to the brokers, and where its tokens come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// How a client talks to the brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProtocol {
    /// No encryption, no authentication.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

/// Where the tokens of `OAUTHBEARER` come from: a file that somebody keeps fresh, or a token endpoint.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Oauth {
    /// File that holds a token. It is read again whenever four fifths of the last token's time are over, and each
    /// minute when the token does not say how long it holds: whoever renews the file needs no restart.
    pub token_file: Option<PathBuf>,
    /// Address that gives tokens for a client's id and secret (OAuth 2.0, `client_credentials`), such as
    /// `https://login.example/oauth2/token`.
    pub token_endpoint: Option<String>,
    /// The client's id, for the token endpoint.
    pub client_id: Option<String>,
    /// The client's secret, for the token endpoint; prefer `client_secret_file`.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub client_secret: Option<SecretString>,
    /// File that holds the client's secret. Read once, at the start.
    pub client_secret_file: Option<PathBuf>,
    /// The scope to ask for, when the token endpoint wants one.
    pub scope: Option<String>,
    /// File with the certificate authority that signed the token endpoint's certificate, PEM. Not set: the system's.
    pub ca_file: Option<PathBuf>,
}

// === impl SecurityProtocol ===

impl SecurityProtocol {
    /// Whether what is said is encrypted.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether clients log in.
    pub fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }
}
