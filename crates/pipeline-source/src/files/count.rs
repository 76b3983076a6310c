//! How many subscription fields are nested in a bundle, without reading them into anything.
//!
//! Only who asks for the number of all documents needs it, so it is no part of the index.

use serde::de::IgnoredAny;

use super::peek::{Seen, peek};

/// How many elements the array has that stands under a name at the top of the object on a line. 0 when there is none,
/// when something else stands there, or when the line is broken before its end.
pub fn elements(line: &[u8], name: &str) -> usize {
    let [Seen::Once(value)] = peek(line, [name]) else { return 0 };
    // What is ignored takes no room, so nothing is collected.
    serde_json::from_str::<Vec<IgnoredAny>>(value).map_or(0, |elements| elements.len())
}

#[cfg(test)]
mod tests {
    use super::elements;

    #[test]
    fn only_the_elements_of_a_sound_array_at_the_top_of_a_line_are_counted() {
        for (line, expected) in [
            (r#"{"fields":[{"id":"x","n":1e400},[],null],"id":"b"}"#, 3),
            (r#"{"f\u0069elds":[1],"id":"b"}"#, 1),
            (r#"{"fields":{"a":[1,2]},"id":"b","other":[1]}"#, 0),
            (r#"{"other":{"fields":[1,2]}}"#, 0),
            (r#"{"id":"b"}"#, 0),
            (r#"{"fields":1e400,"id":"b"}"#, 0),
            (r#"{"id":"b","fields":[1,"#, 0),
        ] {
            assert_eq!(elements(line.as_bytes(), "fields"), expected, "{line}");
        }
    }
}
