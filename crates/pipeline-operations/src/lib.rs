//! What a person may do to a run, a letter or a generation: each thing is one [`Operation`].
//!
//! The command and the console offer the same operations, so what they do, what they refuse and what they write down
//! stands here once. Nothing here asks, prints or knows an exit code.
//!
//! **Look first, then do.** [`Operation::preview`] reads and changes nothing. It gives the same answer as
//! [`Operation::carry_out`], which takes that answer back: whoever decides has seen it, may take their time, and gives a
//! reason. When what was shown is not so any more, nothing is done, and the refusal is [`Error::Changed`].
//!
//! **One row in the audit.** What was carried out has one row there that says who, what, to what, why, and what came of
//! it; where many letters are worked on, each letter has one. A preview and a refusal leave none. The row is written in
//! the transaction of the change; for what happens elsewhere, such as a message, right after it.
//!
//! | module | what a person may do |
//! |---|---|
//! | [`start`], [`retry`] | ask for a run; try its failed parts again |
//! | [`tolerate`], [`removals`] | decide what does not hold a run: rejected providers, rows that go |
//! | [`activate`], [`abort`] | switch what is ready; end the run |
//! | [`rollback`], [`prune`] | go back to a generation; forget old ones |
//! | [`replay`], [`discard`] | try a dead letter again; go on without it |
//! | [`comparison`], [`generations`] | compare source and copy, or two generations; these only look |
//! | [`letters`], [`message`], [`open`], [`outbox`] | what these are made of: letters and their messages, the open run, messages to the stages |

use std::{fmt, sync::Arc};

use pipeline_kafka::local::Budget;
use pipeline_settings::settings::Settings;
use pipeline_store::Store;

pub mod abort;
pub mod activate;
pub mod comparison;
pub mod discard;
mod error;
pub mod generations;
pub mod letters;
pub mod message;
pub mod open;
pub mod outbox;
pub mod prune;
pub mod removals;
pub mod replay;
pub mod retry;
pub mod rollback;
pub mod start;
pub mod tolerate;

pub use error::Error;

/// Something that a person may do.
pub trait Operation {
    /// What is shown before it is done, and what is answered afterwards.
    type Answer;

    /// What would be done. Changes nothing.
    ///
    /// # Errors
    /// [`Error`], when it would be refused as things stand, or when somebody who has to be asked is away.
    fn preview(&self, at: &Installation<'_>) -> impl Future<Output = Result<Self::Answer, Error>> + Send;

    /// Does what was shown, and writes down who did it and why. Where nothing was shown, does what there is to do by now.
    ///
    /// # Errors
    /// [`Error::Changed`] when what was shown is not so any more; otherwise as in [`Operation::preview`].
    fn carry_out(
        &self,
        at: &Installation<'_>,
        shown: Option<&Self::Answer>,
        by: &By,
    ) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

/// Who does something, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Who, such as `ada@desk`.
    pub who: String,
    /// Why, in the person's own words.
    pub why: String,
}

/// The Sluice that something is done to.
#[derive(Clone, Copy)]
pub struct Installation<'a> {
    /// Its target.
    pub store: &'a Store,
    /// How its broker, its registry and its target are reached, and what it does by default.
    pub settings: &'a Settings,
    /// What a broker in this process keeps; none when the broker is elsewhere.
    pub budget: Option<&'a Arc<Budget>>,
    /// Hears how far an operation is that takes long.
    pub progress: &'a (dyn Fn(Step) + Sync),
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Done so far.
    pub done: usize,
    /// To be done in all.
    pub of: usize,
}

// === impl Installation ===

impl<'a> Installation<'a> {
    /// An installation whose broker is elsewhere; nobody hears of progress.
    pub fn new(store: &'a Store, settings: &'a Settings) -> Self {
        Self { store, settings, budget: None, progress: &|_| {} }
    }

    /// The same, telling how far an operation is.
    #[must_use]
    pub fn telling(self, progress: &'a (dyn Fn(Step) + Sync)) -> Self {
        Self { progress, ..self }
    }
}

impl fmt::Debug for Installation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installation").field("target", &self.store.describe()).finish_non_exhaustive()
    }
}
