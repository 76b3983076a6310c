use std::{fs, path::Path};

use pipeline_model::disposition::{Classify, Disposition};
use pipeline_settings::settings;
use tempfile::TempDir;

use super::{Listed, MANIFEST, Manifest};
use crate::{
    Error, Source,
    export::{Shape, to_complete_folder},
    files::{BUNDLES, Folder, PROVIDER_SERVICES, PROVIDERS, SUBSCRIPTION_FIELDS},
    generator::Generator,
    testing::{folder, open, read_all},
};

const EXAMPLE: &str = include_str!("../../../../../docs/folders.md");

async fn exported(shape: Shape) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = Generator::from_query("services=2&providers=9&bundles=3&fields=2").unwrap();
    to_complete_folder(&source, folder.path(), shape).await.unwrap();
    folder
}

/// What the first answer about a folder fails with.
async fn refusal(source: &Folder) -> Error {
    use futures::TryStreamExt;
    let error = source.services().try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Unavailable, "{error}");
    error
}

fn replace(folder: &Path, name: &str, change: impl FnOnce(String) -> String) {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).unwrap_or_default();
    fs::write(path, change(text)).unwrap();
}

#[tokio::test]
async fn an_export_is_complete_and_says_so() {
    for shape in [Shape::Nested, Shape::Separate] {
        let folder = exported(shape).await;
        let source = open(folder.path());
        let all = read_all(&source).await;
        assert_eq!((all.faults(), all.counts().bundles), (Vec::new(), 27));
        source.ready().await.unwrap();
        let settings = settings::Source { url: format!("file://{}", folder.path().display()), ..Default::default() };
        let said = crate::examine(&settings).await;
        let files = if shape == Shape::Nested { 3 } else { 4 };
        let found = format!("complete: the documents and digests of {files} files were compared");
        assert_eq!((said[1].name, said[1].result.as_ref().unwrap(), &said[1].advice), ("manifest", &found, &None));
    }
}

