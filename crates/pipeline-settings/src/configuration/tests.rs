use std::{fs, path::Path};

use secrecy::ExposeSecret;
use testkit::generated::assert_in_step;

use super::{keys::Keys, *};
use crate::settings::LogFormat;

mod kafka;
mod links;

/// Loads a file with this text; its folder goes when the test ends.
struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("sluice.yaml"), text).expect("a file");
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("sluice.yaml")
    }

    fn with(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    fn load(&self) -> Result<Loaded, Error> {
        load_layers(Some(self.path()), &[], &[])
    }

    /// The faults as text, without the folder in front of the file's name.
    fn faults(&self) -> Vec<String> {
        let prefix = format!("{}/", self.folder.path().display());
        lines(self.load()).iter().map(|line| line.replace(&prefix, "")).collect()
    }
}

fn load_layers(
    file: Option<PathBuf>,
    environment: &[(&str, &str)],
    overrides: &[(&str, &str)],
) -> Result<Loaded, Error> {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    load(Options { file, environment: owned(environment).into_iter(), overrides: owned(overrides) })
}

fn lines(result: Result<Loaded, Error>) -> Vec<String> {
    result.expect_err("faults").faults.iter().map(ToString::to_string).collect()
}

fn flag_fault(key: &str, value: &str) -> String {
    lines(load_layers(None, &[], &[(key, value)])).join("\n")
}

#[test]
fn nothing_at_all_gives_the_defaults() {
    let loaded = load_layers(None, &[("PATH", "/bin"), ("SLUICE_LOG", "x")], &[]).expect("defaults are right");
    assert_eq!(loaded.settings.kafka.bootstrap_servers, "localhost:9092");
    assert_eq!(loaded.settings.stage.batch_size, 50);
    assert!(loaded.origin.values().all(|origin| *origin == Origin::Default));
}

#[test]
fn an_empty_file_and_empty_sections_are_fine() {
    for text in ["", "\n", "# only a comment\n", "---\n", "kafka:\nstage: ~\n", "\u{feff}stage:\n  in_flight: 2\n"] {
        assert!(File::new(text).load().is_ok(), "{text:?}");
    }
}

#[test]
fn each_layer_wins_over_the_one_before() {
    let file = File::new(
        "stage:\n  batch_size: 11\n  in_flight: 12\n  max_attempts: 13\nkafka:\n  session_timeout_ms: 7000\n\
         telemetry:\n  log_format: json\n",
    );
    let loaded = load_layers(
        Some(file.path()),
        &[("SLUICE__STAGE__IN_FLIGHT", "22"), ("SLUICE__STAGE__MAX_ATTEMPTS", "23")],
        &[("stage.max_attempts", "32"), ("stage.max_attempts", "33"), ("stage.register_schemas", "true")],
    )
    .expect("no faults");
    let stage = &loaded.settings.stage;
    assert_eq!((stage.batch_size, stage.in_flight, stage.max_attempts), (11, 22, 33));
    assert!(stage.register_schemas);
    assert_eq!(loaded.settings.kafka.session_timeout_ms, 7_000);
    assert_eq!(loaded.settings.telemetry.log_format, LogFormat::Json);
    assert_eq!(loaded.origin["stage.batch_size"], Origin::File { path: file.path(), line: 2, column: 15 });
    assert_eq!(loaded.origin["stage.in_flight"].to_string(), "environment SLUICE__STAGE__IN_FLIGHT");
    assert_eq!(loaded.origin["stage.max_attempts"].to_string(), "flag -X stage.max_attempts");
    assert_eq!(loaded.origin["stage.max_backoff_ms"], Origin::Default);
}

