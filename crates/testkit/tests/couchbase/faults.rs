//! Every misbehaviour, as the client sees it.

use couchbase::options::kv_options::GetOptions;
use testkit::{
    couchbase::{Index, Misbehaviour, Service},
    http, wait,
};

use super::*;

/// The error of a page that is refused before its first row.
async fn refused(double: &CouchbaseDouble, scope: &Scope, misbehaviour: Misbehaviour) -> Error {
    double.misbehave(Service::Query, misbehaviour);
    let error = query(scope, PAGE, page("", 9).retry_strategy(Arc::new(Never))).await.expect_err("a refusal");
    double.heal();
    error
}

/// A page under a misbehaviour that lets it begin.
async fn begun(double: &CouchbaseDouble, scope: &Scope, misbehaviour: Misbehaviour) -> Outcome {
    double.misbehave(Service::Query, misbehaviour);
    let outcome = query(scope, PAGE, page("", 9)).await.expect("an answer that begins");
    double.heal();
    outcome
}

async fn get(collection: &Collection, key: &str) -> Result<u64, Error> {
    let options = GetOptions::new().retry_strategy(Arc::new(Never));
    within("get", collection.get(key, options)).await.map(|found| found.cas())
}

#[tokio::test]
async fn refusals_carry_the_servers_codes() {
    let double = with_providers(3);
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    let codes = [
        (Misbehaviour::Unavailable, "1181"),
        (Misbehaviour::RateLimited, "1192"),
        (Misbehaviour::Overloaded, "1201"),
        (Misbehaviour::MissingIndex, "4000"),
        (Misbehaviour::WrongPassword, "10000"),
        (Misbehaviour::MissingCollection("providers".to_owned()), "12003"),
        (Misbehaviour::DroppedIndex, "12016"),
        (Misbehaviour::Forbidden, "13014"),
    ];
    for (misbehaviour, code) in codes {
        let error = refused(&double, &scope, misbehaviour.clone()).await;
        assert!(format!("{error} {error:?}").contains(code), "{misbehaviour:?}: {error} {error:?}");
    }
    let of = async |misbehaviour| refused(&double, &scope, misbehaviour).await;
    assert!(matches!(of(Misbehaviour::WrongPassword).await.kind(), ErrorKind::AuthenticationFailure));
    assert!(matches!(of(Misbehaviour::Forbidden).await.kind(), ErrorKind::AuthenticationFailure));
    assert!(matches!(of(Misbehaviour::MissingIndex).await.kind(), ErrorKind::PlanningFailure));
    assert!(matches!(of(Misbehaviour::DroppedIndex).await.kind(), ErrorKind::IndexNotFound));
    assert_eq!(query(&scope, PAGE, page("", 9)).await.expect("an answer").rows.len(), 3, "all is well again");
}

#[tokio::test]
async fn what_the_client_tries_again_succeeds_when_the_fault_has_passed() {
    let double = with_providers(3);
    let cluster = client(&double).await;
    double.misbehave_times(Service::Query, Misbehaviour::Unavailable, 2);
    assert_eq!(query(&scope(&cluster, &double), PAGE, page("", 9)).await.expect("an answer").rows.len(), 3);
    assert_eq!(double.queries().len(), 3);
    let providers = collection(&cluster, &double, "providers");
    get(&providers, "p-00000").await.expect("a document");
    double.reset_counts();
    double.misbehave_times(Service::Kv, Misbehaviour::Unavailable, 2);
    within("get", providers.get("p-00000", None)).await.expect("a document");
    assert_eq!(double.kv_operations(), 3);
}

#[tokio::test]
async fn a_condition_without_an_index_is_refused() {
    let double = with_providers(3);
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    let by_rank = "SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc FROM `providers` AS d WHERE d.`rank` = $x";
    let asked = || arguments(&[("x", 1.into())]);
    assert_eq!(query(&scope, by_rank, asked()).await.expect("by the primary index").rows.len(), 1);
    assert!(double.drop_index("providers_primary"));
    let error = query(&scope, by_rank, asked()).await.expect_err("no index");
    assert!(matches!(error.kind(), ErrorKind::PlanningFailure), "{error}");
    assert!(
        format!("{error:?}").contains("CREATE PRIMARY INDEX ON `default`:`catalog`.`sluice`.`providers`"),
        "{error:?}"
    );
    double.create_index(Index { state: "deferred".to_owned(), ..Index::on("providers", &["rank"]) });
    query(&scope, by_rank, asked()).await.expect_err("an index that was never built");
    double.create_index(Index::on("providers", &["rank"]));
    assert_eq!(query(&scope, by_rank, asked()).await.expect("by its own index").rows.len(), 1);
}

