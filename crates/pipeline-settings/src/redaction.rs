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
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, text),
    };
    let rest = if scheme.is_some_and(|scheme| OF_FILES.contains(&scheme)) {
        redact_parameters(rest)
    } else {
        redact_whole(scheme, rest)
    };
    match scheme {
        Some(scheme) => format!("{scheme}://{rest}"),
        None => rest,
    }
}

fn is_scheme(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn redact_whole(scheme: Option<&str>, rest: &str) -> String {
    let (last_at, secret) = (rest.rfind('@'), first_secret(rest));
    match (last_at, secret) {
        // Is it a parameter within a password, or an `@` within a parameter? Nobody can tell.
        (Some(at), Some(begin)) if at > begin => MASK.to_owned(),
        _ => redact_parameters(&redact_credentials(scheme, rest)),
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

/// Hides everything behind the first parameter that sounds like a secret: a value may hold `&`, `;` and `#` too.
fn redact_parameters(text: &str) -> String {
    match first_secret(text).and_then(|begin| text.get(..begin)) {
        Some(told) => format!("{told}{MASK}"),
        None => text.to_owned(),
    }
}

/// Where the value of the first parameter begins that sounds like a secret: `?name=value&name=value#name=value`.
fn first_secret(text: &str) -> Option<usize> {
    let mut begin = text.find(PARAMETERS_BEGIN)? + 1;
    for piece in text.get(begin..)?.split_inclusive(PARAMETERS_END) {
        match piece.find('=') {
            Some(equals) if piece.get(..equals).is_some_and(sounds_secret) => return Some(begin + equals + 1),
            _ => begin += piece.len(),
        }
    }
    None
}

const PARAMETERS_BEGIN: [char; 2] = ['?', '#'];
const PARAMETERS_END: [char; 4] = ['?', '&', ';', '#'];

fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let words = ["password", "passwd", "passphrase", "pwd", "secret", "token", "key", "credential", "signature"];
    // What is written as `%41` may be any word.
    name.contains('%') || words.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        assert_eq!(redact_url(url), "couchbase://h/b.s?token=***");
        assert_eq!(redact_url("couchbase://h/b.s?timeout=5;Api_Key=k&x=1"), "couchbase://h/b.s?timeout=5;Api_Key=***");
        assert_eq!(redact_url("https://h/?p%61ssword=p"), "https://h/?p%61ssword=***");
        assert_eq!(redact_url("https://h/?password=p@q"), "https://***");
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

    /// What people and generators of passwords use, and what a URL gives a meaning to, more often.
    fn password() -> impl Strategy<Value = String> {
        let odd =
            proptest::sample::select(vec![":", "/", "?", "#", "@", "&", ";", "=", "%", "://", "?token=", "password="]);
        let piece = prop_oneof![odd.prop_map(str::to_owned), "[!-~]{1,4}", any::<char>().prop_map(String::from)];
        proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        /// The password is marked at both ends, so that no part of it that matters can be left.
        #[test]
        fn no_end_of_a_password_is_left_wherever_it_stands(password in password()) {
            let marked = format!("begin{password}end");
            for url in [
                format!("mysql://user:{marked}@host:3306/copy"),
                format!("mysql:user:{marked}@host/copy"),
                format!("mysql:/user:{marked}@host/copy"),
                format!("user:{marked}@host:9092,user:{marked}@other:9092"),
                format!("https://user:{marked}@host/path?x=1"),
                format!("https://{}@host/path", marked.replace(':', "")),
                format!("couchbase://host/bucket?password={marked}"),
                format!("mysql://user@host:3306/copy?ssl-mode=REQUIRED&password={marked}"),
                format!("https://host:8081/?x=1#access_token={marked}"),
                format!("https://host:8081?api_key={marked}&x=1"),
            ] {
                let shown = redact_url(&url);
                prop_assert!(!shown.contains("begin") && !shown.contains("end"), "{url}: {shown}");
                prop_assert_eq!(redact_url(&shown), shown);
            }
        }
    }
}
