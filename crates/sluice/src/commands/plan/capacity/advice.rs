//! What limits a run, in a sentence, and what lifts it.

use super::model::Limit;

/// A limit for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What it is called.
    pub name: &'static str,
    /// Why it decides.
    pub why: &'static str,
    /// What to change.
    pub change: &'static str,
}

/// What to say about a limit.
pub fn about(limit: Limit) -> Advice {
    let (name, why, change) = match limit {
        Limit::SharedProcessors => (
            "processors that database and stages share",
            "Each row costs both processor time, which they take from each other; more workers add none.",
            "Give the stages a machine of their own (`--stage-cores`); then the database more processors.",
        ),
        Limit::DatabaseProcessors => (
            "processors of the database",
            "A row costs the database the same, whoever sends it; more workers only meet inside the server.",
            "A database with more processors and about 1.5 writers for each; then more than one database.",
        ),
        Limit::DatabaseDisk => (
            "the disk of the database",
            "Each row is written to the log, and its page twice; all writers share that disk.",
            "A faster disk (`--database-disk-mb`); then services on more than one database.",
        ),
        Limit::StageProcessors => (
            "processors of the stages",
            "Each document is read, parsed and compared by a worker, and the workers have no processor left.",
            "More processors for the stages (`--stage-cores`, `--worker-cores`), and so more workers.",
        ),
        Limit::Source => (
            "answers of the source",
            "A batch waits for its documents longer than it takes to write them, and no more calls run at once.",
            "More calls at once (workers × `stage.in_flight`), a nearer source, or fewer and larger batches.",
        ),
        Limit::RoundTrips => (
            "the way to the database and back",
            "A batch is a transaction of many statements, one after the other, and each has to travel.",
            "Run the stages near the database; else more writers (`target.max_writers`) and connections.",
        ),
        Limit::LargestService => (
            "the largest service",
            "Its plan is one transaction of one worker, and its batches begin only when that has committed.",
            "Split the service in the source if it can be; no worker and no processor helps one transaction.",
        ),
        Limit::Unreachable => (
            "the search for unreachable documents",
            "It reads every document once more, page by page, before the first service is announced.",
            "`source.couchbase.find_unreachable: false` on the stages, and one run with it now and then.",
        ),
    };
    Advice { name, why, change }
}
