//! Asking a person before something is done that is not undone by itself.

use std::io::{BufRead, IsTerminal};

use clap::Args;
use pipeline_operations::{Installation, Operation};
use serde::Serialize;

use crate::{exit::Exit, failure::Failure, output, request};

/// The flags of every verb that destroys or moves something.
#[derive(Clone, Debug, Args)]
pub struct ConfirmArgs {
    /// Do not ask; needed where nobody can be asked
    #[arg(long)]
    pub yes: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

// === impl ConfirmArgs ===

impl ConfirmArgs {
    /// Whether to go on: `--yes`, or a person's yes.
    ///
    /// # Errors
    /// When there is nobody to ask, and when the answer was no.
    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.yes || ask(question)? {
            return Ok(());
        }
        Err(Failure::new(Exit::Failed, "nothing was done: the answer was no"))
    }
}

/// What came of an operation; what would come of it, when it was only shown.
#[derive(Debug, Serialize)]
pub struct Outcome<T> {
    /// Nothing was done.
    pub dry_run: bool,
    /// The operation's answer.
    #[serde(flatten)]
    pub answer: T,
}

/// Shows an operation, asks, and does it; a dry run only shows it. `ask` sees what is shown, may say more of it, and gives
/// the question; without a question it is done at once.
///
/// # Errors
/// What the operation refuses; and as [`ConfirmArgs::confirm`].
pub async fn carried_out<O: Operation>(
    operation: &O,
    at: &Installation<'_>,
    confirm: &ConfirmArgs,
    reason: &str,
    ask: impl FnOnce(&O::Answer) -> Option<String>,
) -> Result<Outcome<O::Answer>, Failure> {
    let shown = operation.preview(at).await?;
    let question = ask(&shown);
    if confirm.dry_run {
        return Ok(Outcome { dry_run: true, answer: shown });
    }
    if let Some(question) = question {
        confirm.confirm(&question)?;
    }
    let answer = operation.carry_out(at, Some(&shown), &request::by(reason)).await?;
    Ok(Outcome { dry_run: false, answer })
}

/// Asks a person. Where there is none, `--yes` is needed.
fn ask(question: &str) -> Result<bool, Failure> {
    let mut stdin = std::io::stdin().lock();
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::new(Exit::Usage, "cannot ask for confirmation: this is not a terminal")
            .hint("say it beforehand with `--yes`, or look first with `--dry-run`"));
    }
    output::ask(format_args!("{question} [y/N] "));
    let mut answer = String::new();
    match stdin.read_line(&mut answer) {
        Ok(_) => Ok(matches!(answer.trim(), "y" | "Y" | "yes")),
        Err(error) => Err(Failure::caused(Exit::Failed, "could not read the answer", &error)),
    }
}
