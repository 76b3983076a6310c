//! Text that somebody else wrote, made fit to be read: the one way from a document, a message, a registry's answer or a file's
//! name to a terminal, a table or a log.
//!
//! What steers instead of being read is written out: control characters, which move the cursor, end a line or begin a
//! command of a pipeline; formats without a width, which turn the direction of the text around or hide part of it; line
//! and paragraph separators; and what Unicode leaves open or for private use. Letters, signs and accents of all
//! languages stay as they are.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// The text with each character that is not to be read written out, such as `\n` or `\u{202e}`.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if is_printable(character) {
            printable.push(character);
        } else {
            printable.extend(character.escape_default());
        }
    }
    printable
}

/// Whether a character shows itself and nothing else.
pub fn is_printable(character: char) -> bool {
    // Most of what is printed.
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    !matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_is_written_out_and_what_is_read_stays() {
        for (text, shown) in [
            ("plain, Größe 🚀 日本語 नमस्ते", "plain, Größe 🚀 日本語 नमस्ते"),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{1b}[31mred\u{1b}]0;title\u{7}", r"\u{1b}[31mred\u{1b}]0;title\u{7}"),
            ("\u{202e}gnp.exe\u{2066}\u{2069}", r"\u{202e}gnp.exe\u{2066}\u{2069}"),
            ("zero\u{200b}width\u{feff}\u{ad}", r"zero\u{200b}width\u{feff}\u{ad}"),
            ("\u{2028}\u{2029}\u{85}\u{9b}31m", r"\u{2028}\u{2029}\u{85}\u{9b}31m"),
            ("tag\u{e0041}", r"tag\u{e0041}"),
            (r"C:\new", r"C:\new"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_steers_is_left_whatever_comes(text in any::<String>()) {
            let shown = printable(&text);
            prop_assert!(shown.chars().all(is_printable));
            prop_assert_eq!(printable(&shown), shown);
        }
    }
}
