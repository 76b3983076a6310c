//! `sluice generate`: files made from the command line's own tree.

use std::{fs, path::PathBuf};

use clap::{Command, Subcommand};
use clap_complete::Shell;

use crate::{exit::Exit, failure::Failure, output};

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
}

/// Generates from the tree of verbs.
pub fn run(mut tree: Command, verb: &GenerateVerb) -> Result<Exit, Failure> {
    let mut bytes = Vec::new();
    match verb {
        GenerateVerb::Completion { shell } => {
            clap_complete::generate(*shell, &mut tree, "sluice", &mut bytes);
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
    }
    output::write(&String::from_utf8_lossy(&bytes))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn manual_pages_are_written_for_every_verb() {
        let folder = tempfile::tempdir().unwrap();
        let verb = GenerateVerb::Man { dir: Some(folder.path().to_owned()) };
        assert_eq!(run(Cli::command(), &verb), Ok(Exit::Ok));
        for page in ["sluice.1", "sluice-demo.1", "sluice-run-start.1"] {
            assert!(folder.path().join(page).exists(), "{page}");
        }
    }
}
