//! `couchbase://user@host,host:port/bucket.scope?options`: which cluster, and where in it.

use pipeline_settings::target_url::check_couchbase;

use crate::Error;

/// The scope of a bucket that has only the one it was born with.
const DEFAULT_SCOPE: &str = "_default";

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `couchbases://`.
    pub tls: bool,
    /// Hosts as written, without user, for messages.
    pub hosts: String,
    /// Scheme, hosts and options, as the client takes them.
    pub connection: String,
    /// The user in front of the hosts.
    pub user: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The scope.
    pub scope: String,
}

impl Address {
    /// Reads a URL of one of the two schemes. Never repeats it in an error.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| unreadable("it has no `://`"))?;
        check_couchbase(url).map_err(|error| Error::Url { reason: error.to_string() })?;
        let (rest, options) = match rest.split_once('?') {
            Some((rest, options)) => (rest, format!("?{options}")),
            None => (rest, String::new()),
        };
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => {
                let reason = "the URL holds a password; it belongs into `source.couchbase.password_file`".to_owned();
                return Err(Error::Setting { key: "source.url", reason });
            }
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, rest),
        };
        let (hosts, keyspace) = place.split_once('/').ok_or_else(|| unreadable("it names no bucket"))?;
        if hosts.split(',').any(|host| host.trim().is_empty()) {
            return Err(unreadable("it names no host"));
        }
        // A bucket's name may have dots, a scope's may not.
        let keyspace = keyspace.trim_end_matches('/');
        let (bucket, scope) = keyspace.rsplit_once('.').unwrap_or((keyspace, DEFAULT_SCOPE));
        for (what, name) in [("bucket", bucket), ("scope", scope)] {
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(unreadable(&format!("it has no usable name of a {what}")));
            }
        }
        Ok(Self {
            tls: scheme.eq_ignore_ascii_case("couchbases"),
            hosts: hosts.to_owned(),
            connection: format!("{}://{hosts}{options}", scheme.to_ascii_lowercase()),
            user,
            bucket: bucket.to_owned(),
            scope: scope.to_owned(),
        })
    }
}

/// Characters of names in a cluster; no backtick is among them.
pub fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '%' | '.')
}

fn unreadable(reason: &str) -> Error {
    Error::Url { reason: format!("{reason}; write `couchbase://host/bucket.scope`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_cluster_bucket_and_scope() {
        let address = Address::parse("couchbases://reader@a.example,b:11207/my.bucket.sales?network=external").unwrap();
        assert!(address.tls);
        assert_eq!(address.connection, "couchbases://a.example,b:11207?network=external");
        assert_eq!((address.hosts.as_str(), address.user.as_deref()), ("a.example,b:11207", Some("reader")));
        assert_eq!((address.bucket.as_str(), address.scope.as_str()), ("my.bucket", "sales"));
        let plain = Address::parse("couchbase://[::1]:11210/catalogue").unwrap();
        assert_eq!((plain.tls, plain.bucket.as_str(), plain.scope.as_str()), (false, "catalogue", "_default"));
    }

    #[test]
    fn what_is_missing_is_said_and_a_password_is_refused_and_not_repeated() {
        for (url, expected) in [
            ("couchbase://host", "no bucket"),
            ("couchbase://host/", "usable name of a bucket"),
            ("couchbase:///bucket", "no host"),
            ("couchbase://a,,b/bucket", "no host"),
            ("couchbase://host/bucket.", "usable name of a scope"),
            ("couchbase://host/b`; DROP", "usable name of a bucket"),
            ("couchbase://user:secr/et@host/bucket", "holds a password"),
            ("couchbases://host/bucket?enable_tls=false", "unknown parameter `enable_tls`"),
            ("couchbases://host/bucket?netwrok=external", "did you mean `network`?"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("secr"), "{error}");
        }
    }
}
