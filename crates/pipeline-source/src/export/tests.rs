use std::{collections::BTreeMap, fs, path::Path};

use pipeline_settings::settings;
use proptest::{collection::vec, option, prelude::*, sample::select};
use tempfile::TempDir;

use super::*;
use crate::{
    files::NAMES,
    testing::{folder, open, open_with, read_all},
};

/// Names that are taken by default, by the other mapping below, or by none.
const KEYS: [&str; 12] = [
    "id",
    "name",
    "service_id",
    "provider_id",
    "bundle_id",
    "subscription_fields",
    "value",
    "position",
    "sid",
    "prov",
    "x\"y",
    "ä z",
];
const VALUES: [&str; 9] =
    ["1.10", "1e400", "\"t\\u0061\"", "null", "true", "[1, {\"id\": 2}]", "{\"id\":\"i\"}", "\"\"", "-0"];

/// Names that trade places with the default ones.
fn other_names() -> Mapping {
    let mut names = Mapping::default();
    names.provider_services.id = "sid".to_owned();
    names.provider_services.name = "id".to_owned();
    names.providers.id = "x\"y".to_owned();
    names.providers.service_id = "ä z".to_owned();
    names.bundles.provider_id = "prov".to_owned();
    names.bundles.id = "provider_id".to_owned();
    names.bundles.subscription_fields = "value".to_owned();
    names.subscription_fields.value = "bundle_id".to_owned();
    names.subscription_fields.bundle_id = "value".to_owned();
    names
}

/// Attributes of a document; those that its level gives a meaning to are taken out.
type Extra = BTreeMap<&'static str, &'static str>;

fn extra() -> impl Strategy<Value = Extra> {
    vec((select(&KEYS[..]), select(&VALUES[..])), 0..5).prop_map(|members| members.into_iter().collect())
}

