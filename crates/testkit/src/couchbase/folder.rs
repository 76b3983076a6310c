//! Documents from a folder of JSON lines: one file for each collection, one document for each line.

use std::{collections::HashSet, fs, path::Path};

use super::documents::{self, Bucket};

/// Fields that make up a key, from the top of the hierarchy down.
const IDS: [&str; 4] = ["service_id", "provider_id", "bundle_id", "id"];

/// Reads every `NAME.jsonl` of a folder into the collection `NAME` of a scope. A document's key is the field `key_field`
/// if that is given and a string, and else `NAME::` with the ids of the document and its parents, joined by `::`. Two
/// documents that come to the same key get `#2`, `#3` and so on: none is lost by reading.
pub(super) fn load(bucket: &mut Bucket, scope: &str, folder: &Path, key_field: Option<&str>) {
    let listed = fs::read_dir(folder).unwrap_or_else(|error| panic!("could not list {}: {error}", folder.display()));
    for entry in listed {
        let path = entry.expect("an entry of a folder that was listed").path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a file name in UTF-8").to_owned();
            load_collection(bucket, scope, &name, &path, key_field);
        }
    }
}

fn load_collection(bucket: &mut Bucket, scope: &str, name: &str, path: &Path, key_field: Option<&str>) {
    bucket.create(scope, name);
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("could not read {}: {error}", path.display()));
    let text = String::from_utf8_lossy(&bytes);
    let mut used = HashSet::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let wanted = key(name, line, number + 1, key_field);
        let key = free(&used, wanted);
        let cas = bucket.next_cas();
        if let Some(collection) = bucket.collection_mut(scope, name) {
            collection.set(&key, line, cas);
        }
        used.insert(key);
    }
}

fn key(collection: &str, line: &str, number: usize, key_field: Option<&str>) -> String {
    let text = |name: &str| {
        let value = documents::field(line, &[name.to_owned()])?;
        Some(serde_json::from_str::<String>(&value).unwrap_or(value))
    };
    if let Some(key) = key_field.and_then(text) {
        return key;
    }
    let ids: Vec<String> = IDS.iter().filter_map(|name| text(name)).collect();
    if ids.is_empty() { format!("{collection}::line-{number}") } else { format!("{collection}::{}", ids.join("::")) }
}

fn free(used: &HashSet<String>, wanted: String) -> String {
    if !used.contains(&wanted) {
        return wanted;
    }
    let mut candidates = (2..).map(|copy| format!("{wanted}#{copy}"));
    candidates.find(|key| !used.contains(key)).unwrap_or(wanted)
}
