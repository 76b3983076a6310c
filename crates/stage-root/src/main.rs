//! The root stage as a process of its own.

use std::process::ExitCode;

use pipeline_core::worker;
use pipeline_settings::settings::Settings;
use pipeline_store::Store;
use stage_root::RootStage;

fn main() -> ExitCode {
    worker::main("stage-root", "Reads the provider services of a run and announces each", build)
}

async fn build(settings: Settings) -> Result<RootStage, worker::BuildError> {
    let source = pipeline_source::open(&settings.source).map_err(worker::build_error)?;
    let store = Store::connect(&settings.target).await.map_err(worker::build_error)?;
    store.check_migrated().await.map_err(worker::build_error)?;
    store.claim(&settings.kafka.topic_prefix).await.map_err(worker::build_error)?;
    Ok(RootStage::new(source, store, settings.run))
}