#[test]
fn an_unknown_key_is_a_fault_with_its_place_and_the_nearest_key() {
    let file = File::new("# a file\n\n\n\n\nkafka:\n  bootstrap_server: broker:9092\n");
    assert_eq!(
        file.faults(),
        ["sluice.yaml:7:3 `kafka.bootstrap_server`: unknown key; did you mean `kafka.bootstrap_servers`?"]
    );
    assert_eq!(
        lines(load_layers(None, &[("SLUICE__STAGE__BATCHSIZE", "5")], &[])),
        ["environment SLUICE__STAGE__BATCHSIZE: unknown key; did you mean SLUICE__STAGE__BATCH_SIZE?"]
    );
    assert_eq!(
        lines(load_layers(None, &[("SLUICE__stage__batch_size", "5")], &[])),
        ["environment SLUICE__stage__batch_size: unknown key; did you mean SLUICE__STAGE__BATCH_SIZE?"]
    );
    assert_eq!(
        flag_fault("kafka.batch_size", "5"),
        "flag -X kafka.batch_size: unknown key; did you mean `stage.batch_size`?"
    );
    assert_eq!(flag_fault("source.uri", "x"), "flag -X source.uri: unknown key; did you mean `source.url`?");
}

#[test]
fn a_key_that_resembles_nothing_is_answered_with_what_there_is() {
    assert_eq!(
        File::new("zzz:\n  a: {b: [1, 2]}\nadmin:\n  q: 1\n").faults(),
        [
            "sluice.yaml:1:1 `zzz`: unknown key; sections are `kafka`, `schema_registry`, `source`, `target`, \
             `telemetry`, `admin`, `stage`, `run`",
            "sluice.yaml:4:3 `admin.q`: unknown key; `admin` has `bind`, `tls`, `certificate_file`, `key_file`",
        ]
    );
}

