//! Who is let in by a broker, and who is refused with which words: the command against every listener of a real one.
#![expect(clippy::panic, clippy::expect_used, reason = "test code: a panic is how a test fails")]

use testkit::{
    couchbase::Authority,
    kafka::{Listener, SecureKafka, unsecured_token},
    process::{Ended, Launch},
};

const USER: &str = "operator";
const TOPICS: [&str; 4] = ["topics", "create", "--replication", "1"];

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
}
