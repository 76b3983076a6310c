//! `sluice topics`: brokers in production do not create topics by themselves.

use clap::{Args, Subcommand};
use pipeline_core::kafka::admin;
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
};

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub enum TopicsVerb {
    /// Create the topics that are missing; those that are there stay as they are
    Create(CreateArgs),
}

/// How to create topics.
#[derive(Debug, Args)]
#[command(after_help = "More workers of a stage than partitions of its topic stay idle.

Examples:
  sluice topics create --partitions 24 --replication 3
  sluice topics create --dry-run")]
pub struct CreateArgs {
    /// Partitions of each new topic
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub partitions: i32,
    /// Replicas of each partition
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100))]
    pub replication: i32,
    /// Say what is missing, and create nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct TopicsReport {
    bootstrap_servers: String,
    dry_run: bool,
    partitions: i32,
    replication: i32,
    /// Topics created, or missing in a dry run.
    created: Vec<String>,
    /// Topics that were there.
    present: Vec<String>,
}

/// Creates topics.
pub async fn run(session: &Session, TopicsVerb::Create(args): TopicsVerb) -> Result<Exit, Failure> {
    let settings = session.settings()?.kafka;
    let created = if args.dry_run {
        admin::check(&settings).await.map(|report| report.missing_topics)
    } else {
        admin::ensure_topics(&settings, args.partitions, args.replication).await
    }
    .map_err(|error| session::kafka_failure(&error))?;
    let is_new = |topic: &String| created.iter().any(|created| created == topic);
    let present = admin::topics(&settings).into_iter().filter(|topic| !is_new(topic)).collect();
    let report = TopicsReport {
        bootstrap_servers: settings.bootstrap_servers,
        dry_run: args.dry_run,
        partitions: args.partitions,
        replication: args.replication,
        created,
        present,
    };
    output::answer(&report, args.output.output)?;
    Ok(Exit::Ok)
}

impl Report for TopicsReport {
    fn text(&self) -> String {
        let mut table = output::table(&["TOPIC", "STATE"]);
        let new = if self.dry_run { "missing" } else { "created" };
        for (topics, state) in [(&self.created, new), (&self.present, "present")] {
            for topic in topics {
                table.add_row([topic.as_str(), state]);
            }
        }
        output::table_text(&table)
    }
}
