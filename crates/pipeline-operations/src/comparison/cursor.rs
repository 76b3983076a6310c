//! A place in a comparison, as people and scripts carry it from one call to the next.

use std::{fmt, str::FromStr};

use pipeline_model::ids::{ProviderId, ServiceId};
use serde::{Serialize, Serializer};

/// Behind a service, or behind one provider within it; written `SERVICE` or `SERVICE/PROVIDER`.
///
/// Ids may contain anything: a slash in one is written `%2F`, a percent sign `%25`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The service.
    pub service: ServiceId,
    /// The provider, when the service is not done.
    pub provider: Option<ProviderId>,
}

// === impl Cursor ===

impl Cursor {
    /// Behind the whole service.
    pub fn behind(service: ServiceId) -> Self {
        Self { service, provider: None }
    }

    /// Behind this provider of the service, in the order of the source.
    pub fn inside(service: ServiceId, provider: ProviderId) -> Self {
        Self { service, provider: Some(provider) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(self.service.as_str()))?;
        match &self.provider {
            Some(provider) => write!(f, "/{}", escape(provider.as_str())),
            None => Ok(()),
        }
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (service, provider) = match text.split_once('/') {
            Some((service, provider)) => (service, Some(provider)),
            None => (text, None),
        };
        if service.is_empty() || provider.is_some_and(|id| id.is_empty() || id.contains('/')) {
            return Err(format!("`{text}` is not SERVICE or SERVICE/PROVIDER; a slash in an id is written %2F"));
        }
        Ok(Self { service: ServiceId(unescape(service)), provider: provider.map(|id| ProviderId(unescape(id))) })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn escape(id: &str) -> String {
    id.replace('%', "%25").replace('/', "%2F")
}

fn unescape(text: &str) -> String {
    text.replace("%2F", "/").replace("%2f", "/").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for (service, provider) in [("s", None), ("s", Some("p")), ("a/b", Some("50%2F/%")), ("%25", None)] {
            let cursor = Cursor { service: service.into(), provider: provider.map(ProviderId::from) };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for wrong in ["", "/p", "s/", "s/p/q"] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }
}
