//! `sluice config`: check and show the configuration. Needs no connection.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pipeline_settings::configuration::{self, Options, Origin};
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Check a configuration file: unknown keys, wrong values, missing files; all faults at once
    Lint(LintArgs),
    /// Show every key with its value and where it came from; secrets are masked
    #[command(alias = "show")]
    View(ViewArgs),
    /// Print the JSON Schema of the configuration file, for editors and charts
    #[command(after_help = "Examples:
  sluice config schema > sluice.schema.json")]
    Schema,
}

/// What to check.
#[derive(Debug, Args)]
#[command(after_help = "The file is checked alone, without the environment. Exit codes: 0 sound, 78 faults.

Examples:
  sluice config lint sluice.yaml")]
pub struct LintArgs {
    /// The file
    pub file: PathBuf,
}

/// How to show.
#[derive(Debug, Args)]
#[command(after_help = "Order: compiled defaults, then --config, then SLUICE__SECTION__KEY, then -X; later ones win.

Examples:
  sluice config view --config sluice.yaml
  SLUICE__STAGE__BATCH_SIZE=20 sluice config view -o json")]
pub struct ViewArgs {
    #[command(flatten)]
    pub output: OutputArgs,
}

/// One key, as it is decided.
#[derive(Debug, Serialize)]
struct Key {
    key: String,
    value: String,
    origin: String,
}

/// Does what the verb says.
pub fn run(session: &Session, verb: ConfigVerb) -> Result<Exit, Failure> {
    match verb {
        ConfigVerb::Lint(args) => lint(args.file),
        ConfigVerb::View(args) => output::answer(&view(session)?, args.output),
        ConfigVerb::Schema => {
            let schema = serde_json::to_string_pretty(&configuration::json_schema());
            let schema =
                schema.map_err(|error| Failure::caused(Exit::Failed, "cannot write the JSON Schema", &error))?;
            output::write(&format!("{schema}\n"))
        }
    }
}

fn lint(file: PathBuf) -> Result<Exit, Failure> {
    let place = file.display().to_string();
    let options = Options { file: Some(file), environment: std::iter::empty(), overrides: Vec::new() };
    let loaded = configuration::load(options)?;
    for warning in &loaded.warnings {
        session::note(format_args!("{}", warning.with_code()));
    }
    output::write(&format!("{place}: ok\n"))
}

fn view(session: &Session) -> Result<Vec<Key>, Failure> {
    let loaded = session.load(Vec::new())?;
    let key = |(key, value, origin): (String, String, Origin)| Key { key, value, origin: origin.to_string() };
    Ok(configuration::view(&loaded).into_iter().map(key).collect())
}

impl Report for Vec<Key> {
    fn text(&self) -> String {
        let mut table = output::table(&["KEY", "VALUE", "FROM"]);
        for key in self {
            table.add_row([&key.key, &key.value, &key.origin]);
        }
        output::table_text(&table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::global::Global;

    #[test]
    fn a_file_with_faults_ends_with_the_code_of_bad_configuration_and_all_faults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sluice.yaml");
        std::fs::write(&file, "stage:\n  batchsize: 5\n  in_flight: many\n").unwrap();
        let failure = lint(file).unwrap_err();
        assert_eq!(failure.exit, Exit::BadConfiguration);
        assert_eq!(failure.causes.len(), 2, "{:?}", failure.causes);
        assert!(failure.causes[0].contains("sluice.yaml:2"), "{:?}", failure.causes);
        assert!(failure.causes[0].ends_with("(SLUICE-CONFIG-003)"), "{:?}", failure.causes);
        assert!(failure.causes[1].ends_with("(SLUICE-CONFIG-005)"), "{:?}", failure.causes);
        assert_eq!(failure.code, Some("SLUICE-CONFIG-003"));
        assert!(failure.causes[0].contains("batch_size"), "the nearest valid key: {:?}", failure.causes);
    }

    #[test]
    fn a_missing_file_is_bad_configuration() {
        assert_eq!(lint(PathBuf::from("/no/such/file.yaml")).unwrap_err().exit, Exit::BadConfiguration);
    }

    #[test]
    fn the_view_says_where_a_value_comes_from() {
        let set = vec![("stage.batch_size".to_owned(), "7".to_owned())];
        let keys = view(&Session::new(Global { set, ..Global::default() })).unwrap();
        let key = keys.iter().find(|key| key.key == "stage.batch_size").unwrap();
        assert_eq!((key.value.as_str(), key.origin.as_str()), ("7", "flag -X stage.batch_size"));
    }
}
