//! `sluice generation ls`: the generations that are kept, newest first.

use clap::Args;
use pipeline_store::Kept;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

/// How to list.
#[derive(Debug, Args)]
#[command(
    after_help = "KEPT says how much of a generation can still be read: all of it, or in part, namely those services that readers
see there, or would see after a rollback. READERS is the number of services that readers see there now.

Examples:
  sluice generation ls
  sluice generation ls -o json | jq '.[] | select(.services_seen > 0) | .generation'"
)]
pub struct ListArgs {
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Lists generations.
pub async fn run(session: &Session, args: ListArgs) -> Result<Exit, Failure> {
    let store = session.migrated_store(&session.settings()?).await?;
    let kept = store.generations().await?;
    if kept.is_empty() {
        session::note(format_args!(
            "nothing was ever activated in `{}`; start a run: sluice run start",
            store.describe()
        ));
    }
    output::answer(&kept, args.output)
}

impl Report for Vec<Kept> {
    fn text(&self) -> String {
        let mut table = output::table(&["GENERATION", "RUN", "BY", "ACTIVATED", "SERVICES", "READERS", "KEPT"]);
        for each in self {
            table.add_row([
                each.generation.to_string(),
                each.run_id.to_string(),
                each.requested_by.clone(),
                each.activated_at_ms.map_or_else(|| "-".to_owned(), text::time),
                text::count(each.services),
                text::count(each.services_seen),
                if each.whole { "all".to_owned() } else { "in part".to_owned() },
            ]);
        }
        if self.is_empty() { String::new() } else { output::table_text(&table) }
    }
}
