//! Ending a run early, and the fence.

use futures::future::join_all;
use pipeline_store::{
    ActivationMode::{PerService, WholeRun},
    BatchState, Begin, Outcome, RunState,
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World},
};

on_both! {
    async fn an_abort_takes_back_everything_and_the_next_run_is_right(target: &Target) {
        let old = World::new(3, 4, 2, 2);
        sync(&target.store, &old, WholeRun).await;
        let new = changed(&old);

        let run = Sync::open(&target.store, &new, request(WholeRun)).await;
        run.load().await;
        let aborted = target.store.abort_run(run.run.run_id, "enough").await.unwrap().unwrap();
        assert_eq!(aborted.services_kept_active, 0);
        assert!(aborted.rows_undone > 0 && aborted.rows_deleted > 0, "{aborted:?}");
        assert_eq!(Views::read(target).await, old.views());
        for table in ["sluice_provider_service_version", "sluice_provider_version", "sluice_provider_content"] {
            assert_eq!(target.count(&format!("{table} WHERE valid_from = 2 OR valid_to = 2")).await, 0, "{table}");
        }
        assert_eq!(rows_of_generation(target, 2).await, 0);
        let ended = target.store.run(run.run.run_id).await.unwrap().unwrap();
        assert_eq!((ended.state, ended.reason.as_deref()), (RunState::Aborted, Some("enough")));
        assert_eq!(target.store.abort_run(run.run.run_id, "again").await.unwrap(), None);
        assert!(!target.store.fail_run(run.run.run_id, "again").await.unwrap());

        sync(&target.store, &new, WholeRun).await;
        assert_eq!(Views::read(target).await, new.views());
    }

    async fn services_that_were_active_before_an_abort_stay_so(target: &Target) {
        let old = World::new(3, 4, 2, 2);
        sync(&target.store, &old, PerService).await;
        let new = changed(&old);
        let run = Sync::open(&target.store, &new, request(PerService)).await;
        run.load().await;
        assert!(matches!(run.activate(&"s1".into()).await, Outcome::Activated(_)));
        let aborted = target.store.abort_run(run.run.run_id, "half").await.unwrap().unwrap();
        assert_eq!(aborted.services_kept_active, 1);

        let mut half = old.clone();
        half.services.insert("s1".to_owned(), new.services["s1"].clone());
        assert_eq!(Views::read(target).await, half.views());

        let progress = sync(&target.store, &new, PerService).await;
        assert_eq!(Views::read(target).await, new.views());
        assert_eq!(progress.providers.unchanged, 4 + 2, "what was active already is not written again");
    }

    async fn a_worker_under_a_closed_run_writes_nothing(target: &Target) {
        let world = World::new(2, 4, 2, 1);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        run.discover().await;
        run.plan(&"s0".into()).await;
        let late = run.batches(&"s0".into()).await;
        let Begin::Work(_) = target.store.begin_plan(run.run.run_id, run.generation(), &"s1".into()).await.unwrap()
        else {
            panic!("not open")
        };
        target.store.abort_run(run.run.run_id, "enough").await.unwrap().unwrap();

        for (key, subtrees) in late {
            assert_eq!(target.store.batch_state(&key).await.unwrap(), BatchState::Closed);
            assert!(target.store.store_batch(&key, subtrees).await.unwrap().is_none());
        }
        let id = run.run.run_id;
        assert!(matches!(target.store.begin_discovery(id).await.unwrap(), Begin::NotOpen));
        assert!(matches!(
            target.store.begin_plan(id, run.generation(), &"s1".into()).await.unwrap(),
            Begin::NotOpen
        ));
        assert_eq!(run.activate(&"s0".into()).await, Outcome::Closed);
        for table in [
            "sluice_provider_service_version",
            "sluice_provider_version",
            "sluice_provider_content",
            "sluice_content_bundle",
            "sluice_content_field",
        ] {
            assert_eq!(target.count(table).await, 0, "{table}");
        }
    }

    async fn a_message_of_an_older_generation_changes_nothing(target: &Target) {
        let world = World::new(1, 2, 1, 1);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        run.discover().await;
        run.plan(&"s0".into()).await;
        let (mut key, subtrees) = run.batches(&"s0".into()).await.remove(0);
        key.generation.0 += 1;
        assert!(target.store.store_batch(&key, subtrees).await.unwrap().is_none());
        assert_eq!(target.store.batch_state(&key).await.unwrap(), BatchState::Closed);
    }

    async fn an_abort_between_concurrent_batches_leaves_no_row(target: &Target) {
        let world = World::new(2, 30, 3, 3);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        run.discover().await;
        let mut work = Vec::new();
        for service in run.services().await {
            run.plan(&service).await;
            work.extend(run.batches(&service).await);
        }
        let batches = work.into_iter().map(|(key, subtrees)| {
            let store = target.store.clone();
            tokio::spawn(async move { store.store_batch(&key, subtrees).await.unwrap() })
        });
        let batches: Vec<_> = batches.collect();
        let other = target.another().await;
        other.abort_run(run.run.run_id, "in the middle").await.unwrap().unwrap();
        for done in join_all(batches).await {
            // Stored before the abort, or closed by it; neither is an error.
            let _stored: Option<pipeline_store::StoredBatch> = done.unwrap();
        }
        assert_eq!(rows_of_generation(target, 1).await, 0);
        assert_eq!(target.count("sluice_provider_content").await, 0);

        sync(&target.store, &world, PerService).await;
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn undone_content_that_was_left_is_swept(target: &Target) {
        let world = World::new(1, 4, 2, 1);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        run.load().await;
        target.store.abort_run(run.run.run_id, "enough").await.unwrap().unwrap();
        assert_eq!(target.store.sweep().await.unwrap(), 0);
    }
}

async fn rows_of_generation(target: &Target, generation: i64) -> i64 {
    let (first, end) = (generation << 32, (generation + 1) << 32);
    let condition = format!("WHERE content_id >= {first} AND content_id < {end}");
    target.count(&format!("sluice_content_bundle {condition}")).await
        + target.count(&format!("sluice_content_field {condition}")).await
}

/// A change at each level, in services s0 and s1; s2 goes, s3 comes.
fn changed(old: &World) -> World {
    let mut new = old.clone();
    let s2 = new.services.remove("s2").unwrap();
    new.services.insert("s3".to_owned(), s2);
    for service in ["s0", "s1"] {
        new.services.get_mut(service).unwrap().name = None;
        new.services.get_mut(service).unwrap().providers.remove("p0");
        new.provider(service, "p1").name = None;
        new.provider(service, "p2").bundles.remove(0);
        let added = new.provider(service, "p3").clone();
        new.services.get_mut(service).unwrap().providers.insert("p9".to_owned(), added);
    }
    new
}
