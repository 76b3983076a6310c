//! The whole job over links that are all encrypted and all ask who comes, by accounts that may do no more than
//! docs/security.md says; and no secret is found where it does not belong.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

mod secured {
    pub mod page;
    pub mod places;
}

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use e2e::{
    canaries::Canaries,
    collector::{Batch, Collector},
    rows::Rows,
};
use secured::{
    page::{self, Rights},
    places::{self, Registry, secure_database},
};
use serde_json::Value;
use testkit::{
    couchbase::CouchbaseDouble,
    kafka::{Listener, SecureKafka},
    mariadb::Database,
    process::{Ended, Launch, Process},
    tls::Tls,
    wait,
};

const SOURCE: &str = "generator:?services=3&providers=30&bundles=2&fields=2&seed=1";
const SERVICES: &str = "sluice.sync.service-discovered.v1";
/// Who works at the command: starts runs, mends and looks.
const OPERATOR: &str = "operator";
const STAGES: [&str; 4] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];

/// The password of the source's account, and the key to the collector.
const SOURCE_PASSWORD: &str = "canary-of-the-source";
const COLLECTOR_KEY: &str = "canary-of-the-collector";

/// All servers, and what every process is told of them.
struct World {
    kafka: SecureKafka,
    registry: Registry,
    database: Database,
    source: CouchbaseDouble,
    collector: Collector,
    folder: tempfile::TempDir,
    canaries: Canaries,
}

// === impl World ===

impl World {
    fn start() -> Self {
        let users: Vec<&str> = STAGES.into_iter().chain([OPERATOR]).collect();
        let kafka = SecureKafka::start(&users);
        let folder = tempfile::tempdir().expect("a folder");
        let registry = Registry::start(kafka.authority());
        let database = secure_database(kafka.authority(), folder.path());
        let tls = Tls::signed_by(kafka.authority());
        let source = places::secure_source(&tls, SOURCE, SOURCE_PASSWORD, folder.path());
        let collector = Collector::start(&tls);
        // Whoever has one of these has more than a name.
        let mut canaries = Canaries::default();
        users.iter().for_each(|user| canaries.add(format!("{user}-secret")));
        canaries.add(registry.token());
        for secret in [page::PASSWORD, SOURCE_PASSWORD, COLLECTOR_KEY] {
            canaries.add(secret);
        }
        Self { kafka, registry, database, source, collector, folder, canaries }
    }

