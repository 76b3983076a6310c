//! A small source of files whose documents change from edition to edition: every kind of change at every level.
//!
//! | service | first edition | second edition |
//! |---|---|---|
//! | `steady` | | as before |
//! | `moving` | | providers, bundles and fields changed, added and gone |
//! | `fading` | there | gone |
//! | `rising` | not there | there |
//! | `empty` | without providers | without providers |

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// A state of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// The first.
    First,
    /// The second.
    Second,
}

/// A folder of JSON lines, gone with this value.
pub struct Folder {
    path: PathBuf,
    width: usize,
}

/// Collections of documents.
#[derive(Default)]
struct Documents {
    services: Vec<Value>,
    providers: Vec<Value>,
    bundles: Vec<Value>,
}

impl Folder {
    /// A folder with the first edition. `width` is the number of providers of a full service.
    pub fn new(name: &str, width: usize) -> Self {
        let path = std::env::temp_dir().join(format!("sluice-e2e-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder can be made");
        let folder = Self { path, width };
        folder.write(Edition::First);
        folder
    }

    /// The folder's URL.
    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Appends a line to a file, whatever it is; gives its place as faults name it. Only between runs.
    pub fn append(&self, file: &str, line: &str) -> String {
        let path = self.path.join(file);
        let lines = fs::read_to_string(&path).expect("a file of this folder");
        fs::write(&path, format!("{lines}{line}\n")).expect("a file can be written");
        format!("{file}:{}", lines.lines().count() + 1)
    }

    /// Replaces the documents by those of an edition. Only between runs.
    pub fn write(&self, edition: Edition) {
        let mut documents = Documents::default();
        let width = self.width;
        documents.service("empty", 1);
        documents.service("steady", 1);
        (0..width).for_each(|number| documents.provider("steady", number, 1));
        match edition {
            Edition::First => {
                documents.service("moving", 1);
                (0..width).for_each(|number| documents.provider("moving", number, 1));
                documents.service("fading", 1);
                (0..width).for_each(|number| documents.provider("fading", number, 1));
            }
            Edition::Second => {
                documents.service("moving", 2);
                // Every other provider changes, the first is gone, one is new.
                (1..=width).for_each(|number| documents.provider("moving", number, 1 + number % 2));
                documents.service("rising", 2);
                (0..width).for_each(|number| documents.provider("rising", number, 2));
            }
        }
        documents.write(&self.path);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays in the system's temporary folder does no harm.
        drop(fs::remove_dir_all(&self.path));
    }
}

impl Documents {
    fn service(&mut self, id: &str, revision: usize) {
        self.services.push(json!({ "id": id, "name": format!("Service {id} · サービス 🚰"), "revision": revision }));
    }

    /// A provider with bundles and fields. In revision 2 its own document is the same, one bundle is changed, one is
    /// gone and one is new.
    fn provider(&mut self, service: &str, number: usize, revision: usize) {
        // Byte for byte different ids that a collation would confuse.
        let id = format!("{}-{}", if number.is_multiple_of(2) { "p" } else { "P" }, number / 2);
        self.providers
            .push(json!({ "id": id, "service_id": service, "name": format!("Provider {number}"), "weight": 1.50 }));
        // Every fifth provider has no bundles.
        let bundles = if number % 5 == 4 { 0..0 } else { revision..revision + 3 };
        for bundle in bundles {
            let bundle_id = format!("b{bundle}");
            self.bundles.push(json!({
                "id": bundle_id, "provider_id": id, "service_id": service,
                "name": format!("Bundle {bundle}"), "revision": revision,
                "subscription_fields": [
                    { "name": "amount", "value": 12_345_678_901_234_567_u64, "required": true },
                    { "name": "note", "value": format!("revision {revision} · ünïcödé"), "required": false },
                    { "name": "limits", "value": { "min": 0, "max": [1, 2, revision] } },
                ],
            }));
        }
    }

    fn write(&self, folder: &Path) {
        let files = [
            ("provider_services.jsonl", &self.services),
            ("providers.jsonl", &self.providers),
            ("bundles.jsonl", &self.bundles),
        ];
        for (name, documents) in files {
            let lines: String = documents.iter().map(|document| format!("{document}\n")).collect();
            fs::write(folder.join(name), lines).expect("a file can be written");
        }
    }
}
