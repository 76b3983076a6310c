//! What a source names by a tag is not read again, and nothing is taken for unchanged that is not.

use pipeline_model::{
    documents::{Etag, Known, Level, Subtree, SubtreeContent},
    ids::{BatchNo, ProviderId, ServiceId},
};
use pipeline_store::{ActivationMode::PerService, BatchKey, Begin, Outcome, Plan, PlannedBatch, RunState, StoredBatch};

use crate::{
    driver::{Sync, request},
    target::Target,
    world::{World, fault},
};

const OLD: Etag = Etag([1; 32]);
const NEW: Etag = Etag([2; 32]);

/// A run whose only service is to be planned.
async fn begun<'t>(target: &'t Target, world: &'t World) -> (Sync<'t>, Plan) {
    let sync = Sync::open(&target.store, world, request(PerService)).await;
    sync.discover().await;
    match target.store.begin_plan(sync.run.run_id, sync.generation(), &service()).await.unwrap() {
        Begin::Work(plan) => (sync, plan),
        other => panic!("{other:?}"),
    }
}

/// A run that is planned and no further, with these providers unchanged; gives what the target knew before it.
async fn planned<'t>(target: &'t Target, world: &'t World, unchanged: &[&str]) -> (Sync<'t>, Vec<(String, Etag)>) {
    let (sync, mut plan) = begun(target, world).await;
    let documents = world.provider_documents("s0");
    let known = target.store.known(&service(), &documents).await.unwrap();
    let unchanged: Vec<Known> =
        known.iter().filter(|known| unchanged.contains(&known.provider_id.as_str())).cloned().collect();
    plan.put(&documents, &unchanged).await.unwrap();
    plan.finish().await.unwrap();
    (sync, tags(known))
}

fn tags(known: Vec<Known>) -> Vec<(String, Etag)> {
    let mut tags: Vec<_> = known.into_iter().map(|known| (known.provider_id.0, known.etag)).collect();
    tags.sort_by(|a, b| a.0.cmp(&b.0));
    tags
}

fn tag(provider: &str, etag: Etag) -> (String, Etag) {
    (provider.to_owned(), etag)
}

fn ids(providers: &[&str]) -> Vec<ProviderId> {
    providers.iter().map(|id| ProviderId::from(*id)).collect()
}

fn called(providers: &[&str], etag: Etag) -> Vec<Known> {
    ids(providers).into_iter().map(|provider_id| Known { provider_id, etag }).collect()
}

async fn batches(sync: &Sync<'_>) -> Vec<PlannedBatch> {
    sync.store.planned_batches(sync.run.run_id, &service()).await.unwrap()
}

fn batch(batch_no: i32, providers: &[&str], stored: bool) -> PlannedBatch {
    PlannedBatch { batch_no: BatchNo(batch_no), provider_ids: ids(providers), stored }
}

/// Stores the first batch.
async fn store(sync: &Sync<'_>, subtrees: Vec<Subtree>) -> StoredBatch {
    let (run_id, generation) = (sync.run.run_id, sync.generation());
    let key = BatchKey { run_id, generation, service_id: service(), batch_no: BatchNo(0) };
    sync.store.store_batch(&key, subtrees).await.unwrap().unwrap()
}

fn service() -> ServiceId {
    "s0".into()
}

fn read(sync: &Sync<'_>, provider: &str, etag: Option<Etag>) -> Subtree {
    Subtree { etag, ..sync.subtree(&service(), &ProviderId::from(provider)) }
}

/// A first run, by which all providers' contents have the tag [`OLD`].
async fn copied(target: &Target, world: &World) {
    let (sync, known) = planned(target, world, &[]).await;
    assert_eq!(known, [], "nothing is stored yet");
    for (key, subtrees) in sync.batches(&service()).await {
        let tagged = subtrees.into_iter().map(|subtree| Subtree { etag: Some(OLD), ..subtree }).collect();
        target.store.store_batch(&key, tagged).await.unwrap();
    }
    assert!(matches!(sync.activate(&service()).await, Outcome::Activated(_)));
}

