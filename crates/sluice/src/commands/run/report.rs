//! One run as it is answered by `show`, `wait`, `watch`, `abort` and `start --wait`.

use std::time::Duration;

use pipeline_store::{
    BatchProgress, Counts, Exceeded, LetterFilter, LetterState, Progress, ProviderProgress, Reject, Run, RunState,
    ServiceProgress, Store, estimate::Estimate,
};
use serde::Serialize;

use super::eta::{self, EtaError};
use crate::{
    exit::Exit,
    failure::Failure,
    follow::Ending,
    output::{Report, printable},
    text,
};

#[cfg(test)]
mod tests;

/// Rejects that an answer lists at most. A source that is broken as a whole would fill the memory otherwise.
const LISTED_REJECTS: u32 = 1_000;
/// Rejects that the text shows.
const SHOWN_REJECTS: usize = 20;

/// A run with its numbers and rejects; scripts rely on the names.
#[derive(Debug, Serialize)]
pub struct RunReport {
    /// Identity, state and request.
    #[serde(flatten)]
    pub run: Run,
    /// Its services.
    pub services: ServiceProgress,
    /// Its batches.
    pub batches: BatchProgress,
    /// Its providers.
    pub providers: ProviderProgress,
    /// Bundles in the generation, as far as it is stored.
    pub bundles: i64,
    /// Subscription fields in the generation, as far as it is stored.
    pub subscription_fields: i64,
    /// Rows that the run takes out of the views, as far as it is planned and stored.
    pub removed: Counts,
    /// Rows of bundles that the run wrote.
    pub bundles_written: i64,
    /// Rows of subscription fields that the run wrote.
    pub subscription_fields_written: i64,
    /// Every service is planned: the numbers of batches and providers are final.
    pub planning_complete: bool,
    /// Why only people can help the run on, when that is so.
    pub held: Option<String>,
    /// The bound on removals that holds it, when one does.
    pub exceeded: Option<Exceeded>,
    /// Documents, or their missing owners, whose place in the hierarchy cannot be told.
    pub unreachable: i64,
    /// Documents that cannot be stored.
    pub rejects: Vec<Reject>,
    /// There are more rejects than those listed.
    pub more_rejects: bool,
    /// Open dead letters of the run.
    pub dead_letters: usize,
    /// When the stages and the run will be done, while it is open.
    pub eta: Estimate,
    /// How wrong the ETA was, of a run that was activated.
    pub eta_error: EtaError,
}

// === impl RunReport ===

impl RunReport {
    /// Adds rejects and dead letters from the ledger.
    pub async fn read(store: &Store, progress: Progress) -> Result<Self, Failure> {
        let (rejects, more_rejects) = rejects(store, &progress.run).await?;
        let dead_letters = open_letters(store, &progress.run).await?;
        let eta_error = EtaError::read(store, &progress.run).await?;
        let earlier = store.earlier_runs(&progress.run).await?;
        let eta = store.estimate(&progress.run, &earlier, 1.0).await?;
        Ok(Self { dead_letters, eta, eta_error, ..Self::new(progress, rejects, more_rejects) })
    }

    fn new(progress: Progress, rejects: Vec<Reject>, more_rejects: bool) -> Self {
        let Progress { mut run, services, batches, providers, bundles, subscription_fields, .. } = progress;
        if progress.held.is_some() {
            run.state = RunState::Held;
        }
        Self {
            run,
            services,
            batches,
            providers,
            bundles,
            subscription_fields,
            removed: progress.removed,
            bundles_written: progress.bundles_written,
            subscription_fields_written: progress.fields_written,
            planning_complete: progress.planning_complete,
            held: progress.held,
            exceeded: progress.exceeded,
            unreachable: progress.unreachable,
            rejects,
            more_rejects,
            dead_letters: 0,
            eta: Estimate::default(),
            eta_error: EtaError::default(),
        }
    }

    fn state(&self) -> String {
        match &self.held {
            Some(reason) => format!("{}: {reason}", text::word(&self.run.state)),
            None => text::word(&self.run.state),
        }
    }

