//! `sluice migrate`: creates or updates the tables and views of the target.

use clap::Args;
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
};

/// How to migrate.
#[derive(Debug, Args)]
#[command(
    after_help = "Run it once before the first run and with every upgrade, as a user who may create tables and views; the
stages need no such right. Running it again changes nothing.

Examples:
  sluice migrate --config sluice.yaml
  sluice migrate --dry-run"
)]
pub struct MigrateArgs {
    /// Say whether there is something to do, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct MigrateReport {
    target: String,
    dry_run: bool,
    /// Version of the tables before; unknown in a dry run.
    from: Option<i64>,
    /// Version of the tables after; unknown in a dry run.
    to: Option<i64>,
    /// There was, or is, something to do.
    changed: bool,
    note: String,
}

/// Migrates.
pub async fn run(session: &Session, args: MigrateArgs) -> Result<Exit, Failure> {
    let store = session.store(&session.settings()?).await?;
    let target = store.describe();
    let report = if args.dry_run {
        let missing = match store.check_migrated().await.map_err(|error| session::store_failure(&error)) {
            Ok(()) => None,
            Err(failure) if failure.exit == Exit::NotReady => Some(failure.one_line()),
            Err(failure) => return Err(failure),
        };
        let changed = missing.is_some();
        let note = missing.map_or_else(|| "nothing to do".to_owned(), |missing| format!("to do: {missing}"));
        MigrateReport { target, dry_run: true, from: None, to: None, changed, note }
    } else {
        let migrated = store.migrate().await.map_err(|error| session::store_failure(&error))?;
        let changed = migrated.from != migrated.to;
        let note = if changed {
            format!("tables went from version {} to {}", migrated.from, migrated.to)
        } else {
            format!("nothing to do: tables are at version {}", migrated.to)
        };
        MigrateReport { target, dry_run: false, from: Some(migrated.from), to: Some(migrated.to), changed, note }
    };
    output::answer(&report, args.output.output)?;
    Ok(Exit::Ok)
}

impl Report for MigrateReport {
    fn text(&self) -> String {
        format!("{}: {}", self.target, self.note)
    }
}