on_both! {
    async fn a_tag_is_kept_with_its_content_and_spares_reading_it(target: &Target) {
        let mut world = World::new(1, 3, 2, 2);
        let (sync, known) = planned(target, &world, &[]).await;
        assert_eq!(known, []);
        let subtrees = vec![read(&sync, "p0", Some(OLD)), read(&sync, "p1", Some(OLD)), read(&sync, "p2", None)];
        store(&sync, subtrees).await;
        sync.activate(&service()).await;

        world.provider("s0", "p1").bundles[0].name = Some("new".into());
        let (sync, known) = planned(target, &world, &["p0"]).await;
        assert_eq!(known, [tag("p0", OLD), tag("p1", OLD)]);
        assert_eq!(batches(&sync).await, [batch(0, &["p1", "p2"], false), batch(1, &["p0"], true)]);
        let stored = store(&sync, vec![read(&sync, "p1", Some(NEW)), read(&sync, "p2", None)]).await;
        assert_eq!((stored.providers, stored.unchanged, stored.stored), (2, 1, 1));
        let Outcome::Activated(activated) = sync.activate(&service()).await else { panic!("not activated") };
        assert_eq!((activated[0].providers, activated[0].bundles, activated[0].subscription_fields), (3, 6, 12));
        let progress = sync.progress().await;
        assert_eq!((progress.providers.unchanged, progress.providers.stored), (2, 1));
        assert_eq!((progress.bundles, progress.bundles_written), (6, 2));
        assert_eq!(target.count("bundles").await, 6);
        assert_eq!(target.count("bundles WHERE name = 'new'").await, 1);
        assert_eq!(target.store.check_invariants().await.unwrap(), []);

        let (_, known) = planned(target, &world, &[]).await;
        assert_eq!(known, [tag("p0", OLD), tag("p1", NEW)]);
    }

    async fn a_run_over_what_has_not_changed_is_complete_once_it_is_planned(target: &Target) {
        let world = World::new(1, 7, 2, 2);
        copied(target, &world).await;
        let all = ["p0", "p1", "p2", "p3", "p4", "p5", "p6"];
        let (sync, _) = planned(target, &world, &all).await;
        let expected = [batch(0, &all[..3], true), batch(1, &all[3..6], true), batch(2, &all[6..], true)];
        assert_eq!(batches(&sync).await, expected, "no batch is larger than the run says");
        let Outcome::Activated(activated) = sync.activate(&service()).await else { panic!("not activated") };
        assert_eq!((activated[0].providers, activated[0].bundles, activated[0].subscription_fields), (7, 14, 28));
        let progress = sync.progress().await;
        assert_eq!((progress.run.state, progress.providers.unchanged), (RunState::Activated, 7));
        assert_eq!(target.count("bundles").await, 14);
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
    }

    async fn who_calls_something_unchanged_that_nobody_knows_is_not_believed(target: &Target) {
        copied(target, &World::new(1, 1, 1, 1)).await;
        let world = World::new(1, 2, 1, 1);
        let (sync, mut plan) = begun(target, &world).await;
        let documents = world.provider_documents("s0");
        assert_eq!(tags(target.store.known(&service(), &documents).await.unwrap()), [tag("p0", OLD)]);
        plan.put(&documents[1..], &called(&["p1", "nobody"], OLD)).await.unwrap();
        // What is stored has another tag.
        plan.put(&documents[..1], &called(&["p0"], NEW)).await.unwrap();
        plan.finish().await.unwrap();
        assert_eq!(batches(&sync).await, [batch(0, &["p1", "p0"], false)]);
    }

    async fn a_provider_that_turns_out_broken_behind_its_first_document_is_not_unchanged(target: &Target) {
        let world = World::new(1, 2, 1, 1);
        copied(target, &world).await;
        let (sync, mut plan) = begun(target, &world).await;
        let documents = world.provider_documents("s0");
        plan.put(&documents, &called(&["p0", "p1"], OLD)).await.unwrap();
        plan.put(&documents[..1], &[]).await.unwrap();
        assert_eq!(plan.finish().await.unwrap().providers, 2);
        assert_eq!(batches(&sync).await, [batch(0, &["p0"], false), batch(1, &["p1"], true)]);
        let stored = store(&sync, vec![read(&sync, "p0", Some(OLD))]).await;
        assert_eq!((stored.rejected, stored.bundles), (1, 1), "the last good content stays");
        let progress = sync.progress().await;
        assert_eq!((progress.providers.rejected, progress.providers.unchanged), (1, 1));
    }

    async fn a_content_that_was_read_and_is_the_same_takes_the_new_tag_and_writes_no_version(target: &Target) {
        let world = World::new(1, 1, 1, 1);
        for etag in [None, Some(OLD), Some(NEW), None] {
            let (sync, _) = planned(target, &world, &[]).await;
            store(&sync, vec![read(&sync, "p0", etag)]).await;
            sync.activate(&service()).await;
        }
        assert_eq!(target.count("sluice_provider_content").await, 1);
        // What was read without a tag at last still is what the last tag names.
        let (_, known) = planned(target, &world, &[]).await;
        assert_eq!(known, [tag("p0", NEW)]);
    }

    async fn a_provider_that_was_rejected_keeps_its_tag_and_one_that_is_aborted_gets_it_back(target: &Target) {
        let mut world = World::new(1, 2, 1, 1);
        copied(target, &world).await;
        world.provider("s0", "p0").bundles[0].name = Some("new".into());
        let (sync, _) = planned(target, &world, &[]).await;
        let rejected = SubtreeContent::Rejected(vec![fault(Level::Bundle, Some("s0"), Some("p1"))]);
        let broken = Subtree { content: rejected, ..read(&sync, "p1", None) };
        let stored = store(&sync, vec![read(&sync, "p0", Some(NEW)), broken]).await;
        assert_eq!((stored.stored, stored.rejected, stored.bundles), (1, 1, 2), "the last good content stays");
        // Once its documents are again what they were, they are what is stored.
        target.store.abort_run(sync.run.run_id, "test").await.unwrap();
        let (_, known) = planned(target, &world, &[]).await;
        assert_eq!(known, [tag("p0", OLD), tag("p1", OLD)]);
    }
}
