//! The gate, the real registry's own opinion, and what that registry does at registering: one answer.
#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

use compatibility::judge::{Judge, Verdict};
use serde_json::{Value, json};
use testkit::{process::Launch, registry::Registry};

const SUBJECT: &str = "gate-orders.v1-value";

fn order(fields: &[Value]) -> Value {
    let id = json!({ "name": "id", "type": "string" });
    let fields: Vec<Value> = [id].into_iter().chain(fields.iter().cloned()).collect();
    json!({ "type": "record", "name": "Order", "fields": fields })
}

/// `sluice schema check --against registry` on one file.
fn check(schema: &Value, code: i32) -> Value {
    check_file("gate-orders.v1.avsc", schema, code)
}

fn check_file(name: &str, schema: &Value, code: i32) -> Value {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), schema.to_string()).unwrap();
    let url = format!("schema_registry.url={}", Registry::shared().url());
    let folder = folder.path().to_str().unwrap();
    let arguments = ["schema", "check", "--against", "registry", "-o", "json", "-X", &url, folder];
    let ended = Launch::binary("sluice").args(arguments).run().expect_code(code);
    serde_json::from_str(&ended.stdout).unwrap()
}

#[tokio::test]
async fn the_gate_the_registrys_opinion_and_its_deed_are_one() {
    let judge = Judge::new(Registry::shared().url());
    assert_eq!(judge.register(SUBJECT, &order(&[])).await, Verdict::Compatible);
    judge.hold_to(SUBJECT, "FULL_TRANSITIVE").await;

    let breaking = order(&[json!({ "name": "total", "type": "long" })]);
    let found = check(&breaking, 100);
    assert_eq!(found["subjects"][0]["level"], "FULL_TRANSITIVE", "the registry's own level");
    assert_eq!(found["findings"][0]["rule"], "AVRO_FIELD_ADDED_WITHOUT_DEFAULT");
    assert_eq!(judge.ask(SUBJECT, &breaking).await, Verdict::Incompatible);
    assert_eq!(judge.register(SUBJECT, &breaking).await, Verdict::Incompatible);

    let safe = order(&[json!({ "name": "total", "type": "long", "default": 0 })]);
    assert_eq!(check(&safe, 0)["subjects"][0]["state"], "changed");
    assert_eq!(judge.ask(SUBJECT, &safe).await, Verdict::Compatible);
    assert_eq!(judge.register(SUBJECT, &safe).await, Verdict::Compatible);
    assert_eq!(check(&safe, 0)["subjects"][0]["state"], "unchanged");

    // The default may not go now: the first version has no such field.
    assert_eq!(check(&breaking, 100)["findings"][0]["versions"], json!(["version 1"]));
    assert_eq!(judge.register(SUBJECT, &breaking).await, Verdict::Incompatible);
}

#[tokio::test]
async fn what_a_registered_schema_takes_from_others_is_compared() {
    let judge = Judge::new(Registry::shared().url());
    let record = |name: &str, field: &str, kind: &Value| json!({ "type": "record", "name": name, "fields": [{ "name": field, "type": kind }] });
    let city = record("gate.City", "name", &json!("string"));
    let address = record("gate.Address", "city", &json!("gate.City"));
    let trip = |to: &Value| record("gate.Trip", "to", to);
    assert_eq!(judge.register("gate-city-value", &city).await, Verdict::Compatible);
    let referring = judge.register_referring("gate-address-value", &address, "gate.City", "gate-city-value").await;
    assert_eq!(referring, Verdict::Compatible);
    let referring = trip(&json!("gate.Address"));
    let referring = judge.register_referring("gate-trip-value", &referring, "gate.Address", "gate-address-value").await;
    assert_eq!(referring, Verdict::Compatible);
    judge.hold_to("gate-trip-value", "FULL_TRANSITIVE").await;

    // The same in one text is the same schema; with another type inside it is a break.
    let whole = |kind: &str| trip(&record("gate.Address", "city", &record("gate.City", "name", &json!(kind))));
    assert_eq!(check_file("gate-trip.avsc", &whole("string"), 0)["findings"], json!([]));
    let found = check_file("gate-trip.avsc", &whole("int"), 100);
    assert_eq!(found["findings"][0]["rule"], "AVRO_TYPE_CHANGED", "{found}");
    assert_eq!(found["findings"][0]["path"], "Trip.to.city.name");
}
