//! What a source names by a tag is not read again, and nothing is taken for unchanged that is not.

use pipeline_core::{
    disposition::{Classify, Disposition},
    documents::{Changes, Etag, Known, Level, Subtree, SubtreeContent},
    ids::{ProviderId, ServiceId},
};
use pipeline_store::{ActivationMode::PerService, BatchKey, BatchState, Begin, StoredBatch};

use crate::{
    driver::{Sync, request},
    target::Target,
    world::{World, fault},
};

const OLD: Etag = Etag([1; 32]);
const NEW: Etag = Etag([2; 32]);

/// The only batch of a run that is planned and no further.
async fn planned<'t>(target: &'t Target, world: &'t World) -> (Sync<'t>, BatchKey) {
    let sync = Sync::open(&target.store, world, request(PerService)).await;
    sync.discover().await;
    sync.plan(&service()).await;
    let mut batches = sync.batches(&service()).await;
    assert_eq!(batches.len(), 1);
    let (key, _) = batches.remove(0);
    (sync, key)
}

/// What the ledger knows of the batch's providers.
async fn known(target: &Target, key: &BatchKey) -> Vec<Known> {
    match target.store.batch_state(key).await.unwrap() {
        BatchState::Planned { providers } => providers,
        other => panic!("{other:?}"),
    }
}

async fn store(target: &Target, key: &BatchKey, changes: impl Into<Changes>) -> StoredBatch {
    match target.store.store_batch(key, changes).await.unwrap() {
        Begin::Work(stored) => stored,
        other => panic!("{other:?}"),
    }
}

fn service() -> ServiceId {
    "s0".into()
}

fn read(sync: &Sync<'_>, provider: &str, etag: Option<Etag>) -> Subtree {
    Subtree { etag, ..sync.subtree(&service(), &ProviderId::from(provider)) }
}

fn tags(known: &[Known]) -> Vec<Option<Etag>> {
    known.iter().map(|known| known.etag).collect()
}

on_both! {
    async fn a_tag_is_kept_with_its_content_and_says_that_it_is_unchanged(target: &Target) {
        let mut world = World::new(1, 3, 2, 2);
        let (sync, key) = planned(target, &world).await;
        assert_eq!(tags(&known(target, &key).await), [None, None, None], "nothing is stored yet");
        let subtrees = vec![read(&sync, "p0", Some(OLD)), read(&sync, "p1", Some(OLD)), read(&sync, "p2", None)];
        store(target, &key, subtrees).await;
        sync.activate(&service()).await;

        world.provider("s0", "p1").bundles[0].name = Some("new".to_owned());
        let (sync, key) = planned(target, &world).await;
        let providers = known(target, &key).await;
        assert_eq!(tags(&providers), [Some(OLD), Some(OLD), None]);
        let changes = Changes {
            unchanged: vec![providers[0].clone()],
            read: vec![read(&sync, "p1", Some(NEW)), read(&sync, "p2", None)],
        };
        let stored = store(target, &key, changes).await;
        assert_eq!((stored.providers, stored.unchanged, stored.stored), (3, 2, 1));
        assert_eq!((stored.bundles, stored.fields, stored.bundles_written), (6, 12, 2));
        sync.activate(&service()).await;
        assert_eq!(target.count("bundles WHERE name = 'new'").await, 1);
        assert_eq!(target.store.check_invariants().await.unwrap(), []);

        let (_, key) = planned(target, &world).await;
        assert_eq!(tags(&known(target, &key).await), [Some(OLD), Some(NEW), None]);
    }

    async fn a_content_that_was_read_and_is_the_same_takes_the_new_tag_and_writes_no_version(target: &Target) {
        let world = World::new(1, 1, 1, 1);
        for etag in [None, Some(OLD), Some(NEW), None] {
            let (sync, key) = planned(target, &world).await;
            store(target, &key, vec![read(&sync, "p0", etag)]).await;
            sync.activate(&service()).await;
        }
        assert_eq!(target.count("provider_content").await, 1);
        // What was read without a tag at last still is what the last tag names.
        let (_, key) = planned(target, &world).await;
        assert_eq!(tags(&known(target, &key).await), [Some(NEW)]);
    }

    async fn a_batch_is_read_again_when_the_content_is_no_longer_the_known_one(target: &Target) {
        let world = World::new(1, 1, 1, 1);
        let (sync, key) = planned(target, &world).await;
        store(target, &key, vec![read(&sync, "p0", Some(OLD))]).await;
        sync.activate(&service()).await;
        let (sync, key) = planned(target, &world).await;
        for etag in [Some(NEW), None] {
            let unchanged = vec![Known { provider_id: "p0".into(), etag }];
            let changes = Changes { unchanged, read: Vec::new() };
            let error = target.store.store_batch(&key, changes).await.unwrap_err();
            assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
        }
        let stored = store(target, &key, vec![read(&sync, "p0", Some(NEW))]).await;
        assert_eq!((stored.unchanged, stored.stored), (1, 0));
    }

    async fn a_provider_rejected_meanwhile_is_not_unchanged(target: &Target) {
        let world = World::new(1, 2, 1, 1);
        let (sync, key) = planned(target, &world).await;
        store(target, &key, vec![read(&sync, "p0", Some(OLD)), read(&sync, "p1", Some(OLD))]).await;
        sync.activate(&service()).await;
        let (sync, key) = planned(target, &world).await;
        let mut providers = known(target, &key).await;
        let rejected = SubtreeContent::Rejected(vec![fault(Level::Bundle, Some("s0"), Some("p1"))]);
        providers.truncate(1);
        let subtree = Subtree { content: rejected, ..read(&sync, "p1", None) };
        let stored = store(target, &key, Changes { unchanged: providers, read: vec![subtree] }).await;
        assert_eq!((stored.unchanged, stored.rejected, stored.bundles), (1, 1, 2), "the last good content stays");
        // It keeps its tag too: once its documents are again what they were, they are what is stored.
        let (_, key) = planned_after_abort(target, &world, &sync).await;
        assert_eq!(tags(&known(target, &key).await), [Some(OLD), Some(OLD)]);
    }
}

/// The next run; the one before cannot be activated and is aborted.
async fn planned_after_abort<'t>(target: &'t Target, world: &'t World, last: &Sync<'_>) -> (Sync<'t>, BatchKey) {
    target.store.abort_run(last.run.run_id, "test").await.unwrap();
    planned(target, world).await
}