#[test]
fn all_faults_of_all_layers_come_at_once() {
    let file = File::new("stage:\n  batch_size: 0\n  in_fligt: 3\n  in_flight: many\nkafak:\n  x: 1\n");
    let result =
        load_layers(Some(file.path()), &[("SLUICE__ADMIN__BIND", "nowhere")], &[("target.url", "postgres://h/d")]);
    let error = result.expect_err("faults");
    assert_eq!(error.faults.len(), 6, "{error}");
    let text = error.to_string();
    assert!(text.starts_with("6 faults in the configuration:\n  "), "{text}");
    for part in ["stage.in_fligt", "kafak", "batch_size", "in_flight", "SLUICE__ADMIN__BIND", "-X target.url"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_wrong_unit_is_named_with_the_number_to_write() {
    let cases = [
        ("6s", "the text `6s`; write 6000"),
        ("1.5 min", "the text `1.5 min`; write 90000"),
        ("6_000", "the text `6_000`; write 6000"),
        ("6.0", "the number 6.0"),
        ("soon", "the text `soon`"),
        ("[6000]", "a list"),
        ("{a: 1}", "a section"),
        ("true", "`true`"),
        ("", "nothing"),
        ("'6000'", "the text `6000`; write 6000 without quotes"),
    ];
    for (written, found) in cases {
        assert_eq!(
            File::new(&format!("kafka:\n  session_timeout_ms: {written}\n")).faults().first().map(String::as_str),
            Some(&*format!(
                "sluice.yaml:2:{} `kafka.session_timeout_ms`: expected a whole number of milliseconds, found {found}",
                if written.is_empty() { 21 } else { 23 }
            )),
        );
    }
}

#[test]
fn a_number_out_of_range_is_a_fault_with_the_range() {
    assert_eq!(
        flag_fault("stage.batch_size", "0"),
        "flag -X stage.batch_size: expected a whole number from 1 to 5000, found the number 0"
    );
    for (key, value) in [
        ("stage.in_flight", "0"),
        ("stage.in_flight", "-1"),
        ("stage.in_flight", "99999999999999999999999"),
        ("stage.max_attempts", "0"),
        ("target.max_connections", "0"),
    ] {
        assert!(flag_fault(key, value).contains("expected a whole number from 1 to"), "{key}={value}");
    }
    assert!(flag_fault("source.mapping.bundles.id", "").ends_with("must not be empty"));
}

#[test]
fn a_wrong_type_is_named() {
    assert_eq!(
        File::new("kafka:\n  bootstrap_servers: 9092\n").faults(),
        ["sluice.yaml:2:22 `kafka.bootstrap_servers`: expected text, found the number 9092; write \"9092\""]
    );
    assert_eq!(
        File::new("stage:\n  register_schemas: yes\n").faults(),
        ["sluice.yaml:2:21 `stage.register_schemas`: expected `true` or `false`, found the text `yes`; write true"]
    );
    assert_eq!(
        File::new("telemetry:\n  log_format: jsn\n").faults(),
        ["sluice.yaml:2:15 `telemetry.log_format`: expected one of `human`, `json`, found the text `jsn`; \
          did you mean `json`?"]
    );
    assert_eq!(
        File::new("stage: 5\n").faults(),
        ["sluice.yaml:1:8 `stage`: expected a section, found a single value; its keys are `batch_size`, \
          `in_flight`, `max_attempts`, `patience_ms`, `max_backoff_ms`, `drain_timeout_ms`, `tick_interval_ms`, `register_schemas`"]
    );
    assert_eq!(File::new("- kafka\n").faults(), ["sluice.yaml:1:1: expected sections such as `kafka:`, found a list"]);
}

#[test]
fn what_yaml_would_read_in_silence_is_a_fault() {
    assert_eq!(
        File::new("stage:\n  batch_size: 1\n  batch_size: 2\nstage:\n  in_flight: 1\n").faults(),
        [
            "sluice.yaml:3:3 `stage.batch_size`: duplicate key; it is in line 2 already; keep one of them",
            "sluice.yaml:4:1 `stage`: duplicate key; it is in line 1 already; keep one of them",
        ]
    );
    assert_eq!(
        File::new("stage.batch_size: 5\n").faults(),
        ["sluice.yaml:1:1 `stage.batch_size`: a key with dots; write it nested: `stage: batch_size:`"]
    );
    for (text, part) in [
        ("stage: &a\n  batch_size: 1\nkafka: *a\n", "found an alias"),
        ("stage:\n  batch_size: &x 1\n  in_flight: *x\n", "aliases are not supported"),
        ("stage:\n  batch_size: !!int 1\n", "tags are not supported"),
        ("stage:\n  in_flight: 1\n---\nstage:\n  in_flight: 2\n", "a second document"),
        ("? [a, b]\n: 1\nstage:\n  in_flight: 1\n", "expected a key, found a list"),
        ("kafka:\n\tx: 1\n", "not readable as YAML"),
        ("kafka: [1, 2\n", "not readable as YAML"),
        (&format!("x: {}{}\n", "[".repeat(5_000), "]".repeat(5_000)), "`x`"),
    ] {
        let faults = File::new(text).faults().join("\n");
        assert!(faults.contains(part), "{text}: {faults}");
    }
}

#[test]
fn a_missing_file_is_a_fault() {
    let lines = lines(load_layers(Some("/nowhere/sluice.yaml".into()), &[], &[("stage.batch_size", "0")]));
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("/nowhere/sluice.yaml: cannot read the configuration file: No such file"));

    let file = File::new("");
    fs::write(file.path(), [0xff, 0xfe, 0x00]).expect("a file");
    assert!(file.faults()[0].contains("cannot read the configuration file"));
}

#[test]
fn addresses_that_cannot_work_are_faults() {
    for (key, value, part) in [
        ("source.url", "/folder", "expected a URL"),
        ("source.url", "s3://bucket", "unknown scheme `s3`"),
        ("source.url", "file://folder", "three slashes"),
        ("source.url", "couchbase://", "names no host"),
        ("source.url", "couchbase://a,,b/bucket", "names no host"),
        ("source.url", "couchbases://user:p/w@host", "names no bucket"),
        ("target.url", "postgres://host/db", "unknown scheme `postgres`; expected one of `mysql`, `sqlite`"),
        ("target.url", "mariadb://host/db", "write `mysql://`"),
        ("target.url", "mysql://host", "names no database"),
        ("target.url", "mysql://user@host:99999/db", "not a URL"),
        ("target.url", "sqlite://", "names no file"),
        ("target.url", "sqlite:///a.db?mod=ro", "did you mean `mode`?"),
        ("target.url", "mysql://localhost/db?ssl_mode=REQUIRED", "did you mean `ssl-mode`?"),
        ("schema_registry.url", "", "expected a URL"),
        ("schema_registry.url", "registry:8081", "unknown scheme `registry`"),
        ("telemetry.otlp_endpoint", "grpc://jaeger:4317", "unknown scheme `grpc`"),
        ("telemetry.log_filter", "info,,=x=", "not a log filter"),
        ("kafka.bootstrap_servers", "", "expected `host:port`, found nothing"),
        ("kafka.bootstrap_servers", "a:1,b", "found `b`"),
        ("kafka.bootstrap_servers", "http://a:1", "found `http://a:1`"),
        ("kafka.sasl_mechanism", "GSSAPI", "expected one of `PLAIN`"),
        ("admin.bind", "9464", "write `0.0.0.0:9464`"),
        ("admin.bind", "0.0.0.0", "expected an address and a port"),
    ] {
        let fault = flag_fault(key, value);
        assert!(fault.contains(part), "{key}={value}: {fault}");
    }
}

#[test]
fn addresses_that_can_work_pass() {
    for (key, value) in [
        ("source.url", "file:///data/catalogue"),
        ("source.url", "generator:?services=40&providers=10000&bundles=20&fields=5&seed=1"),
        ("source.url", "couchbase://host/bucket.scope"),
        ("source.url", "couchbases://reader@a:11207,b:11207/bucket"),
        ("target.url", "mysql://user@localhost:3306/db"),
        ("target.url", "mysql://user@host:3306/db?ssl-mode=DISABLED"),
        ("target.url", "sqlite:///tmp/file.db"),
        ("target.url", "sqlite://file.db"),
        ("schema_registry.url", "https://registry.example/base/"),
        ("kafka.bootstrap_servers", "a:9092, [::1]:9092"),
        ("admin.bind", "[::]:9464"),
        ("admin.bind", "localhost:0"),
        ("telemetry.log_filter", "info,pipeline_core=debug"),
    ] {
        if let Err(error) = load_layers(None, &[], &[(key, value)]) {
            panic!("{key}={value}: {error}");
        }
    }
}

#[test]
fn a_statement_of_ones_own_that_would_lose_documents_is_a_fault() {
    let fault = |key: &str, statement: &str| {
        let url = ("source.url", "couchbase://host/bucket.scope");
        lines(load_layers(None, &[], &[url, (&format!("source.couchbase.statements.{key}"), statement)])).join("\n")
    };
    let page = "SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc FROM c AS d WHERE META(d).id > $after \
                ORDER BY META(d).id LIMIT $limit";
    let right = [("source.url", "couchbase://h/b"), ("source.couchbase.statements.provider_services", page)];
    assert!(load_layers(None, &[], &right).is_ok());
    for (key, statement, part) in [
        ("providers", page, "lacks `$service`"),
        ("providers_by_id", page, "lacks `$service`, `$providers`"),
        ("bundles", page, "lacks `$providers`"),
        ("provider_services", "SELECT d.* FROM c AS d", "lacks `_id`, `_cas`, `doc`, `$after`, `$limit`"),
        ("provider_services", "DELETE FROM c", "begins with SELECT"),
        ("provider_services", &format!("{page}; DROP COLLECTION c"), "begins with SELECT"),
        ("provider_services", &page.replace("ORDER BY META(d).id ", ""), "no ORDER BY"),
        ("provider_services", &page.replace("$limit", "$limits"), "lacks `$limit`"),
    ] {
        let fault = fault(key, statement);
        assert!(fault.contains(part), "{key}: {statement}: {fault}");
    }
}

#[test]
fn certificates_need_tls_and_a_client_certificate_its_key() {
    let file = File::new("");
    let pem = file.with("some.pem", "pem");
    let pem = pem.to_str().expect("text");
    let plain = [("source.url", "couchbase://h/b"), ("source.couchbase.ca_file", pem)];
    assert!(lines(load_layers(None, &[], &plain))[0].contains("is for TLS"));
    let half = [("source.url", "couchbases://h/b"), ("source.couchbase.client_certificate_file", pem)];
    assert!(lines(load_layers(None, &[], &half))[0].contains("belong together"));
    let whole = [("source.url", "couchbases://h/b"), ("source.couchbase.ca_file", pem)];
    assert!(load_layers(None, &[], &whole).is_ok());
}

#[test]
fn a_secret_comes_from_its_file_without_the_last_line_break() {
    let file = File::new("");
    let path = file.with("secret", "p w\n\n");
    let loaded = load_layers(
        Some(file.path()),
        &[("SLUICE__TARGET__PASSWORD_FILE", path.to_str().expect("text"))],
        &[("schema_registry.password", "on the line")],
    )
    .expect("no faults");
    assert_eq!(loaded.settings.target.password.as_ref().map(ExposeSecret::expose_secret), Some("p w\n"));
    assert_eq!(loaded.origin["target.password"], Origin::SecretFile { path });
    let password = loaded.settings.schema_registry.password.as_ref();
    assert_eq!(password.map(ExposeSecret::expose_secret), Some("on the line"));
}

#[cfg(unix)]
#[test]
fn a_secret_that_everybody_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let file = File::new("");
    let path = file.with("secret", "s");
    let load = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        let loaded = load_layers(None, &[], &[("target.password_file", path.to_str().expect("text"))]);
        loaded.expect("no faults").warnings
    };
    assert!(load(0o644)[0].problem.contains("can be read by everybody (mode 0644)"));
    assert_eq!(load(0o640), []);
}

