//! `sluice schema register` and `ls`: what this program's records are in the registry, and at which level.

use clap::Args;
use schema_gate::subjects::{self, Subjects};
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::Session,
};

/// How to register.
#[derive(Debug, Args)]
#[command(
    after_help = "Registering again changes nothing. Exit code 100: the new schema is incompatible with a registered
version.

Examples:
  sluice schema register --dry-run
  sluice schema register -X schema_registry.url=http://registry:8081"
)]
pub struct RegisterArgs {
    /// Say what would be registered, and whether the registry would take it
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How to list.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sluice schema ls
  sluice schema ls -o json | jq -r '.[] | select(.id == null) | .subject'")]
pub struct ListArgs {
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Listed(Subjects);

/// Registers, or says what that would do.
pub async fn register(session: &Session, args: RegisterArgs) -> Result<Exit, Failure> {
    let (registry, names) = subjects::registry(Some(&session.settings()?))?;
    let found = if args.dry_run {
        subjects::plan(&registry, &names).await
    } else {
        subjects::register(&registry, &names).await
    };
    let listed = Listed(found?);
    output::answer(&listed, args.output)?;
    Ok(listed.exit())
}

/// Lists.
pub async fn list(session: &Session, args: ListArgs) -> Result<Exit, Failure> {
    let (registry, names) = subjects::registry(Some(&session.settings()?))?;
    output::answer(&Listed(subjects::list(&registry, &names).await?), args.output)
}

// === impl Listed ===

impl Listed {
    fn exit(&self) -> Exit {
        if self.0.is_incompatible() { Exit::IncompatibleSchema } else { Exit::Ok }
    }
}

impl Report for Listed {
    fn text(&self) -> String {
        let mut table = output::table(&["SUBJECT", "STATE", "ID", "VERSION", "LEVEL"]);
        let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        for subject in &self.0.0 {
            table.add_row([
                subject.subject.clone(),
                subject.state.to_owned(),
                number(subject.id),
                number(subject.version),
                subject.level.clone(),
            ]);
        }
        let mut lines = vec![output::table_text(&table)];
        for subject in self.0.0.iter().filter(|subject| !subject.messages.is_empty()) {
            lines.push(format!("{}: {}", subject.subject, subject.messages.join("; ")));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use schema_gate::subjects::Subject;

    use super::*;

    #[test]
    fn an_incompatible_schema_has_an_exit_code_of_its_own() {
        let subject = |state| Subject {
            subject: "a-value".to_owned(),
            state,
            id: None,
            version: Some(1),
            level: "FULL_TRANSITIVE".to_owned(),
            messages: vec!["field `b` has no default".to_owned()],
        };
        let listed = |states: &[&'static str]| Listed(Subjects(states.iter().copied().map(subject).collect()));
        assert_eq!(listed(&["present"]).exit(), Exit::Ok);
        assert_eq!(listed(&["present", "incompatible"]).exit(), Exit::IncompatibleSchema);
        insta::assert_snapshot!(listed(&["incompatible"]).text(), @"
        SUBJECT  STATE         ID  VERSION  LEVEL
        a-value  incompatible  -   1        FULL_TRANSITIVE
        a-value: field `b` has no default
        ");
    }
}
