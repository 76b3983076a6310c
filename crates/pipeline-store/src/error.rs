//! What can go wrong at the target: each variant says what was being done, to what, and why it failed.
//!
//! The variant is chosen from the driver's type, the SQLSTATE and the server's error number, never from a message
//! text, because texts are translated and reworded. What the runtime does follows from the variant alone. What people
//! are told of a driver's error is in [`DriverError`].

use std::path::PathBuf;

use pipeline_model::disposition::{Classify, Disposition};

pub use driver::DriverError;
pub(crate) use too_large::TooLarge;

mod driver;
pub(crate) mod fault;
mod numbers;
#[cfg(test)]
mod tests;
mod too_large;
pub(crate) mod words;

/// A failed operation on the target. Targets and URLs are without their passwords.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// The database is away: not reachable, shutting down, read-only, out of connections or out of space.
    #[error("could not {operation} `{subject}`: the database is not available")]
    Unavailable { operation: &'static str, subject: String, source: DriverError },
    /// Other transactions were in the way: a deadlock, a lock that was waited for too long, a busy file.
    #[error("could not {operation} `{subject}`: another transaction was in the way")]
    Contended { operation: &'static str, subject: String, source: DriverError },
    /// The answer to a commit was lost. It may have happened or not; the ledger knows.
    #[error("could not learn whether `{subject}` was committed ({operation})")]
    CommitUnknown { operation: &'static str, subject: String, source: DriverError },
    /// A value does not fit its column.
    #[error("cannot {operation} `{subject}`: the database refuses a value")]
    ValueRefused { operation: &'static str, subject: String, source: DriverError },
    /// The server ended a statement: its time was over, or somebody interrupted it.
    #[error("could not {operation} `{subject}`: the database ended the statement before it was done")]
    Ended { operation: &'static str, subject: String, source: DriverError },
    /// The database refuses one statement, for a reason that this program does not know.
    #[error("could not {operation} `{subject}`: the database refuses the statement")]
    Refused { operation: &'static str, subject: String, source: DriverError },
    /// The server does not let the account in, from the first connection on.
    #[error("cannot connect to `{target}`: the server does not let the account in")]
    LoginRefused { target: String, source: DriverError },
    /// The server does not prove that it is the one that is meant, or offers no TLS.
    #[error("cannot connect to `{target}`: {reason}")]
    NotTrusted { target: String, reason: &'static str, source: DriverError },
    /// The database account lacks a privilege, or is not let in any more.
    #[error("could not {operation} `{subject}`: the database account is not allowed to")]
    Denied { operation: &'static str, subject: String, source: DriverError },
    /// The database answered something that this program does not understand, or the reverse.
    #[error("cannot {operation} `{subject}`: the database and this program disagree")]
    Disagreement { operation: &'static str, subject: String, source: DriverError },
    /// The target's URL is not one that a store can be made from.
    #[error("cannot use `{url}` as target: {reason}")]
    InvalidTarget { url: String, reason: String },
    /// The file with the target's password could not be read.
    #[error("cannot read the password file `{path}`")]
    PasswordFile { path: PathBuf, source: std::io::Error },
    /// The target's tables are not those that this program was built for; version 0 is that of an empty database.
    #[error(
        "cannot use `{target}`: its tables have version {found}, this program needs {needed}; run `sluice migrate`"
    )]
    NotMigrated { target: String, found: i64, needed: i64 },
    /// The target belongs to another installation.
    #[error(
        "cannot use `{target}`: it belongs to the installation `{owner}`, and this one is `{this}` (`kafka.topic_prefix`)"
    )]
    OtherInstallation { target: String, owner: String, this: String },
    /// Names that a migration needs are taken.
    #[error("cannot migrate `{target}`: {found}; nothing was changed")]
    NamesTaken { target: String, found: String },
    /// Readers get no answer from the views.
    #[error("cannot use the views of `{target}`: {reason}; run `sluice migrate`")]
    ViewsUnreadable { target: String, reason: String },
    /// The server has no collation that compares ids byte for byte.
    #[error("cannot migrate `{target}`: the server has neither `utf8mb4_nopad_bin` nor `utf8mb4_0900_bin`")]
    NoCollation { target: String },
    /// A message names something that the ledger does not have.
    #[error("cannot {operation} `{subject}`: the ledger has no such {what}")]
    NotInLedger { operation: &'static str, subject: String, what: &'static str },
    /// A request for a run that cannot be one.
    #[error("cannot open a run: {reason}")]
    InvalidRequest { reason: String },
    /// Something that the ledger promises does not hold.
    #[error("cannot {operation} `{subject}`: {broken}")]
    Broken { operation: &'static str, subject: String, broken: String },
    /// A SQLite file has no space to grow.
    #[error("could not {operation} `{subject}`: there is no space left for the database file")]
    FileFull { operation: &'static str, subject: String, source: DriverError },
    /// A SQLite file, or the folder that it is in, may not be written to.
    #[error("could not {operation} `{subject}`: the database file, or its folder, cannot be written to")]
    FileReadOnly { operation: &'static str, subject: String, source: DriverError },
    /// A SQLite file cannot be opened or made.
    #[error("could not {operation} `{subject}`: {reason}")]
    FileNotOpened { operation: &'static str, subject: String, reason: String, source: DriverError },
    /// A file holds something else than a SQLite database.
    #[error("cannot {operation} `{subject}`: the file is not a SQLite database")]
    NotADatabase { operation: &'static str, subject: String, source: DriverError },
    /// A SQLite file contradicts itself.
    #[error("cannot {operation} `{subject}`: the database file is damaged")]
    FileDamaged { operation: &'static str, subject: String, source: DriverError },
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            // Denied is repaired by an administrator while the message waits, like a database that is away.
            // An unknown commit is a link that broke at a bad moment, and so an outage like the others: the message
            // has no part in it. Handling again begins by reading the ledger.
            Self::Unavailable { .. } | Self::Denied { .. } | Self::CommitUnknown { .. } => Disposition::Unavailable,
            // As when our own patience with a statement is over: that it takes long is not the message's fault alone.
            Self::Ended { .. } => Disposition::Unavailable,
            // Somebody makes room, or mounts the folder, while the message waits.
            Self::FileFull { .. } | Self::FileReadOnly { .. } | Self::FileNotOpened { .. } => Disposition::Unavailable,
            // Whoever refuses one statement may let it pass later, and has nothing to say about other messages.
            Self::Contended { .. } | Self::Refused { .. } => Disposition::Retry,
            Self::ValueRefused { .. } | Self::NotInLedger { .. } | Self::InvalidRequest { .. } => Disposition::Reject,
            // Our own promises that do not hold, tables that are not ours, and settings that no waiting mends.
            Self::Disagreement { .. }
            | Self::LoginRefused { .. }
            | Self::NotTrusted { .. }
            | Self::InvalidTarget { .. }
            | Self::PasswordFile { .. }
            | Self::NotMigrated { .. }
            | Self::NoCollation { .. }
            | Self::OtherInstallation { .. }
            | Self::NamesTaken { .. }
            | Self::ViewsUnreadable { .. }
            | Self::NotADatabase { .. }
            | Self::FileDamaged { .. }
            | Self::Broken { .. } => Disposition::Halt,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "SLUICE-TARGET-001",
            Self::Contended { .. } => "SLUICE-TARGET-002",
            Self::CommitUnknown { .. } => "SLUICE-TARGET-003",
            Self::ValueRefused { .. } => "SLUICE-TARGET-004",
            Self::Denied { .. } => "SLUICE-TARGET-005",
            Self::Disagreement { .. } => "SLUICE-TARGET-006",
            Self::InvalidTarget { .. } => "SLUICE-TARGET-007",
            Self::PasswordFile { .. } => "SLUICE-TARGET-008",
            Self::NotMigrated { .. } => "SLUICE-TARGET-009",
            Self::NoCollation { .. } => "SLUICE-TARGET-010",
            Self::NotInLedger { .. } => "SLUICE-TARGET-011",
            Self::InvalidRequest { .. } => "SLUICE-TARGET-012",
            Self::Broken { .. } => "SLUICE-TARGET-013",
            Self::FileFull { .. } => "SLUICE-TARGET-014",
            Self::FileReadOnly { .. } => "SLUICE-TARGET-015",
            Self::FileNotOpened { .. } => "SLUICE-TARGET-016",
            Self::NotADatabase { .. } => "SLUICE-TARGET-017",
            Self::FileDamaged { .. } => "SLUICE-TARGET-018",
            Self::Refused { .. } => "SLUICE-TARGET-019",
            Self::Ended { .. } => "SLUICE-TARGET-020",
            Self::LoginRefused { .. } => "SLUICE-TARGET-021",
            Self::NotTrusted { .. } => "SLUICE-TARGET-022",
            Self::NamesTaken { .. } => "SLUICE-TARGET-023",
            Self::ViewsUnreadable { .. } => "SLUICE-TARGET-024",
            Self::OtherInstallation { .. } => "SLUICE-TARGET-025",
        }
    }
}
