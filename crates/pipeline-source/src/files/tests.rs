use std::{fs, io::Write, path::Path};

use pipeline_model::{
    disposition::{Classify, Disposition},
    documents::{DocumentFault, FaultCode, Level, SubtreeContent},
};
use pipeline_settings::settings::{self, SubscriptionFieldFields};
use tempfile::TempDir;

use super::*;
use crate::{
    export::{Shape, to_folder},
    generator::Generator,
    mapping::MAX_DOCUMENT,
    testing::{All, folder, open, open_with, read_all},
};

mod changes;
mod faults;
mod hostile;
mod mapped;
mod owners;
mod places;

/// A folder with two services, which have one provider each, and these bundles and fields.
fn small(bundles: &str, fields: Option<&str>) -> TempDir {
    let services = "{\"id\":\"s1\"}\n{\"id\":\"s2\"}\n";
    let providers = "{\"id\":\"p1\",\"service_id\":\"s1\"}\n{\"id\":\"p2\",\"service_id\":\"s2\"}\n";
    let files = [(PROVIDER_SERVICES, services), (PROVIDERS, providers), (BUNDLES, bundles)];
    let files = files.into_iter().chain(fields.map(|fields| (SUBSCRIPTION_FIELDS, fields)));
    folder(&files.map(|(name, text)| (name, text.as_bytes())).collect::<Vec<_>>())
}

async fn read(folder: &TempDir) -> All {
    read_all(&open(folder.path())).await
}

/// The ids of all fields as `provider/bundle/field`.
fn fields_of(all: &All) -> Vec<String> {
    let bundles = all.bundles.iter().flat_map(|((_, p), bundles)| bundles.iter().map(move |bundle| (p, bundle)));
    bundles.flat_map(|(p, b)| b.fields.iter().map(move |f| format!("{p}/{}/{}", b.id, f.id))).collect()
}

#[tokio::test]
async fn nested_and_separate_fields_give_the_same_documents_as_the_source_they_were_written_from() {
    let source = Generator::from_query("services=5&providers=60&bundles=4&fields=9&seed=3").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (nested, separate) = (folder.path().join("nested"), folder.path().join("separate"));
    let counts = to_folder(&source, &nested, Shape::Nested).await.unwrap();
    assert_eq!(to_folder(&source, &separate, Shape::Separate).await.unwrap(), counts);

    let expected = read_all(&source).await;
    for path in [nested, separate] {
        let source = open(&path);
        assert_eq!(read_all(&source).await, expected);
        assert_eq!(source.counts().await.unwrap(), counts);
    }
}

#[tokio::test]
async fn lines_in_any_order_give_the_same_documents() {
    let source = Generator::from_query("services=5&providers=60&bundles=4&fields=3").unwrap();
    let folder = tempfile::tempdir().unwrap();
    to_folder(&source, folder.path(), Shape::Separate).await.unwrap();
    for name in [PROVIDER_SERVICES, PROVIDERS, BUNDLES, SUBSCRIPTION_FIELDS] {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        // Any order that is far from the first one.
        lines.sort_by_key(|line| line.chars().rev().collect::<String>());
        fs::write(folder.path().join(name), lines.join("\n")).unwrap();
    }
    assert_eq!(read(&folder).await, read_all(&source).await);
}

#[tokio::test]
async fn a_bundle_may_have_nested_fields_and_separate_ones() {
    let bundles = r#"{"id":"b","provider_id":"p1","subscription_fields":[{"id":"n","value":1.10}]}"#;
    let fields =
        "{\"id\":\"s\",\"bundle_id\":\"b\",\"value\":\"x\"}\n{\"id\":\"t\",\"bundle_id\":\"b\",\"position\":-1}";
    let all = read(&small(bundles, Some(fields))).await;
    assert_eq!(all.faults(), Vec::<String>::new());
    assert_eq!(fields_of(&all), ["p1/b/t", "p1/b/n", "p1/b/s"]);
}

