//! `sluice migrate`: creates or updates the tables and views of the target.

use clap::Args;
use pipeline_store::{Migrated, MigrationPlan, Rename};
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::Session,
};

/// How to migrate.
#[derive(Debug, Args)]
#[command(
    after_help = "Run it once before the first run and with every upgrade, as a user who may create tables and views; the
stages need no such right. Running it again changes nothing. The views belong to the account that ran it last, and are
read with its rights: it must stay.

A table or view of another program that has a name of Sluice's is never changed: the command ends with 78 before its
first change and lists all of them.

Examples:
  sluice migrate --config sluice.yaml
  sluice migrate --dry-run"
)]
pub struct MigrateArgs {
    /// Say what there is to do, and what is in the way, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct MigrateReport {
    target: String,
    dry_run: bool,
    /// Version of the tables before.
    from: i64,
    /// Version of the tables after.
    to: i64,
    /// There was, or is, something to do.
    changed: bool,
    /// Tables, views and indexes that would be made; empty unless it is a dry run.
    makes: Vec<String>,
    /// Views that would be, or were, made anew for this account.
    replaces: Vec<String>,
    /// Tables that would get another name; empty unless it is a dry run.
    renames: Vec<Rename>,
    note: String,
}

/// Migrates.
pub async fn run(session: &Session, args: MigrateArgs) -> Result<Exit, Failure> {
    let store = session.store(&session.settings()?).await?;
    let target = store.describe();
    let report = if args.dry_run {
        let plan = store.plan_migration().await?;
        MigrateReport::planned(target, plan)
    } else {
        let migrated = store.migrate().await?;
        MigrateReport::done(target, migrated)
    };
    output::answer(&report, args.output)
}

// === impl MigrateReport ===

impl MigrateReport {
    fn planned(target: String, plan: MigrationPlan) -> Self {
        let changed = !plan.is_empty();
        let MigrationPlan { from, to, makes, replaces, renames } = plan;
        let mut note = match from == to {
            true if changed => format!("to do: tables are at version {to}"),
            true => format!("nothing to do: tables are at version {to}"),
            false => format!("to do: tables go from version {from} to {to}"),
        };
        let names = renames.iter().map(|rename| format!("{} to {}", rename.from, rename.to)).collect();
        for (what, names) in [("rename", &names), ("make", &makes), ("make anew", &replaces)] {
            if !names.is_empty() {
                note.push_str(&format!("; {what} {}", names.join(", ")));
            }
        }
        Self { target, dry_run: true, from, to, changed, makes, replaces, renames, note }
    }

    fn done(target: String, Migrated { from, to, adopted }: Migrated) -> Self {
        let mut note = match from == to {
            true if adopted.is_empty() => format!("nothing to do: tables are at version {to}"),
            true => format!("tables are at version {to}"),
            false => format!("tables went from version {from} to {to}"),
        };
        if !adopted.is_empty() {
            note.push_str(&format!("; made anew, and of this account now: {}", adopted.join(", ")));
        }
        let changed = from != to || !adopted.is_empty();
        let (makes, renames) = (Vec::new(), Vec::new());
        Self { target, dry_run: false, from, to, changed, makes, replaces: adopted, renames, note }
    }
}

impl Report for MigrateReport {
    fn text(&self) -> String {
        format!("{}: {}", self.target, self.note)
    }
}
