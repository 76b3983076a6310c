//! URLs for people: everything but what is secret in them. The one place that knows what that is.
//!
//! Rather too much is hidden than too little. A password may hold `/`, `?`, `#` or `@` without being escaped, and a text
//! that is no URL may hold one all the same, so nothing here parses: it looks for what ends and begins a secret.

#[cfg(test)]
mod tests;

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
