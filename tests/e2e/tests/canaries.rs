//! A secret of every channel of the settings is in use, right and wrong, and is nowhere to be read: not in logs at the
//! level trace, not in answers, errors, metrics and pages, not in the list of processes.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

use std::fs;

use e2e::canaries::Canaries;
use pipeline_core::registry::EmbeddedRegistry;
use secrecy::ExposeSecret as _;
use testkit::{
    couchbase::{CouchbaseDouble, Options},
    http,
    kafka::{Listener, SecureKafka},
    mariadb::MariaDb,
    process::Launch,
    proxy::{Fault, Proxy},
    wait::{self, PATIENCE},
};

const USER: &str = "operator";
const KAFKA: &str = "operator-secret";
const SOURCE: &str = "canary-source";
const HEADER: &str = "canary-header";
/// No server knows it.
const WRONG: &str = "canary-wrong";
const FORMATS: [&str; 4] = ["table", "json", "jsonl", "yaml"];
const PAGES: [&str; 5] = ["/metrics", "/livez", "/readyz", "/readyz?verbose", "/version"];

const WELL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const NO: &str =
    "HTTP/1.1 401 Unauthorized\r\nContent-Length: 26\r\nConnection: close\r\n\r\n{\"error\":\"invalid_client\"}";

/// The rights of everybody who logs in, for a broker that denies whatever is not granted.
fn grant_all(kafka: &SecureKafka) {
    let principal = format!("User:{USER}");
    for resource in ["--topic", "--group"] {
        kafka.grant(&["--allow-principal", &principal, "--operation", "All", resource, "*"]);
    }
}

