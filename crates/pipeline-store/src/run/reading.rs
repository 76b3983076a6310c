//! Runs as the ledger has them: one, by whatever people know of it, or the newest.

use pipeline_model::ids::{Generation, RunId};

use super::Run;
use crate::{
    Error, Store,
    database::{Row, Session},
    operation::Operation,
};

// === impl Store ===

impl Store {
    /// One run.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, Error> {
        let mut session = self.database.session(Operation::new("read run", id.to_string())).await?;
        read(&mut session, id).await
    }

    /// The newest runs, newest first, refused ones included.
    pub async fn runs(&self, limit: u32) -> Result<Vec<Run>, Error> {
        let mut session = self.database.session(Operation::new("list", "runs")).await?;
        let rows = session
            .fetch_all(
                format!("SELECT {} FROM sluice_run ORDER BY started_at_ms DESC, run_id DESC LIMIT ?", Run::COLUMNS),
                &[i64::from(limit).into()],
            )
            .await?;
        rows.into_iter().map(|row| Run::from_row(&row)).collect()
    }

    /// The run that fills, or filled, a generation.
    pub async fn run_of_generation(&self, generation: Generation) -> Result<Option<RunId>, Error> {
        let mut session = self.database.session(Operation::new("find the run of", generation.to_string())).await?;
        let sql = "SELECT run_id FROM sluice_run WHERE generation = ?";
        let row = session.fetch_optional(sql, &[generation.into()]).await?;
        row.map(|row| run_id(&row)).transpose()
    }

    /// Two runs, at most, whose ids begin with this text of hexadecimal digits and dashes, the oldest first.
    pub async fn runs_beginning(&self, beginning: &str) -> Result<Vec<RunId>, Error> {
        let mut session = self.database.session(Operation::new("find the run that begins with", beginning)).await?;
        // By length and not by a pattern: the text is nobody's wildcard.
        let sql = "SELECT run_id FROM sluice_run WHERE substr(run_id, 1, ?) = ? ORDER BY run_id LIMIT 2";
        let length = i64::try_from(beginning.len()).unwrap_or(i64::MAX);
        let rows = session.fetch_all(sql, &[length.into(), beginning.into()]).await?;
        rows.into_iter().map(|row| run_id(&row)).collect()
    }

    /// The newest run that was not refused.
    pub async fn latest_run(&self) -> Result<Option<Run>, Error> {
        let mut session = self.database.session(Operation::new("read run", "@latest")).await?;
        let row = session
            .fetch_optional(
                format!(
                    "SELECT {} FROM sluice_run WHERE generation IS NOT NULL ORDER BY generation DESC LIMIT 1",
                    Run::COLUMNS
                ),
                &[],
            )
            .await?;
        row.map(|row| Run::from_row(&row)).transpose()
    }
}

/// The run with this id, without a lock.
pub(crate) async fn read(session: &mut Session, id: RunId) -> Result<Option<Run>, Error> {
    let sql = format!("SELECT {} FROM sluice_run WHERE run_id = ?", Run::COLUMNS);
    let row = session.fetch_optional(sql, &[(&id.to_string()).into()]).await?;
    row.map(|row| Run::from_row(&row)).transpose()
}

pub(crate) fn run_id(row: &Row<'_>) -> Result<RunId, Error> {
    let text = row.text("run_id")?;
    RunId::parse(&text).map_err(|error| row.broken(error.to_string()))
}
