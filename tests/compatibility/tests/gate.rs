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
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gate-orders.v1.avsc"), schema.to_string()).unwrap();
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