#[tokio::test]
async fn other_field_names_are_read_by_the_mapping_and_the_default_names_are_then_unknown() {
    let mut mapping = Mapping::default();
    mapping.provider_services.id = "key".to_owned();
    mapping.providers.service_id = "Dienst".to_owned();
    mapping.bundles.provider_id = "anbieter".to_owned();
    mapping.bundles.subscription_fields = "felder".to_owned();
    mapping.subscription_fields = SubscriptionFieldFields {
        name: "Name".to_owned(),
        value: "wert".to_owned(),
        ..SubscriptionFieldFields::default()
    };
    let folder = folder(&[
        (PROVIDER_SERVICES, br#"{"key":"s","id":17}"#),
        (PROVIDERS, br#"{"id":"p","Dienst":"s","service_id":"other"}"#),
        (BUNDLES, br#"{"id":"b","anbieter":"p","felder":[{"Name":"f","wert":1,"value":2}],"subscription_fields":3}"#),
    ]);
    let source = open_with(folder.path(), settings::Source { mapping, ..settings::Source::default() });
    let all = read_all(&source).await;
    assert_eq!(all.faults(), Vec::<String>::new());
    assert_eq!(all.services.values().next().unwrap().attributes.as_str(), r#"{"id":17}"#);
    assert_eq!(all.providers.values().next().unwrap().attributes.as_str(), r#"{"service_id":"other"}"#);
    let bundle = &all.bundles.values().next().unwrap()[0];
    assert_eq!(bundle.attributes.as_str(), r#"{"subscription_fields":3}"#);
    assert_eq!((bundle.fields[0].id.as_str(), bundle.fields[0].value.as_deref()), ("f", Some("1")));
    assert_eq!(bundle.fields[0].attributes.as_str(), r#"{"value":2}"#);
}

#[tokio::test]
async fn a_byte_order_mark_line_ends_of_windows_blank_lines_and_a_missing_last_line_end_are_fine() {
    let folder = folder(&[
        (PROVIDER_SERVICES, b"\xEF\xBB\xBF{\"id\":\"s\"}\r\n\r\n"),
        (PROVIDERS, b"\n\n {\"id\":\"p\",\"service_id\":\"s\"} \r\n \t\r\n{\"id\":7,\"service_id\":\"s\"}"),
        (BUNDLES, b"\xEF\xBB\xBF\n{\"id\":\"b\",\"provider_id\":\"p\"}\n\n{\"id\":\"c\",\"provider_id\":\"p\"}"),
    ]);
    let all = read(&folder).await;
    assert_eq!(all.faults(), ["providers.jsonl:5 WrongType provider s/?/?"]);
    assert_eq!(all.counts().bundles, 2);
}

#[tokio::test]
async fn where_provider_ids_repeat_in_several_services_the_service_of_the_bundle_decides() {
    let folder = folder(&[
        (PROVIDER_SERVICES, b"{\"id\":\"s1\"}\n{\"id\":\"s2\"}"),
        (
            PROVIDERS,
            b"{\"id\":\"p\",\"service_id\":\"s1\"}\n{\"id\":\"p\",\"service_id\":\"s2\"}\n{\"id\":\"q\",\"service_id\":\"s2\"}",
        ),
        (
            BUNDLES,
            br#"{"id":"b1","provider_id":"p","service_id":"s1"}
                {"id":"b2","provider_id":"p","service_id":"s2"}
                {"id":"b3","provider_id":"p"}
                {"id":"b4","provider_id":"q"}
                {"id":"b5","provider_id":"q","service_id":"s1"}
                {"id":"same","provider_id":"p","service_id":"s1"}
                {"id":"same","provider_id":"p","service_id":"s2"}
                {"id":"same","provider_id":"q"}"#,
        ),
        (
            SUBSCRIPTION_FIELDS,
            br#"{"id":"f1","bundle_id":"b1"}
                {"id":"f2","bundle_id":"b2","provider_id":"p"}
                {"id":"f3","bundle_id":"same","provider_id":"q"}
                {"id":"f4","bundle_id":"same","provider_id":"p"}
                {"id":"f5","bundle_id":"same"}
                {"id":"f6","bundle_id":"b4","provider_id":"p"}"#,
        ),
    ]);
    let all = read(&folder).await;
    assert_eq!(fields_of(&all), ["p/b1/f1", "p/b2/f2", "q/same/f3"]);
    assert_eq!(
        all.faults(),
        [
            "unreachable bundles.jsonl:3 MissingId bundle ?/p/b3",
            "unreachable bundles.jsonl:5 Orphan bundle s1/q/b5",
            "unreachable subscription_fields.jsonl:4 MissingId subscription_field ?/p/f4",
            "unreachable subscription_fields.jsonl:5 MissingId subscription_field ?/?/same/f5",
            "unreachable subscription_fields.jsonl:6 Orphan subscription_field ?/p/f6",
        ]
    );
}

// === changes ===

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_file_that_was_changed_replaced_added_or_removed_is_read_anew() {
    let folder = small("{\"id\":\"b1\",\"provider_id\":\"p1\"}\n", None);
    let source = open(folder.path());
    let path = |name: &str| folder.path().join(name);
    assert_eq!(source.counts().await.unwrap().bundles, 1);

    append(&path(BUNDLES), "{\"id\":\"b2\",\"provider_id\":\"p1\"}\n");
    assert_eq!(read_all(&source).await.counts().bundles, 2);

    fs::write(path("new"), "{\"id\":\"b3\",\"provider_id\":\"p2\"}\n").unwrap();
    fs::rename(path("new"), path(BUNDLES)).unwrap();
    assert_eq!(read_all(&source).await.counts().bundles, 1);

    append(&path(SUBSCRIPTION_FIELDS), "{\"id\":\"f\",\"bundle_id\":\"b3\"}\n");
    assert_eq!(fields_of(&read_all(&source).await), ["p2/b3/f"]);
    fs::remove_file(path(SUBSCRIPTION_FIELDS)).unwrap();
    assert_eq!(read_all(&source).await.counts().subscription_fields, 0);

    fs::remove_file(path(BUNDLES)).unwrap();
    let error = source.counts().await.unwrap_err();
    assert!(matches!(&error, Error::MissingFile { path } if path.ends_with(BUNDLES)), "{error}");
    assert_eq!(error.disposition(), Disposition::Unavailable);
}

#[tokio::test]
async fn reading_that_began_goes_on_in_a_file_that_was_replaced_and_fails_in_one_that_was_written_to() {
    let folder = small("{\"id\":\"b1\",\"provider_id\":\"p1\"}\n", None);
    let source = open(folder.path());
    let snapshot = source.snapshot().await.unwrap();
    let ask = async || answers::subtrees(Arc::clone(&snapshot), "s1".into(), vec!["p1".into()]).await;
    assert!(ask().await.is_ok());

    let kept = folder.path().join("kept");
    fs::rename(folder.path().join(BUNDLES), &kept).unwrap();
    fs::write(folder.path().join(BUNDLES), "").unwrap();
    assert!(matches!(&ask().await.unwrap()[0].content, SubtreeContent::Complete(bundles) if bundles.len() == 1));

    append(&kept, "\n");
    assert!(matches!(ask().await, Err(Error::Changed { .. })));
    fs::write(&kept, "").unwrap();
    assert!(matches!(ask().await, Err(Error::Changed { .. })));
}

#[tokio::test]
async fn calls_side_by_side_share_one_index() {
    let folder = small("{\"id\":\"b1\",\"provider_id\":\"p1\"}\n", None);
    let source = open(folder.path());
    let contents =
        futures::future::join_all((0..20).map(|_| async { source.snapshot().await.unwrap().content().await.unwrap() }));
    let contents = contents.await;
    assert!(contents.iter().all(|content| Arc::ptr_eq(content, &contents[0])));
}

// === what is not there ===

#[tokio::test]
async fn a_folder_that_is_missing_is_refused_at_once_and_a_file_that_is_missing_by_the_first_call() {
    let folder = small("", None);
    let settings = |url: String| settings::Source { url, ..settings::Source::default() };
    let missing = folder.path().join("nowhere");
    for path in [&missing, &folder.path().join(BUNDLES)] {
        let error = crate::open(&settings(format!("file://{}", path.display()))).err().unwrap();
        assert!(matches!(error, Error::MissingFolder { .. }), "{error}");
        assert_eq!(error.disposition(), Disposition::Halt);
    }
    for name in [PROVIDER_SERVICES, PROVIDERS, BUNDLES] {
        let folder = small("", None);
        fs::remove_file(folder.path().join(name)).unwrap();
        let source = crate::open(&settings(format!("file://{}", folder.path().display()))).unwrap();
        let error = source.check().await.unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn services_without_providers_and_providers_without_bundles_are_complete() {
    let all = read(&small("", None)).await;
    assert_eq!(all.faults(), Vec::<String>::new());
    assert_eq!((all.counts().services, all.counts().providers, all.counts().bundles), (2, 2, 0));
    assert_eq!(all.bundles.len(), 2);

    let source = open(small("", None).path());
    let asked = [ProviderId::from("p2"), ProviderId::from("p1")];
    let error = source.subtrees(&"s1".into(), &asked).await.unwrap_err();
    assert!(matches!(error, Error::MissingFile { .. }), "the folder is gone: {error}");

    let folder = small("", None);
    let subtrees = open(folder.path()).subtrees(&"s1".into(), &asked).await.unwrap();
    assert_eq!(subtrees[0].content, SubtreeContent::Vanished);
    assert_eq!(subtrees[1].content, SubtreeContent::Complete(Vec::new()));
    let nobody = ServiceId::from("nobody");
    assert_eq!(open(folder.path()).providers(&nobody).count().await, 0);
}
