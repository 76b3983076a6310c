//! What the doctor found, and how the command ends by it.

use serde::Serialize;

use crate::{exit::Exit, failure::Failure, output::Report};

/// The answer.
#[derive(Debug, Serialize)]
pub struct DoctorReport {
    /// Every check is fine.
    pub healthy: bool,
    /// One entry for each thing that was looked at.
    pub checks: Vec<Check>,
}

/// What was found about one thing.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// What was found.
    pub state: State,
    /// Where it was looked for, and what was there.
    pub detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There and ready.
    Ok,
    /// Not configured or not at work, and not needed by everybody.
    NotSet,
    /// It works, and something that may happen any day would cost what was promised.
    AtRisk,
    /// There, but something is missing.
    NotReady,
    /// Not to be reached.
    Unreachable,
    /// The configuration cannot be used.
    BadConfiguration,
    /// A registered schema is incompatible with this program's.
    Incompatible,
    /// Anything else that is wrong.
    Failed,
}

// === impl Check ===

impl Check {
    /// What was found, and nothing to be done about it.
    pub fn new(name: &'static str, state: State, detail: impl Into<String>) -> Self {
        Self { name, state, detail: detail.into(), hint: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What a failure comes to.
    pub fn failed(name: &'static str, failure: &Failure) -> Self {
        let state = match failure.exit {
            Exit::Unreachable => State::Unreachable,
            Exit::NotReady => State::NotReady,
            Exit::BadConfiguration => State::BadConfiguration,
            Exit::IncompatibleSchema => State::Incompatible,
            Exit::Ok | Exit::Failed | Exit::Usage | Exit::Rejects => State::Failed,
        };
        Self { name, state, detail: failure.one_line(), hint: failure.hint.clone() }
    }
}

// === impl State ===

impl State {
    /// The exit code that the state asks for. Of several, the first in the order of [`DoctorReport::exit`] wins.
    fn exit(self) -> Exit {
        match self {
            Self::Ok | Self::NotSet | Self::AtRisk => Exit::Ok,
            Self::NotReady => Exit::NotReady,
            Self::Unreachable => Exit::Unreachable,
            Self::BadConfiguration => Exit::BadConfiguration,
            Self::Incompatible => Exit::IncompatibleSchema,
            Self::Failed => Exit::Failed,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotSet => "not set",
            Self::AtRisk => "at risk",
            Self::NotReady | Self::Unreachable | Self::BadConfiguration | Self::Incompatible | Self::Failed => "FAILED",
        }
    }
}

// === impl DoctorReport ===

impl DoctorReport {
    /// The report of these checks.
    pub fn of(checks: Vec<Check>) -> Self {
        Self { healthy: checks.iter().all(|check| check.state.exit() == Exit::Ok), checks }
    }

    /// Something that is away comes first, because what depends on it cannot be judged; then what a person has to
    /// change, then what a command of ours can.
    pub fn exit(&self) -> Exit {
        let order = [Exit::Unreachable, Exit::BadConfiguration, Exit::IncompatibleSchema, Exit::Failed, Exit::NotReady];
        let found = |exit: &Exit| self.checks.iter().any(|check| check.state.exit() == *exit);
        order.into_iter().find(found).unwrap_or(Exit::Ok)
    }
}

impl Report for DoctorReport {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for check in &self.checks {
            lines.push(format!("{:<8}  {:<9} {}", check.state.word(), check.name, check.detail));
            lines.extend(check.hint.as_ref().map(|hint| format!("{:<20} -> {hint}", "")));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, render};

    fn report(states: &[State]) -> DoctorReport {
        DoctorReport::of(states.iter().map(|state| Check::new("thing", *state, "detail")).collect())
    }

    #[test]
    fn the_exit_code_tells_trying_again_from_setting_up() {
        assert_eq!(report(&[State::Ok, State::NotSet, State::AtRisk]).exit(), Exit::Ok);
        assert_eq!(report(&[State::Ok, State::NotReady]).exit(), Exit::NotReady);
        assert_eq!(report(&[State::NotReady, State::BadConfiguration]).exit(), Exit::BadConfiguration);
        assert_eq!(report(&[State::NotReady, State::Incompatible]).exit(), Exit::IncompatibleSchema);
        assert_eq!(report(&[State::BadConfiguration, State::Unreachable]).exit(), Exit::Unreachable);
        assert_eq!(report(&[State::Failed, State::NotReady]).exit(), Exit::Failed);
    }

    #[test]
    fn each_line_says_what_was_found_and_what_to_do() {
        let away = Failure::new(Exit::Unreachable, "could not reach Kafka at `localhost:1`").hint("start it");
        let report = DoctorReport::of(vec![
            Check::new("source", State::Ok, "file:///data: 20 services"),
            Check::failed("broker", &away),
        ]);
        insta::assert_snapshot!(render(&report, Format::Table).unwrap(), @"
        ok        source    file:///data: 20 services
        FAILED    broker    could not reach Kafka at `localhost:1`
                             -> start it
        ");
        insta::assert_snapshot!(render(&report, Format::Json).unwrap(), @r#"
        {
          "healthy": false,
          "checks": [
            {
              "name": "source",
              "state": "ok",
              "detail": "file:///data: 20 services"
            },
            {
              "name": "broker",
              "state": "unreachable",
              "detail": "could not reach Kafka at `localhost:1`",
              "hint": "start it"
            }
          ]
        }
        "#);
    }
}
