//! The cluster, how a client talks to its brokers, and where its tokens come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// The Kafka cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// Brokers to begin with: `host:port`, several separated by commas. The others are learnt from them.
    #[default = "localhost:9092"]
    pub bootstrap_servers: String,
    /// First word of every topic and of every subject in the registry, such as `sluice` of
    /// `sluice.sync.run-requested.v1`. Two installations on one cluster need two. Letters, digits, `.`, `_` and `-`.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    #[default = "sluice"]
    pub topic_prefix: String,
    /// Prefix of the consumer groups; a hyphen and the stage's name follow, such as `sluice-bundles`. Not set: the
    /// prefix of the topics.
    #[schemars(length(min = 1))]
    pub group_prefix: Option<String>,
    /// A worker that is silent for so long loses its partitions to the others. Brokers refuse less than their
    /// `group.min.session.timeout.ms`, which is 6000 unless changed. Milliseconds.
    #[schemars(range(min = 1_000, max = 3_600_000))]
    #[default = 6_000]
    pub session_timeout_ms: u32,
    /// How to talk to the brokers. `ssl` and `sasl_ssl` need a program that was built with the feature `tls`.
    pub security_protocol: SecurityProtocol,
    /// SASL mechanism: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`; needed by the two `sasl_` protocols.
    /// All but `PLAIN` need a program that was built with the feature `tls`.
    pub sasl_mechanism: Option<String>,
    /// SASL user name, for `PLAIN` and `SCRAM`.
    pub username: Option<String>,
    /// SASL password; prefer `password_file`, which keeps it out of files and process lists.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub password: Option<SecretString>,
    /// File that holds the SASL password; one line break at its end is not part of it. Read once, at the start.
    pub password_file: Option<PathBuf>,
    /// Where the tokens of `OAUTHBEARER` come from.
    pub oauth: Oauth,
    /// File with the certificate authority that signed the brokers' certificates, PEM. Not set: the system's. The
    /// certificate must be for the name that the broker is reached by.
    pub ca_file: Option<PathBuf>,
    /// File with a client certificate and its chain, PEM, for brokers that ask for one.
    pub client_certificate_file: Option<PathBuf>,
    /// File with the key of the client certificate, PEM.
    pub client_key_file: Option<PathBuf>,
    /// Password of the key of the client certificate, when it is encrypted; prefer `client_key_password_file`.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub client_key_password: Option<SecretString>,
    /// File that holds the password of the key of the client certificate.
    pub client_key_password_file: Option<PathBuf>,
}

/// How a client talks to the brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
        self.into()
    }
}
