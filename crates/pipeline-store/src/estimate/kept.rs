//! Estimates that were noted while a run went on, and how wrong they were.

use pipeline_model::ids::RunId;
use serde::Serialize;

use super::{Span, estimate};
use crate::{Error, Run, Store, clock::now_ms, dialect::Dialect, operation::Operation};

/// A run's estimate is noted again when the run is older by this share.
const NEXT: f64 = 1.05;
/// And by this, in milliseconds.
const AT_LEAST_MS: i64 = 1_000;

/// When a run was expected to end, as it was noted then. Milliseconds since the run's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// When that was.
    pub at_ms: i64,
    /// The end at the earliest.
    pub earliest_ms: i64,
    /// The end, probably.
    pub expected_ms: i64,
    /// The end at the latest.
    pub latest_ms: i64,
}

/// How wrong estimates were of a run that took so many milliseconds, at 10, 50 and 90 % of that: the expected length less the
/// true one, as a share of the true one. `None` where nothing was noted by then.
pub fn misses(noted: &[Noted], took_ms: i64) -> [Option<f64>; 3] {
    [0.1, 0.5, 0.9].map(|share| {
        let until = took_ms as f64 * share;
        let last =
            noted.iter().filter(|noted| took_ms > 0 && noted.at_ms as f64 <= until).max_by_key(|noted| noted.at_ms)?;
        Some((last.expected_ms - took_ms) as f64 / took_ms as f64)
    })
}

impl Noted {
    /// What is told at a moment, in milliseconds since the run's start.
    pub fn new(at_ms: i64, span: Span) -> Self {
        Self {
            at_ms,
            earliest_ms: at_ms + span.earliest_ms,
            expected_ms: at_ms + span.expected_ms,
            latest_ms: at_ms + span.latest_ms,
        }
    }
}

impl Store {
    /// Notes when the run is expected to end, unless that is unknown, or was noted a short while ago: a long run is asked
    /// more seldom, so that every run has about as many notes.
    pub async fn note_estimate(&self, run: &Run) -> Result<(), Error> {
        let run_id = run.run_id.to_string();
        let at_ms = now_ms() - run.started_at_ms;
        let mut session = self.database.session(Operation::new("read the estimates of run", run_id.as_str())).await?;
        let sql = "SELECT MAX(at_ms) AS at_ms FROM sluice_run_estimate WHERE run_id = ?";
        let last = session.fetch_one(sql, &[(&run_id).into()]).await?.optional_int("at_ms")?;
        drop(session);
        if last.is_some_and(|last| at_ms < last + AT_LEAST_MS || (at_ms as f64) < last as f64 * NEXT) {
            return Ok(());
        }
        let Some(sight) = self.sight(run).await? else { return Ok(()) };
        let Some(span) = estimate(&sight, &self.earlier_runs(run).await?).activator else { return Ok(()) };
        let Noted { at_ms, earliest_ms, expected_ms, latest_ms } = Noted::new(sight.elapsed_ms, span);
        let mut session = self.database.session(Operation::new("note the estimate of run", run_id.as_str())).await?;
        // Two activators may note the same moment.
        let insert = match session.dialect() {
            Dialect::MySql => "INSERT IGNORE",
            Dialect::Sqlite => "INSERT OR IGNORE",
        };
        let sql = format!(
            "{insert} INTO sluice_run_estimate (run_id, at_ms, earliest_ms, expected_ms, latest_ms) VALUES (?, ?, ?, ?, ?)"
        );
        let values = [(&run_id).into(), at_ms.into(), earliest_ms.into(), expected_ms.into(), latest_ms.into()];
        session.execute(sql, &values).await?;
        Ok(())
    }

    /// What was noted of a run, the first first.
    pub async fn estimates(&self, run: RunId) -> Result<Vec<Noted>, Error> {
        let run_id = run.to_string();
        let mut session = self.database.session(Operation::new("read the estimates of run", run_id.as_str())).await?;
        let sql = "SELECT at_ms, earliest_ms, expected_ms, latest_ms FROM sluice_run_estimate WHERE run_id = ? ORDER BY at_ms";
        let rows = session.fetch_all(sql, &[(&run_id).into()]).await?;
        let noted = rows.into_iter().map(|row| {
            Ok(Noted {
                at_ms: row.int("at_ms")?,
                earliest_ms: row.int("earliest_ms")?,
                expected_ms: row.int("expected_ms")?,
                latest_ms: row.int("latest_ms")?,
            })
        });
        noted.collect()
    }
}
