//! From what the ledger says to what a person sees: N of M for each stage, a rate, and an ETA that is honest.
//!
//! The model is a pure function of the snapshots it was shown and of the times they were taken at; it reads no clock
//! and no terminal. The ETA is the ledger's own ([`pipeline_store::estimate`]): a range that is wide at first, and
//! *unknown* until the run or an earlier one has shown how fast it goes.

use std::{collections::VecDeque, time::Duration};

use pipeline_store::{
    BatchProgress, Progress, ProviderProgress, RunState, ServiceProgress,
    estimate::{Estimate, Span},
};
use serde::Serialize;

use crate::text;

pub mod display;
#[cfg(test)]
mod tests;

/// The rate is that of the last so many seconds, so that it follows a worker that joins or leaves.
const WINDOW: Duration = Duration::from_secs(10);
/// A rate that was seen for less is not shown.
const FIRST_RATE: Duration = Duration::from_secs(1);

/// What the ledger said about a run at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// State of the run: as the ledger writes it, or `held`.
    pub state: String,
    /// Its services.
    pub services: ServiceProgress,
    /// Its batches.
    pub batches: BatchProgress,
    /// Its providers.
    pub providers: ProviderProgress,
    /// Every service is planned: the numbers of batches and providers are final.
    pub planning_complete: bool,
    /// Why only people can help the run on, when that is so.
    pub held: Option<String>,
}

/// What is remembered between snapshots.
#[derive(Debug, Default)]
pub struct Model {
    samples: VecDeque<(Duration, i64)>,
    timings: [Timing; 4],
}

/// When a stage was first and last seen to have done something; from the start of the watch.
#[derive(Clone, Copy, Debug, Default)]
struct Timing {
    began: Option<Duration>,
    ended: Option<Duration>,
    done: i64,
}

/// What a person sees at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// State of the run.
    pub state: String,
    /// One line per stage, in the order of the flow.
    pub stages: [StageLine; 4],
    /// Providers settled per second; `None` until it has been seen for a second.
    pub providers_per_second: Option<f64>,
    /// When it will be done.
    pub eta: Eta,
    /// Providers rejected so far.
    pub rejected: i64,
    /// Why only people can help the run on, when that is so.
    pub held: Option<String>,
}

/// N of M of one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageLine {
    /// The stage's name.
    pub stage: &'static str,
    /// N.
    pub done: i64,
    /// M; `None` as long as nothing is known about it.
    pub total: Option<i64>,
    /// M is final.
    pub total_is_final: bool,
    /// What is counted.
    pub unit: &'static str,
    /// When the stage will be done.
    pub eta: Eta,
}

/// When a run, or a stage of it, will be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "known")]
pub enum Eta {
    /// Not to be told yet.
    #[default]
    Unknown,
    /// In so many seconds.
    Seconds {
        /// Probably.
        seconds: u64,
        /// At the earliest.
        earliest: u64,
        /// At the latest.
        latest: u64,
    },
    /// The stage is done; of a run: all providers are settled.
    Done,
}

// === impl Snapshot ===

impl From<&Progress> for Snapshot {
    fn from(progress: &Progress) -> Self {
        let Progress { services, batches, providers, planning_complete, .. } = *progress;
        let (state, held) = (shown_state(progress), progress.held.clone());
        Self { state, services, batches, providers, planning_complete, held }
    }
}

/// The state that people are told: a run that only they can help on is held.
pub fn shown_state(progress: &Progress) -> String {
    text::word(&if progress.held.is_some() { RunState::Held } else { progress.run.state })
}

// === impl Model ===

impl Model {
    /// Takes in a snapshot, seen so long after the start of the watch, with the ledger's estimate, and says what to show.
    pub fn observe(&mut self, at: Duration, snapshot: &Snapshot, estimate: &Estimate) -> View {
        self.sample(at, snapshot.providers.settled());
        let stages = stages(snapshot, estimate);
        for (timing, line) in self.timings.iter_mut().zip(&stages) {
            timing.observe(at, line);
        }
        View {
            state: snapshot.state.clone(),
            providers_per_second: self.rate(FIRST_RATE),
            eta: eta(snapshot, estimate),
            rejected: snapshot.providers.rejected,
            held: snapshot.held.clone(),
            stages,
        }
    }