    /// The exit code of a command that waited for the run.
    pub fn exit(&self) -> Exit {
        let rejected = !self.rejects.is_empty() || self.providers.rejected > 0 || self.dead_letters > 0;
        Ending::of(self.run.state, self.held.is_some(), rejected).map_or(Exit::Ok, Ending::exit)
    }
}

/// Rows that leave the views, for people.
pub fn removed(counts: &Counts) -> String {
    format!(
        "{} services, {} providers, {} bundles, {} subscription fields",
        text::count(counts.services),
        text::count(counts.providers),
        text::count(counts.bundles),
        text::count(counts.subscription_fields)
    )
}

/// The run's rejects, up to a bound, and whether there are more.
pub async fn rejects(store: &Store, run: &Run) -> Result<(Vec<Reject>, bool), Failure> {
    let one_more = LISTED_REJECTS + 1;
    let mut rejects = store.rejects(run.run_id, one_more).await?;
    let more = u32::try_from(rejects.len()).is_ok_and(|length| length >= one_more);
    if more {
        rejects.pop();
    }
    Ok((rejects, more))
}

/// Open dead letters of a run, up to a bound.
async fn open_letters(store: &Store, run: &Run) -> Result<usize, Failure> {
    let filter = LetterFilter { run_id: Some(run.run_id), state: Some(LetterState::Open), ..LetterFilter::default() };
    let letters = store.dead_letters(&filter, LISTED_REJECTS).await?;
    Ok(letters.len())
}

/// From start to end, when there is an end.
pub fn took(run: &Run) -> Option<String> {
    let millis = u64::try_from(run.finished_at_ms? - run.started_at_ms).ok()?;
    Some(text::duration(Duration::from_millis(millis)))
}

impl Report for RunReport {
    fn text(&self) -> String {
        let Self { run, services, batches, providers, .. } = self;
        let mut rows = vec![
            ("run", run.run_id.to_string()),
            ("state", self.state()),
            ("generation", run.generation.map_or_else(|| "-".to_owned(), |generation| generation.to_string())),
            ("activation", text::word(&run.mode)),
            ("requested", format!("{} by {}", text::time(run.requested_at_ms), run.requested_by)),
        ];
        if !run.scope.is_empty() {
            let scope: Vec<&str> = run.scope.iter().map(|service| service.as_str()).collect();
            rows.push(("scope", scope.join(", ")));
        }
        rows.extend(run.reason.clone().map(|reason| ("reason", reason)));
        rows.extend(took(run).map(|took| ("took", took)));
        let eta = if self.held.is_none() { self.eta.activator.map(eta::in_words) } else { None };
        rows.extend(self.eta_error.in_words().or(eta).map(|words| ("eta", words)));
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
                text::count(self.bundles_written),
                text::count(self.subscription_fields_written)
            ),
        ));
        rows.push(("removed", removed(&self.removed)));
        if self.unreachable > 0 {
            let what = if self.unreachable == 1 { "document, or owner" } else { "documents, or owners" };
            rows.push((
                "unplaced",
                format!("{} {what} of documents, of no known place", text::count(self.unreachable)),
            ));
        }
        if self.dead_letters > 0 {
            rows.push(("dead", format!("{} open: sluice dlq ls --run {}", self.dead_letters, run.run_id)));
        }
        let mut lines: Vec<String> =
            rows.into_iter().map(|(name, value)| format!("{name:<12}{}", printable(&value))).collect();
        if !self.rejects.is_empty() {
            lines.push(String::new());
            lines.push("Rejects:".to_owned());
            lines.extend(reject_lines(&self.rejects, SHOWN_REJECTS, self.more_rejects));
        }
        lines.join("\n")
    }
}

/// The first rejects, a line for each, led by the place so that editors can jump to it, and how many more there are.
pub fn reject_lines(rejects: &[Reject], shown: usize, more: bool) -> Vec<String> {
    let line = |reject: &Reject| printable(&format!("  {}: {} ({})", reject.place, reject.reason, reject.code));
    let mut lines: Vec<String> = rejects.iter().take(shown).map(line).collect();
    let hidden = rejects.len().saturating_sub(shown);
    if hidden > 0 {
        let at_least = if more { "at least " } else { "" };
        lines.push(format!("  and {at_least}{hidden} more: see `-o json`"));
    }
    lines
}
