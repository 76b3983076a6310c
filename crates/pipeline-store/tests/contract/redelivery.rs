//! Handling again what was handled before.

use futures::future::join_all;
use pipeline_store::{
    ActivationMode::{PerService, WholeRun},
    BatchState, Begin, Error,
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World},
};

on_both! {
    async fn every_step_handled_twice_gives_what_was_recorded(target: &Target) {
        let world = World::new(2, 4, 2, 1);
        let asked = request(WholeRun);
        let run = Sync::open(&target.store, &world, asked.clone()).await;
        assert_eq!(target.store.open_run(&asked).await.unwrap(), run.run);
        run.discover().await;
        let id = run.run.run_id;
        assert!(matches!(target.store.begin_discovery(id).await.unwrap(), Begin::DoneBefore));
        for service in run.services().await {
            run.plan(&service).await;
            let planned = target.store.planned_batches(id, &service).await.unwrap();
            let again = target.store.begin_plan(id, run.generation(), &service).await.unwrap();
            assert!(matches!(again, Begin::DoneBefore));
            let first = run.store_service(&service).await;
            let second = run.store_service(&service).await;
            assert_eq!(first, second);
            let after = target.store.planned_batches(id, &service).await.unwrap();
            assert_eq!(after.len(), planned.len());
            assert!(after.iter().all(|batch| batch.stored));
        }
        run.activate(&"s0".into()).await;
        assert_eq!(target.store.open_run(&asked).await.unwrap().run_id, id);
        assert_eq!(Views::read(target).await, world.views());
        assert_eq!(target.count("sluice_content_bundle").await, 16);
    }

    async fn a_transaction_that_is_dropped_leaves_nothing(target: &Target) {
        let world = World::new(2, 4, 2, 1);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        let Begin::Work(mut discovery) = target.store.begin_discovery(run.run.run_id).await.unwrap() else {
            panic!("no discovery")
        };
        discovery.put(&world.service_documents()).await.unwrap();
        drop(discovery);
        run.discover().await;
        let begin = target.store.begin_plan(run.run.run_id, run.generation(), &"s0".into()).await.unwrap();
        let Begin::Work(mut plan) = begin else { panic!("no plan") };
        plan.put(&world.provider_documents("s0"), &[]).await.unwrap();
        drop(plan);
        for service in run.services().await {
            run.plan(&service).await;
            run.store_service(&service).await;
            run.activate(&service).await;
        }
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn two_workers_with_the_same_batch_store_it_once(target: &Target) {
        let world = World::new(1, 9, 2, 2);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        run.discover().await;
        run.plan(&"s0".into()).await;
        let other = target.another().await;
        for (key, subtrees) in run.batches(&"s0".into()).await {
            let stores = [&target.store, &other, &target.store];
            let results = join_all(stores.map(|store| store.store_batch(&key, subtrees.clone()))).await;
            let stored: Vec<_> = results.into_iter().map(|result| result.unwrap().unwrap()).collect();
            assert!(stored.iter().all(|batch| *batch == stored[0] && batch.stored == 3));
            assert_eq!(target.store.batch_state(&key).await.unwrap(), BatchState::Stored(stored[0]));
        }
        assert_eq!(target.count("sluice_content_bundle").await, 18);
    }

    async fn batches_of_many_services_side_by_side_do_not_deadlock(target: &Target) {
        let mut world = World::new(4, 24, 3, 3);
        // The second round closes and replaces, too.
        for round in 0..2 {
            if round == 1 {
                for number in 0..24 {
                    world.provider("s0", &format!("p{number}")).bundles.clear();
                    world.provider("s1", &format!("p{number}")).bundles[0].fields.clear();
                }
            }
            let run = Sync::open(&target.store, &world, request(PerService)).await;
            run.discover().await;
            let services = run.services().await;
            join_all(services.iter().map(|service| run.plan(service))).await;
            let mut work = Vec::new();
            for service in &services {
                work.extend(run.batches(service).await);
            }
            let tasks = work.into_iter().map(|(key, subtrees)| {
                let store = target.store.clone();
                tokio::spawn(async move {
                    let result = store.store_batch(&key, subtrees).await;
                    let activated = store.activate(key.run_id, &key.service_id).await;
                    (result, activated)
                })
            });
            for task in join_all(tasks).await {
                let (stored, activated) = task.unwrap();
                assert!(matches!(stored, Ok(Some(_))), "{stored:?}");
                activated.unwrap();
            }
            assert_eq!(Views::read(target).await, world.views());
        }
    }

    async fn a_message_that_the_ledger_does_not_know_is_refused(target: &Target) {
        let world = World::new(1, 2, 1, 1);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        run.discover().await;
        run.plan(&"s0".into()).await;
        let (mut key, subtrees) = run.batches(&"s0".into()).await.remove(0);
        let short = target.store.store_batch(&key, Vec::new()).await;
        assert!(matches!(short, Err(Error::Broken { .. })));
        key.batch_no.0 = 99;
        assert!(matches!(target.store.store_batch(&key, subtrees).await, Err(Error::NotInLedger { .. })));
        let foreign = target.store.begin_plan(run.run.run_id, run.generation(), &"nobody".into()).await;
        assert!(matches!(foreign, Err(Error::NotInLedger { .. })));
    }

    async fn ids_of_contents_are_never_shared(target: &Target) {
        let world = World::new(5, 7, 1, 0);
        sync(&target.store, &world, PerService).await;
        let ids = target.rows("SELECT CAST(content_id AS CHAR) FROM sluice_provider_content").await;
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), distinct.len()), (35, 35));
    }
}
