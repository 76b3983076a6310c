//! `sluice generate`: files made from the command line's own tree, and from the declared metrics.

use std::{fs, path::PathBuf};

use clap::{Command, Subcommand};
use clap_complete::Shell;

use crate::{exit::Exit, failure::Failure, output};

mod alerts;
mod dashboards;

/// What to generate.
#[derive(Debug, Subcommand)]
pub enum GenerateVerb {
    /// Print a shell's completion script
    #[command(after_help = "Examples:
  sluice generate completion bash > /etc/bash_completion.d/sluice
  sluice generate completion zsh > ~/.zfunc/_sluice")]
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write the page of every verb into a folder
    #[command(after_help = "Examples:
  sluice generate man | man -l -
  sluice generate man --dir /usr/local/share/man/man1")]
    Man {
        /// Folder for one page per verb
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Print alerting rules for Prometheus; each alert has a page in docs/runbooks
    #[command(after_help = "Examples:
  sluice generate alerts --freshness 5m > /etc/prometheus/rules/sluice.yml
  sluice generate alerts | promtool check rules /dev/stdin")]
    Alerts(alerts::Goals),
    /// Write dashboards for Grafana into a folder
    #[command(after_help = "Examples:
  sluice generate dashboards --dir /var/lib/grafana/dashboards")]
    Dashboards {
        /// Folder for one file per dashboard
        #[arg(long)]
        dir: PathBuf,
    },
}

/// Generates from the tree of verbs.
pub fn run(tree: Command, verb: &GenerateVerb) -> Result<Exit, Failure> {
    let mut bytes = Vec::new();
    match verb {
        GenerateVerb::Completion { shell } => {
            clap_complete::generate(*shell, &mut shown(&tree, "sluice"), "sluice", &mut bytes);
        }
        GenerateVerb::Man { dir: None } => clap_mangen::Man::new(tree)
            .render(&mut bytes)
            .map_err(|error| Failure::caused(Exit::Failed, "could not render the manual page", &error))?,
        GenerateVerb::Man { dir: Some(dir) } => {
            let written = |error: std::io::Error| {
                Failure::caused(Exit::Failed, format!("could not write manual pages to `{}`", dir.display()), &error)
            };
            fs::create_dir_all(dir).map_err(written)?;
            clap_mangen::generate_to(tree, dir).map_err(written)?;
        }
        GenerateVerb::Alerts(goals) => {
            let rules = serde_saphyr::to_string(&alerts::rules(goals))
                .map_err(|error| Failure::caused(Exit::Failed, "could not write the rules", &error))?;
            bytes.extend(rules.into_bytes());
        }
        GenerateVerb::Dashboards { dir } => {
            let written = |error: std::io::Error| {
                Failure::caused(Exit::Failed, format!("could not write dashboards to `{}`", dir.display()), &error)
            };
            fs::create_dir_all(dir).map_err(written)?;
            for dashboard in dashboards::all() {
                let file = dir.join(format!("{}.json", dashboard.name));
                fs::write(file, format!("{:#}\n", dashboard.document())).map_err(written)?;
            }
        }
    }
    output::write(&String::from_utf8_lossy(&bytes))?;
    Ok(Exit::Ok)
}

/// The tree without hidden verbs: a shell would offer them, too.
fn shown(tree: &Command, name: &'static str) -> Command {
    let verbs = tree.get_subcommands().filter(|verb| !verb.is_hide_set());
    // The noun below which something is hidden.
    let verbs = verbs.map(|verb| if verb.get_name() == "run" { shown(verb, "run") } else { verb.clone() });
    let about = tree.get_about().cloned().unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    Command::new(name)
        .about(about)
        .version(version)
        .propagate_version(true)
        .args(tree.get_arguments().cloned())
        .subcommands(verbs)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn no_shell_offers_a_former_name() {
        fn check(command: &Command) {
            for verb in command.get_subcommands() {
                assert!(!verb.is_hide_set(), "{} {}", command.get_name(), verb.get_name());
                check(verb);
            }
        }
        let (tree, all) = (shown(&Cli::command(), "sluice"), Cli::command());
        check(&tree);
        let count = |tree: &Command| tree.get_subcommands().filter(|verb| !verb.is_hide_set()).count();
        assert_eq!(count(&tree), count(&all));
        let global = |tree: &Command| tree.get_arguments().map(|flag| flag.get_id().to_string()).collect::<Vec<_>>();
        assert_eq!(global(&tree), global(&all));
    }

    #[test]
    fn manual_pages_are_written_for_every_verb() {
        let folder = tempfile::tempdir().unwrap();
        let verb = GenerateVerb::Man { dir: Some(folder.path().to_owned()) };
        assert_eq!(run(Cli::command(), &verb), Ok(Exit::Ok));
        for page in ["sluice.1", "sluice-demo.1", "sluice-run-start.1"] {
            assert!(folder.path().join(page).exists(), "{page}");
        }
        for former in ["sluice-prune.1", "sluice-plan.1", "sluice-run-rollback.1"] {
            assert!(!folder.path().join(former).exists(), "{former}");
        }
    }
}