#[test]
fn a_secret_file_that_is_missing_or_empty_or_doubled_is_a_fault() {
    let file = File::new("");
    let empty = file.with("empty", "\n");
    assert!(flag_fault("target.password_file", "/nowhere/secret").contains("cannot read `/nowhere/secret`"));
    assert!(flag_fault("kafka.ca_file", "/nowhere/ca.pem").contains("cannot read `/nowhere/ca.pem`"));
    assert!(flag_fault("target.password_file", empty.to_str().expect("text")).contains("it is empty"));
    let both = load_layers(
        None,
        &[("SLUICE__SCHEMA_REGISTRY__PASSWORD", "canary")],
        &[("schema_registry.password_file", empty.to_str().expect("text"))],
    );
    assert_eq!(
        lines(both),
        ["flag -X schema_registry.password_file: is set, and so is `schema_registry.password` (environment \
          SLUICE__SCHEMA_REGISTRY__PASSWORD); keep one of them"]
    );
    let url = load_layers(None, &[], &[("target.url", "mysql://u:canary@h/d"), ("target.password", "x")]);
    assert!(lines(url)[0].contains("holds a password"));
}

#[test]
fn an_empty_word_takes_an_optional_key_back() {
    let file = File::new("kafka:\n  password_file: /nowhere/secret\n");
    let loaded = load_layers(Some(file.path()), &[("SLUICE__KAFKA__PASSWORD_FILE", "")], &[]).expect("no faults");
    assert_eq!(loaded.settings.kafka.password_file, None);
}

