//! Every way in which a cluster can misbehave ends in the class that is meant for it, in time, and loses no row.

use pipeline_model::disposition::{
    Classify,
    Disposition::{self, Retry, Unavailable},
};
use testkit::couchbase::{Misbehaviour, Service};
use tokio::time::timeout;

use super::*;
use crate::Error;

const GENERATED: &str = "services=1&providers=20&bundles=2&fields=1&seed=1";

/// What became of reading everything: its code and disposition, and the message.
async fn outcome(source: &Couchbase) -> Result<All, (&'static str, Disposition, String)> {
    let service = ServiceId::from("service-0001");
    let read = async {
        let services: Vec<_> = source.services().try_collect().await?;
        let providers: Vec<_> = source.providers(&service).try_collect().await?;
        let ids: Vec<ProviderId> = (1..=20).map(|number| ProviderId(format!("provider-{number:07}"))).collect();
        let subtrees = source.subtrees(&service, &ids).await?;
        assert_eq!((services.len(), providers.len(), subtrees.len()), (1, 20, 20));
        assert!(subtrees.into_iter().all(|subtree| bundles(subtree.content).len() == 2));
        Ok::<_, Error>(All::default())
    };
    let ended = timeout(PATIENCE, read).await.expect("no misbehaviour makes it hang");
    ended.map_err(|error| (error.code(), error.disposition(), error.to_string()))
}

