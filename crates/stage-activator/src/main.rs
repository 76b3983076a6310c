//! The activator stage as a process of its own.

use std::{process::ExitCode, time::Duration};

use pipeline_core::worker;
use pipeline_settings::settings::Settings;
use pipeline_store::Store;
use stage_activator::ActivatorStage;

fn main() -> ExitCode {
    worker::main("stage-activator", "Proves a service or a run complete and switches readers to it", build)
}

async fn build(settings: Settings) -> Result<ActivatorStage, worker::BuildError> {
    let store = Store::connect(&settings.target).await.map_err(worker::build_error)?;
    store.check_migrated().await.map_err(worker::build_error)?;
    Ok(ActivatorStage::new(store, Duration::from_millis(u64::from(settings.stage.tick_interval_ms))))
}
