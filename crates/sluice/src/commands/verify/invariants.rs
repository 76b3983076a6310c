//! `sluice verify --invariants`: each promise by name, and whether the target keeps it.

use pipeline_operations::open;
use pipeline_store::{INVARIANTS, Invariant, Store, Violation};
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    text,
};

#[derive(Debug, Serialize)]
struct InvariantsReport {
    /// No promise is broken.
    holds: bool,
    target: String,
    invariants: Vec<Line>,
    violations: Vec<Violation>,
}

/// One promise.
#[derive(Debug, Serialize)]
struct Line {
    invariant: &'static str,
    promise: &'static str,
    result: Verdict,
    /// Places where it does not hold; at most a hundred of each kind are looked for.
    violations: usize,
    /// Why it does not apply.
    remark: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Ok,
    Broken,
    NotApplicable,
}

/// Checks.
pub async fn run(store: &Store, output: OutputArgs) -> Result<Exit, Failure> {
    let open = open::run(store).await?.is_some();
    let violations = store.check_invariants().await?;
    let invariants = INVARIANTS.iter().map(|invariant| line(invariant, &violations, open)).collect();
    let report = InvariantsReport { holds: violations.is_empty(), target: store.describe(), invariants, violations };
    output::answer(&report, output)?;
    Ok(if report.holds { Exit::Ok } else { Exit::Failed })
}

fn line(invariant: &Invariant, violations: &[Violation], run_open: bool) -> Line {
    let broken = violations.iter().filter(|each| each.invariant == invariant.name).count();
    let remark = match invariant.elsewhere {
        Some(what) => Some(format!("no target can show it: held by {what}")),
        None if invariant.name == "I7" && !run_open && broken == 0 => Some("no run is open".to_owned()),
        None => None,
    };
    let result = match (broken, &remark) {
        (0, None) => Verdict::Ok,
        (0, Some(_)) => Verdict::NotApplicable,
        _ => Verdict::Broken,
    };
    Line { invariant: invariant.name, promise: invariant.promise, result, violations: broken, remark }
}

impl Report for InvariantsReport {
    fn text(&self) -> String {
        let mut table = output::table(&["INVARIANT", "RESULT", "BROKEN", "PROMISE"]);
        for line in &self.invariants {
            let result = match line.result {
                Verdict::Ok => "ok",
                Verdict::Broken => "BROKEN",
                Verdict::NotApplicable => "not applicable",
            };
            let remark = line.remark.as_ref().map_or_else(String::new, |remark| format!(" ({remark})"));
            let promise = format!("{}{remark}", line.promise);
            table.add_row([line.invariant, result, &line.violations.to_string(), &promise]);
        }
        let mut parts = vec![output::table_text(&table)];
        if !self.violations.is_empty() {
            let mut table = output::table(&["INVARIANT", "WHERE", "WHAT"]);
            for violation in &self.violations {
                table.add_row([
                    violation.invariant,
                    &output::printable(&violation.subject),
                    &output::printable(&violation.detail),
                ]);
            }
            parts.push(output::table_text(&table));
        }
        parts.push(if self.holds {
            format!("{}: every invariant holds", self.target)
        } else {
            format!("{}: {}", self.target, text::plural(self.violations.len(), "violation"))
        });
        parts.join("\n\n")
    }
}
