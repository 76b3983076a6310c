//! The providers stage as a process of its own.

use std::process::ExitCode;

use pipeline_core::worker;
use pipeline_settings::settings::Settings;
use pipeline_store::Store;
use stage_providers::ProvidersStage;

fn main() -> ExitCode {
    worker::main("stage-providers", "Plans the providers of one service in batches and announces each", build)
}

async fn build(settings: Settings) -> Result<ProvidersStage, worker::BuildError> {
    let source = pipeline_source::open(&settings.source).map_err(worker::build_error)?;
    let store = Store::connect(&settings.target).await.map_err(worker::build_error)?;
    store.check_migrated().await.map_err(worker::build_error)?;
    Ok(ProvidersStage::new(source, store).announcing_after(settings.run.announce_after()))
}