#[tokio::test]
async fn whatever_is_not_in_the_grammar_is_refused() {
    let double = with_providers(1);
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    for statement in [
        "SELECT d FROM",
        "SELECT d.* FROM providers AS d JOIN bundles AS b ON TRUE",
        "SELECT META(x).id FROM providers AS d",
    ] {
        let error = query(&scope, statement, QueryOptions::new()).await.expect_err("a syntax error");
        assert!(matches!(error.kind(), ErrorKind::ParsingFailure), "{statement}: {error}");
    }
    let codes = [
        ("DELETE FROM providers", "1000"),
        ("SELECT d FROM nowhere AS d", "12003"),
        ("SELECT d FROM a.b.c AS d", "12003"),
        ("SELECT d FROM catalog.nowhere.c AS d", "12021"),
    ];
    for (statement, code) in codes {
        let error = query(&scope, statement, QueryOptions::new()).await.expect_err("a refusal");
        assert!(format!("{error:?}").contains(code), "{statement}: {error:?}");
    }
    let unknown = QueryOptions::new().add_raw("no_such_parameter", 1).expect("a parameter");
    let error = query(&scope, "SELECT 1 AS one", unknown).await.expect_err("a refusal");
    assert!(format!("{error:?}").contains("1065"), "{error:?}");
}

#[tokio::test]
async fn an_answer_ends_early_in_every_way_there_is() {
    let double = with_providers(5);
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    let stopped = begun(&double, &scope, Misbehaviour::Stopped { rows: 2 }).await;
    assert_eq!((stopped.rows.len(), stopped.error.is_none(), stopped.status), (2, true, Some(QueryStatus::Stopped)));
    let failure = Misbehaviour::Failed { rows: 2, code: 5000, message: "index scan broke".to_owned() };
    let failed = begun(&double, &scope, failure).await;
    let error = failed.error.expect("an error in place of a row");
    assert!(failed.rows.len() == 2 && format!("{error:?}").contains("index scan broke"), "{error:?}");
    let expired = begun(&double, &scope, Misbehaviour::TimedOut { rows: 2 }).await;
    let error = expired.error.expect("an error in place of a row");
    assert!(expired.rows.len() == 2 && matches!(error.kind(), ErrorKind::ServerTimeout), "{error}");
    let cut = begun(&double, &scope, Misbehaviour::Cut { rows: 2 }).await;
    assert!(cut.rows.len() <= 2 && cut.error.is_some() && cut.status.is_none(), "{cut:?}");
}

#[tokio::test]
async fn a_stalled_answer_runs_until_the_client_gives_up() {
    let double = with_providers(5);
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    double.misbehave(Service::Query, Misbehaviour::Stalled { rows: 2 });
    let mut result = within("query", scope.query(PAGE, page("", 9))).await.expect("an answer that begins");
    {
        let mut rows = std::pin::pin!(result.rows::<Value>());
        // The client gives a row away when it has seen what comes after it.
        within("a row", rows.next()).await.expect("a row").expect("a sound row");
        assert!(tokio::time::timeout(IMPATIENCE, rows.next()).await.is_err(), "nothing more comes");
    }
    assert_eq!(double.running_queries(), 1);
    drop(result);
    wait::until("the double notices", PATIENCE, async || (double.running_queries() == 0).then_some(())).await;
}

#[tokio::test]
async fn silence_holds_queries_and_counts_them() {
    let double = with_providers(5);
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    double.misbehave(Service::Query, Misbehaviour::Silent);
    let all = futures::future::join_all((0..8).map(|_| query(&scope, PAGE, page("", 9))));
    let held = wait::until("all are held", PATIENCE, async || (double.running_queries() == 8).then_some(()));
    tokio::select! {
        _ = all => panic!("silence was broken"),
        () = held => {}
    }
    assert_eq!((double.peak_concurrent_queries(), double.queries().len()), (8, 8));
    assert!(double.peak_queries_per_second() >= 1);
    double.heal();
    assert_eq!(query(&scope, PAGE, page("", 9)).await.expect("an answer").rows.len(), 5);
}

