//! A scope into a folder.

use std::{collections::BTreeSet, fs, path::Path, sync::Mutex};

use super::*;
use crate::{Counts, export};

fn lines(folder: &Path, file: &str) -> BTreeSet<String> {
    fs::read_to_string(folder.join(file)).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_come_out_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let generator = Generator::from_query("services=2&providers=20&bundles=3&fields=2&seed=5").unwrap();
    to_folder(&generator, folder.path(), Shape::Nested).await.unwrap();
    let bundles = folder.path().join("bundles.jsonl");
    let odd = r#"{"id":"odd","provider_id":"p","n":[1.10,1e400,-0],"t":"\u00e9 🥝"}"#;
    fs::write(&bundles, fs::read_to_string(&bundles).unwrap() + odd + "\n").unwrap();

    let options = Options { folder: Some(folder.path().to_owned()), ..Options::default() };
    let double = CouchbaseDouble::start(options);
    let settings = settings(&double);
    let seen = Mutex::new(0);
    let progress = |_: &'static str, _: i64| *seen.lock().unwrap() += 1;
    let out = tempfile::tempdir().unwrap();
    let exported = export::export(&settings, out.path(), &progress).await.unwrap();
    assert_eq!(exported.written, Counts { services: 2, providers: 20, bundles: 61, subscription_fields: 0 });
    assert_eq!(*seen.lock().unwrap(), 83);
    for file in ["provider_services.jsonl", "providers.jsonl", "bundles.jsonl"] {
        assert_eq!(lines(folder.path(), file), lines(out.path(), file), "{file}");
    }
}
