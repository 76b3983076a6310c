//! The bundles stage as a process of its own.

use std::process::ExitCode;

use pipeline_core::worker;
use pipeline_settings::settings::Settings;
use pipeline_store::Store;
use stage_bundles::BundlesStage;

fn main() -> ExitCode {
    worker::main("stage-bundles", "Stores the bundles and subscription fields of one batch of providers", build)
}

async fn build(settings: Settings) -> Result<BundlesStage, worker::BuildError> {
    let source = pipeline_source::open(&settings.source).map_err(worker::build_error)?;
    let store = Store::connect(&settings.target).await.map_err(worker::build_error)?;
    store.check_migrated().await.map_err(worker::build_error)?;
    Ok(BundlesStage::new(source, store).announcing_after(settings.run.announce_after()))
}
