//! Connecting and reading.

use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Deserialize)]
struct Row {
    _id: String,
    _cas: u64,
    doc: Box<RawValue>,
}

fn ids(outcome: &Outcome) -> Vec<String> {
    outcome.rows.iter().map(|row| parsed(row)._id).collect()
}

fn parsed(row: &RawValue) -> Row {
    serde_json::from_str(row.get()).expect("a row")
}

#[tokio::test]
async fn a_client_connects_gets_and_queries() {
    let double = with_providers(3);
    let cluster = client(&double).await;
    let found =
        within("get", collection(&cluster, &double, "providers").get("p-00001", None)).await.expect("a document");
    assert_eq!(found.content_as_raw().0, br#"{"id":"p-00001","service_id":"s-1","rank":1.0}"#);
    let outcome = query(&scope(&cluster, &double), PAGE, page("", 10)).await.expect("an answer");
    assert_eq!(ids(&outcome), ["p-00000", "p-00001", "p-00002"]);
    assert_eq!(outcome.status, Some(QueryStatus::Success));
    let row = parsed(outcome.rows.get(1).expect("a second row"));
    assert_eq!((row._cas, row.doc.get()), (found.cas(), r#"{"id":"p-00001","service_id":"s-1","rank":1.0}"#));
}

#[tokio::test]
async fn a_query_needs_no_bucket_when_names_are_full() {
    let double = with_providers(2);
    let cluster = client(&double).await;
    let mut result =
        within("query", cluster.query("SELECT COUNT(*) AS n FROM `catalog`.`sluice`.`providers` AS d", None))
            .await
            .expect("an answer");
    let rows: Vec<_> = result.rows::<Value>().collect().await;
    assert_eq!(rows.into_iter().map(|row| row.expect("a row")).collect::<Vec<_>>(), [json!({ "n": 2 })]);
}

#[tokio::test]
async fn pages_cover_thousands_of_documents_once_and_in_order() {
    let double = with_providers(5_000);
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    let (mut read, mut last) = (Vec::new(), String::new());
    loop {
        let found = ids(&query(&scope, PAGE, page(&last, 700).ad_hoc(false)).await.expect("a page"));
        let Some(end) = found.last() else { break };
        last.clone_from(end);
        read.extend(found);
    }
    assert_eq!(read, double.keys("providers"));
    let seen = double.queries();
    assert_eq!(seen.len(), 9, "eight pages and an empty one");
    assert!(seen.iter().all(|query| query.statement == PAGE), "what was prepared is seen as what it stands for");
    assert_eq!(
        seen.last().map(|query| query.arguments.clone()),
        json!({ "$last": "p-04999", "$limit": 700 }).as_object().cloned()
    );
}

#[tokio::test]
async fn a_statement_is_prepared_once_and_refused_when_the_server_forgot_it() {
    let double = with_providers(3);
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    for _ in 0..3 {
        assert_eq!(ids(&query(&scope, PAGE, page("", 9).ad_hoc(false)).await.expect("an answer")).len(), 3);
    }
    let sent = |name: &str| double.queries().iter().filter(|query| query.parameters.contains_key(name)).count();
    assert_eq!((sent("statement"), sent("prepared")), (1, 2));
    // The client prepares anew, but sends the old name along, and so it is refused for ever.
    double.forget_prepared();
    let options = page("", 9).ad_hoc(false).retry_strategy(Arc::new(Never));
    let error = query(&scope, PAGE, options).await.expect_err("nothing is prepared");
    assert!(matches!(error.kind(), ErrorKind::PreparedStatementFailure), "{error}");
}

#[tokio::test]
async fn a_statement_can_be_prepared_by_name_and_executed() {
    let double = with_providers(3);
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    let prepared = query(&scope, &format!("PREPARE page AS {PAGE}"), QueryOptions::new()).await.expect("prepared");
    assert!(prepared.rows.first().is_some_and(|row| row.get().contains("]page")), "{prepared:?}");
    assert_eq!(
        ids(&query(&scope, "EXECUTE page", page("p-00000", 9)).await.expect("an answer")),
        ["p-00001", "p-00002"]
    );
    let error = query(&scope, "PREPARE SELECT COUNT(*) AS n FROM nowhere AS d", QueryOptions::new()).await;
    assert!(matches!(error.expect_err("no such collection").kind(), ErrorKind::CollectionNotFound));
}

#[tokio::test]
async fn children_are_found_by_an_array_of_parents_and_nested_fields_by_path() {
    let double = CouchbaseDouble::start(Options::default());
    for (key, parent) in [("b-1", "p-1"), ("b-2", "p-2"), ("b-3", "p-3"), ("b-4", "p-1")] {
        let place = format!("\"service_id\":\"s\",\"provider_id\":\"{parent}\",\"at\":{{\"place\":\"{parent}\"}}");
        double.set("bundles", key, &format!("{{{place},\"fields\":[1,2.0]}}"));
    }
    double.set("bundles", "b-5", "{\"service_id\":\"other\",\"provider_id\":\"p-1\"}");
    double.set("bundles", "b-6", "{\"service_id\":\"s\"}");
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    let children = "SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc FROM bundles AS d WHERE d.`service_id` = $s \
                    AND d.`provider_id` IN $parents AND META(d).id > $last ORDER BY META(d).id LIMIT $limit";
    let asked = |last: &str| {
        arguments(&[("s", "s".into()), ("parents", json!(["p-1", "p-2"])), ("last", last.into()), ("limit", 2.into())])
    };
    assert_eq!(ids(&query(&scope, children, asked("")).await.expect("an answer")), ["b-1", "b-2"]);
    assert_eq!(ids(&query(&scope, children, asked("b-2")).await.expect("an answer")), ["b-4"]);
    let first = "SELECT COUNT(*) AS n FROM bundles AS d WHERE d.service_id = $s";
    let counted = query(&scope, first, arguments(&[("s", "s".into())])).await.expect("an answer");
    assert_eq!(counted.rows.first().expect("a row").get(), r#"{"n":5}"#, "by the first field of the index alone");
    let lengths = "SELECT SUM(ARRAY_LENGTH(d.`fields`)) AS n FROM bundles AS d WHERE META(d).id > $last";
    let summed = query(&scope, lengths, arguments(&[("last", "b-1".into())])).await.expect("an answer");
    assert_eq!(summed.rows.first().expect("a row").get(), r#"{"n":6}"#);
    let nested = "SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc FROM bundles AS d WHERE d.`at`.`place` = $x";
    assert_eq!(ids(&query(&scope, nested, arguments(&[("x", "p-3".into())])).await.expect("an answer")), ["b-3"]);
    let known = "SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc FROM bundles AS d WHERE META(d).id IN $ids";
    let known = query(&scope, known, arguments(&[("ids", json!(["b-4", "b-1", "none"]))])).await.expect("an answer");
    assert_eq!(ids(&known), ["b-1", "b-4"]);
    let with_field = "SELECT COUNT(*) AS n FROM bundles AS d WHERE d.provider_id IS NOT MISSING";
    let counted = query(&scope, with_field, arguments(&[])).await.expect("an answer");
    assert_eq!(counted.rows.first().expect("a row").get(), r#"{"n":5}"#);
}

#[tokio::test]
async fn numbers_come_back_as_they_were_written() {
    let double = CouchbaseDouble::start(Options::default());
    let text = r#"{"service_id":"s","a":1.0,"b":1e400,"c":123456789012345678901234567890,"d":-0.10E+2,"id":"own"}"#;
    double.set("providers", "p", text);
    let cluster = client(&double).await;
    let outcome = query(&scope(&cluster, &double), PAGE, page("", 1)).await.expect("an answer");
    assert_eq!(parsed(outcome.rows.first().expect("a row")).doc.get(), text);
    let got = within("get", collection(&cluster, &double, "providers").get("p", None)).await.expect("a document");
    assert_eq!(got.content_as_raw().0, text.as_bytes());
}

#[tokio::test]
async fn what_is_upserted_is_stored_and_read_with_its_cas() {
    let double = CouchbaseDouble::start(Options::default());
    let cluster = client(&double).await;
    let providers = collection(&cluster, &double, "providers");
    let raw = br#"{"service_id":"s","x":1e400}"#;
    let stored = within("upsert", providers.upsert_raw("p", raw, 0x0200_0006, None)).await.expect("stored");
    assert_eq!(double.get("providers", "p").as_deref(), Some(r#"{"service_id":"s","x":1e400}"#));
    let changed = double.set("providers", "p", "{}");
    assert!(changed > stored.cas());
    assert_eq!(within("get", providers.get("p", None)).await.expect("a document").cas(), changed);
    within("remove", providers.remove("p", None)).await.expect("removed");
    let missing = within("get", providers.get("p", None)).await.expect_err("nothing is there");
    assert!(matches!(missing.kind(), ErrorKind::DocumentNotFound), "{missing}");
}

#[tokio::test]
async fn a_folder_is_served_line_by_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = "{\"id\":\"p1\",\"service_id\":\"s1\"}\n\n{\"id\":\"p1\",\"service_id\":\"s1\",\"again\":1}\nbroken\n";
    std::fs::write(folder.path().join("providers.jsonl"), lines).expect("written");
    let double = CouchbaseDouble::start(Options { folder: Some(folder.path().into()), ..Options::default() });
    assert_eq!(double.keys("providers"), ["providers::line-4", "providers::s1::p1", "providers::s1::p1#2"]);
    let cluster = client(&double).await;
    let outcome = query(&scope(&cluster, &double), PAGE, page("", 9)).await.expect("an answer");
    let documents: Vec<String> = outcome.rows.iter().map(|row| parsed(row).doc.get().to_owned()).collect();
    assert_eq!(documents.first().map(String::as_str), Some("\"<binary (6 b)>\""), "what is not JSON is binary");
    assert_eq!(documents.get(2).map(String::as_str), Some("{\"id\":\"p1\",\"service_id\":\"s1\",\"again\":1}"));
    let by_field = Options { folder: Some(folder.path().into()), key_field: Some("id".into()), ..Options::default() };
    assert!(CouchbaseDouble::start(by_field).keys("providers").contains(&"p1".to_owned()));
}

#[tokio::test]
async fn indexes_are_listed_and_the_probe_answers() {
    let double = CouchbaseDouble::start(Options::default());
    let cluster = client(&double).await;
    let scope = scope(&cluster, &double);
    let listed = "SELECT i.name, i.keyspace_id, i.index_key, i.state FROM system:indexes AS i \
                  WHERE i.bucket_id = $bucket AND i.scope_id = $scope AND i.keyspace_id = \"bundles\"";
    let asked = arguments(&[("bucket", "catalog".into()), ("scope", "sluice".into())]);
    let outcome = query(&scope, listed, asked).await.expect("an answer");
    let rows: Vec<&str> = outcome.rows.iter().map(|row| row.get()).collect();
    assert_eq!(
        rows,
        [
            r#"{"name":"bundles_primary","keyspace_id":"bundles","index_key":[],"state":"online"}"#,
            r#"{"name":"bundles_by_service_id_by_provider_id","keyspace_id":"bundles","index_key":["`service_id`","`provider_id`"],"state":"online"}"#,
            r#"{"name":"bundles_by_provider_id","keyspace_id":"bundles","index_key":["`provider_id`"],"state":"online"}"#,
        ]
    );
    let probe = query(&scope, "SELECT 1 AS one", QueryOptions::new()).await.expect("an answer");
    assert_eq!(probe.rows.first().expect("a row").get(), r#"{"one":1}"#);
}