#[tokio::test]
async fn a_slow_answer_comes_whole_unless_the_server_is_given_a_limit() {
    let double = with_providers(20);
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    let slow = Misbehaviour::Slow { call: Duration::from_millis(20), row: Duration::from_millis(100) };
    double.misbehave(Service::Query, slow);
    let mut result = within("query", scope.query(PAGE, page("", 20))).await.expect("an answer");
    let mut read = Vec::new();
    {
        let mut rows = std::pin::pin!(result.rows::<Value>());
        while let Some(row) = within("a row", rows.next()).await {
            read.push(row.expect("a sound row"));
            // Planned already, and gone or changed before it is read.
            if read.len() == 1 {
                double.remove("providers", "p-00018");
                double.set("providers", "p-00019", "{\"changed\":true}");
            }
        }
    }
    assert_eq!(read.len(), 19, "what vanished is left out");
    assert_eq!(read.last().and_then(|row| row.pointer("/doc/changed")), Some(&Value::Bool(true)));
    let limited = page("", 20).server_timeout(Duration::from_millis(500)).retry_strategy(Arc::new(Never));
    let outcome = query(&scope, PAGE, limited).await.expect("an answer that begins");
    let error = outcome.error.expect("the server's time-out");
    assert!(outcome.rows.len() < 19 && matches!(error.kind(), ErrorKind::ServerTimeout), "{error}");
}

#[tokio::test]
async fn operations_on_documents_fail_in_every_way_there_is() {
    let double = with_providers(3);
    let cluster = client(&double).await;
    let providers = collection(&cluster, &double, "providers");
    let cas = get(&providers, "p-00000").await.expect("a document");
    let statuses = [
        (Misbehaviour::Unavailable, "temporary failure"),
        (Misbehaviour::Overloaded, "busy"),
        (Misbehaviour::RateLimited, "rate limited"),
        (Misbehaviour::Forbidden, "authentication failure"),
    ];
    for (misbehaviour, text) in statuses {
        double.misbehave(Service::Kv, misbehaviour.clone());
        let error = get(&providers, "p-00000").await.expect_err("a refusal");
        let shown = format!("{error} {error:?}").to_lowercase();
        assert!(shown.contains(text) || shown.contains(&text.replace(' ', "")), "{misbehaviour:?}: {shown}");
    }
    double.misbehave_times(Service::Kv, Misbehaviour::Cut { rows: 0 }, 1);
    get(&providers, "p-00000").await.expect_err("half an answer");
    double.heal();
    let again = within("get", providers.get("p-00000", None)).await.expect("a document, on a new connection");
    assert_eq!(again.cas(), cas);
    double.misbehave(Service::Kv, Misbehaviour::Silent);
    assert!(tokio::time::timeout(IMPATIENCE, providers.get("p-00000", None)).await.is_err(), "nothing is answered");
}

#[tokio::test]
async fn slow_operations_do_not_hold_up_each_other() {
    let double = with_providers(1);
    let cluster = client(&double).await;
    let providers = collection(&cluster, &double, "providers");
    get(&providers, "p-00000").await.expect("a document");
    double.reset_counts();
    let hour = Duration::from_secs(3600);
    double.misbehave(Service::Kv, Misbehaviour::Slow { call: hour, row: Duration::ZERO });
    let all = futures::future::join_all((0..8).map(|_| get(&providers, "p-00000")));
    let held = wait::until("all have come", PATIENCE, async || (double.kv_operations() == 8).then_some(()));
    tokio::select! {
        _ = all => panic!("an hour went by"),
        () = held => {}
    }
    assert_eq!(double.peak_concurrent_kv_operations(), 8);
    double.heal();
    get(&providers, "p-00000").await.expect("a document, past those that wait");
}

#[tokio::test]
async fn a_missing_collection_is_asked_for_until_it_is_there() {
    let double = with_providers(1);
    let cluster = client(&double).await;
    let late = collection(&cluster, &double, "late");
    // Not a future to drop: whoever drops the first operation on a collection leaves the client waiting for its id.
    let getting = tokio::spawn(async move { late.get("key", None).await });
    wait::until("it was asked twice", PATIENCE, async || (double.kv_operations() > 1).then_some(())).await;
    double.set("late", "key", "{}");
    within("get", getting).await.expect("a task that ends").expect("a document");
}

#[tokio::test]
async fn a_wrong_password_lets_nobody_in() {
    let double = with_providers(1);
    let options = ClusterOptions::new(PasswordAuthenticator::new("sluice", "wrong").into());
    let reading = async {
        let cluster = Cluster::connect(double.connection_string(), options).await?;
        collection(&cluster, &double, "providers").get("p-00000", None).await
    };
    let outcome = tokio::time::timeout(IMPATIENCE, reading).await;
    assert!(!matches!(outcome, Ok(Ok(_))), "neither an error nor silence: {outcome:?}");
    let page = http::get(&double.http_address(), "/pools/default/nodeServices").expect("an answer");
    assert_eq!(page.status, 401);
}
