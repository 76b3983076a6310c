//! Who is let in by a broker, and who is refused with which words: the command against every listener of a real one.

use testkit::{
    http,
    kafka::{Listener, SecureKafka, unsecured_token},
    mariadb::{Account, MariaDb},
    process::{Ended, Launch},
    registry::Registry,
    tls::Authority,
    wait,
};

const USER: &str = "operator";
const TOPICS: [&str; 4] = ["topic", "create", "--replication", "1"];

const NO_TRUST: &str = "SLUICE-KAFKA-011";
const NO_LOGIN: &str = "SLUICE-KAFKA-012";

/// One way to come, and what is to come of it.
struct Case<'a> {
    name: &'a str,
    listener: Listener,
    settings: Vec<(&'a str, String)>,
    code: i32,
    words: &'a [&'a str],
}

fn sluice(kafka: &SecureKafka, listener: Listener, settings: &[(&str, String)], arguments: &[&str]) -> Ended {
    let mut launch = Launch::binary("sluice").env("SLUICE__KAFKA__BOOTSTRAP_SERVERS", &kafka.bootstrap(listener));
    for (key, value) in settings {
        launch = launch.env(&format!("SLUICE__KAFKA__{}", key.to_uppercase().replace('.', "__")), value);
    }
    launch.args(arguments.iter().copied()).run()
}

