//! Which links are TLS, and which are plain text that somebody asked for.

use super::*;

fn warned(settings: &[(&str, &str)]) -> String {
    let loaded = load_layers(None, &[], settings).unwrap_or_else(|error| panic!("{settings:?}: {error}"));
    loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn plain_text_to_another_machine_is_a_warning_and_on_this_one_is_none() {
    for (settings, key) in [
        ([("schema_registry.url", "http://registry.example:8081")], "schema_registry.url"),
        ([("telemetry.otlp_endpoint", "http://10.0.0.1:4318")], "telemetry.otlp_endpoint"),
        ([("source.url", "couchbase://127.0.0.1,db.example/b.s")], "source.url"),
    ] {
        let warning = warned(&settings);
        assert!(warning.contains(key) && warning.contains("is plain text to another machine"), "{warning}");
    }
    for settings in [
        ("schema_registry.url", "http://localhost:8081"),
        ("telemetry.otlp_endpoint", "http://[::1]:4318"),
        ("source.url", "couchbase://127.0.0.1:11210,localhost/b.s"),
        ("source.url", "couchbases://db.example/b.s"),
    ] {
        assert_eq!(warned(&[settings]), "");
    }
}

#[test]
fn an_open_admin_endpoint_in_plain_text_is_a_warning_unless_it_is_asked_for_by_name() {
    for bind in ["0.0.0.0:9464", "[::]:0", "10.0.0.1:9464"] {
        let warning = warned(&[("admin.bind", bind)]);
        assert!(warning.contains("answers in plain text to other machines"), "{warning}");
        assert_eq!(warned(&[("admin.bind", bind), ("admin.tls", "disabled")]), "");
    }
    assert_eq!(warned(&[("admin.bind", "127.0.0.1:9464")]), "");
    assert!(flag_fault("admin.tls", "required").contains("needs `admin.certificate_file` and `admin.key_file`"));
}

#[test]
fn files_for_tls_that_do_nothing_are_faults() {
    let file = File::new("");
    let pem = file.with("some.pem", "pem");
    let pem = pem.to_str().expect("text");
    let fault = |settings: &[(&str, &str)]| lines(load_layers(None, &[], settings)).join("\n");
    for (settings, part) in [
        (vec![("schema_registry.ca_file", pem)], "is for TLS, and `schema_registry.url` is not `https`"),
        (vec![("telemetry.otlp_ca_file", pem)], "is for TLS, and `telemetry.otlp_endpoint` is not `https`"),
        (vec![("telemetry.otlp_client_key_file", pem)], "needs `telemetry.otlp_client_certificate_file`"),
        (vec![("telemetry.otlp_headers_file", "/nowhere/headers")], "cannot read `/nowhere/headers`"),
        (vec![("admin.key_file", pem)], "needs `admin.certificate_file`"),
        (
            vec![("admin.key_file", pem), ("admin.certificate_file", pem), ("admin.tls", "disabled")],
            "is plain text, and a certificate is set",
        ),
    ] {
        let faults = fault(&settings);
        assert!(faults.contains(part), "{settings:?}: {faults}");
    }
}

#[test]
fn options_of_a_couchbase_url_are_known_or_refused() {
    let fault = |options: &str| flag_fault("source.url", &format!("couchbases://h/b.s?{options}"));
    assert!(fault("netwrok=external").contains("did you mean `network`?"), "{}", fault("netwrok=external"));
    for options in ["enable_tls=false", "tls=false", "ssl=no_verify", "tls_verify=none", "certpath=/x"] {
        assert!(fault(options).contains("unknown parameter"), "{options}");
    }
    assert!(fault("network=a&network=b").contains("twice"));
    assert!(load_layers(None, &[], &[("source.url", "couchbases://h/b.s?network=external")]).is_ok());
}
