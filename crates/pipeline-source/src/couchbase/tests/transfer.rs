//! A folder into a scope, and a scope into a folder.

use std::{collections::BTreeSet, fs, path::Path, sync::Mutex};

use testkit::couchbase::{Misbehaviour, Service};

use super::*;
use crate::transfer::{self, Transferred};

fn lines(folder: &Path, file: &str) -> BTreeSet<String> {
    fs::read_to_string(folder.join(file)).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_go_in_and_come_out_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let generator = Generator::from_query("services=2&providers=20&bundles=3&fields=2&seed=5").unwrap();
    to_folder(&generator, folder.path(), Shape::Nested).await.unwrap();
    let bundles = folder.path().join("bundles.jsonl");
    let odd = r#"{"id":"odd","provider_id":"p","n":[1.10,1e400,-0],"t":"\u00e9 🥝"}"#;
    fs::write(&bundles, fs::read_to_string(&bundles).unwrap() + odd + "\n").unwrap();

    let double = CouchbaseDouble::start(Options::default());
    let mut settings = settings(&double);
    settings.couchbase.concurrent_reads = 4;
    let seen = Mutex::new(0);
    let progress = |_: &'static str, _: u64| *seen.lock().unwrap() += 1;
    let moved = transfer::import(&settings, folder.path(), &progress).await.unwrap();
    let expected = Transferred { provider_services: 2, providers: 20, bundles: 61, subscription_fields: 0 };
    assert_eq!(moved, expected);
    assert_eq!(*seen.lock().unwrap(), 83);
    let texts: Vec<_> = double.keys("bundles").iter().filter_map(|key| double.get("bundles", key)).collect();
    assert!(texts.iter().any(|text| text == odd));
    assert!((1..=4).contains(&double.peak_concurrent_kv_operations()));

    let out = tempfile::tempdir().unwrap();
    assert_eq!(transfer::export(&settings, out.path(), &progress).await.unwrap().documents, expected);
    for file in ["provider_services.jsonl", "providers.jsonl", "bundles.jsonl"] {
        assert_eq!(lines(folder.path(), file), lines(out.path(), file), "{file}");
    }
    // Again: the same documents under the same keys.
    transfer::import(&settings, out.path(), &progress).await.unwrap();
    assert_eq!(double.keys("bundles").len(), 61);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_gets_over_a_busy_cluster_and_says_what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("provider_services.jsonl"), "{\"id\":\"s\"}\n\n").unwrap();
    fs::write(folder.path().join("providers.jsonl"), "").unwrap();
    let double = CouchbaseDouble::start(Options::default());
    let source = settings(&double);
    open(&source).ready().await.unwrap();
    let error = transfer::import(&source, folder.path(), &|_, _| {}).await.unwrap_err();
    assert!(error.to_string().contains("bundles.jsonl"), "{error}");
    assert_eq!(double.keys("provider_services"), ["provider_services::s"]);

    fs::write(folder.path().join("bundles.jsonl"), "{\"id\":\"b\"}\n").unwrap();
    double.misbehave_times(Service::Kv, Misbehaviour::Overloaded, 8);
    let moved = transfer::import(&source, folder.path(), &|_, _| {}).await.unwrap();
    assert_eq!((moved.provider_services, moved.bundles), (1, 1));

    let elsewhere = settings::Source { url: "generator:?services=1".to_owned(), ..source };
    let error = transfer::import(&elsewhere, folder.path(), &|_, _| {}).await.unwrap_err();
    assert!(error.to_string().contains("only a Couchbase scope can be written"), "{error}");
}
