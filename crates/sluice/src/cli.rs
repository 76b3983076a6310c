//! The command line: one tree of verbs.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        audit, capacity, config, demo, dev, dlq, doctor, explain, generate, generation, lag, migrate, run, schema,
        source, topic, verify,
    },
    global::Global,
};

#[cfg(test)]
mod tests;

/// Keep a relational copy of hierarchical documents, over Kafka.
///
/// Sluice fills the next generation of the copy behind a closed gate, proves that it is complete, and opens the gate
/// in one move: readers see the old data or the new, never a mixture, never an empty table.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, propagate_version = true, arg_required_else_help = true, after_long_help = AFTER)]
pub struct Cli {
    /// Flags of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the whole pipeline once, in this process, on sample data: nothing else is needed
    Demo(demo::DemoArgs),
    /// Keep the whole pipeline running in this process, for trying and developing
    Dev(dev::DevArgs),
    /// Start, follow, list, mend and abort runs
    #[command(subcommand)]
    Run(run::RunVerb),
    /// List and compare the generations of the copy, go back to one, forget old ones
    #[command(subcommand)]
    Generation(generation::GenerationVerb),
    /// Look at dead letters, replay or discard them
    #[command(subcommand)]
    Dlq(dlq::DlqVerb),
    /// Check, register and compare the schemas of the topics
    #[command(subcommand)]
    Schema(schema::SchemaVerb),
    /// Copy a source into a folder
    #[command(subcommand)]
    Source(source::SourceVerb),
    /// Create the topics
    #[command(subcommand, alias = "topics")]
    Topic(topic::TopicVerb),
    /// Check and show the configuration
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Compare source and copy row by row, or check the target's own promises
    Verify(verify::VerifyArgs),
    /// Check that source, broker, registry and target are there and ready
    Doctor(doctor::DoctorArgs),
    /// Tell what waits for each stage, for how long, and whether it is in danger
    Lag(lag::LagArgs),
    /// Create or update the tables and views of the target
    Migrate(migrate::MigrateArgs),
    /// Work out partitions, workers, connections, memory and disk for so much data
    Capacity(capacity::CapacityArgs),
    /// Read who changed what, when and why
    #[command(subcommand)]
    Audit(audit::AuditVerb),
    /// Generate shell completion and manual pages
    #[command(subcommand)]
    Generate(generate::GenerateVerb),
    /// Explain an error code
    Explain(explain::ExplainArgs),
    /// The former name of `capacity`
    #[command(subcommand, hide = true)]
    Plan(capacity::FormerVerb),
    /// The former name of `generation prune`
    #[command(hide = true)]
    Prune(generation::prune::PruneArgs),
}

const AFTER: &str = "\
Examples:
  sluice demo                                    see it work, without any server
  sluice demo -o json | jq .bundles              the same, for a script
  sluice doctor --config sluice.yaml             is everything there and ready?
  sluice run start --wait --config sluice.yaml   refresh the copy and wait for it

Exit codes:
  0 ok, 1 failed, 2 usage, 10 not ready or timed out, 20 finished or held with rejects or dead letters,
  75 dependency unreachable (try again), 78 bad configuration, 100 incompatible schema";