#[tokio::test]
async fn a_file_that_is_not_what_is_listed_stops_every_answer_until_it_is() {
    let cut = |text: String| text.chars().take(text.len() / 2).collect();
    let last_line_lost = |text: String| text.lines().skip(1).map(|line| format!("{line}\n")).collect();
    let changed = |text: String| text.replacen("bundle-", "bundlf-", 1);
    type Damage = (&'static str, fn(String) -> String, &'static str);
    let damages: [Damage; 5] = [
        (BUNDLES, cut, "bytes"),
        (BUNDLES, |_| String::new(), "has 0 bytes"),
        (PROVIDERS, last_line_lost, "bytes"),
        (BUNDLES, changed, "SHA-256"),
        (SUBSCRIPTION_FIELDS, |_| "\n".to_owned(), "`subscription_fields.jsonl` is there and not listed"),
    ];
    for (name, damage, says) in damages {
        let folder = exported(Shape::Nested).await;
        let path = folder.path().join(name);
        let before = fs::read(&path).ok();
        replace(folder.path(), name, damage);
        let source = open(folder.path());
        source.ready().await.unwrap();
        let error = refusal(&source).await;
        assert!(matches!(&error, Error::NotComplete { reason, .. } if reason.contains(says)), "{name}: {error}");
        let still = source.ready().await.unwrap_err();
        assert_eq!(still.to_string(), error.to_string(), "who waits for the source waits for as long as it takes");
        assert_eq!(source.counts().await.unwrap_err().code(), error.code());
        match before {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        source.ready().await.unwrap();
        assert_eq!(read_all(&source).await.counts().bundles, 27);
    }
}

#[tokio::test]
async fn a_file_that_is_listed_must_be_there() {
    let folder = exported(Shape::Separate).await;
    fs::remove_file(folder.path().join(SUBSCRIPTION_FIELDS)).unwrap();
    let error = refusal(&open(folder.path())).await;
    assert!(error.to_string().contains("`subscription_fields.jsonl` is listed and not there"), "{error}");
}

/// A folder whose files have one line each, and one with a blank line and marks.
fn counted(manifest: &str) -> TempDir {
    folder(&[
        (PROVIDER_SERVICES, b"{\"id\":\"s\"}"),
        (PROVIDERS, b"\xEF\xBB\xBF{\"id\":\"p\",\"service_id\":\"s\"}\n \n\xEF\xBB\xBF\n"),
        (BUNDLES, b"not a bundle, and a document all the same"),
        (MANIFEST, manifest.as_bytes()),
    ])
}

fn listing(files: &str) -> String {
    format!(r#"{{"format":"sluice-source","version":1,"files":[{files}],"made_by":"another tool"}}"#)
}

const ONE_EACH: &str = r#"{"name":"provider_services.jsonl","documents":1},{"name":"providers.jsonl","documents":1},
    {"name":"bundles.jsonl","documents":1}"#;

#[tokio::test]
async fn counts_alone_are_enough_and_lines_that_hold_nothing_do_not_count() {
    read_all(&open(counted(&listing(ONE_EACH)).path())).await;
    let folder =
        counted(&listing(&ONE_EACH.replace("bundles.jsonl\",\"documents\":1", "bundles.jsonl\",\"documents\":2")));
    let source = open(folder.path());
    let error = refusal(&source).await;
    assert!(error.to_string().contains("`bundles.jsonl` has 1 documents, and ought to have 2"), "{error}");
    // A manifest that is put right counts like a file that is.
    fs::write(folder.path().join(MANIFEST), listing(ONE_EACH)).unwrap();
    read_all(&source).await;
    fs::remove_file(folder.path().join(MANIFEST)).unwrap();
    read_all(&source).await;
}

#[tokio::test]
async fn a_manifest_that_cannot_be_understood_is_refused_with_the_reason() {
    let one = r#"{"name":"bundles.jsonl","documents":1}"#;
    for (manifest, says) in [
        (String::new(), "EOF"),
        ("{\"format\":\"sluice-sou".to_owned(), "EOF"),
        ("{}".to_owned(), "it has no `format`"),
        (r#"{"name":"an app","version":"1.0"}"#.to_owned(), "it has no `format`"),
        (listing(one).replace("sluice-source", "web-app"), "its `format` is `web-app`"),
        (listing(one).replace("\"version\":1", "\"version\":2"), "its `version` is 2"),
        (r#"{"format":"sluice-source","version":3,"parts":[]}"#.to_owned(), "understands up to 1"),
        (listing(r#"{"name":"bundle.jsonl","documents":1}"#), "`bundle.jsonl`, which is no file of a collection"),
        (listing(r#"{"name":"../bundles.jsonl","documents":1}"#), "no file of a collection"),
        (listing(&format!("{one},{one}")), "it lists `bundles.jsonl` twice"),
        (listing(r#"{"name":"bundles.jsonl"}"#), "missing field `documents`"),
        (listing(r#"{"name":"bundles.jsonl","documents":-1}"#), "invalid value"),
        (listing(r#"{"name":"bundles.jsonl","documents":1,"sha256":"abc"}"#), "64 hexadecimal digits"),
        (" ".repeat(65 * 1024), "more than 64 KiB"),
    ] {
        let error = refusal(&open(counted(&manifest).path())).await;
        assert!(matches!(&error, Error::Manifest { reason, .. } if reason.contains(says)), "{manifest}: {error}");
    }
}

#[tokio::test]
async fn a_folder_without_a_manifest_is_advised_to_have_one_or_refused() {
    let folder = counted(&listing(ONE_EACH));
    let url = format!("file://{}", folder.path().display());
    let mut settings = settings::Source { url, require_manifest: true, ..Default::default() };
    crate::open(&settings).unwrap().ready().await.unwrap();
    fs::remove_file(folder.path().join(MANIFEST)).unwrap();
    let error = crate::open(&settings).unwrap().ready().await.unwrap_err();
    assert!(matches!(error, Error::NoManifest { .. }), "{error}");
    assert_eq!(error.disposition(), Disposition::Unavailable);
    settings.require_manifest = false;
    let said = crate::examine(&settings).await;
    assert!(said[1].result.is_ok() && said[1].advice.as_ref().unwrap().contains("docs/folders.md"), "{said:?}");
}

#[test]
fn the_example_in_the_documentation_is_a_manifest_with_every_field() {
    let example = EXAMPLE.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let manifest = super::parse(example.as_bytes()).unwrap();
    assert!(manifest.has_digests() && manifest.files.iter().all(|file| file.bytes.is_some()));
    let written: serde_json::Value = serde_json::to_value(Manifest::of(manifest.files)).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(example).unwrap());
}

#[test]
fn the_schema_in_the_documentation_has_the_fields_that_are_written() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../../docs/manifest.schema.json")).unwrap();
    let listed = Listed { name: BUNDLES.to_owned(), documents: 1, bytes: Some(1), sha256: Some(String::new()) };
    let written = serde_json::to_value(Manifest::of(vec![listed])).unwrap();
    let names = |object: &serde_json::Value| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let properties = &schema["properties"];
    assert_eq!(names(properties), names(&written));
    assert_eq!(properties["format"]["const"], written["format"]);
    assert_eq!(properties["version"]["const"], written["version"]);
    assert_eq!(names(&properties["files"]["items"]["properties"]), names(&written["files"][0]));
}
