//! `sluice schema check`: may these schemas follow their history? Needs neither Kafka nor a configuration file; against
//! git and folders, no network.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use clap::Args;
use pipeline_core::registry::Registry;
use pipeline_schema::{Level, RULES, Rule};
use pipeline_settings::settings::Names;

use super::{
    files::{self, SchemaFile},
    past::{Against, Gone, History},
    policy::{self, Policy},
    report::{Entry, Format, Verdict},
};
use crate::{
    exit::Exit,
    failure::Failure,
    output,
    session::{self, Session},
    text,
};

mod columns;
mod judge;
mod topics;
mod waivers;

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
    let files = files::find(&args.paths)?;
    let policies = Policies::read(&files, &args)?;
    let registry = match args.against {
        Against::Registry => Some(super::registry(session)?),
        Against::Git(_) | Against::Folder(_) => None,
    };
    let levels = levels(&files, &policies, registry.as_ref()).await?;
    let history = history(&args, &files, &policies, &levels, registry.as_ref()).await?;
    let mut own = columns::check(&files)?;
    if let Some(last) = args.topics {
        own.extend(topics::check(session, &files, last).await?);
    }
    let verdict = judge(&files, &policies, &levels, &history, own, &args.against, &text::time(text::now_ms()));
    output::write(&verdict.render(args.output)?)?;
    if args.output == Format::Github {
        verdict.write_step_summary()?;
    }
    Ok(if verdict.passes() { Exit::Ok } else { Exit::IncompatibleSchema })
}

/// The rules beyond the schemas themselves, with what each finds.
pub const OTHER_RULES: [(&str, &str); 6] = [
    (topics::UNREADABLE, "a message in a topic cannot be read with the proposed schema"),
    (columns::UNMAPPED, "nothing says where a field is kept"),
    (columns::MISSING, "a field is to be kept in a column that no migration makes"),
    (columns::STALE, "columns.toml speaks of a field that is not there"),
    (waivers::EXPIRED, "a waiver's last day has passed"),
    (waivers::UNUSED, "a waiver that nothing needs"),
];

/// The rules that a waiver may name.
pub fn rule_ids() -> Vec<&'static str> {
    let others = OTHER_RULES.into_iter().map(|(id, _)| id);
    RULES.into_iter().map(Rule::id).chain(others).collect()
}

/// The policies, by the folder of the schemas.
struct Policies {
    by_folder: BTreeMap<PathBuf, Policy>,
    only: Option<Policy>,
    /// The flag, which wins over all.
    flag: Option<Level>,
}

/// The level that each subject is held to.
type Levels = BTreeMap<String, Level>;

// === impl Policies ===

impl Policies {
    fn read(files: &[SchemaFile], args: &CheckArgs) -> Result<Self, Failure> {
        let rules = rule_ids();
        let only = args.policy.as_deref().map(|path| Policy::of_file(path, &rules)).transpose()?;
        let mut by_folder = BTreeMap::new();
        if only.is_none() {
            let named = args.paths.iter().filter(|path| path.is_dir()).map(PathBuf::as_path);
            for folder in files.iter().map(|file| folder_of(&file.path)).chain(named) {
                if !by_folder.contains_key(folder) {
                    by_folder.insert(folder.to_owned(), Policy::of_folder(folder, &rules)?);
                }
            }
        }
        Ok(Self { by_folder, only, flag: args.level })
    }

    fn all(&self) -> impl Iterator<Item = &Policy> {
        self.only.iter().chain(self.by_folder.values())
    }

