//! What of `kafka` goes together, and what this build can speak.

use super::*;

#[test]
fn sasl_without_its_parts_is_a_fault_for_each() {
    let fault = flag_fault("kafka.security_protocol", "sasl_plaintext");
    for part in ["kafka.sasl_mechanism", "kafka.username", "kafka.password_file"] {
        assert!(fault.contains(part), "{fault}");
    }
}

#[test]
fn settings_of_kafka_that_do_not_go_together_are_faults_with_their_keys() {
    let file = File::new("");
    let pem = file.with("some.pem", "pem");
    let pem = pem.to_str().expect("text");
    let tls = ("kafka.security_protocol", "sasl_plaintext");
    let token = ("kafka.sasl_mechanism", "OAUTHBEARER");
    let some = "x";
    for (settings, key, part) in [
        (vec![("kafka.ca_file", pem)], "kafka.ca_file", "is for TLS, and `kafka.security_protocol` is `plaintext`"),
        (vec![("kafka.client_key_password", some)], "kafka.client_key_password", "is for TLS"),
        (vec![("kafka.sasl_mechanism", "PLAIN")], "kafka.sasl_mechanism", "is for SASL"),
        (vec![("kafka.password", some)], "kafka.password", "is for SASL"),
        (vec![("kafka.oauth.token_file", pem)], "kafka.oauth.token_file", "is for SASL"),
        (vec![tls, token], "kafka.sasl_mechanism", "needs `kafka.oauth.token_file` or `kafka.oauth.token_endpoint`"),
        (
            vec![tls, token, ("kafka.oauth.token_endpoint", "http://h/t")],
            "kafka.oauth.token_endpoint",
            "needs `kafka.oauth.client_id`",
        ),
        (
            vec![tls, token, ("kafka.oauth.token_endpoint", "http://h/t"), ("kafka.oauth.token_file", pem)],
            "kafka.oauth.token_endpoint",
            "keep one of them",
        ),
        (
            vec![tls, token, ("kafka.oauth.token_file", "/nowhere/token")],
            "kafka.oauth.token_file",
            "cannot read `/nowhere/token`",
        ),
    ] {
        let faults = lines(load_layers(None, &[], &settings));
        let named = |line: &&String| line.starts_with(&format!("flag -X {key}: "));
        assert!(faults.iter().filter(named).any(|line| line.contains(part)), "{settings:?}: {faults:?}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn a_client_certificate_for_kafka_needs_its_key() {
    let file = File::new("");
    let pem = file.with("some.pem", "pem");
    let pem = pem.to_str().expect("text");
    for (key, other) in [
        ("kafka.client_certificate_file", "`kafka.client_key_file`"),
        ("kafka.client_key_file", "`kafka.client_certificate_file`"),
    ] {
        let faults = lines(load_layers(None, &[], &[("kafka.security_protocol", "ssl"), (key, pem)]));
        assert_eq!(faults, [format!("flag -X {key}: needs {other}, which is not set")]);
    }
    let login = [
        ("kafka.security_protocol", "sasl_ssl"),
        ("kafka.sasl_mechanism", "SCRAM-SHA-512"),
        ("kafka.username", "u"),
        ("kafka.password", "p"),
        ("kafka.ca_file", pem),
    ];
    assert!(load_layers(None, &[], &login).is_ok());
}

#[cfg(not(feature = "tls"))]
#[test]
fn what_this_build_cannot_speak_to_kafka_is_a_fault_that_says_how_to_build_it() {
    let login = [
        ("kafka.security_protocol", "sasl_ssl"),
        ("kafka.sasl_mechanism", "SCRAM-SHA-512"),
        ("kafka.username", "u"),
        ("kafka.password", "p"),
    ];
    let faults = lines(load_layers(None, &[], &login));
    assert_eq!(faults.len(), 2, "{faults:?}");
    for fault in faults {
        assert!(fault.contains("build it with `--features tls`"), "{fault}");
    }
    let plain = [("kafka.security_protocol", "sasl_plaintext"), ("kafka.sasl_mechanism", "PLAIN")];
    let login = [("kafka.username", "u"), ("kafka.password", "p")];
    assert!(load_layers(None, &[], &[plain, login].concat()).is_ok());
}
