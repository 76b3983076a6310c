//! Holds a written value against its key: the right type, the right unit, within its range.

use serde_json::Value;

use super::{
    FaultKind, Written,
    keys::{Key, Kind, listed},
    yaml::is_nothing,
};

/// What is wrong with a value.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) kind: FaultKind,
    pub(super) problem: String,
    pub(super) hint: Option<String>,
}

/// What the characters of a value are, whatever the key expects.
enum Found<'a> {
    Nothing,
    Truth(&'a str),
    Number(&'a str),
    Text(&'a str),
    Quoted(&'a str),
    Group(&'static str),
}

/// The value for the key; `null` when the key is to be absent.
pub(super) fn read(key: &Key, written: &Written) -> Result<Value, Wrong> {
    let found = Found::of(written);
    if key.optional && matches!(written, Written::Word(word) if word.is_empty()) {
        return Ok(Value::Null); // the only way for the environment to take back what the file says
    }
    if key.optional && matches!(found, Found::Nothing) {
        return Ok(Value::Null);
    }
    match &key.kind {
        Kind::Text { min_length } => text(key, *min_length, written, &found),
        Kind::Whole { min, max } => whole(key, *min, *max, &found),
        Kind::Truth => truth(key, &found),
        Kind::Choice(choices) => choice(key, choices, &found),
    }
}

fn text(key: &Key, min_length: u64, written: &Written, found: &Found<'_>) -> Result<Value, Wrong> {
    let text = match (written, found) {
        (Written::Word(text) | Written::Quoted(text), _) => text.as_str(),
        (_, Found::Text(text)) => text,
        (_, Found::Number(text) | Found::Truth(text)) => {
            let hint = if key.secret { "put it in quotes".to_owned() } else { format!("write \"{text}\"") };
            return Err(Wrong::new(key, "text", found, Some(hint)));
        }
        (_, Found::Nothing) => {
            let hint = "remove the line to get the default".to_owned();
            return Err(Wrong::new(key, "text", found, Some(hint)));
        }
        _ => return Err(Wrong::new(key, "text", found, None)),
    };
    if (text.chars().count() as u64) < min_length {
        return Err(Wrong { kind: FaultKind::Missing, problem: "must not be empty".to_owned(), hint: None });
    }
    Ok(Value::String(text.to_owned()))
}

fn whole(key: &Key, min: u64, max: u64, found: &Found<'_>) -> Result<Value, Wrong> {
    let unit = if key.is_milliseconds() { " of milliseconds" } else { "" };
    let range = format!("a whole number{unit} from {min} to {max}");
    match found {
        Found::Number(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => match text.parse::<u64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(Value::from(number)),
            _ => Err(Wrong::new(key, &range, found, None).out_of_bounds()), // so large that it does not even fit is out of range too
        },
        Found::Number(text) if text.starts_with('-') => Err(Wrong::new(key, &range, found, None).out_of_bounds()),
        Found::Quoted(text) if text.parse::<u64>().is_ok() => {
            let hint = format!("write {text} without quotes");
            Err(Wrong::new(key, &format!("a whole number{unit}"), found, Some(hint)))
        }
        Found::Text(text) | Found::Quoted(text) | Found::Number(text) => {
            let number = if key.is_milliseconds() { milliseconds(text) } else { plain_digits(text) };
            let hint = number.filter(|number| (min..=max).contains(number)).map(|number| format!("write {number}"));
            Err(Wrong::new(key, &format!("a whole number{unit}"), found, hint))
        }
        _ => Err(Wrong::new(key, &format!("a whole number{unit}"), found, None)),
    }
}

fn truth(key: &Key, found: &Found<'_>) -> Result<Value, Wrong> {
    let expected = "`true` or `false`";
    let word = match found {
        Found::Truth(word) => return Ok(Value::Bool(word.eq_ignore_ascii_case("true"))),
        Found::Text(word) | Found::Number(word) | Found::Quoted(word) => word.to_ascii_lowercase(),
        _ => return Err(Wrong::new(key, expected, found, None)),
    };
    let hint = match word.as_str() {
        "yes" | "on" | "1" | "y" | "true" => Some("write true".to_owned()),
        "no" | "off" | "0" | "n" | "false" => Some("write false".to_owned()),
        _ => None,
    };
    Err(Wrong::new(key, expected, found, hint))
}

fn choice(key: &Key, choices: &[(String, String)], found: &Found<'_>) -> Result<Value, Wrong> {
    let words = || choices.iter().map(|(word, _)| word.as_str());
    let expected = format!("one of {}", listed(words()));
    let (Found::Text(text) | Found::Quoted(text) | Found::Truth(text) | Found::Number(text)) = found else {
        return Err(Wrong::new(key, &expected, found, None));
    };
    if words().any(|word| word == *text) {
        return Ok(Value::String((*text).to_owned()));
    }
    let likeness = |word: &str| strsim::normalized_damerau_levenshtein(word, &text.to_lowercase());
    let nearest = words().map(|word| (word, likeness(word))).filter(|(_, like)| *like >= 0.5);
    let nearest = nearest.reduce(|best, other| if other.1 > best.1 { other } else { best });
    Err(Wrong::new(key, &expected, found, nearest.map(|(word, _)| format!("did you mean `{word}`?"))))
}

/// Milliseconds of a text such as `6s`, `1.5 min` or `250ms`.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit() && !matches!(character, '.' | '_'));
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor = match unit.trim() {
        "" | "ms" | "msec" | "millis" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "h" | "hr" | "hour" | "hours" => 3_600_000.0,
        _ => return None,
    };
    let milliseconds = number.replace('_', "").parse::<f64>().ok()? * factor;
    let fits = milliseconds.is_finite() && (0.0..=1e15).contains(&milliseconds);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range just checked")]
    fits.then_some(milliseconds.round() as u64)
}

/// The number of a text such as `5_000` or `5,000`.
fn plain_digits(text: &str) -> Option<u64> {
    text.replace(['_', ',', '\'', ' '], "").parse().ok()
}

// === impl Found ===

impl<'a> Found<'a> {
    fn of(written: &'a Written) -> Self {
        match written {
            Written::Quoted(text) => Self::Quoted(text),
            Written::Group(name) => Self::Group(name),
            Written::Plain(text) if is_nothing(text) => Self::Nothing,
            Written::Plain(text) | Written::Word(text) => match text.as_str() {
                "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Self::Truth(text),
                number if number.parse::<f64>().is_ok() && !number.contains(char::is_alphabetic) => {
                    Self::Number(number)
                }
                other => Self::Text(other),
            },
        }
    }

    fn describe(&self, secret: bool) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Group(name) => (*name).to_owned(),
            Self::Truth(_) | Self::Number(_) if secret => "a bare value".to_owned(),
            Self::Text(_) | Self::Quoted(_) if secret => "text".to_owned(),
            Self::Truth(text) => format!("`{text}`"),
            Self::Number(text) => format!("the number {}", super::view::shown(text)),
            Self::Text(text) | Self::Quoted(text) => format!("the text `{}`", super::view::shown(text)),
        }
    }
}

// === impl Wrong ===

impl Wrong {
    fn new(key: &Key, expected: &str, found: &Found<'_>, hint: Option<String>) -> Self {
        let problem = format!("expected {expected}, found {}", found.describe(key.secret));
        Self { kind: FaultKind::WrongType, problem, hint }
    }

    fn out_of_bounds(self) -> Self {
        Self { kind: FaultKind::OutOfBounds, ..self }
    }
}
