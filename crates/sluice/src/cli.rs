//! The command line: one tree of verbs.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        audit, capacity, config, demo, dev, dlq, doctor, explain, generate, generation, lag, migrate, run, schema,
        source, topic, verify,
    },
    global::Global,
};

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_of_verbs_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_before_or_behind_the_verb() {
        let before = Cli::try_parse_from(["sluice", "-X", "target.url=a=b", "doctor"]).unwrap();
        let behind = Cli::try_parse_from(["sluice", "doctor", "-X", "target.url=a=b"]).unwrap();
        assert_eq!(before.global.set, [("target.url".to_owned(), "a=b".to_owned())]);
        assert_eq!(behind.global.set, before.global.set);
    }

    #[test]
    fn every_verb_shows_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let verbs: Vec<_> = command.get_subcommands().filter(|verb| verb.get_name() != "help").collect();
            if verbs.is_empty() {
                let help = command.clone().render_long_help().to_string();
                assert!(help.contains("Example"), "`{path}` has no example in its help");
            }
            for verb in verbs {
                check(verb, &format!("{path} {}", verb.get_name()));
            }
        }
        check(&Cli::command(), "sluice");
    }

    #[test]
    fn a_former_name_means_the_same_and_is_shown_nowhere() {
        let named = [
            ("run start --scope s", "run start --service s"),
            ("run start --mode whole-run", "run start --activation whole-run"),
            ("demo --mode whole-run", "demo --activation whole-run"),
            ("topics create", "topic create"),
            ("dlq waive 1 --reason r", "dlq discard 1 --reason r"),
            ("dlq ls --state waived", "dlq ls --state discarded"),
            ("run list", "run ls"),
            ("run view", "run show"),
            ("dlq list", "dlq ls"),
            ("dlq view 1", "dlq show 1"),
            ("audit list", "audit ls"),
            ("schema list", "schema ls"),
            ("generation list", "generation ls"),
            ("config show", "config view"),
        ];
        let read = |line: &str| Cli::try_parse_from(format!("sluice {line}").split(' ')).unwrap();
        for (former, name) in named {
            assert_eq!(format!("{:?}", read(former).verb), format!("{:?}", read(name).verb), "{former}");
        }
        // These have moved, with the same flags.
        for (former, name) in [
            ("run rollback --yes --service s", "generation rollback --yes --service s"),
            ("prune --keep 2", "generation prune --keep 2"),
            ("plan capacity --services 2", "capacity --services 2"),
        ] {
            let flags = |line: &str| {
                format!("{:?}", read(line).verb).split_once("Args").unwrap().1.trim_end_matches(')').to_owned()
            };
            assert_eq!(flags(former), flags(name), "{former}");
        }
        let shown = |path: &[&str]| {
            let command =
                path.iter().fold(Cli::command(), |command, verb| command.find_subcommand(verb).unwrap().clone());
            command.clone().render_long_help().to_string()
        };
        for (path, former) in [
            (&[][..], "  topics"),
            (&[], "  prune"),
            (&[], "  plan"),
            (&["run"], "rollback"),
            (&["run"], "  list"),
            (&["run", "start"], "--scope"),
            (&["run", "start"], "--mode"),
            (&["dlq"], "waive"),
            (&["dlq", "ls"], "waived"),
        ] {
            assert!(!shown(path).contains(former), "{path:?} shows {former}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_refused_with_the_usage_code() {
        for wrong in [
            &["sluice", "run", "stat"][..],
            &["sluice", "run", "wait", "not-a-run"],
            &["sluice", "run", "start", "--timeout", "5m"],
            &["sluice", "run", "start", "--tolerate", "101%"],
            &["sluice", "-X", "no-value", "doctor"],
        ] {
            let error = Cli::try_parse_from(wrong).unwrap_err();
            assert_eq!(error.exit_code(), i32::from(crate::exit::Exit::Usage.code()), "{wrong:?}");
        }
    }
}
