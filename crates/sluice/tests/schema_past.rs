//! The gate never takes *not compared* for *compatible*: pasts in git and in a registry that are hard to read.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::symlink,
};

use serde_json::Value;

mod repository;

use repository::{FILE, FIRST, Repository};

fn rules(said: &str) -> Vec<String> {
    let verdict: Value = serde_json::from_str(said).unwrap();
    let findings = verdict["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

fn number() -> String {
    FIRST.replace("string", "int")
}

#[test]
fn a_link_in_git_is_followed_to_what_it_led_to() {
    let repository = Repository::new();
    repository.write("contracts/shop.avsc", FIRST);
    symlink("../contracts/shop.avsc", repository.path().join("schemas/shop.avsc")).unwrap();
    symlink("../contracts", repository.path().join("schemas/all")).unwrap();
    repository.commit();
    repository.check(0, &[]);
    // The link is as it was; what it leads to is not.
    repository.write("contracts/shop.avsc", &number());
    let said = repository.check(100, &["-o", "json"]);
    assert_eq!(rules(&said), ["AVRO_TYPE_CHANGED"; 2], "{said}");
    repository.check(100, &["schemas/shop.avsc"]);
    repository.commit();
    // Of the transitive levels, also what it led to before.
    repository.write("contracts/shop.avsc", &number().replace("\"id\"", "\"id\",\"doc\":\"new\""));
    assert_eq!(rules(&repository.check(100, &["-o", "json"])), ["AVRO_TYPE_CHANGED"; 2]);
    repository.check(0, &["--level", "FULL"]);
    // A link becomes a file.
    fs::remove_file(repository.path().join("schemas/shop.avsc")).unwrap();
    repository.write("schemas/shop.avsc", FIRST);
    assert!(rules(&repository.check(100, &["schemas/shop.avsc", "-o", "json"])).contains(&"AVRO_TYPE_CHANGED".into()));
}

#[test]
fn a_link_that_leads_nowhere_is_a_finding() {
    let repository = Repository::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x.avsc"), FIRST).unwrap();
    symlink("gone.avsc", repository.path().join("schemas/gone-to.avsc")).unwrap();
    symlink(outside.path().join("x.avsc"), repository.path().join("schemas/outside.avsc")).unwrap();
    repository.commit();
    for name in ["gone-to", "outside"] {
        fs::remove_file(repository.path().join(format!("schemas/{name}.avsc"))).unwrap();
        repository.write(&format!("schemas/{name}.avsc"), &number());
    }
    assert_eq!(rules(&repository.check(100, &["-o", "json"])), ["AVRO_PAST_INVALID"; 2]);
}

#[test]
fn a_submodule_has_a_past_that_is_not_here() {
    let inner = Repository::new();
    let repository = Repository::new();
    let url = inner.path().to_str().unwrap();
    repository.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "schemas/sub"]);
    repository.commit();
    repository.write("schemas/sub/schemas/orders.v1.avsc", &number());
    let said = repository.check(100, &["-o", "json"]);
    assert_eq!(rules(&said), ["AVRO_PAST_INVALID"], "{said}");
    assert!(said.contains("submodule `schemas/sub`"), "{said}");
    // Inside it, its own past counts.
    assert_eq!(rules(&repository.check(100, &["schemas/sub/schemas", "-o", "json"])), ["AVRO_TYPE_CHANGED"]);
}

#[test]
fn an_object_that_is_missing_is_a_finding_and_hides_no_other() {
    let repository = Repository::new();
    repository.write("schemas/a.avsc", &FIRST.replace("Order", "A"));
    repository.write("schemas/z.avsc", &FIRST.replace("Order", "Z"));
    repository.commit();
    let output = repository.git(&["rev-parse", "HEAD:schemas/orders.v1.avsc"]);
    let object = output.trim();
    fs::remove_file(repository.path().join(".git/objects").join(&object[..2]).join(&object[2..])).unwrap();
    repository.write(FILE, &number());
    repository.write("schemas/a.avsc", &number().replace("Order", "A"));
    repository.write("schemas/z.avsc", &number().replace("Order", "Z"));
    let said = repository.check(100, &["-o", "json"]);
    assert_eq!(rules(&said), ["AVRO_TYPE_CHANGED", "AVRO_PAST_INVALID", "AVRO_TYPE_CHANGED"], "{said}");
}

