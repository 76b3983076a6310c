//! The source against the double, which speaks the real protocols; the official client is between them.

use std::{collections::BTreeMap, time::Duration};

use futures::TryStreamExt;
use pipeline_model::{
    documents::{Bundle, Found, SubtreeContent},
    ids::{ProviderId, ServiceId},
};
use pipeline_settings::settings::{self, Children, ScanConsistency};
use secrecy::SecretString;
use tempfile::TempDir;
use testkit::couchbase::{CouchbaseDouble, Options};

use super::{Couchbase, page::Parameters};
use crate::{
    Counts, Source,
    export::{Shape, to_folder},
    files::Folder,
    generator::Generator,
    testing::{All, read_all},
};

mod export;
mod faults;
mod keys;
mod rows;
mod security;

/// Longer than any wait of a test that goes well.
const PATIENCE: Duration = Duration::from_secs(90);

/// Settings for a double. Its waits are long, so that a busy machine fails no test; those of misbehaviour shorten them.
fn settings(double: &CouchbaseDouble) -> settings::Source {
    let couchbase = settings::Couchbase {
        username: Some(double.options().user.clone()),
        password: Some(SecretString::from(double.options().password.clone())),
        connect_timeout_ms: 30_000,
        statement_timeout_ms: 20_000,
        row_timeout_ms: 20_000,
        key_timeout_ms: 20_000,
        page_size: 7,
        requests_per_second: 1_000_000,
        ..settings::Couchbase::default()
    };
    settings::Source { url: double.url(), couchbase, ..settings::Source::default() }
}

fn open(settings: &settings::Source) -> Couchbase {
    Couchbase::open(settings).unwrap()
}

/// A double with the documents of a generator, and these in a folder.
async fn generated(query: &str, shape: Shape) -> (CouchbaseDouble, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    to_folder(&Generator::from_query(query).unwrap(), folder.path(), shape).await.unwrap();
    let double = CouchbaseDouble::start(Options { folder: Some(folder.path().to_owned()), ..Options::default() });
    (double, folder)
}

/// Every document without its version, which only one of two sources may have.
fn without_versions(mut all: All) -> All {
    all.services.values_mut().for_each(|service| service.source_cas = None);
    all.providers.values_mut().for_each(|provider| provider.source_cas = None);
    all.bundles.values_mut().flatten().for_each(|bundle| bundle.source_cas = None);
    all
}

async fn in_folder(folder: &TempDir) -> All {
    read_all(&Folder::open(folder.path().to_owned(), &settings::Source::default()).unwrap()).await
}

async fn subtree(source: &Couchbase, service: &str, provider: &str) -> SubtreeContent {
    let ids = [ProviderId::from(provider)];
    source.subtrees(&ServiceId::from(service), &ids).await.unwrap().remove(0).content
}

fn bundles(content: SubtreeContent) -> Vec<Bundle> {
    match content {
        SubtreeContent::Complete(bundles) => bundles,
        other => panic!("{other:?}"),
    }
}

