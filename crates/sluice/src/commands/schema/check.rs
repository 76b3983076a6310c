//! `sluice schema check`: may these schemas follow their history? Needs neither Kafka nor a configuration file; against
//! git and folders, no network.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use clap::Args;
use pipeline_core::registry::Registry;
use pipeline_schema::{Level, Past, RULES, Rule, Schema, Severity, check};

use super::{
    files::{self, SchemaFile},
    past::{Against, History},
    policy::{self, Policy},
    report::{Entry, Format, Subject, Verdict},
};
use crate::{
    exit::Exit,
    failure::Failure,
    output,
    session::{self, Session},
    text,
};

mod columns;
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

async fn levels(files: &[SchemaFile], policies: &Policies, registry: Option<&Registry>) -> Result<Levels, Failure> {
    let mut levels = Levels::new();
    for SchemaFile { path, subject, .. } in files {
        let level = match (policies.level(path, subject), registry) {
            (Some(level), _) => level,
            (None, Some(registry)) => {
                registry.level(subject).await.map_err(|error| session::registry_failure(&error))?
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
    registry: Option<&Registry>,
) -> Result<History, Failure> {
    match (&args.against, registry) {
        (Against::Git(reference), _) => {
            History::of_git(reference, &args.paths, levels.values().any(|level| level.is_transitive()))
        }
        (Against::Folder(folder), _) => History::of_folder(folder),
        (Against::Registry, Some(registry)) => {
            let listed = policies.all().flat_map(Policy::subjects);
            let subjects: BTreeSet<&str> = files.iter().map(|file| file.subject.as_str()).chain(listed).collect();
            History::of_registry(registry, &subjects.into_iter().collect::<Vec<_>>()).await
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
        let (subject, entries) = judge_file(file, level, history);
        verdict.subjects.push(subject);
        verdict.entries.extend(entries);
    }
    verdict.entries.extend(removed(files, policies, levels, history));
    verdict.entries.extend(own);
    let named: BTreeSet<&str> = files.iter().map(|file| file.subject.as_str()).collect();
    waivers::apply(&mut verdict, policies.all(), &named, today.get(..10).unwrap_or(today));
    verdict
}

fn judge_file(file: &SchemaFile, level: Level, history: &History) -> (Subject, Vec<Entry>) {
    let text = file.text.as_deref().unwrap_or_default();
    let versions = history.versions(&file.subject);
    let mut subject = Subject::new(&file.subject, &file.path, level, versions.len());
    let new = match Schema::parse(text) {
        Ok(schema) => schema,
        Err(faults) => {
            subject.state = "invalid";
            return (subject, faults.0.into_iter().map(|fault| Entry::invalid(file, fault)).collect());
        }
    };
    if versions.is_empty() {
        subject.state = "new";
        return (subject, Vec::new());
    }
    if versions.last().is_some_and(|newest| files::same_schema(&newest.text, text)) {
        subject.state = "unchanged";
        return (subject, Vec::new());
    }
    subject.state = "changed";
    // What was no schema then cannot have been written with.
    let parsed: Vec<(&str, Schema)> = versions
        .iter()
        .filter_map(|version| Some((version.label.as_str(), Schema::parse(&version.text).ok()?)))
        .collect();
    let past: Vec<Past<'_>> = parsed.iter().map(|(label, schema)| Past { label, schema }).collect();
    let entries: Vec<Entry> =
        check(&new, &past, level).into_iter().map(|finding| Entry::of(file, level, finding)).collect();
    if entries.iter().any(|entry| entry.severity == Severity::Error) {
        subject.state = "incompatible";
    }
    (subject, entries)
}

/// Schemas that were there and are not any more.
fn removed(files: &[SchemaFile], policies: &Policies, levels: &Levels, history: &History) -> Vec<Entry> {
    let there: BTreeSet<&str> =
        files.iter().filter(|file| file.text.is_some()).map(|file| file.subject.as_str()).collect();
    let mut gone: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for (subject, path) in history.files() {
        gone.insert(subject, path.to_owned());
    }
    for policy in policies.all() {
        for subject in policy.subjects().filter(|subject| !history.versions(subject).is_empty()) {
            gone.entry(subject).or_insert_with(|| policy.path.clone().unwrap_or_default());
        }
    }
    gone.retain(|subject, _| !there.contains(subject));
    let level = |subject: &str| {
        let said = || policies.all().find_map(|policy| policy.level(subject));
        levels.get(subject).copied().or(policies.flag).or_else(said).unwrap_or(policy::STRICTEST)
    };
    gone.into_iter()
        .filter(|(subject, _)| level(subject) != Level::None)
        .map(|(subject, path)| {
            let successor = renamed_to(subject, files, history);
            Entry::removed(subject, &path, level(subject), successor.as_deref())
        })
        .collect()
}

/// A new file that holds the record of one that is gone.
fn renamed_to(subject: &str, files: &[SchemaFile], history: &History) -> Option<String> {
    let old = &history.versions(subject).last()?.text;
    let is_it = |file: &&SchemaFile| {
        history.versions(&file.subject).is_empty()
            && file.text.as_deref().is_some_and(|text| files::same_schema(text, old))
    };
    files.iter().find(is_it).map(|file| file.path.display().to_string())
}

#[cfg(test)]
mod tests;
