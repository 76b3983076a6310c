//! Every name in the settings' mapping is read: changing it changes what comes out, and only in that document's level.

use serde_json::{Map, Value};

use super::*;

/// A folder's files as they are written with the default names.
type Files = [(&'static str, &'static str); 4];

/// Documents in which each name counts: ids repeat, positions turn the order round, names are no ids.
const NESTED: Files = [
    (PROVIDER_SERVICES, SERVICES),
    (PROVIDERS, PROVIDER_LINES),
    (
        BUNDLES,
        r#"{"id":"b","provider_id":"p","service_id":"s1","name":"B1","subscription_fields":[{"id":"f","name":"F","value":1.10,"required":true,"position":2},{"id":"g","name":"G","value":"x","required":false,"position":1}]}
{"id":"b","provider_id":"p","service_id":"s2","name":"B2","subscription_fields":[{"name":"h","position":7}]}"#,
    ),
    ("", ""),
];
const SEPARATE: Files = [
    (PROVIDER_SERVICES, SERVICES),
    (PROVIDERS, PROVIDER_LINES),
    (
        BUNDLES,
        r#"{"id":"b","provider_id":"p","service_id":"s1","name":"B1"}
{"id":"b","provider_id":"p","service_id":"s2","name":"B2"}
{"id":"b","provider_id":"q","name":"B3"}"#,
    ),
    (
        SUBSCRIPTION_FIELDS,
        r#"{"id":"f","bundle_id":"b","provider_id":"p","service_id":"s1","name":"F","value":1,"required":true,"position":2}
{"id":"g","bundle_id":"b","provider_id":"p","service_id":"s1","name":"G","value":2,"required":false,"position":1}
{"id":"f","bundle_id":"b","provider_id":"p","service_id":"s2","value":3}
{"id":"f","bundle_id":"b","provider_id":"q","value":4}"#,
    ),
];
const SERVICES: &str = r#"{"id":"s1","name":"one"}
{"id":"s2","name":"two"}"#;
const PROVIDER_LINES: &str = r#"{"id":"p","service_id":"s1","name":"P1"}
{"id":"p","service_id":"s2","name":"P2"}
{"id":"q","service_id":"s2","name":"Q"}"#;

const OTHER: &str = "another name";

/// The members of an object, one of them under another name.
fn renamed(members: &Map<String, Value>, name: &str) -> Map<String, Value> {
    let other = |key: &String| if key == name { OTHER.to_owned() } else { key.clone() };
    members.iter().map(|(key, value)| (other(key), value.clone())).collect()
}

/// The files with the fields of one collection called otherwise, those that are nested in bundles too.
fn with_other_name(files: &Files, collection: &str, name: &str) -> TempDir {
    let line = |file: &str, line: &str| {
        let Value::Object(mut object) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
        if let Some(Value::Array(nested)) = object.get_mut("subscription_fields")
            && collection == "subscription_fields"
        {
            nested.iter_mut().for_each(|field| *field = Value::Object(renamed(field.as_object().unwrap(), name)));
        }
        let object = if file == format!("{collection}.jsonl") { renamed(&object, name) } else { object };
        serde_json::to_string(&object).unwrap()
    };
    let text = |(file, text): &(&'static str, &str)| {
        (*file, text.lines().map(|text| line(file, text)).collect::<Vec<_>>().join("\n"))
    };
    let files: Vec<_> = files.iter().filter(|file| !file.0.is_empty()).map(text).collect();
    folder(&files.iter().map(|(name, text)| (*name, text.as_bytes())).collect::<Vec<_>>())
}

async fn read_with(folder: &TempDir, mapping: &Value) -> All {
    let mapping: Mapping = serde_json::from_value(mapping.clone()).unwrap();
    let settings = settings::Source { mapping, ..settings::Source::default() };
    read_all(&Folder::open(folder.path().to_owned(), &settings).unwrap()).await
}

#[tokio::test]
async fn every_name_of_the_mapping_is_the_one_that_is_read() {
    // The names that the settings have, whichever they are: a new one is tested by being there.
    let default = serde_json::to_value(Mapping::default()).unwrap();
    let mut names = 0;
    for (collection, fields) in default.as_object().unwrap() {
        for (key, name) in fields.as_object().unwrap() {
            let (name, mut counts) = (name.as_str().unwrap(), false);
            let mut changed = default.clone();
            changed[collection][key] = OTHER.into();
            for files in [&NESTED, &SEPARATE] {
                let usual = with_other_name(files, "", "");
                let expected = read_with(&usual, &default).await;
                assert_eq!(expected.faults(), [""; 0]);
                let other = with_other_name(files, collection, name);
                assert_eq!(read_with(&other, &changed).await, expected, "`{collection}.{key}` is read by its name");
                counts |= read_with(&usual, &changed).await != expected;
            }
            assert!(counts, "nobody reads `source.mapping.{collection}.{key}`");
            names += 1;
        }
    }
    assert!(names >= 18, "{names}");
}
