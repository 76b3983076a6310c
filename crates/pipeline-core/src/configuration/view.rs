//! The configuration for people: every key, its value and where it came from, without secrets.

use serde_json::Value;

use super::{Loaded, Origin, keys::Keys};

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// More of a wrong value than this helps nobody.
const SHOWN: usize = 80;

/// Every known key in the order of the reference, with its value as text (nothing for what is not set) and its origin.
/// Secrets are `***`, and so are credentials inside URLs.
pub fn view(loaded: &Loaded) -> Vec<(String, String, Origin)> {
    let keys = Keys::of_settings();
    let rows = keys.iter().map(|key| {
        let value = loaded.values.get(&key.path).unwrap_or(&Value::Null);
        let text = match value {
            Value::Null => String::new(),
            _ if key.secret => MASK.to_owned(),
            Value::String(text) => redact_url(text),
            other => other.to_string(),
        };
        let origin = loaded.origin.get(&key.path).cloned().unwrap_or(Origin::Default);
        (key.path.clone(), text, origin)
    });
    rows.collect()
}

/// The text with `***` for a password in front of `@`, and for parameters that sound like a secret.
///
/// Rather too much is hidden than too little: a password may hold `/`, `?` or `@` without being escaped, so everything
/// from the first colon to the last `@` goes. Text without `://` and paths of files are left alone.
pub fn redact_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    if matches!(scheme, "file" | "sqlite") {
        return text.to_owned();
    }
    let rest = match rest.rsplit_once('@') {
        Some((credentials, place)) => match credentials.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{place}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    let rest = match rest.split_once('?') {
        Some((place, parameters)) => format!("{place}?{}", redact_parameters(parameters)),
        None => rest,
    };
    format!("{scheme}://{rest}")
}

fn redact_parameters(parameters: &str) -> String {
    let redacted = parameters.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if sounds_secret(name) => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    });
    redacted.collect::<Vec<_>>().join("&")
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["password", "passwd", "secret", "token", "key"].iter().any(|word| name.contains(word))
}

/// A wrong value for a message: no credentials, no control characters, not long.
pub(super) fn shown(text: &str) -> String {
    let text = printable(&redact_url(text));
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The text with control characters written out, so that it cannot steer a terminal or break a line.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() { printable.extend(character.escape_default()) } else { printable.push(character) }
    }
    printable
}