    /// A file of this name, for nobody else; made once, since other processes read it meanwhile.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => file.write_all(text.as_bytes()).expect("a file can be written"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
        path.display().to_string()
    }

    /// A process that comes as this user to Kafka and with this account to the database. Each secret is in a file.
    fn launch(&self, binary: &str, user: &str, account: &str) -> Launch {
        self.unlisted(binary, account).envs([
            ("SLUICE__KAFKA__BOOTSTRAP_SERVERS", self.kafka.bootstrap(Listener::Sasl)),
            ("SLUICE__KAFKA__SECURITY_PROTOCOL", "sasl_ssl".to_owned()),
            ("SLUICE__KAFKA__CA_FILE", self.authority()),
            ("SLUICE__KAFKA__SASL_MECHANISM", "SCRAM-SHA-512".to_owned()),
            ("SLUICE__KAFKA__USERNAME", user.to_owned()),
            ("SLUICE__KAFKA__PASSWORD_FILE", self.file(&format!("kafka-{user}"), &format!("{user}-secret"))),
        ])
    }

    /// The same by the listener of Kafka that asks nothing and lets do everything.
    fn administrator(&mut self, arguments: &[&str]) {
        let launch = self.unlisted("sluice", "sluice_migrator");
        let launch = launch.env("SLUICE__KAFKA__BOOTSTRAP_SERVERS", &self.kafka.bootstrap(Listener::Plain));
        let ended = launch.args(arguments.iter().copied()).run().expect_code(0);
        self.canaries.search_ended(&arguments.join(" "), &ended);
    }

    fn authority(&self) -> String {
        self.file("ca.pem", &self.kafka.authority().certificate())
    }

    fn unlisted(&self, binary: &str, account: &str) -> Launch {
        let (ca, url) = (self.authority(), page::url(&self.database, account));
        Launch::binary(binary).envs([
            ("SLUICE__SCHEMA_REGISTRY__URL", self.registry.url()),
            ("SLUICE__SCHEMA_REGISTRY__CA_FILE", ca.clone()),
            ("SLUICE__SCHEMA_REGISTRY__TOKEN_FILE", self.file("registry", &self.registry.token())),
            ("SLUICE__SOURCE__URL", self.source.url()),
            ("SLUICE__SOURCE__COUCHBASE__USERNAME", self.source.options().user.clone()),
            ("SLUICE__SOURCE__COUCHBASE__PASSWORD_FILE", self.file("source", SOURCE_PASSWORD)),
            ("SLUICE__SOURCE__COUCHBASE__CA_FILE", ca.clone()),
            ("SLUICE__TARGET__URL", format!("{url}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}")),
            ("SLUICE__TARGET__PASSWORD_FILE", self.file("database", page::PASSWORD)),
            ("SLUICE__STAGE__MAX_ATTEMPTS", "2".to_owned()),
            ("SLUICE__STAGE__MAX_BACKOFF_MS", "50".to_owned()),
            ("SLUICE__TELEMETRY__LOG_FILTER", "trace".to_owned()),
            ("SLUICE__TELEMETRY__OTLP_ENDPOINT", self.collector.endpoint().to_owned()),
            ("SLUICE__TELEMETRY__OTLP_CA_FILE", ca.clone()),
            (
                "SLUICE__TELEMETRY__OTLP_HEADERS_FILE",
                self.file("collector", &format!("authorization: Bearer {COLLECTOR_KEY}")),
            ),
        ])
    }

    /// Calls the command as the operator; what it prints is searched.
    fn ask(&mut self, arguments: &[&str], code: i32) -> Ended {
        let launch = self.launch("sluice", OPERATOR, "sluice_loader").args(arguments.iter().copied());
        let ended = launch.run().expect_code(code);
        self.canaries.search_ended(&arguments.join(" "), &ended);
        ended
    }

    fn json(&mut self, arguments: &[&str], code: i32) -> Value {
        let arguments = [arguments, &["-o", "json"]].concat();
        serde_json::from_str(&self.ask(&arguments, code).stdout).expect("JSON")
    }

    /// Topics, schemas, tables and rights, as an administrator makes them; he comes to Kafka by the plain listener.
    fn prepare(&mut self) {
        self.database.session().run("DROP USER 'sluice_loader'@'%'");
        let [before, after] = page::sql(&self.database.name);
        self.database.session().run(&before);
        self.administrator(&["migrate"]);
        self.administrator(&["topic", "create", "--partitions", "3"]);
        self.administrator(&["schema", "register"]);
        self.database.session().run(&after);
        for account in ["sluice_migrator", "sluice_loader", "sluice_reader"] {
            self.database.session().run(&format!("ALTER USER '{account}'@'%' REQUIRE SSL"));
        }
        for Rights { principal, operation, resources } in page::rights(OPERATOR) {
            let principal = format!("User:{principal}");
            let rights = ["--allow-principal", &principal, "--operation", operation];
            let resources = resources.iter().flat_map(|(kind, name)| [*kind, name.as_str()]);
            self.kafka.grant(&rights.into_iter().chain(resources).collect::<Vec<_>>());
        }
    }

    fn stages(&self) -> Vec<Process> {
        let authority = self.kafka.authority();
        let start = |stage: &&'static str| self.launch(stage, stage, "sluice_loader").admin_over_tls(authority).start();
        let mut stages: Vec<Process> = STAGES.iter().map(start).collect();
        stages.iter_mut().for_each(Process::wait_ready);
        stages
    }
}

fn id_of(letter: &Value) -> String {
    letter.pointer("/id").and_then(Value::as_i64).expect("a letter's id").to_string()
}