    fn level(&self, file: &Path, subject: &str) -> Option<Level> {
        let beside = || self.by_folder.get(folder_of(file));
        self.flag.or_else(|| self.only.as_ref().or_else(beside)?.level(subject))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

// === what is asked of each subject ===

async fn levels(
    files: &[SchemaFile],
    policies: &Policies,
    registry: Option<&(Registry, Names)>,
) -> Result<Levels, Failure> {
    let mut levels = Levels::new();
    for SchemaFile { path, subject, .. } in files {
        let level = match (policies.level(path, subject), registry) {
            (Some(level), _) => level,
            (None, Some((registry, names))) => {
                registry.level(&names.topic(subject)).await.map_err(|error| session::registry_failure(&error))?
            }
            (None, None) => policy::STRICTEST,
        };
        levels.insert(subject.clone(), level);
    }
    Ok(levels)
}

async fn history(
    args: &CheckArgs,
    files: &[SchemaFile],
    policies: &Policies,
    levels: &Levels,
    registry: Option<&(Registry, Names)>,
) -> Result<History, Failure> {
    match (&args.against, registry) {
        (Against::Git(reference), _) => {
            History::of_git(reference, &args.paths, files, levels.values().any(|level| level.is_transitive()))
        }
        (Against::Folder(folder), _) => History::of_folder(folder, files),
        (Against::Registry, Some((registry, names))) => {
            let listed = policies.all().flat_map(Policy::subjects);
            History::of_registry(registry, names, files, &listed.collect::<Vec<_>>()).await
        }
        (Against::Registry, None) => Ok(History::default()),
    }
}

// === the verdict ===

fn judge(
    files: &[SchemaFile],
    policies: &Policies,
    levels: &Levels,
    history: &History,
    own: Vec<Entry>,
    against: &Against,
    today: &str,
) -> Verdict {
    let mut verdict = Verdict::new(against.to_string());
    for file in files.iter().filter(|file| file.text.is_some()) {
        let level = levels.get(&file.subject).copied().unwrap_or(policy::STRICTEST);
        let (subject, entries) = judge::file(file, level, &history.of_file(file));
        verdict.subjects.push(subject);
        verdict.entries.extend(entries);
    }
    verdict.entries.extend(removed(files, policies, levels, history));
    verdict.entries.extend(own);
    let named: BTreeSet<&str> = files.iter().map(|file| file.subject.as_str()).collect();
    waivers::apply(&mut verdict, policies.all(), &named, today.get(..10).unwrap_or(today));
    verdict
}

/// Schemas that were there and are not any more.
fn removed(files: &[SchemaFile], policies: &Policies, levels: &Levels, history: &History) -> Vec<Entry> {
    let level = |subject: &str| {
        let said = || policies.all().find_map(|policy| policy.level(subject));
        levels.get(subject).copied().or(policies.flag).or_else(said).unwrap_or(policy::STRICTEST)
    };
    let mut gone: BTreeMap<(&str, PathBuf), Option<String>> = BTreeMap::new();
    for Gone { subject, path, text } in history.gone() {
        let successor = text.as_deref().and_then(|text| renamed_to(text, files, history));
        gone.insert((subject, path.clone()), successor);
    }
    for policy in policies.all() {
        let is_told = |subject: &str| {
            let there = files.iter().any(|file| file.text.is_some() && file.subject == subject);
            there || history.gone().iter().any(|gone| gone.subject == subject)
        };
        for subject in policy.subjects().filter(|subject| history.knows(subject) && !is_told(subject)) {
            gone.insert((subject, policy.path.clone().unwrap_or_default()), None);
        }
    }
    gone.into_iter()
        .filter(|((subject, _), _)| level(subject) != Level::None)
        .map(|((subject, path), successor)| Entry::removed(subject, &path, level(subject), successor.as_deref()))
        .collect()
}

/// A new file that holds the record of one that is gone.
fn renamed_to(old: &str, files: &[SchemaFile], history: &History) -> Option<String> {
    let is_it = |file: &&SchemaFile| {
        history.of_file(file).versions.is_empty() && file.whole().is_some_and(|text| files::same_schema(text, old))
    };
    files.iter().find(is_it).map(|file| file.path.display().to_string())
}

#[cfg(test)]
mod tests;
