//! Numbers, durations and times as people read them.

use std::time::Duration;

use serde::Serialize;

/// `51549` as `51,549`.
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 provider`, `2 providers`.
pub fn plural(number: i64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
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
pub fn bytes(bytes: i64) -> String {
    indicatif::BinaryBytes(u64::try_from(bytes).unwrap_or_default()).to_string()
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
    let expected = || format!("`{text}` is not a duration: expected a number with a unit, such as 90s, 30m or 1h30m");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(expected());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| expected())?;
        let millis = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(expected()),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(expected)?;
        total = total.checked_add(part).ok_or_else(expected)?;
        rest = tail;
    }
    Ok(total)
}

/// Milliseconds since 1970-01-01 UTC as `2026-11-22 07:05:09Z`.
pub fn time(millis: i64) -> String {
    let seconds = millis.div_euclid(1_000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", of_day / 3600, of_day % 3600 / 60, of_day % 60)
}

/// Milliseconds since 1970-01-01 UTC, now.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Days since 1970-01-01 as year, month and day of the Gregorian calendar: `civil_from_days` of Howard Hinnant's
/// "chrono-Compatible Low-Level Date Algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
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
        for wrong in ["", "30", "s", "1 week", "-1s", "99999999999999999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(0), "1970-01-01 00:00:00Z");
        assert_eq!(time(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(time(1_795_331_109_999), "2026-11-22 07:05:09Z");
        assert_eq!(time(-1), "1969-12-31 23:59:59Z");
    }

    #[test]
    fn a_text_is_one_word_for_the_shell() {
        assert_eq!(quoted("--after=s/p"), "--after=s/p");
        assert_eq!(quoted("/a/it's.db"), r"'/a/it'\''s.db'");
        assert_eq!(quoted(""), "''");
    }
}
