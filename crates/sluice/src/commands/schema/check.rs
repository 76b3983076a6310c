//! `sluice schema check`: may these schemas follow their history? Needs neither Kafka nor a configuration file; against
//! git and folders, no network.

use std::path::PathBuf;

use clap::Args;
use pipeline_schema::Level;
use schema_gate::{
    check::{Check, Tried},
    past::Against,
};

use super::{
    report::{self, Format},
    settings_for,
};
use crate::{
    exit::Exit,
    failure::Failure,
    output,
    session::{self, Session},
    text,
};

/// How to check.
#[derive(Debug, Args)]
#[command(after_help = "\
A schema that equals the newest version of its subject passes without further questions. Levels and waivers come from
compatibility.toml beside the schemas; without one the level is FULL_TRANSITIVE, or the registry's. With a columns.toml
beside them, each field must have its column in the migrations.

Exit codes: 0 clean, 100 findings, 78 bad configuration, 75 registry away.

Examples:
  sluice schema check                                     the working tree against the last commit
  sluice schema check --against git:origin/main           a branch against what it is to be merged into
  sluice schema check --against registry -X schema_registry.url=http://registry:8081
  sluice schema check --against git:origin/main -o github annotations on the lines of a pull request
  sluice schema check --topics=1000 --config sluice.yaml  on the messages that lie in the topics, too")]
pub struct CheckArgs {
    /// Folders or files of schemas
    #[arg(default_value = "schemas", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What to hold them against: git:REF, registry, or a folder of earlier schemas
    #[arg(long, default_value = "git:HEAD", value_name = "PAST")]
    pub against: Against,
    /// Level for every subject, such as FULL_TRANSITIVE; wins over compatibility.toml
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<Level>,
    /// File with levels and waivers, in place of compatibility.toml beside the schemas
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Try the schemas also on the last N messages of each partition of their topics, 100 unless said; needs the broker
    /// and the registry
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "100",
          value_parser = clap::value_parser!(i64).range(1..))]
    pub topics: Option<i64>,
    /// Shape of the answer on standard output; `github` also writes the summary of the step
    #[arg(short, long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
}

/// Does what the verb says.
pub async fn run(session: &Session, args: CheckArgs) -> Result<Exit, Failure> {
    let settings = match args.topics {
        Some(_) => Some(session.settings()?),
        None => settings_for(session, &args.against)?,
    };
    let check = Check {
        paths: args.paths,
        against: args.against,
        level: args.level,
        policy: args.policy,
        topics: args.topics,
        today: text::time(text::now_ms()),
    };
    let checked = check.run(settings.as_ref()).await?;
    for Tried { topic, read, strange } in checked.tried {
        let said = if strange > 0 { format!(", {strange} of them no record for anybody") } else { String::new() };
        session::note(format_args!("{topic}: {read} messages read{said}"));
    }
    let verdict = checked.verdict;
    output::write(&report::render(&verdict, args.output)?)?;
    if args.output == Format::Github {
        report::write_step_summary(&verdict)?;
    }
    Ok(if verdict.passes() { Exit::Ok } else { Exit::IncompatibleSchema })
}

#[cfg(test)]
mod tests;