#[test]
fn the_secrets_of_all_settings_are_in_use_and_nowhere_to_be_read() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let kafka = SecureKafka::start(&[USER]);
    grant_all(&kafka);
    let registry = runtime.block_on(EmbeddedRegistry::start_guarded("127.0.0.1:0")).expect("a registry");
    let token = exposed(&registry);
    let database = MariaDb::shared().fresh_database();
    let options = Options { password: SOURCE.to_owned(), ..Options::default() };
    let (user, double) = (options.user.clone(), CouchbaseDouble::start(options));
    let (collector, refuser) = (Proxy::to("127.0.0.1:1"), Proxy::to("127.0.0.1:1"));
    collector.set(Fault::Answer(WELL));
    refuser.set(Fault::Answer(NO));
    let account = &database.administrator;
    let headers = kafka.file("headers", &format!("authorization: Bearer {HEADER}\n"));
    let ca = kafka.file("ca.pem", &kafka.authority().certificate());
    let (file_of_kafka, file_of_token) = (kafka.file("password", KAFKA), kafka.file("registry-token", &token));

    let right = |binary: &str| {
        Launch::binary(binary).envs([
            ("SLUICE__TELEMETRY__LOG_FILTER", "trace".to_owned()),
            ("SLUICE__TELEMETRY__OTLP_ENDPOINT", format!("http://{}", collector.address())),
            ("SLUICE__TELEMETRY__OTLP_HEADERS_FILE", headers.clone()),
            ("SLUICE__KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap(Listener::Sasl)),
            ("SLUICE__KAFKA__SECURITY_PROTOCOL", "sasl_ssl".to_owned()),
            ("SLUICE__KAFKA__CA_FILE", ca.clone()),
            ("SLUICE__KAFKA__SASL_MECHANISM", "PLAIN".to_owned()),
            ("SLUICE__KAFKA__USERNAME", USER.to_owned()),
            ("SLUICE__KAFKA__PASSWORD_FILE", file_of_kafka.clone()),
            ("SLUICE__SCHEMA_REGISTRY__URL", registry.url().to_owned()),
            ("SLUICE__SCHEMA_REGISTRY__TOKEN_FILE", file_of_token.clone()),
            ("SLUICE__SOURCE__URL", double.url()),
            ("SLUICE__SOURCE__COUCHBASE__USERNAME", user.clone()),
            ("SLUICE__SOURCE__COUCHBASE__PASSWORD", SOURCE.to_owned()),
            ("SLUICE__TARGET__URL", account.url_with_password(&database.name)),
        ])
    };
    let mut shown = Canaries::default();
    for secret in [KAFKA, SOURCE, HEADER, WRONG, &token, account.password()] {
        shown.add(secret);
    }

    // Right secrets, at work.
    let plain = kafka.bootstrap(Listener::Plain);
    for arguments in [&["migrate"] as &[&str], &["topic", "create", "--replication", "1"], &["schema", "register"]] {
        let ended = right("sluice").args(arguments.iter().copied()).run().expect_code(0);
        shown.search_ended(&arguments.join(" "), &ended);
    }
    let mut stage = right("stage-root").start();
    stage.wait_ready();
    shown.search_ended("run start", &right("sluice").args(["run", "start", "-o", "json"]).run().expect_code(0));
    wait::until_blocking("the request was handled", PATIENCE, || {
        (stage.metric("sluice_messages_consumed_total") >= 1.0).then_some(())
    });
    wait::until_blocking("spans were sent", PATIENCE, || (collector.accepted() > 0).then_some(()));
    for page in PAGES {
        shown.search(page, &http::get(stage.admin(), page).expect("an answer").body);
    }
    let process = format!("/proc/{}/cmdline", stage.id());
    shown.search("the list of processes", &fs::read_to_string(process).expect("a running process"));
    let ended = stage.stop();
    assert!(ended.stderr.contains("TRACE"), "the log is not at the level trace");
    shown.search_ended("the log of a stage", &ended);

    for format in FORMATS {
        let doctor = right("sluice").args(["doctor", "-o", format]).run();
        assert!(doctor.stdout.contains("all schemas registered"), "{}\n{}", doctor.stdout, doctor.stderr);
        shown.search_ended("doctor", &doctor);
        shown.search_ended("config view", &right("sluice").args(["config", "view", "-o", format]).run().expect_code(0));
    }

    // Secrets that no server takes, and one way after the other to give them.
    let wrong = |binary: &str| {
        right(binary).envs([
            ("SLUICE__KAFKA__PASSWORD_FILE", ""),
            ("SLUICE__KAFKA__PASSWORD", WRONG),
            ("SLUICE__SCHEMA_REGISTRY__TOKEN_FILE", ""),
            ("SLUICE__SCHEMA_REGISTRY__USERNAME", USER),
            ("SLUICE__SCHEMA_REGISTRY__PASSWORD", WRONG),
            ("SLUICE__SOURCE__COUCHBASE__PASSWORD", WRONG),
            ("SLUICE__SOURCE__COUCHBASE__CONNECT_TIMEOUT_MS", "1000"),
            ("SLUICE__TARGET__PASSWORD", WRONG),
        ])
    };
    let wrong = |binary: &str| wrong(binary).env("SLUICE__TARGET__URL", &account.url(&database.name));
    for format in FORMATS {
        let doctor = wrong("sluice").args(["doctor", "-o", format]).run();
        assert!(doctor.stdout.contains("SLUICE-REGISTRY-004") || doctor.stdout.contains("denied"), "{}", doctor.stdout);
        shown.search_ended("doctor with wrong secrets", &doctor);
    }
    shown.search_ended("a stage with wrong secrets", &wrong("stage-root").run().expect_code(78));
    let by_oauth = |binary: &str| {
        wrong(binary).envs([
            ("SLUICE__KAFKA__SASL_MECHANISM", "OAUTHBEARER".to_owned()),
            ("SLUICE__KAFKA__OAUTH__TOKEN_ENDPOINT", format!("http://{}/token", refuser.address())),
            ("SLUICE__KAFKA__OAUTH__CLIENT_ID", USER.to_owned()),
            ("SLUICE__KAFKA__OAUTH__CLIENT_SECRET", WRONG.to_owned()),
        ])
    };
    let asked = by_oauth("sluice").args(["doctor"]).run();
    assert!(refuser.accepted() > 0, "the token endpoint was not asked");
    shown.search_ended("doctor with a wrong client secret", &asked);

    // A file with secrets in every place that can hold one, and one that must not.
    for (url, code) in [("http://localhost:8081".to_owned(), 0), (format!("http://u:{WRONG}@localhost:8081"), 78)] {
        let text = format!(
            "kafka:\n  bootstrap_servers: {plain}\n  security_protocol: sasl_plaintext\n  sasl_mechanism: PLAIN\n  \
             username: u\n  password: {WRONG}\nschema_registry:\n  url: {url}\n  token: {WRONG}\ntarget:\n  \
             url: mysql://u:{WRONG}@localhost/d\nsource:\n  url: couchbase://localhost/b.s\n  couchbase:\n    \
             username: u\n    password: {WRONG}\n"
        );
        let file = kafka.file("sluice.yaml", &text);
        shown.search_ended(
            "config lint",
            &Launch::binary("sluice").args(["config", "lint", &file]).run().expect_code(code),
        );
    }
    println!("{} places show no secret", shown.searched());
}

fn exposed(registry: &EmbeddedRegistry) -> String {
    registry.token().expect("a guarded registry").expose_secret().to_owned()
}
