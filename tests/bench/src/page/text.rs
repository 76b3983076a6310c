//! Numbers and lines as the page has them.

use std::fmt::Write as _;

use crate::results::Goal;

pub(super) fn line(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    writeln!(page, "{text}").unwrap_or_default();
}

/// A number with three significant digits, and blanks between thousands.
pub(super) fn digits(value: f64) -> String {
    let places = match value.abs() {
        0.0..0.1 => 4,
        0.1..1.0 => 3,
        1.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.places$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if at > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}

pub(super) fn with_unit(value: f64, unit: &str) -> String {
    let value = digits(value);
    if unit.is_empty() { value } else { format!("{value} {unit}") }
}

pub(super) fn goal_text(goal: Goal, unit: &str) -> String {
    let (words, bound) = match goal {
        Goal::AtLeast(bound) => ("at least", bound),
        Goal::AtMost(bound) => ("at most", bound),
    };
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    format!("{words} {bound}{unit}")
}

/// Lines of at most 120 characters, as everywhere in the documents.
pub(super) fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 120 {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_grouped() {
        let shown = [0.0123, 0.5234, 3.25, 47.21, 123.4, 1_234_567.0].map(digits);
        assert_eq!(shown, ["0.0123", "0.523", "3.25", "47.2", "123", "1,234,567"]);
    }
}