async fn meets(misbehaviour: Misbehaviour, code: &str, disposition: Disposition, says: &str) {
    let (double, _folder) = generated(GENERATED, Shape::Nested).await;
    let mut source = open(&settings(&double));
    let patient = source.reader.settings.clone();
    match misbehaviour {
        Misbehaviour::Silent | Misbehaviour::Stalled { .. } => {
            outcome(&source).await.unwrap();
            source.reader.settings.statement_timeout_ms = 600;
            source.reader.settings.row_timeout_ms = 300;
        }
        // Nothing is prepared yet, so that the server's time-out is heard well before our own.
        Misbehaviour::Slow { .. } => {
            source.ready().await.unwrap();
            source.reader.settings.statement_timeout_ms = 3_000;
        }
        _ => drop(outcome(&source).await.unwrap()),
    }
    double.misbehave(Service::Query, misbehaviour.clone());
    let error = outcome(&source).await.expect_err("a misbehaviour is an error");
    assert_eq!((error.0, error.1), (code, disposition), "{misbehaviour:?}: {}", error.2);
    assert!(error.2.contains(says), "{misbehaviour:?}: {}", error.2);
    assert!(!error.2.contains("sluice-secret"), "{}", error.2);
    double.heal();
    source.reader.settings = patient;
    outcome(&source).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_delay_end_with_the_setting_that_bounds_them() {
    let hour = Duration::from_secs(3_600);
    meets(Misbehaviour::Silent, "SLUICE-SOURCE-016", Unavailable, "statement_timeout_ms").await;
    meets(Misbehaviour::Stalled { rows: 3 }, "SLUICE-SOURCE-016", Unavailable, "row_timeout_ms").await;
    let slow = Misbehaviour::Slow { call: hour, row: Duration::ZERO };
    meets(slow, "SLUICE-SOURCE-023", Retry, "ended as `timeout`").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_complete_is_no_answer() {
    for rows in [0, 1, 3] {
        meets(Misbehaviour::Stopped { rows }, "SLUICE-SOURCE-023", Retry, "ended as `stopped`").await;
        meets(Misbehaviour::TimedOut { rows }, "SLUICE-SOURCE-023", Retry, "ended as `timeout`").await;
        meets(Misbehaviour::Cut { rows }, "SLUICE-SOURCE-015", Unavailable, "could not reach").await;
        let failed = Misbehaviour::Failed { rows, code: 5_000, message: "out of luck".to_owned() };
        meets(failed, "SLUICE-SOURCE-024", Retry, "out of luck").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_has_too_much_to_do_is_waited_for() {
    for misbehaviour in [Misbehaviour::Unavailable, Misbehaviour::Overloaded, Misbehaviour::RateLimited] {
        meets(misbehaviour, "SLUICE-SOURCE-022", Unavailable, "busy").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_can_give_is_named() {
    let grant = "GRANT query_select ON `catalog`.`sluice`.`provider_services` TO `sluice`";
    meets(Misbehaviour::Forbidden, "SLUICE-SOURCE-018", Unavailable, grant).await;
    meets(Misbehaviour::WrongPassword, "SLUICE-SOURCE-017", Unavailable, "refused the credentials of `sluice`").await;
    let index = "CREATE INDEX `sluice_provider_services` ON `provider_services`(META().id)";
    meets(Misbehaviour::MissingIndex, "SLUICE-SOURCE-020", Unavailable, index).await;
    meets(Misbehaviour::DroppedIndex, "SLUICE-SOURCE-020", Unavailable, index).await;
    let missing = Misbehaviour::MissingCollection("providers".to_owned());
    meets(missing, "SLUICE-SOURCE-019", Unavailable, "the collection `catalog.sluice.providers` does not exist").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_of_weakness_is_not_even_noticed() {
    let (double, _folder) = generated(GENERATED, Shape::Nested).await;
    let source = open(&settings(&double));
    outcome(&source).await.unwrap();
    double.misbehave_times(Service::Query, Misbehaviour::Unavailable, 1);
    outcome(&source).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_not_understood_stops_the_stage() {
    let (double, _folder) = generated(GENERATED, Shape::Nested).await;
    let mut settings = settings(&double);
    settings.couchbase.statements.provider_services = "SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc \
         FRM provider_services AS d WHERE META(d).id > $after ORDER BY META(d).id LIMIT $limit"
        .to_owned();
    let error = outcome(&open(&settings)).await.unwrap_err();
    assert_eq!((error.0, error.1), ("SLUICE-SOURCE-021", Disposition::Halt), "{}", error.2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_not_there_is_told_from_one_that_is_mute() {
    let (double, _folder) = generated(GENERATED, Shape::Nested).await;
    let mut mute = settings(&double);
    mute.couchbase.connect_timeout_ms = 2_000;
    double.misbehave(Service::Kv, Misbehaviour::Silent);
    let source = open(&mute);
    let error = outcome(&source).await.unwrap_err();
    assert_eq!((error.0, error.1), ("SLUICE-SOURCE-016", Unavailable), "{}", error.2);
    assert!(error.2.contains("connect_timeout_ms"), "{}", error.2);
    // Once it speaks again, the same source goes on.
    double.heal();
    let recovered = async { while outcome(&source).await.is_err() {} };
    timeout(PATIENCE, recovered).await.unwrap();

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = settings::Source { url: format!("couchbase://127.0.0.1:{port}/catalog.sluice"), ..mute };
    let error = outcome(&open(&away)).await.unwrap_err();
    assert_eq!((error.0, error.1), ("SLUICE-SOURCE-015", Unavailable), "{}", error.2);
    assert!(error.2.contains("connect"), "{}", error.2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_what_is_missing_and_how_to_get_it() {
    let (double, _folder) = generated(GENERATED, Shape::Nested).await;
    let settings = settings(&double);
    let found = crate::examine(&settings).await;
    let said: Vec<_> = found.iter().map(|finding| (finding.name, finding.result.as_ref().unwrap().as_str())).collect();
    assert!(said[0].1.contains("`catalog.sluice` as sluice, no TLS, clocks agree"), "{said:?}");
    assert_eq!((said[1].0, said[2].0), ("documents", "counts"));
    assert_eq!(said[2].1, "1 in `provider_services`, 20 in `providers`, 40 in `bundles`");

    for name in ["bundles_primary", "bundles_by_provider_id", "bundles_by_service_id_by_provider_id"] {
        assert!(double.drop_index(name), "{name}");
    }
    double.drop_collection("provider_services");
    let found = crate::examine(&settings).await;
    let wrong = found.iter().filter_map(|finding| finding.result.as_ref().err());
    let wrong: Vec<_> = wrong.map(ToString::to_string).collect();
    for part in [
        "the collection `catalog.sluice.provider_services` does not exist",
        "CREATE INDEX `sluice_bundles_by_provider_id` ON `bundles`(`provider_id`, META().id)",
        "CREATE INDEX `sluice_bundles` ON `bundles`(META().id)",
    ] {
        assert!(wrong.iter().any(|text| text.contains(part)), "{part}: {wrong:#?}");
    }
}
