//! Which run a person means: by its id or the beginning of it, by its generation, or the newest one.

use std::str::FromStr;

use pipeline_model::ids::{Generation, RunId};
use pipeline_store::{Run, Store};

use crate::{exit::Exit, failure::Failure};

/// Characters of an id's beginning, at least: fewer say less than how often one errs.
const SHORTEST: usize = 4;

/// Which run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunRef {
    /// The newest run of the target.
    Latest,
    /// The run with this id.
    Id(RunId),
    /// The run that filled this generation.
    Generation(Generation),
    /// The only run whose id begins so: hexadecimal digits and dashes, in lower case.
    Beginning(String),
}

// === impl RunRef ===

impl FromStr for RunRef {
    type Err = String;

    /// A number without a zero before it is a generation: the ids that are made here begin with one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "@latest" {
            return Ok(Self::Latest);
        }
        if let Ok(id) = RunId::parse(text) {
            return Ok(Self::Id(id));
        }
        if let Some(generation) = text.parse().ok().filter(|_| !text.starts_with(['0', '+', '-'])) {
            return Ok(Self::Generation(Generation(generation)));
        }
        let is_of_id = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        if text.len() >= SHORTEST && text.bytes().all(is_of_id) {
            return Ok(Self::Beginning(text.to_ascii_lowercase()));
        }
        Err(format!(
            "`{text}` is no run: expected an id or its first {SHORTEST} or more characters, a generation such as 17, or @latest"
        ))
    }
}

impl RunRef {
    /// The run's id. An id that was given whole need not be in the ledger.
    pub async fn id(&self, store: &Store) -> Result<RunId, Failure> {
        let none = |what: String| Failure::new(Exit::Failed, format!("there is no run {what}`{}`", store.describe()));
        match self {
            Self::Id(id) => Ok(*id),
            Self::Latest => match store.latest_run().await? {
                Some(run) => Ok(run.run_id),
                None => Err(none("yet in ".to_owned()).hint("start one: sluice run start")),
            },
            Self::Generation(generation) => {
                let found = store.run_of_generation(*generation).await?;
                found.ok_or_else(|| none(format!("of generation {generation} in ")).hint("list them: sluice run ls"))
            }
            Self::Beginning(beginning) => match store.runs_beginning(beginning).await?.as_slice() {
                [] => Err(none(format!("whose id begins with {beginning} in ")).hint("list them: sluice run ls")),
                [only] => Ok(*only),
                [one, other, ..] => {
                    let what = format!("more than one run begins with {beginning}, such as {one} and {other}");
                    Err(Failure::new(Exit::Failed, what).hint("give more of the id"))
                }
            },
        }
    }

    /// The run, which has to be in the ledger.
    pub async fn find(&self, store: &Store) -> Result<Run, Failure> {
        let id = self.id(store).await?;
        let run = store.run(id).await?;
        run.ok_or_else(|| {
            Failure::new(Exit::Failed, format!("there is no run {id} in `{}`", store.describe()))
                .hint("list them: sluice run ls")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_id_by_its_beginning_by_generation_or_as_the_newest() {
        let id = "01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10";
        assert_eq!(id.parse(), Ok(RunRef::Id(RunId::parse(id).unwrap())));
        assert_eq!("@latest".parse(), Ok(RunRef::Latest));
        assert_eq!("17".parse(), Ok(RunRef::Generation(Generation(17))));
        assert_eq!("01980F6E-3c".parse(), Ok(RunRef::Beginning("01980f6e-3c".to_owned())));
        assert_eq!("0198".parse(), Ok(RunRef::Beginning("0198".to_owned())));
        for wrong in ["", "019", "0", "-1", "latest", "%", "01980f6e_", "0198%"] {
            assert!(wrong.parse::<RunRef>().is_err(), "{wrong}");
        }
    }
}
