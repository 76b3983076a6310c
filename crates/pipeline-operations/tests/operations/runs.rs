//! What is done to runs and generations.

use pipeline_model::{
    contracts::Activation,
    disposition::{Classify as _, Disposition},
    ids::RunId,
};
use pipeline_operations::{
    Error, Operation as _, abort::Abort, activate::Activate, prune::Prune, removals::AcceptRemovals, retry::Retry,
    rollback::RollBack, start::Start, tolerate::Tolerate,
};
use pipeline_store::{RunState, Tolerance};

use crate::world::{CUT, WHOLE, World, by, done, refused};

fn start() -> Start {
    Start {
        requested_by: "ada@desk (a test)".to_owned(),
        activation: Activation::PerService,
        services: Vec::new(),
        batch_size: 3,
        tolerance: Tolerance::default(),
    }
}

fn five(run: RunId) -> Tolerate {
    Tolerate { run, tolerance: Tolerance { max_providers: Some(5), max_percent: None } }
}

async fn end(world: &World, run: RunId) {
    world.store.abort_run(run, "a test").await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_sends_the_request_that_was_shown_and_waits_for_no_open_run() {
    let world = World::new().await;
    let (shown, started) = done(&world, &start(), "run start", 1).await;
    assert_eq!((shown.position.is_some(), started.position.is_some()), (false, true));
    assert_eq!(started.request.run_id, shown.request.run_id);
    assert_eq!(world.messages(), 1);

    let error = refused(&world, &start(), async |world| {
        world.open().await;
    })
    .await;
    assert!(matches!(error, Error::RunOpen { .. }), "{error}");
    assert_eq!((error.code(), error.disposition()), ("SLUICE-OPERATION-001", Disposition::Reject));
    assert!(matches!(start().preview(&world.at()).await, Err(Error::RunOpen { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_announces_what_is_not_done() {
    let world = World::new().await;
    let run = world.open().await;
    world.discover(run, WHOLE).await;
    world.plan(run, "s0", &["p0", "p1"]).await;
    let (shown, retried) = done(&world, &Retry { run }, "run retry", 1).await;
    assert_eq!((shown.services_announced, shown.batches_announced), (1, 1));
    assert_eq!((retried.services_announced, retried.batches_announced), (1, 1));
    assert_eq!((shown.retried, retried.retried.map(|retried| retried.batches)), (None, Some(0)));
    assert_eq!(world.messages(), 2);

    let error = refused(&world, &Retry { run }, async |world| end(world, run).await).await;
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert!(matches!(Retry { run }.preview(&world.at()).await, Err(Error::NotOpen { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_cannot_send_sets_nothing_back() {
    let mut world = World::new().await;
    let run = world.load(WHOLE).await;
    world.settings.schema_registry.url = "http://127.0.0.1:1".to_owned();
    let error = Retry { run }.carry_out(&world.at(), None, &by()).await.unwrap_err();
    assert!(matches!(error, Error::Registry(_)), "{error}");
    assert_eq!(error.disposition(), Disposition::Unavailable);
    assert_eq!(world.audits().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tolerance_is_changed_once_and_only_from_the_one_that_was_shown() {
    let world = World::new().await;
    let run = world.open().await;
    let (shown, tolerated) = done(&world, &five(run), "run tolerate", 1).await;
    assert_eq!(tolerated, shown);
    assert_eq!(world.store.run(run).await.unwrap().unwrap().tolerance.max_providers, Some(5));

    let error = refused(&world, &five(run), async |world| {
        assert!(world.store.set_tolerance(run, &Tolerance::default(), ("eve", "hers")).await.unwrap());
    })
    .await;
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let error = refused(&world, &five(run), async |world| end(world, run).await).await;
    assert!(error.to_string().contains("ended meanwhile"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_removals_that_were_shown_are_accepted() {
    let world = World::with_a_copy().await;
    let run = world.open().await;
    world.discover(run, CUT).await;
    world.plan(run, "s0", &["p0"]).await;
    world.store_batches(run, "s0").await;
    let accept = AcceptRemovals { run };
    let error = refused(&world, &accept, async |world| {
        world.plan(run, "s1", &["p0"]).await;
        world.store_batches(run, "s1").await;
    })
    .await;
    assert!(matches!(error, Error::Changed { .. }), "{error}");

    let (shown, accepted) = done(&world, &accept, "run accept-removals", 1).await;
    assert_eq!((shown.accepted.providers, accepted.accepted.providers), (8, 8));
    assert!(accept.preview(&world.at()).await.unwrap().accepted.is_zero());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_ends_a_run_that_is_open() {
    let world = World::new().await;
    let run = world.load(WHOLE).await;
    let (shown, aborted) = done(&world, &Abort { run }, "run abort", 1).await;
    assert_eq!((shown.progress.run.state, shown.aborted.is_some()), (RunState::Running, false));
    assert_eq!((aborted.progress.run.state, aborted.aborted.is_some()), (RunState::Aborted, true));

    let run = world.load(WHOLE).await;
    let error = refused(&world, &Abort { run }, async |world| end(world, run).await).await;
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let unknown = Abort { run: RunId::new() }.preview(&world.at()).await;
    assert!(matches!(unknown, Err(Error::NoSuchRun { .. })), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activation_switches_what_its_preview_counted() {
    let world = World::new().await;
    let run = world.load(WHOLE).await;
    let (shown, activated) = done(&world, &Activate { run }, "run activate", 1).await;
    let changes = shown.changes.unwrap();
    assert_eq!((changes.services.added, changes.providers.added, changes.bundles.added), (2, 10, 10));
    assert_eq!((shown.activated.len(), activated.activated.len()), (0, 2));

    let run = world.load(WHOLE).await;
    let error = refused(&world, &Activate { run }, async |world| end(world, run).await).await;
    assert!(matches!(error, Error::Changed { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_moves_what_was_shown_and_nothing_that_was_switched_since() {
    let world = World::with_a_copy().await;
    let run = world.load(WHOLE).await;
    world.activate(run).await;
    let (shown, moved) = done(&world, &RollBack::default(), "generation rollback", 1).await;
    assert_eq!((shown.services.len(), &moved.services), (2, &shown.services));
    assert!(moved.unannounced.is_none());
    assert_eq!(world.messages(), 2);

    let error = refused(&world, &RollBack::default(), async |world| {
        let plan = world.store.plan_rollback(&["s1".into()]).await.unwrap();
        world.store.roll_back(&plan, "eve", "hers").await.unwrap();
    })
    .await;
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let error = refused(&world, &RollBack::default(), async |world| {
        world.open().await;
    })
    .await;
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert!(matches!(RollBack::default().preview(&world.at()).await, Err(Error::RunOpen { .. })));
    let unknown = RollBack { services: vec!["none".into()] };
    assert!(matches!(unknown.preview(&world.at()).await, Err(Error::NeverActivated { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_goes_on_without_a_registry_and_says_so() {
    let mut world = World::with_a_copy().await;
    world.settings.schema_registry.url = "http://127.0.0.1:1".to_owned();
    let moved = RollBack::default().carry_out(&world.at(), None, &by()).await.unwrap();
    assert!(moved.unannounced.is_some());
    assert_eq!(world.store.counts().await.unwrap().services, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prune_deletes_what_was_shown() {
    let world = World::with_a_copy().await;
    assert!(matches!(RollBack::default().preview(&World::new().await.at()).await, Err(Error::NothingActivated { .. })));
    for _ in 0..3 {
        let run = world.load(WHOLE).await;
        world.activate(run).await;
    }
    let prune = Prune { keep: 1 };
    let error = refused(&world, &prune, async |world| {
        let run = world.load(WHOLE).await;
        world.activate(run).await;
    })
    .await;
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let (shown, pruned) = done(&world, &prune, "generation prune", 1).await;
    assert_eq!(pruned, shown);
    assert!(pruned.bundles > 0, "{pruned:?}");
    let error = refused(&world, &prune, async |world| {
        world.open().await;
    })
    .await;
    assert!(matches!(error, Error::RunOpen { .. }), "{error}");
}
