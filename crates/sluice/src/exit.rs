//! The exit codes of the command: the part of its answer that scripts read.
//!
//! The numbers are an interface. Nothing else in this crate names one, and a test holds each to what it means.

use std::process::ExitCode;

use pipeline_model::disposition::Disposition;

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Done as asked.
    Ok,
    /// Not done, and asking again as it stands will not help.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// Reachable, but unhealthy or not ready; also a wait that ran out of time.
    NotReady,
    /// Finished, or held, with rejects or dead letters.
    Rejects,
    /// A dependency could not be reached; trying again later may help.
    Unreachable,
    /// The configuration is wrong.
    BadConfiguration,
    /// A schema is not compatible with what is registered.
    IncompatibleSchema,
}

// === impl Exit ===

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotReady => 10,
            Self::Rejects => 20,
            Self::Unreachable => 75,
            Self::BadConfiguration => 78,
            Self::IncompatibleSchema => 100,
        }
    }

    /// How a failure of a library ends the command. Only an absent dependency is worth another try.
    pub fn of(disposition: Disposition) -> Self {
        match disposition {
            Disposition::Unavailable => Self::Unreachable,
            Disposition::Reject | Disposition::Retry | Disposition::Halt => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones() {
        let documented = [
            (Exit::Ok, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::NotReady, 10),
            (Exit::Rejects, 20),
            (Exit::Unreachable, 75),
            (Exit::BadConfiguration, 78),
            (Exit::IncompatibleSchema, 100),
        ];
        for (exit, code) in documented {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }

    #[test]
    fn only_an_absent_dependency_asks_for_another_try() {
        assert_eq!(Exit::of(Disposition::Unavailable), Exit::Unreachable);
        assert_eq!(Exit::of(Disposition::Halt), Exit::Failed);
        assert_eq!(Exit::of(Disposition::Retry), Exit::Failed);
        assert_eq!(Exit::of(Disposition::Reject), Exit::Failed);
    }
}
