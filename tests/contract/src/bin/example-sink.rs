//! The example sink as a process of its own.

use std::process::ExitCode;

use contract::example::NoteSink;
use pipeline_core::worker;
use pipeline_settings::settings::Settings;

fn main() -> ExitCode {
    worker::main_sink("example-sink", "Writes the notes of a topic to a table", build)
}

async fn build(settings: Settings) -> Result<NoteSink, worker::BuildError> {
    NoteSink::connect(&settings.target.url).await.map_err(worker::build_error)
}
