//! Children by the keys that their parents list.

use pipeline_model::disposition::{Classify, Disposition};
use testkit::couchbase::{Misbehaviour, Service};

use super::*;

fn listing() -> CouchbaseDouble {
    let indexes = primary(&["provider_services", "providers"]);
    let double = CouchbaseDouble::start(Options { indexes, ..Options::default() });
    double.set("provider_services", "s", r#"{"id":"s"}"#);
    double.set("providers", "p", r#"{"id":"p","service_id":"s","bundle_keys":["b::2","b::1"]}"#);
    double.set("providers", "q", r#"{"id":"q","service_id":"s"}"#);
    for number in [1, 2] {
        let fields = format!(r#"["f::{number}::1","f::{number}::2"]"#);
        let bundle = format!(r#"{{"id":"b{number}","provider_id":"p","subscription_field_keys":{fields}}}"#);
        double.set("bundles", &format!("b::{number}"), &bundle);
        for field in [1, 2] {
            let text = format!(r#"{{"id":"f{field}","bundle_id":"b{number}","value":1.{field}0}}"#);
            double.set("subscription_fields", &format!("f::{number}::{field}"), &text);
        }
    }
    double
}

fn primary(collections: &[&str]) -> Vec<testkit::couchbase::Index> {
    collections.iter().map(|name| testkit::couchbase::Index::primary(name)).collect()
}

fn by_keys(double: &CouchbaseDouble) -> settings::Source {
    let mut settings = settings(double);
    settings.couchbase.children = Children::Keys;
    settings.couchbase.collections.subscription_fields = "subscription_fields".to_owned();
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_children_are_read_by_key_without_an_index_of_theirs() {
    let double = listing();
    let source = open(&by_keys(&double));
    let read = bundles(subtree(&source, "s", "p").await);
    let ids: Vec<_> = read.iter().map(|bundle| bundle.id.as_str()).collect();
    assert_eq!(ids, ["b1", "b2"]);
    let values: Vec<_> =
        read.iter().flat_map(|bundle| &bundle.fields).filter_map(|field| field.value.as_deref()).collect();
    assert_eq!(values, ["1.10", "1.20", "1.10", "1.20"]);
    assert!(read.iter().all(|bundle| bundle.source_cas.is_some()));
    assert_eq!(bundles(subtree(&source, "s", "q").await), []);
    assert_eq!(subtree(&source, "s", "gone").await, SubtreeContent::Vanished);
    assert!((6..=8).contains(&double.kv_operations()), "six documents, and the ids of two collections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_is_listed_and_not_there_rejects_its_provider() {
    let double = listing();
    let source = open(&by_keys(&double));
    double.remove("bundles", "b::2");
    let faults = rejected(subtree(&source, "s", "p").await);
    let expected = "bundles/b::2: its parent lists the key `b::2`, which no document has (SLUICE-DOCUMENT-009)";
    assert_eq!(faults, [expected]);
    double.set("providers", "p", r#"{"id":"p","service_id":"s","bundle_keys":[7]}"#);
    let faults = rejected(subtree(&source, "s", "p").await);
    assert!(faults[0].contains("`bundle_keys` holds a number; expected keys"), "{faults:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn misbehaviour_of_the_key_value_service_ends_in_its_class() {
    let double = listing();
    let mut settings = by_keys(&double);
    settings.couchbase.connect_timeout_ms = 8_000;
    let mut source = open(&settings);
    bundles(subtree(&source, "s", "p").await);
    source.reader.settings.key_timeout_ms = 3_000;
    for (misbehaviour, codes) in [
        (Misbehaviour::Unavailable, &["SLUICE-SOURCE-022"][..]),
        (Misbehaviour::Overloaded, &["SLUICE-SOURCE-022"]),
        (Misbehaviour::RateLimited, &["SLUICE-SOURCE-022"]),
        (Misbehaviour::Forbidden, &["SLUICE-SOURCE-018"]),
        // Which of the two is said depends on whether a newcomer is answered.
        (Misbehaviour::Silent, &["SLUICE-SOURCE-015", "SLUICE-SOURCE-016"]),
        (Misbehaviour::Cut { rows: 0 }, &["SLUICE-SOURCE-015", "SLUICE-SOURCE-016"]),
    ] {
        double.misbehave(Service::Kv, misbehaviour.clone());
        let ids = [ProviderId::from("p")];
        let service = ServiceId::from("s");
        let read = tokio::time::timeout(PATIENCE, source.subtrees(&service, &ids)).await;
        let error = read.expect("it does not hang").expect_err("a misbehaviour is an error");
        assert!(codes.contains(&error.code()), "{misbehaviour:?}: {error}");
        assert_eq!(error.disposition(), Disposition::Unavailable, "{misbehaviour:?}: {error}");
        double.heal();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_not_there_is_told_from_silence() {
    let double = listing();
    let mut source = open(&by_keys(&double));
    source.ready().await.unwrap();
    source.reader.settings.key_timeout_ms = 3_000;
    double.drop_collection("bundles");
    let error = source.subtrees(&ServiceId::from("s"), &[ProviderId::from("p")]).await.unwrap_err();
    assert_eq!(error.code(), "SLUICE-SOURCE-019", "{error}");
}
