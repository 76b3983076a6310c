//! Opening runs, and sources that are empty.

use futures::future::join_all;
use pipeline_model::{
    contracts,
    disposition::{Classify, Disposition},
    ids::{Generation, RunId},
};
use pipeline_store::{
    ActivationMode::{PerService, WholeRun},
    RunRequest, RunState, Tolerance,
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World},
};

on_both! {
    async fn one_run_is_open_at_most(target: &Target) {
        let other = target.another().await;
        let requests: Vec<RunRequest> = (0..8).map(|_| request(WholeRun)).collect();
        let stores = [&target.store, &other];
        let opened = join_all(requests.iter().zip(stores.iter().cycle()).map(|(request, store)| {
            store.open_run(request)
        }))
        .await;
        let opened: Vec<_> = opened.into_iter().map(Result::unwrap).collect();
        let running: Vec<_> = opened.iter().filter(|run| run.state == RunState::Running).collect();
        assert_eq!(running.len(), 1, "{opened:?}");
        let open = running[0];
        for refused in opened.iter().filter(|run| run.state != RunState::Running) {
            assert_eq!((refused.state, refused.generation), (RunState::Refused, None));
            assert!(refused.reason.as_ref().unwrap().contains(&open.run_id.to_string()));
        }
        assert_eq!(target.store.latest_run().await.unwrap().unwrap().run_id, open.run_id);
        assert_eq!(target.store.runs(20).await.unwrap().len(), 8);
        assert_eq!(target.store.runs(3).await.unwrap().len(), 3);
    }

    async fn a_request_that_is_refused_makes_no_run_and_one_that_has_a_run_keeps_it(target: &Target) {
        let old = request(PerService);
        let refused = target.store.refuse_run(&old, "too old").await.unwrap();
        assert_eq!((refused.state, refused.generation), (RunState::Refused, None));
        assert_eq!(refused.reason.as_deref(), Some("too old"));
        assert_eq!(target.store.open_run(&old).await.unwrap(), refused, "for good");
        let audits = target.store.audits(10).await.unwrap();
        assert_eq!(audits.len(), 1);
        assert_eq!((audits[0].what.as_str(), audits[0].why.as_str()), ("run refused", "too old"));
        assert_eq!(audits[0].subject, old.run_id.to_string());

        let other = target.another().await;
        let requests: Vec<RunRequest> = (0..4).map(|_| old.clone()).collect();
        let again = join_all(requests.iter().zip([&target.store, &other].into_iter().cycle()).map(|(request, store)| {
            store.refuse_run(request, "older still")
        }))
        .await;
        assert!(again.into_iter().all(|run| run.unwrap() == refused));
        assert_eq!(target.store.audits(10).await.unwrap().len(), 1);

        let new = request(PerService);
        let running = target.store.open_run(&new).await.unwrap();
        assert_eq!(target.store.refuse_run(&new, "too old").await.unwrap(), running, "its run goes on");
    }

    async fn a_run_keeps_what_was_asked(target: &Target) {
        let mut asked = request(WholeRun);
        asked.scope = vec!["a ".into(), "é🦀".into()];
        asked.tolerance = Tolerance { max_providers: Some(7), max_percent: Some(0.1) };
        asked.requested_by = "someone <x@y>".to_owned();
        let run = target.store.open_run(&asked).await.unwrap();
        assert_eq!((&run.scope, run.tolerance, run.batch_size), (&asked.scope, asked.tolerance, 3));
        assert_eq!((run.requested_by, run.requested_at_ms), (asked.requested_by, 1));
        assert_eq!(target.store.run(RunId::new()).await.unwrap(), None);
        assert_eq!(target.store.progress(RunId::new()).await.unwrap(), None);
    }

    async fn a_run_is_found_by_the_beginning_of_its_id_and_by_its_generation(target: &Target) {
        let ids = ["0abc1111-0000-7000-8000-000000000001", "0abc2222-0000-7000-8000-000000000002"];
        for id in ids {
            let id = RunId::parse(id).unwrap();
            target.store.open_run(&RunRequest { run_id: id, ..request(PerService) }).await.unwrap();
            target.store.fail_run(id, "no reason").await.unwrap();
        }
        let ids = ids.map(|id| RunId::parse(id).unwrap());
        assert_eq!(target.store.runs_beginning("0abc").await.unwrap(), ids);
        assert_eq!(target.store.runs_beginning("0abc2222-0").await.unwrap(), [ids[1]]);
        assert_eq!(target.store.runs_beginning("0abd").await.unwrap(), []);
        assert_eq!(target.store.run_of_generation(Generation(2)).await.unwrap(), Some(ids[1]));
        assert_eq!(target.store.run_of_generation(Generation(3)).await.unwrap(), None);
    }

    async fn a_target_belongs_to_the_installation_that_came_first(target: &Target) {
        let other = target.another().await;
        let claims = join_all([target.store.claim("a"), other.claim("b"), target.store.claim("a")]).await;
        let owner = if claims[0].is_ok() { "a" } else { "b" };
        assert_eq!(claims.iter().filter(|claim| claim.is_ok()).count(), if owner == "a" { 2 } else { 1 });
        other.claim(owner).await.unwrap();
        let refused = other.claim("c").await.unwrap_err();
        assert_eq!(refused.disposition(), Disposition::Halt);
        assert!(refused.to_string().contains(&format!("installation `{owner}`, and this one is `c`")), "{refused}");
    }

    async fn an_empty_source_does_not_empty_the_copy(target: &Target) {
        let world = World::new(2, 2, 1, 1);
        sync(&target.store, &world, WholeRun).await;
        let nothing = World::default();
        let run = Sync::open(&target.store, &nothing, request(WholeRun)).await;
        let discovered = run.discover().await;
        assert!(discovered.failed.is_some());
        let failed = target.store.run(run.run.run_id).await.unwrap().unwrap();
        assert_eq!((failed.state, failed.reason), (RunState::Failed, discovered.failed));
        assert_eq!(run.services().await, []);
        assert_eq!(Views::read(target).await, world.views());
        sync(&target.store, &world, WholeRun).await;
    }

    async fn generations_are_never_used_twice(target: &Target) {
        let world = World::new(1, 1, 1, 1);
        for generation in 1..=3 {
            let run = Sync::open(&target.store, &world, request(PerService)).await;
            assert_eq!(run.generation().0, generation);
            target.store.fail_run(run.run.run_id, "no reason").await.unwrap();
        }
        let progress = sync(&target.store, &world, PerService).await;
        assert_eq!(progress.run.generation.unwrap().0, 4);
    }

    async fn progress_says_what_the_ledger_knows(target: &Target) {
        let world = World::new(2, 4, 1, 1);
        let run = Sync::open(&target.store, &world, request(WholeRun)).await;
        let progress = run.progress().await;
        assert_eq!((progress.services.expected, progress.planning_complete), (None, false));
        run.discover().await;
        run.plan(&"s0".into()).await;
        let progress = run.progress().await;
        assert_eq!((progress.services.expected, progress.services.planned), (Some(2), 1));
        assert_eq!((progress.batches.planned, progress.batches.stored), (2, 0));
        assert!(!progress.planning_complete);
        run.plan(&"s1".into()).await;
        assert!(run.progress().await.planning_complete);
        for service in run.services().await {
            run.store_service(&service).await;
        }
        assert_eq!(run.progress().await.services.activated, 0);
        run.activate(&"s1".into()).await;
        let progress = run.progress().await;
        assert_eq!((progress.services.activated, progress.run.state), (2, RunState::Activated));
        assert!(progress.run.finished_at_ms.is_some());
    }
}

#[test]
fn a_request_that_cannot_be_a_run_is_refused() {
    let good = contracts::RunRequested {
        run_id: RunId::new().to_string(),
        requested_by: "test".to_owned(),
        requested_at_ms: 1,
        activation: contracts::Activation::WholeRun,
        scope: vec![],
        batch_size: 1,
        max_rejected_providers: None,
        max_rejected_percent: None,
        target: None,
    };
    assert_eq!(RunRequest::try_from(&good).unwrap().mode, WholeRun);
    let bad = [
        contracts::RunRequested { run_id: "7".to_owned(), ..good.clone() },
        contracts::RunRequested { batch_size: 0, ..good.clone() },
        contracts::RunRequested { batch_size: 5_001, ..good.clone() },
        contracts::RunRequested { max_rejected_providers: Some(-1), ..good.clone() },
        contracts::RunRequested { max_rejected_percent: Some(f64::NAN), ..good },
    ];
    for request in &bad {
        assert_eq!(RunRequest::try_from(request).unwrap_err().disposition(), Disposition::Reject);
    }
}