fn rejected(content: SubtreeContent) -> Vec<String> {
    match content {
        SubtreeContent::Rejected(faults) => faults.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_a_folder_with_the_same_documents_says() {
    let (double, folder) = generated("services=4&providers=60&bundles=3&fields=4&seed=7", Shape::Nested).await;
    let source = open(&settings(&double));
    let read = read_all(&source).await;
    assert!(read.bundles.values().flatten().all(|bundle| bundle.source_cas.is_some()));
    assert!(read.providers.values().all(|provider| provider.source_cas.is_some()));
    assert!(read.services.values().all(|service| service.source_cas.is_some()));
    let counts = Counts { services: 4, providers: 60, bundles: 180, subscription_fields: 720 };
    assert_eq!((read.counts(), source.counts().await.unwrap()), (counts, counts));
    assert_eq!(without_versions(read), in_folder(&folder).await);
    source.ready().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_may_have_a_collection_and_statements_may_be_ones_own() {
    let (double, folder) = generated("services=2&providers=20&bundles=2&fields=5&seed=3", Shape::Separate).await;
    let mut settings = settings(&double);
    settings.couchbase.collections.subscription_fields = "subscription_fields".to_owned();
    let by_service = |collection: &str| {
        format!(
            "SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc FROM `{collection}` AS d \
             WHERE d.`service_id` = $service AND d.`provider_id` IN $providers AND META(d).id > $after \
             ORDER BY META(d).id LIMIT $limit"
        )
    };
    for own in [String::new(), by_service("bundles")] {
        settings.couchbase.statements.bundles = own;
        let source = open(&settings);
        let read = read_all(&source).await;
        assert_eq!(read.faults(), [""; 0]);
        assert_eq!(source.counts().await.unwrap(), read.counts());
        assert_eq!(without_versions(read), in_folder(&folder).await);
    }

    // Fields that do not say which service they belong to would never be read if asked for by it. Each is told of.
    for key in double.keys("subscription_fields") {
        let text = double.get("subscription_fields", &key).unwrap();
        double.set("subscription_fields", &key, &text.replace("\"service_id\":", "\"unknown\":"));
    }
    settings.couchbase.statements.subscription_fields = by_service("subscription_fields");
    let lost: Vec<_> = open(&settings).unreachable().try_collect().await.unwrap();
    assert_eq!(lost.len(), 200);
    assert!(lost[0].to_string().contains("no readable `service_id`, which it is asked for by"), "{}", lost[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_names_its_service_belongs_to_no_provider_of_another_one() {
    let double = CouchbaseDouble::start(Options::default());
    for service in ["s1", "s2"] {
        double.set("provider_services", service, &format!(r#"{{"id":"{service}"}}"#));
        double.set("providers", service, &format!(r#"{{"id":"p","service_id":"{service}"}}"#));
        let bundle = format!(r#"{{"id":"of {service}","provider_id":"p","service_id":"{service}"}}"#);
        double.set("bundles", service, &bundle);
    }
    double.set("bundles", "both", r#"{"id":"of both","provider_id":"p"}"#);
    let source = open(&settings(&double));
    for service in ["s1", "s2"] {
        let read = bundles(subtree(&source, service, "p").await);
        let ids: Vec<_> = read.iter().map(|bundle| bundle.id.clone()).collect();
        assert_eq!(ids, ["of both".to_owned(), format!("of {service}")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_texts_keep_every_character() {
    let double = CouchbaseDouble::start(Options::default());
    let service = r#"{"id":"s","name":"Ш \u00e9 🥝","z":[1.10,1e400,-0,12345678901234567890.5]}"#;
    double.set("provider_services", "s", service);
    double.set("providers", "p", r#"{"id":"p","service_id":"s","a\"b":"tab\there"}"#);
    let fields = r#"[{"name":"n","value":1.10},{"name":"big","value":1e400},
        {"name":"long","value":123456789012345678901234567890}]"#;
    let cas = double.set(
        "bundles",
        "b",
        &format!(r#"{{"id":"b","provider_id":"p","service_id":"s","subscription_fields":{fields},"x":0.1e-7}}"#),
    );
    let source = open(&settings(&double));
    let services: Vec<_> = source.services().try_collect().await.unwrap();
    let [Found::Document(service)] = services.as_slice() else { panic!("{services:?}") };
    assert_eq!(service.name.as_deref(), Some("Ш é 🥝"));
    assert_eq!(service.attributes.as_str(), r#"{"z":[1.10,1e400,-0,12345678901234567890.5]}"#);
    let bundle = bundles(subtree(&source, "s", "p").await).remove(0);
    let values: Vec<_> = bundle.fields.iter().filter_map(|field| field.value.as_deref()).collect();
    assert_eq!(values, ["1.10", "1e400", "123456789012345678901234567890"]);
    assert_eq!(bundle.attributes.as_str(), r#"{"x":0.1e-7}"#);
    assert_eq!(bundle.source_cas, i64::try_from(cas).ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_gone_is_vanished_and_one_that_changed_is_read_whole() {
    let (double, _folder) = generated("services=1&providers=3&bundles=2&fields=1&seed=1", Shape::Nested).await;
    let source = open(&settings(&double));
    let providers = double.keys("providers");
    let ids: Vec<ProviderId> = (1..=3).map(|number| ProviderId(format!("provider-{number:07}"))).collect();
    assert!(double.remove("providers", &providers[0]));
    double.set("bundles", "a new one", r#"{"id":"new","provider_id":"provider-0000002","service_id":"service-0001"}"#);
    let subtrees = source.subtrees(&ServiceId::from("service-0001"), &ids).await.unwrap();
    let contents: Vec<_> = subtrees.into_iter().map(|subtree| subtree.content).collect();
    assert_eq!(contents[0], SubtreeContent::Vanished);
    assert_eq!(bundles(contents[1].clone()).len(), 3);
    assert_eq!(bundles(contents[2].clone()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_no_parent_asks_for_are_found_and_broken_ones_reject_their_provider() {
    let (double, _folder) = generated("services=1&providers=2&bundles=1&fields=1&seed=1", Shape::Nested).await;
    let bundle =
        |provider: &str, service: &str| format!(r#"{{"id":"x","provider_id":"{provider}","service_id":"{service}"}}"#);
    double.set("providers", "lost", r#"{"id":"p9","service_id":"nobody"}"#);
    double.set("providers", "whose", r#"{"id":"p8"}"#);
    double.set("providers", "odd", r#"{"service_id":"service-0001"}"#);
    double.set("bundles", "lost", &bundle("p7", "service-0001"));
    double.set("bundles", "elsewhere", &bundle("provider-0000001", "nobody"));
    double.set("bundles", "whose", r#"{"id":"x"}"#);
    double.set("bundles", "not json", "<html>");
    double.set("bundles", "broken", r#"{"id":7,"provider_id":"provider-0000002","service_id":"service-0001"}"#);
    let source = open(&settings(&double));
    let read = read_all(&source).await;
    assert_eq!(
        read.faults(),
        [
            "providers/odd MissingId provider service-0001/?/?",
            "bundles/broken WrongType bundle service-0001/provider-0000002/?",
            "unreachable providers/lost Orphan provider nobody/p9/p9",
            "unreachable providers/whose MissingId provider ?/p8/p8",
            "unreachable bundles/elsewhere Orphan bundle nobody/provider-0000001/x",
            "unreachable bundles/lost Orphan bundle service-0001/p7/x",
            "unreachable bundles/not json MissingId bundle ?/?/?",
            "unreachable bundles/whose MissingId bundle ?/?/x",
        ]
    );
    assert_eq!(read.bundles.len(), 1);

    let mut quick = settings(&double);
    quick.couchbase.find_unreachable = false;
    let found: Vec<_> = open(&quick).unreachable().try_collect().await.unwrap();
    assert_eq!(found, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_read_only_prepared_and_carry_values_as_parameters() {
    let (double, _folder) = generated("services=2&providers=9&bundles=1&fields=1&seed=1", Shape::Nested).await;
    double.set("provider_services", "quote", r#"{"id":"' OR 1=1 --"}"#);
    let mut settings = settings(&double);
    settings.couchbase.scan_consistency = ScanConsistency::RequestPlus;
    read_all(&open(&settings)).await;
    let queries = double.queries();
    assert!(queries.len() > 10);
    for query in &queries {
        assert!(!query.statement.contains("OR 1=1"), "{}", query.statement);
        assert_eq!(query.parameters.get("readonly"), Some(&true.into()), "{query:?}");
        assert_eq!(query.parameters.get("scan_consistency"), Some(&"request_plus".into()), "{query:?}");
        assert_eq!(query.parameters.get("query_context"), Some(&"`catalog`.`sluice`".into()), "{query:?}");
        assert!(query.parameters.contains_key("timeout"), "{query:?}");
        assert!(query.arguments.contains_key("$after"), "{query:?}");
    }
    let by_name = queries.iter().filter(|query| query.parameters.contains_key("prepared")).count();
    let different: BTreeMap<_, usize> = queries.iter().map(|query| (query.statement.as_str(), 1)).collect();
    assert!(by_name >= queries.len() - different.len(), "{by_name} of {}", queries.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_that_the_server_forgot_are_prepared_again() {
    let (double, folder) = generated("services=1&providers=9&bundles=1&fields=1&seed=1", Shape::Nested).await;
    let source = open(&settings(&double));
    read_all(&source).await;
    double.forget_prepared();
    assert_eq!(without_versions(read_all(&source).await), in_folder(&folder).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_asked_at_once_and_in_a_second_than_is_allowed() {
    let (double, _folder) = generated("services=1&providers=40&bundles=2&fields=1&seed=1", Shape::Nested).await;
    let mut settings = settings(&double);
    settings.couchbase.concurrent_reads = 2;
    let source = open(&settings);
    let slow = testkit::couchbase::Misbehaviour::Slow { call: Duration::from_millis(20), row: Duration::ZERO };
    double.misbehave(testkit::couchbase::Service::Query, slow);
    let (service, ids) = (ServiceId::from("service-0001"), ProviderId::from("provider-0000001"));
    let reads = (0..12).map(|_| source.subtrees(&service, std::slice::from_ref(&ids)));
    futures::future::try_join_all(reads).await.unwrap();
    assert_eq!(double.peak_concurrent_queries(), 2);
    double.heal();

    settings.couchbase.requests_per_second = 20;
    let source = open(&settings);
    source.ready().await.unwrap();
    double.reset_counts();
    let begun = std::time::Instant::now();
    let reads = (0..14).map(|_| source.subtrees(&service, std::slice::from_ref(&ids)));
    futures::future::try_join_all(reads).await.unwrap();
    assert_eq!(double.queries().len(), 28);
    // At least; a slow machine takes longer.
    assert!(begun.elapsed() >= Duration::from_millis(1_200), "26 statements beyond the burst of 2, 20 in a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_ends_a_list_only_when_the_index_lists_no_more() {
    let (double, folder) = generated("services=1&providers=30&bundles=1&fields=1&seed=1", Shape::Nested).await;
    let mut settings = settings(&double);
    settings.couchbase.page_size = 5;
    let source = open(&settings);
    assert_eq!(without_versions(read_all(&source).await), in_folder(&folder).await);
    let counted = double.queries().iter().filter(|query| query.statement.starts_with("SELECT COUNT(*)")).count();
    assert!(counted >= 3, "each list of unknown length ends with a count");

    // As after a page of five entries whose documents are all gone: the next one asks for all that is listed.
    let everything = &source.statements.everything.providers;
    let beyond =
        async |after: &str, limit| source.beyond(everything, Parameters::default(), after, limit).await.unwrap();
    assert_eq!(beyond("", 5).await, Some(30));
    assert_eq!(beyond("", 30).await, None);
    assert_eq!(beyond("\u{10ffff}", 5).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn children_are_paged_too() {
    let (double, folder) = generated("services=1&providers=12&bundles=9&fields=1&seed=1", Shape::Nested).await;
    let mut settings = settings(&double);
    settings.couchbase.page_size = 4;
    settings.couchbase.children = Children::Statement;
    assert_eq!(without_versions(read_all(&open(&settings)).await), in_folder(&folder).await);
}
