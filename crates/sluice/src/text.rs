//! Numbers, durations and times as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::{BinaryBytes, HumanCount};
use serde::Serialize;

/// The end of the year 9999, behind which a time has no form.
const LAST_MS: u64 = 253_402_300_799_000;

/// `51549` as `51,549`. No number that is told here is larger than an `i64`.
pub fn count(number: impl TryInto<i64>) -> String {
    let number = number.try_into().unwrap_or(i64::MAX);
    format!("{}{}", if number < 0 { "-" } else { "" }, HumanCount(number.unsigned_abs()))
}

/// `1 provider`, `2 providers`.
pub fn plural(number: impl TryInto<i64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(i64::MAX);
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A duration with as many digits as matter: `340 ms`, `4.2 s`, `3m 05s`, `2h 10m`.
pub fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        whole => seconds(whole),
    }
}

/// A size: `1.50 GiB`.
pub fn bytes(bytes: impl TryInto<u64>) -> String {
    BinaryBytes(bytes.try_into().unwrap_or_default()).to_string()
}

/// Whole seconds: `4 s`, `3m 05s`, `2h 10m`.
pub fn seconds(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Reads a duration such as `90s`, `30m`, `1h30m` or `500ms`. A number without a unit is refused: nobody can tell
/// whether it means seconds or milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = |_| format!("`{text}` is not a duration: expected a number with a unit, such as 90s, 30m or 1h30m");
    humantime::parse_duration(text).map_err(expected)
}

/// Milliseconds since 1970-01-01 UTC as `2026-11-22 07:05:09Z`; nothing here is older.
pub fn time(millis: i64) -> String {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or_default().min(LAST_MS));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string().replace('T', " ")
}

/// Milliseconds since 1970-01-01 UTC, now.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A text as one word of a shell.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The word that the ledger and JSON use for a state or a mode.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_thousands() {
        let texts: Vec<String> = [0, 7, 999, 1_000, 51_549, 1_234_567, -1_000].into_iter().map(count).collect();
        assert_eq!(texts, ["0", "7", "999", "1,000", "51,549", "1,234,567", "-1,000"]);
        assert_eq!(plural(1, "provider"), "1 provider");
        assert_eq!(plural(0, "provider"), "0 providers");
    }

    #[test]
    fn durations_show_the_digits_that_matter() {
        let texts: Vec<String> =
            [340, 4_200, 185_000, 7_800_000].into_iter().map(|ms| duration(Duration::from_millis(ms))).collect();
        assert_eq!(texts, ["340 ms", "4.2 s", "3m 05s", "2h 10m"]);
    }

    #[test]
    fn durations_are_read_with_their_units_only() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "30", "s", "1 fortnight", "-1s", "99999999999999999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(0), "1970-01-01 00:00:00Z");
        assert_eq!(time(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(time(1_795_331_109_999), "2026-11-22 07:05:09Z");
        assert_eq!(time(-1), "1970-01-01 00:00:00Z");
        assert_eq!(time(i64::MAX), "9999-12-31 23:59:59Z");
    }

    #[test]
    fn a_text_is_one_word_for_the_shell() {
        assert_eq!(quoted("--after=s/p"), "--after=s/p");
        assert_eq!(quoted("/a/it's.db"), r"'/a/it'\''s.db'");
        assert_eq!(quoted(""), "''");
    }
}
