//! A source that takes longer than every time-out: nothing waits for it under a lock, and no session has to live as long.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use futures::{StreamExt, stream, stream::BoxStream};
use pipeline_core::stage::{Either, Record, Stage};
use pipeline_model::{
    contracts::{Activation, RunRequested},
    documents::{Attributes, DocumentFault, Found, Provider, Service, Subtree},
    ids::{ProviderId, RunId, ServiceId},
};
use pipeline_settings::settings;
use pipeline_source::{Counts, Error, Source};
use pipeline_store::{RunState, Store, Tolerance};
use stage_providers::ProvidersStage;
use stage_root::RootStage;
use testkit::{
    mariadb::{Database, MariaDb},
    wait,
};
use tokio::sync::Semaphore;

const BY: (&str, &str) = ("ada", "a test");

/// One service with one provider; each answer waits until it is let go.
struct Slow {
    asked: Semaphore,
    answers: Semaphore,
}

impl Slow {
    fn new() -> Arc<Self> {
        Arc::new(Self { asked: Semaphore::new(0), answers: Semaphore::new(0) })
    }

    async fn waits(&self) {
        self.asked.add_permits(1);
        self.answers.acquire().await.unwrap().forget();
    }

    /// Until somebody waits for an answer.
    async fn is_asked(&self) {
        self.asked.acquire().await.unwrap().forget();
    }

    fn answer(&self) {
        self.answers.add_permits(1);
    }
}

#[async_trait]
impl Source for Slow {
    fn services(&self) -> BoxStream<'_, Result<Found<Service>, Error>> {
        let service = Service { id: "s0".into(), name: None, attributes: Attributes::empty(), source_cas: None };
        let answer = async move {
            self.waits().await;
            Ok(Found::Document(service))
        };
        stream::once(answer).boxed()
    }

    fn providers<'a>(&'a self, service_id: &'a ServiceId) -> BoxStream<'a, Result<Found<Provider>, Error>> {
        let provider = Provider {
            service_id: service_id.clone(),
            id: "p0".into(),
            name: None,
            attributes: Attributes::empty(),
            source_cas: None,
        };
        let answer = async move {
            self.waits().await;
            Ok(Found::Document(provider))
        };
        stream::once(answer).boxed()
    }

    async fn subtrees(&self, _: &ServiceId, _: &[ProviderId]) -> Result<Vec<Subtree>, Error> {
        Ok(Vec::new())
    }

    fn unreachable(&self) -> BoxStream<'_, Result<DocumentFault, Error>> {
        stream::empty().boxed()
    }

    async fn counts(&self) -> Result<Counts, Error> {
        Ok(Counts::default())
    }
}

/// A store whose sessions the server ends after a second of silence.
async fn store() -> (Store, Database) {
    let database = tokio::task::spawn_blocking(|| MariaDb::shared().fresh_database()).await.unwrap();
    let of = |url: String| settings::Target { url, session_timeout_ms: 1_000, ..settings::Target::default() };
    let administrator = Store::connect(&of(database.administrator.url_with_password(&database.name))).await.unwrap();
    administrator.migrate().await.unwrap();
    administrator.close().await;
    (Store::connect(&of(database.loader_url())).await.unwrap(), database)
}

fn record<M>(message: M) -> Record<M> {
    Record { message, topic: String::new(), partition: 0, offset: 0, attempt: 1 }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn request() -> RunRequested {
    RunRequested {
        run_id: RunId::new().to_string(),
        requested_by: "test".to_owned(),
        requested_at_ms: now_ms(),
        activation: Activation::PerService,
        scope: Vec::new(),
        batch_size: 3,
        max_rejected_providers: None,
        max_rejected_percent: None,
        target: None,
    }
}

/// Until the server has ended every session of the stages: the source was silent for longer than they may be.
async fn every_session_is_over(database: &Database) {
    let database = database.clone();
    let gone = move || {
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND user = '{}'",
            database.name,
            database.loader.user()
        );
        (database.session().number(&sql) == 0).then_some(())
    };
    let wait = || wait::until_blocking("the server ends silent sessions", Duration::from_secs(60), gone);
    tokio::task::spawn_blocking(wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_answered_while_the_source_is_silent() {
    let (store, _database) = store().await;
    let source = Slow::new();
    let root = Arc::new(RootStage::new(source.clone(), store.clone(), settings::Run::default()));
    let wanted = request();
    let run = RunId::parse(&wanted.run_id).unwrap();
    let discovery = tokio::spawn({
        let root = Arc::clone(&root);
        async move { root.handle(&record(wanted)).await.unwrap() }
    });
    source.is_asked().await;
    assert!(store.set_tolerance(run, &Tolerance::default(), BY).await.unwrap());
    assert!(store.retry_run(run, BY).await.unwrap().is_some());
    assert!(store.abort_run(run, "enough").await.unwrap().is_some());
    assert!(!discovery.is_finished(), "the source is still silent");
    source.answer();
    assert!(discovery.await.unwrap().messages.is_empty(), "nothing is announced of an aborted run");
    assert_eq!(store.run(run).await.unwrap().unwrap().state, RunState::Aborted);
    assert_eq!(store.check_invariants().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_may_take_longer_than_sessions_live() {
    let (store, database) = store().await;
    let source = Slow::new();
    let root = RootStage::new(source.clone(), store.clone(), settings::Run::default());
    let providers = ProvidersStage::new(source.clone(), store.clone());
    let wanted = request();
    let run = RunId::parse(&wanted.run_id).unwrap();

    let silence = async {
        source.is_asked().await;
        every_session_is_over(&database).await;
        source.answer();
    };
    let wanted = record(wanted);
    let (announced, ()) = tokio::join!(root.handle(&wanted), silence);
    let Some(Either::Left(service)) = announced.unwrap().messages.pop() else { panic!("the service is announced") };

    let silence = async {
        source.is_asked().await;
        every_session_is_over(&database).await;
        assert!(store.set_tolerance(run, &Tolerance::default(), BY).await.unwrap());
        source.answer();
    };
    let service = record(service);
    let (planned, ()) = tokio::join!(providers.handle(&service), silence);
    assert!(matches!(planned.unwrap().messages.first(), Some(Either::Left(_))), "its batch is announced");
}