#[test]
fn no_secret_is_ever_shown() {
    let file = File::new("");
    let path = file.with("secret", "canary-2");
    let loaded = load_layers(
        None,
        &[("SLUICE__KAFKA__PASSWORD", "canary-1")],
        &[
            ("kafka.security_protocol", "sasl_plaintext"),
            ("kafka.sasl_mechanism", "PLAIN"),
            ("kafka.username", "somebody"),
            ("schema_registry.username", "u"),
            ("schema_registry.password_file", path.to_str().expect("text")),
            ("target.url", "mysql://user:canary@3@127.0.0.1/copy"),
        ],
    )
    .expect("no faults");
    let rows = view(&loaded);
    let row = |key: &str| rows.iter().find(|(name, ..)| name == key).map(|(_, text, _)| text.as_str());
    assert_eq!(row("kafka.password"), Some("***"));
    assert_eq!(row("schema_registry.password"), Some("***"));
    assert_eq!(row("target.password"), Some(""));
    assert_eq!(row("target.url"), Some("mysql://user:***@127.0.0.1/copy"));
    assert_eq!(row("stage.batch_size"), Some("50"));
    let warned = loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(!format!("{rows:?} {:?} {warned}", loaded.settings.kafka).contains("canary"));

    let wrong = File::new("kafka:\n  password: [canary]\ntarget:\n  password: 1234\n  url: 'pg://u:canary@h/d'\n");
    let faults = wrong.faults().join("\n");
    assert!(faults.contains("found a bare value; put it in quotes"), "{faults}");
    assert!(!faults.contains("canary") && !faults.contains("1234"), "{faults}");
}

