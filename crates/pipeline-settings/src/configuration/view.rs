//! The configuration for people: every key, its value and where it came from, without secrets.

use serde_json::Value;

use super::{Loaded, Origin, keys::Keys};
use crate::{
    printable::printable,
    redaction::{MASK, redact_url},
};

/// More of a wrong value than this helps nobody.
const SHOWN: usize = 80;

/// Every known key in the order of the reference, with its value as text (nothing for what is not set) and its origin.
/// Secrets are `***`, and so are credentials inside URLs ([`redact_url`]).
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

/// A wrong value for a message: no credentials, no control characters, not long.
pub(super) fn shown(text: &str) -> String {
    let text = printable(&redact_url(text));
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
