//! When a run will end, and how wrong that was, for people.

use pipeline_store::{
    Run, RunState, Store,
    estimate::{Span, misses},
};
use serde::Serialize;

use crate::{failure::Failure, text};

/// How wrong the ETA of a run was that an activator noted: the expected length less the true one, as a share of the true one;
/// `None` where it was unknown then.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct EtaError {
    at_10_percent: Option<f64>,
    at_50_percent: Option<f64>,
    at_90_percent: Option<f64>,
}

/// `12 s (10 s to 1m 15s)`.
pub fn in_words(span: Span) -> String {
    let seconds = |ms: i64| text::seconds(u64::try_from(ms).unwrap_or_default().div_ceil(1_000));
    format!("{} ({} to {})", seconds(span.expected_ms), seconds(span.earliest_ms), seconds(span.latest_ms))
}

// === impl EtaError ===

impl EtaError {
    /// Of a run that was activated; another one has none.
    pub async fn read(store: &Store, run: &Run) -> Result<Self, Failure> {
        let (RunState::Activated, Some(finished_at_ms)) = (run.state, run.finished_at_ms) else {
            return Ok(Self::default());
        };
        let noted = store.estimates(run.run_id).await?;
        let [at_10_percent, at_50_percent, at_90_percent] = misses(&noted, finished_at_ms - run.started_at_ms);
        Ok(Self { at_10_percent, at_50_percent, at_90_percent })
    }

    /// Nothing where nothing was noted.
    pub fn in_words(self) -> Option<String> {
        let all = [(self.at_10_percent, 10), (self.at_50_percent, 50), (self.at_90_percent, 90)];
        let told = |(miss, at): (Option<f64>, i32)| match miss {
            Some(miss) => format!("{:+.0} % at {at} %", miss * 100.0),
            None => format!("unknown at {at} %"),
        };
        let is_noted = all.iter().any(|(miss, _)| miss.is_some());
        is_noted.then(|| format!("it was wrong by {} of the time", all.map(told).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_has_ended_says_how_wrong_its_eta_was() {
        let error = EtaError { at_50_percent: Some(-0.08), at_90_percent: Some(0.004), ..EtaError::default() };
        let words = "it was wrong by unknown at 10 %, -8 % at 50 %, +0 % at 90 % of the time";
        assert_eq!(error.in_words().as_deref(), Some(words));
        assert_eq!(EtaError::default().in_words(), None);
    }

    #[test]
    fn an_open_run_says_when_it_will_be_done() {
        let span = Span { earliest_ms: 9_100, expected_ms: 12_000, latest_ms: 75_000 };
        assert_eq!(in_words(span), "12 s (10 s to 1m 15s)");
    }
}
