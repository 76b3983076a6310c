//! What the four stages do, without messages.

use std::collections::BTreeSet;

use pipeline_model::{
    documents::{DocumentFault, Level, Subtree, SubtreeContent},
    ids::{Generation, ProviderId, RunId, ServiceId},
};
use pipeline_store::{
    ActivationMode, BatchKey, Begin, Discovered, Outcome, Planned, Progress, Run, RunRequest, RunState, Store,
    StoredBatch, Tolerance,
};

use crate::world::{World, fault};

/// A run under way over a world with some broken documents.
pub struct Sync<'a> {
    pub store: &'a Store,
    pub world: &'a World,
    pub run: Run,
    /// Found by the root stage.
    pub root_faults: Vec<DocumentFault>,
    /// Found by the providers stage, for each service.
    pub plan_faults: Vec<DocumentFault>,
    /// Providers with a broken bundle, as `service/provider`.
    pub broken: BTreeSet<String>,
    /// Providers that are gone when their batch is read.
    pub gone: BTreeSet<String>,
    /// Providers whose own documents the plan does not see.
    pub left_out: BTreeSet<String>,
}

pub fn request(mode: ActivationMode) -> RunRequest {
    RunRequest {
        run_id: RunId::new(),
        requested_by: "test".to_owned(),
        requested_at_ms: 1,
        mode,
        scope: Vec::new(),
        batch_size: 3,
        tolerance: Tolerance::default(),
        max_removed: None,
    }
}

/// A whole run that must come to its end; gives its progress.
pub async fn sync(store: &Store, world: &World, mode: ActivationMode) -> Progress {
    let sync = Sync::open(store, world, request(mode)).await;
    sync.work().await;
    let progress = sync.progress().await;
    assert_eq!(progress.run.state, RunState::Activated, "{progress:?}");
    progress
}

impl<'a> Sync<'a> {
    pub async fn open(store: &'a Store, world: &'a World, request: RunRequest) -> Self {
        let run = store.open_run(&request).await.unwrap();
        assert_eq!(run.state, RunState::Running, "{:?}", run.reason);
        Self {
            store,
            world,
            run,
            root_faults: Vec::new(),
            plan_faults: Vec::new(),
            broken: BTreeSet::new(),
            gone: BTreeSet::new(),
            left_out: BTreeSet::new(),
        }
    }

    /// Everything that there is to do.
    pub async fn work(&self) {
        self.load().await;
        for service in self.services().await {
            self.activate(&service).await;
        }
    }

    /// What the activator's timer does, until it finds nothing more.
    pub async fn work_of_timer(&self) {
        for _ in 0..3 {
            for (run, service) in self.store.activatable().await.unwrap().due() {
                self.store.activate(run, &service).await.unwrap();
            }
        }
    }

    /// Everything but the activation.
    pub async fn load(&self) {
        self.discover().await;
        for service in self.services().await {
            self.plan(&service).await;
            self.store_service(&service).await;
        }
    }

    pub async fn services(&self) -> Vec<ServiceId> {
        self.store.discovered_services(self.run.run_id).await.unwrap()
    }

    pub async fn discover(&self) -> Discovered {
        let Begin::Work(mut discovery) = self.store.begin_discovery(self.run.run_id).await.unwrap() else {
            panic!("the discovery is done or closed");
        };
        for chunk in self.world.service_documents().chunks(2) {
            discovery.put(chunk).await.unwrap();
        }
        discovery.reject(&self.root_faults).await.unwrap();
        discovery.finish().await.unwrap()
    }

    pub async fn plan(&self, service: &ServiceId) -> Planned {
        let begin = self.store.begin_plan(self.run.run_id, self.generation(), service).await.unwrap();
        let Begin::Work(mut plan) = begin else {
            panic!("the plan is done or closed");
        };
        if !plan.removed() {
            let faults: Vec<_> =
                self.plan_faults.iter().filter(|fault| fault.service_id.as_ref() == Some(service)).cloned().collect();
            plan.reject(&faults).await.unwrap();
            let mut documents = self.world.provider_documents(service.as_str());
            documents.retain(|document| !self.left_out.contains(&format!("{service}/{}", document.id)));
            for chunk in documents.chunks(5) {
                plan.put(chunk, &[]).await.unwrap();
            }
        }
        plan.finish().await.unwrap()
    }

    pub async fn store_service(&self, service: &ServiceId) -> Vec<StoredBatch> {
        let mut stored = Vec::new();
        for (key, subtrees) in self.batches(service).await {
            match self.store.store_batch(&key, subtrees).await.unwrap() {
                Some(batch) => stored.push(batch),
                None => panic!("the batch is closed"),
            }
        }
        stored
    }

    /// The batches of a planned service, with what a source would give for them.
    pub async fn batches(&self, service: &ServiceId) -> Vec<(BatchKey, Vec<Subtree>)> {
        let batches = self.store.planned_batches(self.run.run_id, service).await.unwrap();
        let read = |batch: pipeline_store::PlannedBatch| {
            let key = BatchKey {
                run_id: self.run.run_id,
                generation: self.generation(),
                service_id: service.clone(),
                batch_no: batch.batch_no,
            };
            (key, batch.provider_ids.iter().map(|id| self.subtree(service, id)).collect())
        };
        batches.into_iter().map(read).collect()
    }

    pub fn subtree(&self, service: &ServiceId, provider: &ProviderId) -> Subtree {
        let path = format!("{service}/{provider}");
        let content = if self.broken.contains(&path) {
            SubtreeContent::Rejected(vec![fault(Level::Bundle, Some(service.as_str()), Some(provider.as_str()))])
        } else if self.gone.contains(&path) {
            SubtreeContent::Vanished
        } else {
            let node = &self.world.services[service.as_str()].providers[provider.as_str()];
            SubtreeContent::Complete(node.bundles.clone())
        };
        Subtree { provider_id: provider.clone(), content, etag: None }
    }

    pub async fn activate(&self, service: &ServiceId) -> Outcome {
        self.store.activate(self.run.run_id, service).await.unwrap()
    }

    pub async fn progress(&self) -> Progress {
        self.store.progress(self.run.run_id).await.unwrap().unwrap()
    }

    pub fn generation(&self) -> Generation {
        self.run.generation.unwrap()
    }
}