    fn sample(&mut self, at: Duration, done: i64) {
        // The rate begins with the work: while stages start up and plan, only the newest sample counts.
        if self.samples.iter().all(|(_, before)| *before == done) && self.samples.len() < 2 {
            self.samples.clear();
        }
        self.samples.push_back((at, done));
        while self.samples.len() > 2
            && self.samples.front().is_some_and(|(first, _)| at.saturating_sub(*first) > WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// How long each stage was seen at work, in the order of the flow. As exact as the snapshots are close.
    pub fn durations(&self) -> [Option<Duration>; 4] {
        self.timings.map(|timing| Some(timing.ended?.saturating_sub(timing.began?)))
    }

    fn rate(&self, at_least: Duration) -> Option<f64> {
        let ((from, before), (to, now)) = (self.samples.front()?, self.samples.back()?);
        let seen = to.saturating_sub(*from);
        let settled = u32::try_from(now - before).ok()?;
        (seen >= at_least && settled > 0).then(|| f64::from(settled) / seen.as_secs_f64())
    }
}

fn eta(snapshot: &Snapshot, estimate: &Estimate) -> Eta {
    let is_settled = snapshot.planning_complete && snapshot.providers.planned == snapshot.providers.settled();
    match Eta::of(snapshot, estimate.activator) {
        Eta::Seconds { .. } | Eta::Unknown if is_settled && snapshot.state == "running" => Eta::Done,
        eta => eta,
    }
}

impl Timing {
    fn observe(&mut self, at: Duration, line: &StageLine) {
        // The stage was at work since the last snapshot at the latest; what it did before the watch is not known.
        if line.total.is_some() && self.began.is_none() {
            self.began = Some(at);
        }
        if line.done > self.done {
            self.done = line.done;
            self.ended = Some(at);
        }
    }
}

/// N of M of each stage. M of a stage is what the stage before it has done so far.
fn stages(snapshot: &Snapshot, estimate: &Estimate) -> [StageLine; 4] {
    let discovery_is_final = snapshot.services.expected.is_some();
    let services = snapshot.services.expected.or_else(|| positive(snapshot.services.discovered));
    let line = |stage, done, total, total_is_final, unit| {
        let span = match stage {
            "root" => estimate.root,
            "providers" => estimate.providers,
            "bundles" => estimate.bundles,
            _ => estimate.activator,
        };
        let is_done = total_is_final && total == Some(done);
        let eta = if is_done { Eta::Done } else { Eta::of(snapshot, span) };
        StageLine { stage, done, total, total_is_final, unit, eta }
    };
    [
        line("root", snapshot.services.discovered, services, discovery_is_final, "services discovered"),
        line("providers", snapshot.services.planned, services, discovery_is_final, "services planned"),
        line(
            "bundles",
            snapshot.batches.stored,
            positive(snapshot.batches.planned).or_else(|| snapshot.planning_complete.then_some(0)),
            snapshot.planning_complete,
            "batches stored",
        ),
        line("activator", snapshot.services.activated, services, discovery_is_final, "services activated"),
    ]
}

fn positive(number: i64) -> Option<i64> {
    (number > 0).then_some(number)
}

// === impl Eta ===

impl Eta {
    fn of(snapshot: &Snapshot, span: Option<Span>) -> Self {
        let whole = |ms: i64| u64::try_from(ms).unwrap_or_default().div_ceil(1_000);
        match span {
            Some(Span { earliest_ms, expected_ms, latest_ms }) if snapshot.state == "running" => {
                Self::Seconds { seconds: whole(expected_ms), earliest: whole(earliest_ms), latest: whole(latest_ms) }
            }
            _ => Self::Unknown,
        }
    }
}

// === impl View ===

impl View {
    /// Everything on one line, for a log.
    pub fn line(&self) -> String {
        let stages: Vec<String> = self.stages.iter().map(|line| format!("{} {}", line.stage, line.ratio())).collect();
        format!("{} | {}", stages.join(" | "), self.summary())
    }

    /// One line per stage and one for the rest, for a terminal.
    #[cfg(test)]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.stages.iter().map(|line| format!("{:<10} {} {}", line.stage, line.ratio(), line.unit)).collect();
        lines.push(self.summary());
        lines
    }

    /// Rate, ETA, rejects, and what holds the run.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        if let Some(rate) = self.providers_per_second {
            parts.push(format!("{rate:.0} providers/s"));
        }
        if self.rejected > 0 {
            parts.push(format!("{} rejected", text::plural(self.rejected, "provider")));
        }
        if !matches!(self.state.as_str(), "requested" | "running") {
            parts.push(self.state.clone());
            return parts.join(" | ");
        }
        match (&self.held, self.eta) {
            (Some(reason), _) => parts.push(format!("held: {reason}")),
            (None, Eta::Unknown) => parts.push("ETA unknown".to_owned()),
            (None, Eta::Seconds { seconds, earliest, latest }) => {
                let (seconds, earliest, latest) =
                    (text::seconds(seconds), text::seconds(earliest), text::seconds(latest));
                parts.push(format!("ETA {seconds} ({earliest} to {latest})"));
            }
            (None, Eta::Done) => parts.push("all providers settled".to_owned()),
        }
        parts.join(" | ")
    }
}

impl StageLine {
    /// `3/20`, with a `+` behind an M that may grow, and `?` for one that is not known.
    pub fn ratio(&self) -> String {
        match (self.total, self.total_is_final) {
            (None, _) => format!("{}/?", text::count(self.done)),
            (Some(total), true) => format!("{}/{}", text::count(self.done), text::count(total)),
            (Some(total), false) => format!("{}/{}+", text::count(self.done), text::count(total)),
        }
    }
}