#[test]
fn revisions_that_are_no_schema_are_findings_of_the_levels_that_look_at_them() {
    let repository = Repository::new();
    repository.write(FILE, "<<<<<<< ours");
    repository.commit();
    repository.write(FILE, FIRST);
    repository.commit();
    repository.add_field(r#"{"name":"note","type":["null","string"],"default":null}"#);
    assert_eq!(rules(&repository.check(100, &["-o", "json"])), ["AVRO_PAST_INVALID"]);
    repository.check(0, &["--level", "FULL"]);
    let waiver = "[[waiver]]\nrule = \"AVRO_PAST_INVALID\"\nsubject = \"orders.v1-value\"\n\
                  reason = \"a conflict was committed, and nothing was written with it\"\nexpires = 9999-12-31\n";
    repository.write("schemas/compatibility.toml", waiver);
    repository.check(0, &[]);
}

#[test]
fn names_that_git_quotes_and_files_of_one_name_have_their_own_past() {
    let repository = Repository::new();
    let strange = "schemas/we\"ird [x]\tü.avsc";
    repository.write(strange, FIRST);
    repository.write("schemas/a/event.avsc", &FIRST.replace("Order", "a.Event"));
    repository.write("schemas/b/event.avsc", &number().replace("Order", "b.Event"));
    repository.commit();
    repository.write(strange, &FIRST.replace("\"id\"", "\"id\",\"doc\":\"new\""));
    repository.commit();
    repository.check(0, &[]);
    repository.write(strange, &number());
    assert_eq!(rules(&repository.check(100, &["-o", "json"])), ["AVRO_TYPE_CHANGED"]);
    repository.write(strange, FIRST);
    repository.write("schemas/a/event.avsc", &number().replace("Order", "a.Event"));
    let said = repository.check(100, &["-o", "json"]);
    assert_eq!(rules(&said), ["AVRO_TYPE_CHANGED"], "{said}");
    assert!(said.contains("\"schemas/a/event.avsc\""), "{said}");
    // A folder is renamed, and each takes its own past along.
    repository.write("schemas/a/event.avsc", &FIRST.replace("Order", "a.Event"));
    repository.commit();
    repository.git(&["mv", "schemas/a", "schemas/c"]);
    repository.git(&["mv", "schemas/b", "schemas/d"]);
    repository.check(0, &[]);
    repository.commit();
    repository.write("schemas/c/event.avsc", &number().replace("Order", "a.Event"));
    assert_eq!(rules(&repository.check(100, &["-o", "json"])), ["AVRO_TYPE_CHANGED"]);
}

#[test]
fn types_of_other_files_are_those_of_the_same_commit() {
    let repository = Repository::new();
    let order = r#"{"type":"record","name":"Order","fields":[{"name":"to","type":"c.City"}]}"#;
    let city = |kind: &str| format!(r#"{{"type":"record","name":"c.City","fields":[{{"name":"n","type":"{kind}"}}]}}"#);
    repository.write("schemas/city.avsc", &city("string"));
    repository.commit();
    repository.write("schemas/trip.avsc", order);
    repository.commit();
    repository.write("schemas/city.avsc", &city("int"));
    repository.write("schemas/compatibility.toml", "[subjects]\ncity-value = \"NONE\"\n");
    assert_eq!(rules(&repository.check(100, &["-o", "json"])), ["AVRO_TYPE_CHANGED"], "where it is used");
    repository.commit();
    repository.write("schemas/trip.avsc", &order.replace("\"to\"", "\"to\",\"doc\":\"new\""));
    assert_eq!(rules(&repository.check(100, &["-o", "json"])), ["AVRO_TYPE_CHANGED"], "two commits ago");
    repository.check(0, &["--level", "FULL"]);
}

// === a registry ===

/// A registry with these answers, by path, until the test ends; everything else is not found.
fn registry(answers: Vec<(&'static str, Value)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("schema_registry.url=http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            // The head ends with an empty line.
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let path = first.split([' ', '?']).nth(1).unwrap_or_default();
            let known = answers.iter().find(|(known, _)| *known == path).map(|(_, body)| body.to_string());
            let missing = || r#"{"error_code":40402,"message":"no"}"#.to_owned();
            let (status, body) = known.map_or_else(|| ("404 Not Found", missing()), |body| ("200 OK", body));
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
            stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).unwrap();
        }
    });
    url
}