/// A subscription field: value, name, position, whether it stands in a file of its own, and the rest.
type Field = (Option<&'static str>, Option<String>, Option<i8>, bool, Extra);
/// A bundle: name, fields, and the rest.
type Bundle = (Option<String>, Vec<Field>, Extra);

#[derive(Clone, Debug)]
struct Catalogue {
    names: Mapping,
    services: Vec<(Option<String>, Extra)>,
    /// Each of one service.
    providers: Vec<(usize, Option<String>, Extra)>,
    /// Each of one provider.
    bundles: Vec<(usize, Bundle)>,
}

fn catalogue() -> impl Strategy<Value = Catalogue> {
    let names = prop_oneof![Just(Mapping::default()), Just(other_names())];
    let name = || option::of(".{0,6}");
    let field = (option::of(select(&VALUES[..])), name(), option::of(any::<i8>()), any::<bool>(), extra());
    let bundle = (name(), vec(field, 0..4), extra());
    let services = vec((name(), extra()), 1..4);
    let providers = vec((0_usize..4, name(), extra()), 1..5);
    let bundles = vec((0_usize..5, bundle), 0..6);
    (names, services, providers, bundles).prop_map(|(names, services, providers, bundles)| Catalogue {
        names,
        services,
        providers,
        bundles,
    })
}

fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// A line of these members, and of those of the rest whose keys mean nothing else.
fn line(members: &[(&String, Option<String>)], reserved: &[&String], rest: &Extra) -> String {
    let members = members.iter().filter_map(|(key, value)| Some(format!("{}:{}", text(key), value.as_ref()?)));
    let rest = rest.iter().filter(|(key, _)| !reserved.iter().any(|name| name == *key));
    let rest = rest.map(|(key, value)| format!("{}:{value}", text(key)));
    format!("{{{}}}", members.chain(rest).collect::<Vec<_>>().join(","))
}

impl Catalogue {
    fn folder(&self) -> TempDir {
        let (s, p, b, f) = (
            &self.names.provider_services,
            &self.names.providers,
            &self.names.bundles,
            &self.names.subscription_fields,
        );
        let quoted = |name: &Option<String>| name.as_deref().map(text);
        let services = self.services.iter().enumerate().map(|(index, (name, rest))| {
            line(&[(&s.id, Some(text(&format!("s{index}")))), (&s.name, quoted(name))], &[&s.id, &s.name], rest)
        });
        let providers = self.providers.iter().enumerate().map(|(index, (service, name, rest))| {
            let service = format!("s{}", service % self.services.len());
            let members = [
                (&p.id, Some(text(&format!("p{index}")))),
                (&p.service_id, Some(text(&service))),
                (&p.name, quoted(name)),
            ];
            line(&members, &[&p.id, &p.service_id, &p.name], rest)
        });
        let mut separate = Vec::new();
        let bundles = self.bundles.iter().enumerate().map(|(index, (provider, (name, fields, rest)))| {
            let (id, provider) = (format!("b{index}"), format!("p{}", provider % self.providers.len()));
            let mut nested = Vec::new();
            for (number, (value, name, position, is_separate, rest)) in fields.iter().enumerate() {
                let mut members = vec![
                    (&f.id, Some(text(&format!("f{number}")))),
                    (&f.name, quoted(name)),
                    (&f.value, value.map(str::to_owned)),
                    (&f.position, position.map(|position| position.to_string())),
                ];
                let mut reserved = vec![&f.id, &f.name, &f.value, &f.position, &f.required];
                if *is_separate {
                    members.push((&f.bundle_id, Some(text(&id))));
                    reserved.extend([&f.bundle_id, &f.provider_id, &f.service_id]);
                    separate.push(line(&members, &reserved, rest));
                } else {
                    nested.push(line(&members, &reserved, rest));
                }
            }
            let nested = Some(format!("[{}]", nested.join(",")));
            let members = [
                (&b.id, Some(text(&id))),
                (&b.provider_id, Some(text(&provider))),
                (&b.name, quoted(name)),
                (&b.subscription_fields, nested),
            ];
            line(&members, &[&b.id, &b.provider_id, &b.service_id, &b.name, &b.subscription_fields], rest)
        });
        let joined = |lines: Vec<String>| lines.join("\n").into_bytes();
        let (services, providers, bundles) =
            (joined(services.collect()), joined(providers.collect()), joined(bundles.collect()));
        folder(&[
            (PROVIDER_SERVICES, &services),
            (PROVIDERS, &providers),
            (BUNDLES, &bundles),
            (SUBSCRIPTION_FIELDS, &joined(separate)),
        ])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_source_and_its_export_give_the_same_documents(catalogue in catalogue(), shape in select(&[Shape::Nested, Shape::Separate][..])) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let from = catalogue.folder();
            let settings = settings::Source { mapping: catalogue.names.clone(), ..settings::Source::default() };
            let source = open_with(from.path(), settings.clone());
            let expected = read_all(&source).await;
            assert_eq!(expected.faults(), Vec::<String>::new());
            let to = tempfile::tempdir().unwrap();
            let exported = write(&source, to.path(), shape).await.unwrap();
            assert!(exported.is_complete(), "{exported:?}");
            assert_eq!(exported.written, expected.counts());
            // With the names in the folder, and with those of the settings.
            assert_eq!(read_all(&open(to.path())).await, expected);
            assert_eq!(read_all(&open_with(to.path(), settings)).await, expected);
            // And once more, over itself.
            write(&open(to.path()), to.path(), Shape::Nested).await.unwrap();
            assert_eq!(read_all(&open(to.path())).await, expected);
        });
    }
}

