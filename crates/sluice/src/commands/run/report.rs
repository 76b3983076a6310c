//! One run as it is answered by `show`, `wait`, `watch`, `abort` and `start --wait`.

use std::time::Duration;

use pipeline_store::{Progress, Reject, Run, Store};
use serde::Serialize;

use crate::{exit::Exit, failure::Failure, follow, output::Report, session, text};

/// Rejects that an answer lists at most. A source that is broken as a whole would fill the memory otherwise.
const LISTED_REJECTS: u32 = 1_000;
/// Rejects that the text shows.
const SHOWN_REJECTS: usize = 20;

/// A run with its numbers and rejects.
#[derive(Debug, Serialize)]
pub struct RunReport {
    /// Identity, state and request; counts of each level.
    #[serde(flatten)]
    pub progress: Progress,
    /// Documents that cannot be stored.
    pub rejects: Vec<Reject>,
    /// There are more rejects than those listed.
    pub more_rejects: bool,
}

// === impl RunReport ===

impl RunReport {
    /// Adds the rejects from the ledger.
    pub async fn read(store: &Store, progress: Progress) -> Result<Self, Failure> {
        let (rejects, more_rejects) = rejects(store, &progress.run).await?;
        Ok(Self { progress, rejects, more_rejects })
    }

    /// The exit code of a command that waited for the run.
    pub fn exit(&self) -> Exit {
        follow::ending(&self.progress, self.rejects.len()).map_or(Exit::Ok, follow::Ending::exit)
    }
}

/// The run's rejects, up to a bound, and whether there are more.
pub async fn rejects(store: &Store, run: &Run) -> Result<(Vec<Reject>, bool), Failure> {
    let one_more = LISTED_REJECTS + 1;
    let mut rejects = store.rejects(run.run_id, one_more).await.map_err(|error| session::store_failure(&error))?;
    let more = u32::try_from(rejects.len()).is_ok_and(|length| length >= one_more);
    if more {
        rejects.pop();
    }
    Ok((rejects, more))
}

/// The word that the ledger and JSON use for a state or a mode.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

/// From start to end, when there is an end.
pub fn took(run: &Run) -> Option<String> {
    let millis = u64::try_from(run.finished_at_ms? - run.started_at_ms).ok()?;
    Some(text::duration(Duration::from_millis(millis)))
}

impl Report for RunReport {
    fn text(&self) -> String {
        let Progress { run, services, batches, providers, .. } = &self.progress;
        let mut rows = vec![
            ("run", run.run_id.to_string()),
            ("state", state(&self.progress)),
            ("generation", run.generation.map_or_else(|| "-".to_owned(), |generation| generation.to_string())),
            ("activation", word(&run.mode)),
            ("requested", format!("{} by {}", text::time(run.requested_at_ms), run.requested_by)),
        ];
        if !run.scope.is_empty() {
            let scope: Vec<&str> = run.scope.iter().map(|service| service.as_str()).collect();
            rows.push(("scope", scope.join(", ")));
        }
        rows.extend(run.reason.clone().map(|reason| ("reason", reason)));
        rows.extend(took(run).map(|took| ("took", took)));
        rows.push((
            "services",
            format!(
                "{} of {} planned, {} activated, {} removed",
                text::count(services.planned),
                services.expected.map_or_else(|| "?".to_owned(), text::count),
                text::count(services.activated),
                text::count(services.removed)
            ),
        ));
        rows.push(("batches", format!("{} of {} stored", text::count(batches.stored), text::count(batches.planned))));
        rows.push((
            "providers",
            format!(
                "{} planned: {} stored, {} unchanged, {} rejected, {} skipped",
                text::count(providers.planned),
                text::count(providers.stored),
                text::count(providers.unchanged),
                text::count(providers.rejected),
                text::count(providers.skipped)
            ),
        ));
        rows.push((
            "written",
            format!(
                "{} bundles, {} subscription fields",
                text::count(self.progress.bundles_written),
                text::count(self.progress.fields_written)
            ),
        ));
        let mut lines: Vec<String> = rows.into_iter().map(|(name, value)| format!("{name:<12}{value}")).collect();
        if !self.rejects.is_empty() {
            lines.push(String::new());
            lines.push("Rejected documents:".to_owned());
            lines.extend(self.rejects.iter().take(SHOWN_REJECTS).map(reject_line));
            let hidden = self.rejects.len().saturating_sub(SHOWN_REJECTS);
            if hidden > 0 {
                let at_least = if self.more_rejects { "at least " } else { "" };
                lines.push(format!("  and {at_least}{hidden} more: see `-o json`"));
            }
        }
        lines.join("\n")
    }
}

fn state(progress: &Progress) -> String {
    match &progress.blocked {
        Some(reason) => format!("{}, held: {reason}", word(&progress.run.state)),
        None => word(&progress.run.state),
    }
}

fn reject_line(reject: &Reject) -> String {
    format!("  {}: {} ({})", reject.place, reject.reason, reject.code)
}