fn version(number: u32, schema: &str, more: Value) -> Value {
    let mut answer = serde_json::json!({ "subject": "s", "version": number, "id": number, "schema": schema });
    for (key, value) in more.as_object().unwrap() {
        answer[key.as_str()] = value.clone();
    }
    answer
}

#[test]
fn every_registered_version_is_compared_or_is_a_finding() {
    let order = |kind: &str, rest: &str| {
        format!(r#"{{"type":"record","name":"Order","fields":[{{"name":"id","type":"{kind}"}}{rest}]}}"#)
    };
    let invalid_default = order("string", r#",{"name":"n","type":["int","null"],"default":"null"}"#);
    let referring = order("string", r#",{"name":"to","type":"c.Address"}"#);
    let address = r#"{"type":"record","name":"c.Address","fields":[{"name":"city","type":"c.City"}]}"#;
    let city = r#"{"type":"record","name":"c.City","fields":[{"name":"n","type":"string"}]}"#;
    let refer = |name: &str, subject: &str| serde_json::json!({ "references": [{ "name": name, "subject": subject, "version": 1 }] });
    let none = serde_json::json!({});
    let url = registry(vec![
        ("/config", serde_json::json!({ "compatibilityLevel": "FULL_TRANSITIVE" })),
        ("/subjects/default-value/versions", serde_json::json!([1])),
        ("/subjects/default-value/versions/1", version(1, &invalid_default, none.clone())),
        ("/subjects/hyphen-value/versions", serde_json::json!([1])),
        (
            "/subjects/hyphen-value/versions/1",
            version(1, &order("string", "").replace("Order", "my-shop.Order"), none.clone()),
        ),
        ("/subjects/refers-value/versions", serde_json::json!([1])),
        ("/subjects/refers-value/versions/1", version(1, &referring, refer("c.Address", "address-value"))),
        ("/subjects/address-value/versions/1", version(1, address, refer("c.City", "city-value"))),
        ("/subjects/city-value/versions/1", version(1, city, none.clone())),
        ("/subjects/dangles-value/versions", serde_json::json!([1])),
        ("/subjects/dangles-value/versions/1", version(1, &referring, refer("c.Address", "gone-value"))),
        ("/subjects/deleted-value/versions", serde_json::json!([1, 2])),
        ("/subjects/deleted-value/versions/2", version(2, &order("long", ""), none.clone())),
        ("/subjects/proto-value/versions", serde_json::json!([1])),
        (
            "/subjects/proto-value/versions/1",
            version(1, "syntax = 3;", serde_json::json!({ "schemaType": "PROTOBUF" })),
        ),
    ]);

    let repository = Repository::empty();
    let own = r#",{"name":"to","type":{"type":"record","name":"c.Address","fields":[{"name":"city","type":
        {"type":"record","name":"City","fields":[{"name":"n","type":"string"}]}}]}}"#;
    for (name, rest) in
        [("default", ""), ("hyphen", ""), ("refers", own), ("dangles", own), ("deleted", ""), ("proto", "")]
    {
        let doc = order("long", rest).replace("\"Order\"", "\"Order\",\"doc\":\"new\"");
        repository.write(&format!("schemas/{name}.avsc"), &doc);
    }
    let said = |name: &str| {
        let file = format!("schemas/{name}.avsc");
        let said = repository.check(100, &["--against", "registry", "-X", &url, "-o", "json", &file]);
        (rules(&said), said)
    };
    let found = said("default").0;
    assert!(
        found.contains(&"AVRO_PAST_INVALID".to_owned()) && found.contains(&"AVRO_TYPE_CHANGED".to_owned()),
        "{found:?}"
    );
    assert_eq!(said("hyphen").0, ["AVRO_PAST_INVALID", "AVRO_TYPE_CHANGED"]);
    assert_eq!(said("refers").0, ["AVRO_TYPE_CHANGED"], "what it refers to is there, and is the same");
    for (name, reason) in [
        ("dangles", "it takes `c.Address` from version 1 of `gone-value`"),
        ("deleted", "the registry lists it and does not give it"),
        ("proto", "its type is PROTOBUF"),
    ] {
        let (found, said) = said(name);
        assert_eq!(found, ["AVRO_PAST_INVALID"], "{name}");
        assert!(said.contains(reason), "{said}");
    }
}