fn small(bundles: &str, fields: Option<&str>) -> TempDir {
    let services = "{\"id\":\"s1\"}\n{\"id\":\"s2\"}\n";
    let providers = "{\"id\":\"p1\",\"service_id\":\"s1\"}\n{\"id\":\"p2\",\"service_id\":\"s2\"}\n";
    let files = [(PROVIDER_SERVICES, services), (PROVIDERS, providers), (BUNDLES, bundles)];
    let files = files.into_iter().chain(fields.map(|fields| (SUBSCRIPTION_FIELDS, fields)));
    folder(&files.map(|(name, text)| (name, text.as_bytes())).collect::<Vec<_>>())
}

/// The ids in a file, in its order.
fn ids(folder: &Path, file: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    text.lines().map(id).collect()
}

async fn exported(from: &TempDir, to: &Path) -> Exported {
    write(&open(from.path()), to, Shape::Nested).await.unwrap()
}

#[tokio::test]
async fn a_fault_keeps_its_own_document_back_and_is_told() {
    let bundles = [
        r#"{"id":"b1","provider_id":"p1"}"#,
        r#"{"id":"b2","provider_id":"p2","subscription_fields":[{"name":"f","value":"x"}]}"#,
        r#"{"id":"b3","provider_id":"p2","name":5}"#,
        r#"{"id":"b4","provider_id":"p2","subscription_fields":[{"name":"f"},{"value":1}]}"#,
        r#"{"id":"b5","provider_id":"p2"}"#,
        r#"{"id":"b5","provider_id":"p2","name":"again"}"#,
        r#"{"id":"b6","provider_id":"gone"}"#,
    ];
    let fields = "{\"id\":\"f1\",\"bundle_id\":\"b2\"}\n{\"id\":\"f2\",\"bundle_id\":\"b2\",\"position\":\"x\"}\n";
    let (from, to) = (small(&bundles.join("\n"), Some(fields)), tempfile::tempdir().unwrap());
    let told = exported(&from, to.path()).await;
    assert_eq!(ids(to.path(), BUNDLES), ["b1", "b2"]);
    let places: Vec<&str> = told.listed.iter().map(|fault| fault.place.as_str()).collect();
    let expected =
        ["bundles.jsonl:3", "bundles.jsonl:4", "bundles.jsonl:6", "subscription_fields.jsonl:2", "bundles.jsonl:7"];
    assert_eq!((places, told.faults), (expected.to_vec(), 5));
    // Both bundles called b5, two fields nested in b4, and the field that cannot be read.
    assert_eq!(told.left_out, Counts { bundles: 4, subscription_fields: 3, ..Counts::default() });
    assert!(!told.is_complete());
    assert_eq!(read_all(&open(to.path())).await.counts(), told.written);
}

#[tokio::test]
async fn what_is_below_a_document_with_a_fault_is_counted() {
    let from = folder(&[
        (PROVIDER_SERVICES, b"{\"id\":\"s1\"}\n{\"id\":\"s2\",\"name\":7}\n"),
        (PROVIDERS, b"{\"id\":\"p1\",\"service_id\":\"s1\"}\n{\"id\":\"p2\",\"service_id\":\"s2\"}\n"),
        (BUNDLES, b"{\"id\":\"b1\",\"provider_id\":\"p1\"}\n{\"id\":\"b2\",\"provider_id\":\"p2\"}\n"),
    ]);
    let to = tempfile::tempdir().unwrap();
    let told = exported(&from, to.path()).await;
    assert_eq!(told.faults, 1);
    assert_eq!(told.left_out, Counts { services: 1, providers: 1, bundles: 1, ..Counts::default() });
}

