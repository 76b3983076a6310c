//! The keys of the health and metrics endpoint.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// The health and metrics endpoint.
#[derive(Clone, Debug, Deserialize, JsonSchema, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address of `/livez`, `/readyz`, `/metrics` and `/version`, such as `0.0.0.0:9464`; port 0 picks a free one,
    /// which is logged at the start.
    #[default = "127.0.0.1:0"]
    pub bind: String,
    /// Whether to answer over TLS. Elsewhere than on this machine alone, plain text is asked for by name.
    pub tls: AdminTls,
    /// File with the endpoint's certificate and its chain, PEM. Read again when it changes.
    pub certificate_file: Option<PathBuf>,
    /// File with the key of the endpoint's certificate, PEM. Read again when it changes.
    pub key_file: Option<PathBuf>,
}

/// Whether the health and metrics endpoint answers over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdminTls {
    /// With a certificate TLS, without one plain text, which is a warning when others than this machine can connect.
    #[default]
    Auto,
    /// TLS, or the process does not start.
    Required,
    /// Plain text, for probes and monitors that speak no TLS.
    Disabled,
}