#[test]
fn each_way_in_is_open_to_the_right_client_and_closed_to_the_wrong_one_with_the_reason() {
    let kafka = SecureKafka::start(&[USER]);
    let ca = kafka.file("ca.pem", &kafka.authority().certificate());
    let other_ca = kafka.file("other.pem", &Authority::default().certificate());
    let client = kafka.authority().client("sluice");
    let (certificate, key) = (kafka.file("client.pem", &client.certificate), kafka.file("client.key", &client.key));
    let good_token = kafka.file("token", &unsecured_token(USER, 4_102_444_800));
    let old_token = kafka.file("old-token", &unsecured_token(USER, 2));
    // Who comes with TLS alone, without a certificate, is nobody, and may do everything on this broker.
    kafka.grant(&["--allow-principal", "User:CN=sluice", "--operation", "All", "--topic", "*"]);
    kafka.grant(&["--allow-principal", "User:operator", "--operation", "All", "--topic", "*"]);

    let tls = |ca: &str| vec![("security_protocol", "ssl".to_owned()), ("ca_file", ca.to_owned())];
    let login = |mechanism: &str, password: &str| {
        vec![
            ("security_protocol", "sasl_ssl".to_owned()),
            ("ca_file", ca.clone()),
            ("sasl_mechanism", mechanism.to_owned()),
            ("username", USER.to_owned()),
            ("password", password.to_owned()),
        ]
    };
    let by_token = |file: &str| {
        vec![
            ("security_protocol", "sasl_ssl".to_owned()),
            ("ca_file", ca.clone()),
            ("sasl_mechanism", "OAUTHBEARER".to_owned()),
            ("oauth.token_file", file.to_owned()),
        ]
    };
    let with_certificate =
        [tls(&ca), vec![("client_certificate_file", certificate), ("client_key_file", key)]].concat();
    let case = |name, listener, settings, code, words| Case { name, listener, settings, code, words };
    let mut cases = vec![
        case("right authority", Listener::Tls, tls(&ca), 0, &[] as &[&str]),
        case("wrong authority", Listener::Tls, tls(&other_ca), 78, &[NO_TRUST, "not signed by the authority"]),
        case(
            "wrong name",
            Listener::WrongName,
            tls(&ca),
            78,
            &[NO_TRUST, "is not for `localhost`, but for", "elsewhere.example"],
        ),
        case("expired", Listener::Expired, tls(&ca), 78, &[NO_TRUST, "has expired"]),
        case("client certificate", Listener::Mutual, with_certificate, 0, &[]),
        case("no client certificate", Listener::Mutual, tls(&ca), 78, &[NO_TRUST, "asks for a client certificate"]),
        case("plain-text server", Listener::Plain, tls(&ca), 78, &[NO_TRUST, "does not speak TLS at this port"]),
        case("token", Listener::Sasl, by_token(&good_token), 0, &[]),
        case("old token", Listener::Sasl, by_token(&old_token), 78, &[NO_LOGIN, "by OAUTHBEARER"]),
    ];
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        cases.push(case("right password", Listener::Sasl, login(mechanism, "operator-secret"), 0, &[]));
        cases.push(case(
            "wrong password",
            Listener::Sasl,
            login(mechanism, "canary"),
            78,
            &[NO_LOGIN, "login of `operator`"],
        ));
    }
    let mut wrong = Vec::new();
    // By the plain listener, so that each other way only has to look.
    sluice(&kafka, Listener::Plain, &[], &TOPICS).expect_code(0);
    for case in cases {
        let ended = sluice(&kafka, case.listener, &case.settings, &TOPICS);
        println!("{}: {:?}: {}\n{}", case.name, case.listener, ended.status, ended.stderr);
        let is_said = case.words.iter().all(|word| ended.stderr.contains(word)) && !ended.stderr.contains("canary");
        if ended.code() != Some(case.code) || !is_said {
            wrong.push(format!("{} at {:?}: expected {} {:?}", case.name, case.listener, case.code, case.words));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The doctor says it too, whatever else it cannot reach.
    let doctor = sluice(&kafka, Listener::Sasl, &login("PLAIN", "canary"), &["doctor"]);
    assert!(doctor.stdout.contains("refuses the login of `operator` by PLAIN"), "{}", doctor.stdout);
    assert!(!format!("{}{}", doctor.stdout, doctor.stderr).contains("canary"), "{}", doctor.stdout);
}

/// What each principal may do, and nothing else.
const RIGHTS: [(&str, &str, &[&str], &[&str]); 5] = [
    (
        "root",
        "sluice.sync.run-requested.v1",
        &["sluice.sync.run-requested.v1", "sluice.sync.service-discovered.v1", LETTERS],
        &["sluice-root"],
    ),
    (
        "providers",
        "sluice.sync.service-discovered.v1",
        &["sluice.sync.batch-planned.v1", "sluice.sync.confirmed.v1", LETTERS],
        &["sluice-providers"],
    ),
    ("bundles", "sluice.sync.batch-planned.v1", &["sluice.sync.confirmed.v1", LETTERS], &["sluice-bundles"]),
    ("activator", "sluice.sync.confirmed.v1", &["sluice.sync.activated.v1", LETTERS], &["sluice-activator"]),
    (USER, "", &["sluice.sync.run-requested.v1"], &[]),
];
const LETTERS: &str = "sluice.dead-letters.v1";

#[test]
fn the_page_for_operators_names_the_same_rights() {
    let page = include_str!("../../../docs/security.md");
    for (name, reads, writes, groups) in RIGHTS {
        let principal = if name == USER { "who starts runs".to_owned() } else { format!("stage-{name}") };
        let row = page.lines().find(|line| line.starts_with(&format!("| {principal} |"))).expect("a row");
        let named: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let rights: Vec<&str> =
            [reads].iter().chain(writes).chain(groups).copied().filter(|right| !right.is_empty()).collect();
        assert_eq!(named, rights, "{row}");
    }
}

#[test]
fn each_stage_does_its_work_with_its_own_least_rights_and_says_what_it_lacks() {
    let names = RIGHTS.map(|(name, ..)| name);
    let (kafka, registry) = (SecureKafka::start(&names), Registry::shared());
    let database = MariaDb::shared().fresh_database();
    let folder = e2e::folder::Folder::new("least-rights", 6);
    let ca = kafka.file("ca.pem", &kafka.authority().certificate());
    let common = |launch: Launch, account: &Account| {
        launch.envs([
            ("SLUICE__SCHEMA_REGISTRY__URL", registry.url()),
            ("SLUICE__SOURCE__URL", folder.url()),
            ("SLUICE__TARGET__URL", account.url(&database.name)),
            ("SLUICE__TARGET__PASSWORD", account.password().to_owned()),
        ])
    };
    // Setting up is the administrator's, who comes by the plain listener.
    for arguments in [vec!["migrate"], TOPICS.to_vec(), vec!["schema", "register"]] {
        let launch = common(Launch::binary("sluice"), &database.administrator);
        let launch = launch.env("SLUICE__KAFKA__BOOTSTRAP_SERVERS", &kafka.bootstrap(Listener::Plain));
        launch.args(arguments).run().expect_code(0);
    }
    let as_user = |binary: &str, user: &str| {
        common(Launch::binary(binary), &database.loader).envs([
            ("SLUICE__KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap(Listener::Sasl)),
            ("SLUICE__KAFKA__SECURITY_PROTOCOL", "sasl_ssl".to_owned()),
            ("SLUICE__KAFKA__CA_FILE", ca.clone()),
            ("SLUICE__KAFKA__SASL_MECHANISM", "SCRAM-SHA-512".to_owned()),
            ("SLUICE__KAFKA__USERNAME", user.to_owned()),
            ("SLUICE__KAFKA__PASSWORD", format!("{user}-secret")),
        ])
    };

    // A stage with a wrong password does not try again without end.
    let wrong = as_user("stage-root", "root").env("SLUICE__KAFKA__PASSWORD", "canary").run().expect_code(78);
    assert!(wrong.stderr.contains("refuses the login of `root` by SCRAM-SHA-512"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("canary"), "{}", wrong.stderr);

    // Without any right, a stage waits and says what it lacks, and nobody calls the topics missing.
    let mut stages =
        ["root", "providers", "bundles", "activator"].map(|name| as_user(&format!("stage-{name}"), name).start());
    for stage in &stages {
        wait::until_blocking("a stage says what it lacks", wait::PATIENCE, || {
            let page = http::get(stage.admin(), "/readyz").ok()?;
            assert!(!page.body.contains("does not exist") && !page.body.contains("do not exist"), "{}", page.body);
            (page.status == 503 && page.body.contains("not authorise")).then_some(())
        });
    }
    let refused = as_user("sluice", USER).args(["run", "start"]).run().expect_code(78);
    assert!(refused.stderr.contains("SLUICE-KAFKA-013"), "{}", refused.stderr);

    for (name, reads, writes, groups) in RIGHTS {
        let principal = format!("User:{name}");
        let grant = |operation: &str, kind: &str, resource: &str| {
            kafka.grant(&["--allow-principal", &principal, "--operation", operation, kind, resource]);
        };
        writes.iter().for_each(|topic| grant("Write", "--topic", topic));
        groups.iter().for_each(|group| grant("Read", "--group", group));
        if !reads.is_empty() {
            grant("Read", "--topic", reads);
        }
    }
    stages.iter_mut().for_each(testkit::process::Process::wait_ready);
    let report = as_user("sluice", USER).args(["run", "start", "--wait", "-o", "json"]).run().expect_code(0);
    println!("{}", report.stdout);
    // Who only starts runs sees no group, and the doctor says so instead of calling the stages absent.
    let doctor = as_user("sluice", USER).arg("doctor").run().expect_code(10);
    for group in ["sluice-root", "sluice-bundles"] {
        let told = format!("group `{group}` is not visible to this account");
        assert!(doctor.stdout.contains(&told), "{told}\n{}", doctor.stdout);
    }
    for stage in stages {
        stage.stop().expect_code(0);
    }
}
