//! What the runtime knows of a stage or a sink, whichever it is.

use pipeline_model::needs::Needs;
use pipeline_settings::settings::Settings;

use crate::intake::Intake;

/// A stage or a sink, as attempts, outages and letters see it.
pub(crate) trait Work: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    type Input: Intake;

    /// The contracts that it writes, each with its schema's text.
    fn writes() -> Vec<(&'static str, &'static str)>;

    fn needs(&self) -> impl Needs;
}

/// The topics that are read and those that are written, by their contracts' names.
pub(crate) fn topics<W: Work>(settings: &Settings) -> Vec<String> {
    let written = W::writes().into_iter().map(|(topic, _)| topic.to_owned());
    let mut topics: Vec<String> = W::Input::topics(settings).into_iter().chain(written).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}
