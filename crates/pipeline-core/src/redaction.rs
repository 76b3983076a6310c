//! URLs for people: everything but what is secret in them. The one place that knows what that is.
//!
//! Rather too much is hidden than too little. A password may hold `/`, `?`, `#` or `@` without being escaped, and a text
//! that is no URL may hold one all the same, so nothing here parses: it looks for what ends and begins a secret.

/// What stands for a secret.
pub const MASK: &str = "***";

/// Schemes whose user is the name of an account, which helps whoever reads an error. Elsewhere what stands alone before
/// the `@` may as well be a token.
const WITH_ACCOUNTS: [&str; 6] = ["mysql", "mariadb", "couchbase", "couchbases", "postgres", "postgresql"];

/// Schemes of files, whose paths may hold an `@` and have nobody's password before it.
const OF_FILES: [&str; 2] = ["file", "sqlite"];

/// The text with `***` for passwords, for tokens in front of `@`, and for parameters that sound like a secret. Takes
/// lists of hosts as well, with and without a scheme. A text without secrets stays as it is.
pub fn redact_url(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    let rest = match scheme {
        Some(scheme) if OF_FILES.contains(&scheme) => rest.to_owned(),
        _ => redact_credentials(scheme, rest),
    };
    let rest = redact_parameters(&rest);
    match scheme {
        Some(scheme) => format!("{scheme}://{rest}"),
        None => rest,
    }
}

/// From the first colon to the last `@`: neither character ends a password for certain.
fn redact_credentials(scheme: Option<&str>, rest: &str) -> String {
    let Some((credentials, place)) = rest.rsplit_once('@') else { return rest.to_owned() };
    let names_account = scheme.is_none_or(|scheme| WITH_ACCOUNTS.contains(&scheme));
    match credentials.split_once(':') {
        Some((user, _)) => format!("{user}:{MASK}@{place}"),
        None if names_account => rest.to_owned(),
        None => format!("{MASK}@{place}"),
    }
}

/// `?name=value&name=value#name=value`, wherever it begins.
fn redact_parameters(text: &str) -> String {
    let Some(begin) = text.find(['?', '#']) else { return text.to_owned() };
    let (place, parameters) = text.split_at(begin);
    let redacted = parameters.split_inclusive(['?', '&', ';', '#']).map(|piece| {
        let (parameter, end) = match piece.char_indices().next_back() {
            Some((at, '?' | '&' | ';' | '#')) => piece.split_at(at),
            _ => (piece, ""),
        };
        match parameter.split_once('=') {
            Some((name, _)) if sounds_secret(name) => format!("{name}={MASK}{end}"),
            _ => piece.to_owned(),
        }
    });
    format!("{place}{}", redacted.collect::<String>())
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let words = ["password", "passwd", "pwd", "secret", "token", "key", "credential", "signature"];
    words.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::redact_url;

    #[test]
    fn a_password_is_hidden_whatever_characters_it_holds() {
        for (url, shown) in [
            ("mysql://u:p@h:1/d", "mysql://u:***@h:1/d"),
            ("mysql://u:p@q@h/d", "mysql://u:***@h/d"),
            ("mysql://u:p/q?r#s:t@h/d", "mysql://u:***@h/d"),
            ("mysql://u:p%40q@h/d?ssl-mode=REQUIRED", "mysql://u:***@h/d?ssl-mode=REQUIRED"),
            ("mysql://u:@h/d", "mysql://u:***@h/d"),
            ("mysql://:p@h/d", "mysql://:***@h/d"),
            ("couchbases://u:p@h1:11207,h2/bucket.scope", "couchbases://u:***@h1:11207,h2/bucket.scope"),
            ("http://u:p@registry:8081", "http://u:***@registry:8081"),
        ] {
            assert_eq!(redact_url(url), shown);
        }
    }

    #[test]
    fn a_user_alone_is_shown_where_it_is_an_account_and_hidden_where_it_may_be_a_token() {
        assert_eq!(redact_url("mysql://loader@h/d"), "mysql://loader@h/d");
        assert_eq!(redact_url("couchbase://reader@h/b.s"), "couchbase://reader@h/b.s");
        assert_eq!(redact_url("https://ghp_token@h/v1"), "https://***@h/v1");
    }

    #[test]
    fn parameters_that_sound_like_a_secret_are_hidden() {
        let url = "couchbase://h/b.s?token=t&timeout=5;api_key=k&Password=p&client_secret=s#access_token=a";
        let shown = "couchbase://h/b.s?token=***&timeout=5;api_key=***&Password=***&client_secret=***#access_token=***";
        assert_eq!(redact_url(url), shown);
    }

    #[test]
    fn lists_of_hosts_and_texts_that_are_no_urls_keep_no_secret_either() {
        assert_eq!(redact_url("u:p@h1:9092,u:q@h2:9092"), "u:***@h2:9092");
        assert_eq!(redact_url("http://u:p@h1:1,http://u:q@h2:2"), "http://u:***@h2:2");
        assert_eq!(redact_url("mysql:/u:p@h/d"), "mysql:***@h/d");
        assert_eq!(redact_url("http://[u:p@h"), "http://[u:***@h");
    }

    #[test]
    fn what_has_no_secret_stays_as_it_is() {
        for text in [
            "",
            "h1:9092,h2:9092",
            "sqlite:///a/b:c@d.db",
            "sqlite:///a.db?mode=ro",
            "file:///data/of:us@home",
            "generator:?services=40&providers=10000&seed=1",
            "http://[::1]:8081/",
            "info,pipeline_core=debug",
        ] {
            assert_eq!(redact_url(text), text);
        }
    }
}
