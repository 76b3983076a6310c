//! How a failure reaches a person: what happened, to what, and what to do next. Printed in one place.

use std::{error::Error, fmt::Write as _};

use anstyle::{AnsiColor, Style};
use pipeline_model::disposition::Classify;
use pipeline_settings::printable::printable;

use crate::{exit::Exit, pages};

/// A failure on its way to the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the command ends.
    pub exit: Exit,
    /// The stable code, when there is a page about it.
    pub code: Option<&'static str>,
    /// What happened, and to what.
    pub what: String,
    /// Why, from the nearest cause to the farthest.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
}

/// The code of a command line that makes no sense.
pub const USAGE: &str = "SLUICE-CONFIG-014";
/// The code of something that the command line names and that cannot be used, unless it has one of its own.
const BAD_INPUT: &str = "SLUICE-CONFIG-015";
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();
const DIM: Style = Style::new().dimmed();

// === impl Failure ===

impl Failure {
    /// A failure that the command found itself.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        let code = match exit {
            Exit::Usage => Some(USAGE),
            Exit::BadConfiguration => Some(BAD_INPUT),
            _ => None,
        };
        Self { exit, code, what: what.into(), causes: Vec::new(), hint: None }
    }

    /// A failure of a library, which knows its code and whether another try makes sense.
    pub fn classified(error: &dyn Classify) -> Self {
        Self {
            exit: Exit::of(error.disposition()),
            code: Some(error.code()),
            what: error.to_string(),
            causes: causes(error, &error.to_string()),
            hint: pages::find(error.code()).map(|page| page.remedy.to_owned()),
        }
    }

    /// A failure of something that knows neither.
    pub fn caused(exit: Exit, what: impl Into<String>, cause: &dyn Error) -> Self {
        let mut failure = Self::new(exit, what);
        failure.causes.push(cause.to_string());
        failure.causes.extend(causes(cause, &cause.to_string()));
        failure
    }

    /// The code of its kind of fault.
    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What happened and why on one line, for the cell of a table.
    pub fn one_line(&self) -> String {
        let mut text = self.what.clone();
        for cause in &self.causes {
            text.push_str(": ");
            text.push_str(cause);
        }
        printable(&text)
    }

    /// The text for the terminal; styles are stripped by the writer where colour is not wanted.
    pub fn render(&self) -> String {
        let mut text = format!("{RED}error{RED:#}: {}\n", printable(&self.what));
        for cause in &self.causes {
            push(&mut text, format_args!("  {DIM}because{DIM:#} {}\n", printable(cause)));
        }
        if let Some(hint) = &self.hint {
            push(&mut text, format_args!("  {CYAN}next{CYAN:#}: {}\n", printable(hint)));
        }
        if let Some(code) = self.code {
            push(&mut text, format_args!("  {CYAN}more{CYAN:#}: sluice explain {code}\n"));
        }
        text
    }

    /// The failure for programs, exact: `{"error": {"exit", "code", "what", "causes", "hint"}}`.
    pub fn document(&self) -> serde_json::Value {
        let Self { exit, code, what, causes, hint } = self;
        serde_json::json!({
            "error": { "exit": exit.code(), "code": code, "what": what, "causes": causes, "hint": hint }
        })
    }
}

/// The chain below an error, without what the text before it has said already: many libraries repeat their source.
fn causes(error: &dyn Error, said: &str) -> Vec<String> {
    let mut said = said.to_owned();
    let mut causes = Vec::new();
    for cause in std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source()) {
        let text = cause.to_string();
        if !said.contains(&text) {
            causes.push(text.clone());
            said = text;
        }
    }
    causes
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    if text.write_fmt(part).is_err() {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_happened_why_and_what_to_do() {
        let cause = std::io::Error::other("connection refused");
        let failure = Failure::caused(Exit::Unreachable, "could not reach the broker `localhost:1`", &cause)
            .hint("start it, or set `kafka.bootstrap_servers`");
        let plain = anstream::adapter::strip_str(&failure.render()).to_string();
        insta::assert_snapshot!(plain, @r"
        error: could not reach the broker `localhost:1`
          because connection refused
          next: start it, or set `kafka.bootstrap_servers`
        ");
        let document = failure.document();
        assert_eq!(document["error"]["exit"], 75);
        assert_eq!(document["error"]["causes"][0], "connection refused");
        assert_eq!(document["error"]["code"], serde_json::Value::Null);
        assert_eq!(failure.one_line(), "could not reach the broker `localhost:1`: connection refused");
    }
}
