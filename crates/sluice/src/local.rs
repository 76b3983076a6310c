//! Local mode: broker, registry and all four stages in this process, over the same wire format as a deployment.

use std::{sync::Arc, time::Duration};

use pipeline_core::{
    admin::Health,
    registry::{EmbeddedRegistry, Registry},
    runtime::{self, Context},
    stage::Stage,
    worker,
};
use pipeline_kafka::local::LocalBroker;
use pipeline_model::ids::RunId;
use pipeline_operations::{Installation, Operation as _, start::Start};
use pipeline_settings::settings::{self, Settings};
use pipeline_source::Source;
use pipeline_store::Store;
use schema_gate::subjects;
use stage_activator::ActivatorStage;
use stage_bundles::BundlesStage;
use stage_providers::ProvidersStage;
use stage_root::RootStage;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{exit::Exit, failure::Failure, request, session};

mod place;

pub use place::{Place, as_url, migrated};

/// Loopback, on a port that is free.
const ANY_PORT: &str = "127.0.0.1:0";

/// The pipeline in this process. Ends with [`Local::stop`].
pub struct Local {
    /// The settings, with the addresses of broker and registry.
    pub settings: Settings,
    /// How the stages are.
    pub health: Health,
    registry: Registry,
    stages: JoinSet<Result<(), runtime::Error>>,
    shutdown: CancellationToken,
    broker: LocalBroker,
    embedded: EmbeddedRegistry,
}

// === impl Local ===

impl Local {
    /// Starts everything; the stages join their groups meanwhile.
    pub async fn start(mut settings: Settings, source: Arc<dyn Source>, store: &Store) -> Result<Self, Failure> {
        let broker = LocalBroker::start(&settings.kafka.names().topics())?;
        // Nobody else's: the machine may have other users, and its browser shows other people's pages.
        let embedded = EmbeddedRegistry::start_guarded(ANY_PORT).await?;
        broker.bootstrap_servers().clone_into(&mut settings.kafka.bootstrap_servers);
        settings.schema_registry = settings::SchemaRegistry {
            url: embedded.url().to_owned(),
            token: embedded.token().cloned(),
            timeout_ms: settings.schema_registry.timeout_ms,
            ..Default::default()
        };
        let registry = Registry::new(&settings.schema_registry)?;
        // The step of deployment that `sluice schema register` is: done before anybody hears of the registry, so that
        // a run that is started at once from another shell finds its schemas.
        subjects::register(&registry, &settings.kafka.names()).await?;
        let tick = Duration::from_millis(u64::from(settings.stage.tick_interval_ms));
        let mut local = Self {
            settings,
            health: Health::new(),
            registry,
            stages: JoinSet::new(),
            shutdown: CancellationToken::new(),
            broker,
            embedded,
        };
        let limits = local.settings.run;
        let announce_after = limits.announce_after();
        local.spawn(RootStage::new(Arc::clone(&source), store.clone(), limits));
        local.spawn(ProvidersStage::new(Arc::clone(&source), store.clone()).announcing_after(announce_after));
        local.spawn(BundlesStage::new(source, store.clone()).announcing_after(announce_after));
        local.spawn(ActivatorStage::new(store.clone(), tick));
        Ok(local)
    }

    /// Asks for a run.
    pub async fn request(&self, store: &Store, start: &Start) -> Result<RunId, Failure> {
        let budget = self.broker.budget();
        let at = Installation { budget: Some(&budget), ..Installation::new(store, &self.settings) };
        let started = start.preview(&at).await?;
        let started = start.carry_out(&at, Some(&started), &request::by("the demo")).await?;
        RunId::parse(&started.request.run_id).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
    }

    /// Comes back when a stage has ended, which none should before [`Local::stop`].
    pub async fn failed(&mut self) -> Failure {
        match self.stages.join_next().await {
            Some(Ok(Err(error))) => Failure::caused(Exit::Failed, "a stage stopped", &error),
            Some(Err(error)) => Failure::caused(Exit::Failed, "a stage ended without an answer", &error),
            Some(Ok(Ok(()))) | None => Failure::new(Exit::Failed, "a stage ended before it was told to"),
        }
    }

    /// Lets the stages finish what they have in hand, then ends broker and registry. Ends within the drain time and a
    /// little more, whatever holds the stages up.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        let drain = Duration::from_millis(self.settings.stage.drain_timeout_ms.into());
        let stages = &mut self.stages;
        let ended = async { while stages.join_next().await.is_some() {} };
        tokio::select! {
            () = ended => {}
            () = tokio::time::sleep(drain + worker::WINDING_UP) => {
                session::note(format_args!("the time for stopping is over: ending at once"));
            }
        }
        self.embedded.shutdown().await;
    }

    fn spawn<S: Stage>(&mut self, stage: S) {
        let context = Context {
            settings: self.settings.clone(),
            registry: self.registry.clone(),
            health: self.health.clone(),
            shutdown: self.shutdown.clone(),
            local_budget: Some(self.broker.budget()),
        };
        self.stages.spawn(runtime::run(stage, context));
    }
}