#[test]
fn the_whole_job_is_done_over_secured_links_with_least_rights_and_no_secret_gets_out() {
    let mut world = World::start();
    world.prepare();
    let stages = world.stages();
    let arguments: Vec<String> = stages.iter().map(|stage| places::arguments_of(stage.id())).collect();

    // A run that a dead letter holds: the database refuses one provider's bundles for a while.
    // NOT NULL is what a trigger of one statement can break.
    let trigger = "CREATE TRIGGER refuses BEFORE INSERT ON sluice_provider_content FOR EACH ROW \
                   SET NEW.provider_id = IF(NEW.provider_id LIKE '%7', NULL, NEW.provider_id)";
    world.database.session().run(trigger);
    let run = world.ask(&["run", "start"], 0).stdout.trim().to_owned();
    let held = world.json(&["run", "wait", &run], 20);
    assert_eq!(held.pointer("/state").and_then(Value::as_str), Some("held"), "{held}");
    let letters = world.json(&["dlq", "ls", "--run", &run], 0);
    let letters: Vec<String> = letters.as_array().expect("letters").iter().map(id_of).collect();
    assert!(!letters.is_empty());
    for letter in &letters {
        world.ask(&["dlq", "show", letter], 0);
        world.ask(&["dlq", "show", letter, "-o", "json"], 0);
    }
    world.database.session().run("DROP TRIGGER refuses");
    world.ask(&["dlq", "replay", "--run", &run, "--yes"], 0);
    world.ask(&["run", "wait", &run], 0);
    Rows::of_views(&world.database).assert_equals(&Rows::of_source(SOURCE));

    // The rest of what people do to runs and copies.
    world.ask(&["verify"], 0);
    world.ask(&["verify", "--invariants"], 0);
    world.ask(&["run", "start", "--wait", "--activation", "whole-run"], 0);
    world.ask(&["generation", "rollback", "--yes", "--reason", "a test"], 0);
    world.ask(&["run", "start", "--wait"], 0);
    world.ask(&["generation", "prune", "--keep", "1", "--yes"], 0);
    let rubbish = places::spoil(&world.kafka, SERVICES);
    let found = wait::until_blocking("a letter of rubbish", wait::PATIENCE, || {
        world.json(&["dlq", "ls", "--stage", "providers"], 0).as_array().and_then(|letters| letters.first().cloned())
    });
    assert!(world.ask(&["dlq", "show", &id_of(&found)], 0).stdout.contains(&rubbish));
    world.ask(&["dlq", "discard", &id_of(&found), "--reason", "rubbish"], 0);
    for looking in [
        &["doctor"] as &[&str],
        &["run", "ls"],
        &["run", "show"],
        &["audit", "ls"],
        &["config", "view"],
        &["schema", "ls"],
        &["topic", "create", "--dry-run"],
        &["migrate", "--dry-run"],
    ] {
        for format in ["table", "json", "yaml"] {
            world.ask(&[looking, &["-o", format]].concat(), 0);
        }
    }

    // A reader sees the views, and nothing else.
    let reader = page::session(&world.database, "sluice_reader");
    assert_eq!(places::count(reader, "providers"), Ok(30));
    let reader = page::session(&world.database, "sluice_reader");
    assert!(places::count(reader, "sluice_run").is_err());

    for stage in &stages {
        for path in ["/metrics", "/readyz", "/livez", "/version"] {
            let page = stage.page(path).expect("the stage answers");
            world.canaries.search(path, &page.body);
        }
    }
    world.canaries.search("arguments of processes", &arguments.join("\n"));
    world.canaries.search("the ledger", &places::ledger(&world.database));
    for stage in stages {
        let ended = stage.stop().expect_code(0);
        world.canaries.search_ended("the log of a stage", &ended);
        assert!(ended.stderr.contains("TRACE"), "the log says everything that it can");
    }
    world.collector.wait_for(&format!("Bearer {COLLECTOR_KEY} certified=false"));
    let spans: Vec<String> = world.collector.batches().iter().map(Batch::text).collect();
    assert!(spans.iter().any(|batch| batch.contains("stage-bundles")), "the spans are there to be searched");
    world.canaries.search("spans", &spans.join("\n"));
    world.canaries.search("messages and their headers", &places::messages(&world.kafka));
    assert!(world.canaries.searched() > 50, "{}", world.canaries.searched());
}