#[tokio::test]
async fn only_what_an_earlier_export_left_of_the_collections_is_removed() {
    let to = tempfile::tempdir().unwrap();
    let stale = [SUBSCRIPTION_FIELDS, "bundles.jsonl.gz", "providers.jsonl.zst", NAMES];
    let kept = ["notes.txt", "bundles.jsonl.bak", "other.jsonl", ".hidden"];
    for name in stale.into_iter().chain(kept) {
        fs::write(to.path().join(name), "x").unwrap();
    }
    exported(&small("{\"id\":\"b1\",\"provider_id\":\"p1\"}", None), to.path()).await;
    let mut found: Vec<String> =
        fs::read_dir(to.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    let mut expected: Vec<&str> = kept.into_iter().chain([PROVIDER_SERVICES, PROVIDERS, BUNDLES]).collect();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn an_export_that_fails_changes_nothing() {
    let from = small("{\"id\":\"b1\",\"provider_id\":\"p1\"}", None);
    let to = tempfile::tempdir().unwrap();
    exported(&from, to.path()).await;
    let before = fs::metadata(to.path().join(BUNDLES)).unwrap().modified().unwrap();
    let source = open(from.path());
    fs::remove_file(from.path().join(BUNDLES)).unwrap();
    assert!(matches!(write(&source, to.path(), Shape::Nested).await, Err(Error::MissingFile { .. })));
    assert_eq!(fs::metadata(to.path().join(BUNDLES)).unwrap().modified().unwrap(), before);
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 3, "nothing partial is left");
}

#[tokio::test]
async fn nested_fields_that_would_make_a_bundle_too_long_get_a_file_of_their_own() {
    let value = format!("\"{}\"", "x".repeat(1024 * 1024));
    let fields: Vec<String> =
        (0..20).map(|number| format!("{{\"id\":\"f{number}\",\"bundle_id\":\"b1\",\"value\":{value}}}")).collect();
    let from = small("{\"id\":\"b1\",\"provider_id\":\"p1\"}", Some(&fields.join("\n")));
    let to = tempfile::tempdir().unwrap();
    assert!(exported(&from, to.path()).await.is_complete());
    assert!(read_all(&open(to.path())).await == read_all(&open(from.path())).await);
}

#[tokio::test]
async fn names_in_a_folder_are_used_unless_the_settings_have_some_and_are_read_anew_when_they_change() {
    let from = folder(&[
        (PROVIDER_SERVICES, b"{\"sid\":\"s1\",\"id\":1}\n"),
        (PROVIDERS, b"{\"id\":\"p1\",\"service_id\":\"s1\"}\n"),
        (BUNDLES, b""),
    ]);
    let source = open(from.path());
    assert_eq!(read_all(&source).await.counts().providers, 0);
    let names = from.path().join(NAMES);
    fs::write(&names, r#"{"provider_services":{"id":"sid"}}"#).unwrap();
    assert_eq!(read_all(&source).await.counts().providers, 1);
    let mapping = Mapping { providers: other_names().providers, ..Mapping::default() };
    let settings = settings::Source { mapping, ..settings::Source::default() };
    assert_eq!(read_all(&open_with(from.path(), settings)).await.counts().services, 0);
    for wrong in ["{", r#"{"provider_services":{"key":"sid"}}"#, r#"{"providers":{"id":"name"}}"#] {
        fs::write(&names, wrong).unwrap();
        let error = source.counts().await.unwrap_err();
        assert!(matches!(error, Error::FolderNames { .. }), "{wrong}: {error}");
    }
    fs::remove_file(&names).unwrap();
    assert_eq!(read_all(&source).await.counts().providers, 0);
}

#[tokio::test]
async fn an_export_writes_through_no_link_and_nobody_else_reads_it() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let source = crate::open(&settings::Source {
        url: "generator:?services=1&providers=1&seed=1".to_owned(),
        ..Default::default()
    });
    let (into, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    symlink(&victim, into.path().join(".providers.jsonl.partial")).unwrap();
    symlink(&victim, into.path().join("bundles.jsonl")).unwrap();
    to_folder(&*source.unwrap(), into.path(), Shape::Nested).await.unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
    for name in ["provider_services.jsonl", "providers.jsonl", "bundles.jsonl"] {
        let written = fs::symlink_metadata(into.path().join(name)).unwrap();
        assert!(written.is_file(), "{name}");
        assert_eq!(written.permissions().mode() & 0o777, 0o600, "{name}");
    }
}