#[test]
fn a_secret_in_a_url_is_refused_and_not_shown() {
    for (key, url) in [
        ("schema_registry.url", "http://user:canary@registry:8081"),
        ("schema_registry.url", "https://canary@registry"),
        ("telemetry.otlp_endpoint", "http://collector:4318/?api_key=canary"),
        ("source.url", "couchbase://user:canary@4@host/bucket.scope"),
        ("source.url", "couchbase://host/bucket.scope?token=canary"),
    ] {
        let fault = flag_fault(key, url);
        assert!(fault.contains("holds a password or a token") && !fault.contains("canary"), "{fault}");
    }
}

#[test]
fn a_secret_in_a_file_that_others_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = File::new("schema_registry:\n  username: u\n  password: s3cret\n");
    for (mode, warnings) in [(0o644, 1), (0o640, 0)] {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).expect("our own file");
        let loaded = file.load().expect("no faults");
        let about = loaded.warnings.iter().filter(|warning| warning.key == "schema_registry.password");
        assert_eq!(about.count(), warnings, "{mode:o}");
    }
}

#[test]
fn a_fault_cannot_steer_the_terminal() {
    let faults = File::new("\"\\e[31mred\": 1\nstage:\n  batch_size: \"\\u0007\"\n").faults().join("\n");
    assert!(faults.chars().all(|character| character == '\n' || !character.is_control()), "{faults:?}");
}

#[test]
fn every_setting_has_a_key_with_a_kind_and_a_meaning() {
    let keys = Keys::of_settings();
    let paths: Vec<_> = keys.iter().map(|key| key.path.as_str()).collect();
    for promised in [
        "kafka.bootstrap_servers",
        "schema_registry.url",
        "source.url",
        "target.url",
        "telemetry.otlp_endpoint",
        "admin.bind",
        "stage.batch_size",
        "stage.in_flight",
    ] {
        assert!(paths.contains(&promised), "{promised}");
    }
    let properties: usize = count_leaves(&json_schema(), &json_schema());
    assert_eq!(paths.len(), properties, "a setting has a type that the keys do not know");
    assert!(keys.iter().all(|key| !key.description.is_empty()));
    let is_secret = |path: &str| ["password", ".token", "_secret"].iter().any(|end| path.ends_with(end));
    assert!(keys.iter().all(|key| is_secret(&key.path) == key.secret));
}

fn count_leaves(schema: &Value, object: &Value) -> usize {
    let properties = object["properties"].as_object().into_iter().flatten();
    let count = properties.map(|(_, property)| {
        let target = property["$ref"].as_str().and_then(|path| schema.pointer(&path[1..])).unwrap_or(property);
        if target["properties"].is_object() { count_leaves(schema, target) } else { 1 }
    });
    count.sum()
}

#[test]
fn every_example_is_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("the examples") {
        let path = entry.expect("an entry").path();
        if let Err(error) = load_layers(Some(path.clone()), &[], &[]) {
            panic!("{error}");
        }
        names.push(path.file_name().expect("a name").to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(names, ["activator.yaml", "bundles.yaml", "local.yaml", "providers.yaml", "root.yaml"]);
}

#[test]
fn the_reference_is_in_step() {
    assert_in_step("docs/configuration.md", &reference_markdown());
}
