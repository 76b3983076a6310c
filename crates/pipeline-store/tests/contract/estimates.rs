//! When a run will end, from the ledger's own times, and what was noted of that.

use pipeline_store::{
    ActivationMode::WholeRun,
    estimate::{Estimate, Span, misses},
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::World,
};

on_both! {
    async fn an_estimate_is_noted_as_soon_as_it_is_known_and_then_now_and_again(target: &Target) {
        let (store, world) = (&target.store, World::new(2, 6, 1, 1));
        let first = Sync::open(store, &world, request(WholeRun)).await;
        store.note_estimate(&first.run).await.unwrap();
        assert_eq!(store.estimate(&first.run, &[], 1.0).await.unwrap(), Estimate::default());
        assert!(store.estimates(first.run.run_id).await.unwrap().is_empty(), "nothing is known of a first run");
        first.work().await;

        let run = Sync::open(store, &world, request(WholeRun)).await;
        let earlier = store.earlier_runs(&run.run).await.unwrap();
        let before = first.progress().await.run;
        assert_eq!(earlier.len(), 1);
        assert_eq!((earlier[0].services, earlier[0].took_ms), (2, before.finished_at_ms.unwrap() - before.started_at_ms));
        let told = store.estimate(&run.run, &earlier, 1.0).await.unwrap();
        assert!(told.root.is_some() && told.activator.is_some(), "{told:?}");
        store.note_estimate(&run.run).await.unwrap();
        store.note_estimate(&run.run).await.unwrap();
        let noted = store.estimates(run.run.run_id).await.unwrap();
        assert_eq!(noted.len(), 1, "the next one comes later");
        assert!(noted[0].at_ms <= noted[0].earliest_ms && noted[0].expected_ms <= noted[0].latest_ms, "{noted:?}");

        run.load().await;
        let row = run.progress().await.run;
        let loaded = store.estimate(&row, &earlier, 1.0).await.unwrap();
        let done = Some(Span::default());
        assert_eq!((loaded.root, loaded.providers, loaded.bundles), (done, done, done));
        for service in run.services().await {
            run.activate(&service).await;
        }
        let ended = run.progress().await.run;
        assert_eq!(store.estimate(&ended, &earlier, 1.0).await.unwrap(), Estimate::default());
        store.note_estimate(&ended).await.unwrap();
        let took_ms = ended.finished_at_ms.unwrap() - ended.started_at_ms;
        let later = misses(&noted, (took_ms + noted[0].at_ms) * 10);
        assert!(later.iter().all(Option::is_some), "{later:?}");
        assert_eq!(store.estimates(run.run.run_id).await.unwrap(), noted, "a run that has ended is not estimated");
    }

    async fn a_run_learns_from_runs_over_the_same_services_only(target: &Target) {
        let (store, world) = (&target.store, World::new(2, 3, 1, 1));
        sync(store, &world, WholeRun).await;
        let of_one = pipeline_store::RunRequest { scope: vec!["s0".into()], ..request(WholeRun) };
        let part = store.open_run(&of_one).await.unwrap();
        assert!(store.earlier_runs(&part).await.unwrap().is_empty());
    }
}
