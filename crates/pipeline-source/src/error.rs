//! What can go wrong while reading, as opposed to documents that are wrong.

use pipeline_core::{
    disposition::{Classify, Disposition},
    error_pages::ErrorPage,
};

/// An answer that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read.
    #[error("could not read `{path}`")]
    Read {
        /// What was to be read.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file changed in place while it was read.
    #[error("could not finish reading `{path}`: it changed meanwhile")]
    Changed {
        /// The file.
        path: String,
    },
    /// A collection without which there is no hierarchy is not in the folder.
    #[error("could not find `{path}`")]
    MissingFile {
        /// Where the file was expected.
        path: String,
    },
    /// The folder that the settings name is not there.
    #[error("`source.url` names the folder `{path}`, which does not exist")]
    MissingFolder {
        /// The folder.
        path: String,
    },
    /// The URL of the source cannot be understood.
    #[error("`source.url` cannot be understood: {reason}")]
    Url {
        /// What is wrong with it, and what was expected.
        reason: String,
    },
    /// The URL has a scheme that no source answers to.
    #[error("`source.url` has the unknown scheme `{scheme}`: use `file:///folder` or `generator:?services=…`")]
    Scheme {
        /// The scheme found.
        scheme: String,
    },
    /// The URL names a source that this build does not have.
    #[error("`source.url` has the scheme `{scheme}`, which is not part of this build yet")]
    NotInThisBuild {
        /// The scheme found.
        scheme: String,
    },
    /// A parameter that the generator does not know.
    #[error("`source.url` has the unknown parameter `{name}`: did you mean `{nearest}`?")]
    UnknownParameter {
        /// The parameter found.
        name: String,
        /// The valid parameter that is spelt most alike.
        nearest: &'static str,
    },
    /// A parameter of the generator with a value that it cannot have.
    #[error("`source.url` has `{name}={value}`: expected {expected}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value as given.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Field names in the settings that contradict each other.
    #[error("`source.mapping.{collection}` cannot be used: {reason}")]
    Mapping {
        /// The collection whose names they are.
        collection: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A file beyond what the index can address.
    #[error("`{path}` cannot be indexed: it has more than {limit}")]
    TooBig {
        /// The file.
        path: String,
        /// The bound that it passes.
        limit: &'static str,
    },
    /// A file or folder could not be written.
    #[error("could not write `{path}`")]
    Write {
        /// What was to be written.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The thread that read did not come back with an answer.
    #[error("reading stopped without an answer")]
    Stopped {
        /// How it ended.
        #[source]
        source: tokio::task::JoinError,
    },
}

/// One page for each code of [`Error`], in order of their numbers.
pub const ERRORS: &[ErrorPage] = &[
    ErrorPage {
        code: "SLUICE-SOURCE-001",
        title: "a source file could not be read",
        cause: "The operating system refused to open or read a file of the source folder, or the disk failed.",
        remedy: "Check that the user who runs the stage may read the folder and its files, and that the disk or mount \
                 is there. The stages go on by themselves when it is.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-002",
        title: "a source file changed while it was read",
        cause: "Somebody wrote into a file of the source folder during a run. What was read could mix old and new.",
        remedy: "Nothing, if the writer finishes: the stage reads again. To avoid it, write a new file and rename it \
                 over the old one.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-003",
        title: "a source file is missing",
        cause: "The folder has no `provider_services.jsonl`, `providers.jsonl` or `bundles.jsonl`. Only \
                `subscription_fields.jsonl` may be absent.",
        remedy: "Put the file there; an empty file means a collection without documents.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-004",
        title: "the source folder does not exist",
        cause: "`source.url` names a folder that is not there, or a file.",
        remedy: "Correct `source.url`; it needs the absolute path: `file:///data/export`. In a container, check that \
                 the folder is mounted.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-005",
        title: "the source URL cannot be understood",
        cause: "`source.url` is empty, has no scheme, or does not have the form that its scheme asks for.",
        remedy: "Use `file:///folder` or `generator:?services=40&providers=10000&bundles=20&fields=5&seed=1`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-006",
        title: "unknown kind of source",
        cause: "`source.url` begins with a scheme that no source answers to.",
        remedy: "Use `file:///folder` or `generator:?…`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-007",
        title: "this build cannot read such a source",
        cause: "`source.url` names a source that is planned and not part of this build.",
        remedy: "Export the collections with `cbexport json -f lines` and use `file:///folder`, or take a newer \
                 release.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-008",
        title: "unknown parameter of the generator",
        cause: "`source.url` has a parameter that the generator does not know, often a slip of the pen.",
        remedy: "Use the parameter that the message proposes. All of them: services, providers, bundles, fields, \
                 seed, skew, latency_ms, changed_percent, revision.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-009",
        title: "a parameter of the generator has a wrong value",
        cause: "A parameter in `source.url` is not a number, is outside its range, or is given twice.",
        remedy: "Give the value that the message asks for.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-010",
        title: "the field mapping cannot be used",
        cause: "In `source.mapping`, a field name is empty, or two meanings of one collection have the same name.",
        remedy: "Give each meaning its own field name; leave out what has the default name.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-011",
        title: "a source file is too big",
        cause: "A file of the source folder has more bytes or lines than the index can address.",
        remedy: "Split the export into several folders and run Sluice on each with a scope of its own services.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-012",
        title: "a folder could not be written",
        cause: "The sample data or an export could not be written: no space, or no right to write.",
        remedy: "Free some space or choose a folder that may be written to.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-013",
        title: "reading stopped",
        cause: "The thread that read the source ended without an answer: the process was stopping, or Sluice has a \
                fault.",
        remedy: "If the process was not being stopped, report it with the log.",
    },
];

impl Error {
    /// For `map_err` on an operation that read `path`.
    pub(crate) fn read(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Read { path, source }
    }

    /// For `map_err` on an operation that wrote `path`.
    pub(crate) fn write(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Write { path, source }
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            // The folder may come back, or its writer may finish.
            Self::Read { .. } | Self::Changed { .. } | Self::MissingFile { .. } | Self::Write { .. } => {
                Disposition::Unavailable
            }
            // Only a person can change the settings or the files' size.
            Self::MissingFolder { .. }
            | Self::Url { .. }
            | Self::Scheme { .. }
            | Self::NotInThisBuild { .. }
            | Self::UnknownParameter { .. }
            | Self::Parameter { .. }
            | Self::Mapping { .. }
            | Self::TooBig { .. }
            | Self::Stopped { .. } => Disposition::Halt,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "SLUICE-SOURCE-001",
            Self::Changed { .. } => "SLUICE-SOURCE-002",
            Self::MissingFile { .. } => "SLUICE-SOURCE-003",
            Self::MissingFolder { .. } => "SLUICE-SOURCE-004",
            Self::Url { .. } => "SLUICE-SOURCE-005",
            Self::Scheme { .. } => "SLUICE-SOURCE-006",
            Self::NotInThisBuild { .. } => "SLUICE-SOURCE-007",
            Self::UnknownParameter { .. } => "SLUICE-SOURCE-008",
            Self::Parameter { .. } => "SLUICE-SOURCE-009",
            Self::Mapping { .. } => "SLUICE-SOURCE-010",
            Self::TooBig { .. } => "SLUICE-SOURCE-011",
            Self::Write { .. } => "SLUICE-SOURCE-012",
            Self::Stopped { .. } => "SLUICE-SOURCE-013",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_in_order_of_their_numbers() {
        for (index, page) in ERRORS.iter().enumerate() {
            assert_eq!(page.code, format!("SLUICE-SOURCE-{:03}", index + 1));
            assert!(page.cause.ends_with('.') && page.remedy.ends_with('.'), "{}", page.code);
        }
        let last = Error::Write { path: String::new(), source: std::io::Error::other("") };
        assert!(ERRORS.iter().any(|page| page.code == last.code()));
    }
}
