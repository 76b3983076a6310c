//! Documents and batches that are larger than what the server takes at once.

use std::{fs, path::PathBuf};

use chaos::{
    checker,
    world::{Plan, RUN_DEADLINE, World},
};
use e2e::rows::Rows;
use pipeline_model::contracts::DEAD_LETTERS;
use serde_json::{Value, json};
use testkit::wait;

/// What the server takes as one packet; so much was the default for many years.
const PACKET: usize = 1024 * 1024;

/// Of ordinary fields. All of a batch together are a multiple of a packet.
const VALUE: usize = 60_000;
const PROVIDERS: usize = 40;

/// Providers whose documents are too large: one for a value below it, one for what its own document says.
const TOO_LARGE: [&str; 2] = ["p3", "p5"];

/// A source of one service, gone with this value.
struct Folder(PathBuf);

#[test]
fn what_a_server_cannot_take_at_once_is_split_and_a_value_that_cannot_be_split_rejects_its_provider_only() {
    let folder = Folder::new();
    folder.write(2 * PACKET);
    let mut world = World::start(Plan { own_database: true, ..Plan::of(&folder.url()) });
    world.database.session().run(&format!("SET GLOBAL max_allowed_packet = {PACKET}"));
    let workers = world.one_each(&["stage-root", "stage-providers", "stage-bundles", "stage-activator"]);

    let run_id = world.messenger.request_run(20);
    wait::until_blocking("every batch is stored", RUN_DEADLINE, || {
        let planned = world.number("SELECT COUNT(*) FROM sluice_run_service WHERE state = 'planned'");
        let waiting = world.number("SELECT COUNT(*) FROM sluice_run_batch WHERE state <> 'stored'");
        (planned == 1 && waiting == 0).then_some(())
    });
    let rejected =
        world.database.session().rows("SELECT provider_id, code FROM sluice_run_reject ORDER BY provider_id");
    assert_eq!(rejected, TOO_LARGE.map(|id| vec![id.to_owned(), "SLUICE-DOCUMENT-007".to_owned()]));
    assert_eq!(world.messenger.count(DEAD_LETTERS), 0);

    folder.write(VALUE);
    world.sluice(&["run", "retry", &run_id, "--yes"]);
    world.wait_for_state(&run_id, "activated");
    world.expected = Rows::of_source(&folder.url());
    checker::assert_whole(&world, &run_id);
    for worker in workers {
        let log = worker.stop().expect_code(0).stderr;
        assert!(!log.contains("SLUICE-TARGET-"), "a document is no trouble of the database:\n{log}");
    }
}

// === impl Folder ===

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("sluice-packets-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn url(&self) -> String {
        format!("file://{}", self.0.display())
    }

    /// `largest`: bytes of the values of the two providers that may be too large.
    fn write(&self, largest: usize) {
        let [below, own] = TOO_LARGE;
        let size = |id: &str, large: &str| if id == large { largest } else { VALUE };
        let provider = |id: &String| json!({ "id": id, "service_id": "s", "note": text(size(id, own)) });
        let bundle = |id: &String| {
            let field = |name: &str, size| json!({ "name": name, "value": text(size) });
            let fields = [field("a", VALUE), field("b", size(id, below)), field("c", VALUE)];
            json!({ "id": format!("{id}-b"), "provider_id": id, "service_id": "s", "subscription_fields": fields })
        };
        let ids: Vec<String> = (0..PROVIDERS).map(|number| format!("p{number}")).collect();
        self.file("provider_services.jsonl", &[json!({ "id": "s" })]);
        self.file("providers.jsonl", &ids.iter().map(provider).collect::<Vec<_>>());
        self.file("bundles.jsonl", &ids.iter().map(bundle).collect::<Vec<_>>());
    }

    fn file(&self, name: &str, documents: &[Value]) {
        let lines: String = documents.iter().map(|document| format!("{document}\n")).collect();
        fs::write(self.0.join(name), lines).expect("a file can be written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays in the system's temporary folder does no harm.
        drop(fs::remove_dir_all(&self.0));
    }
}

fn text(bytes: usize) -> String {
    "0123456789".repeat(bytes.div_ceil(10))
}
