//! What `sluice capacity` says of disks and statements is what a real run takes.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

use e2e::pipeline::Pipeline;
use serde_json::Value;

/// A fifth of size M of the benchmark: large enough that a table's pages are more than its first few.
const SOURCE: &str = "generator:?services=40&providers=2000&bundles=20&fields=5&seed=1";
const QUESTION: [&str; 4] = ["--services", "40", "--providers", "2000"];

/// Tables of a generation.
const TABLES: [&str; 5] = [
    "sluice_provider_service_version",
    "sluice_provider_version",
    "sluice_provider_content",
    "sluice_content_bundle",
    "sluice_content_field",
];

#[test]
fn disk_and_statements_are_as_planned() {
    let pipeline = Pipeline::start(SOURCE);
    let plan = pipeline.sluice(&["capacity", "-o", "json"]).args(QUESTION).run().expect_code(0).stdout;
    let plan: Value = serde_json::from_str(&plan).expect("the plan is JSON");
    let batch_size = recommended(&plan, "stage.batch_size").to_string();
    let before = statements(&pipeline);
    pipeline.run(&["--batch-size", &batch_size]);
    let statements = statements(&pipeline) - before;

    let rows: i64 = TABLES.iter().map(|table| count(&pipeline, table)).sum();
    assert_eq!(plan.pointer("/data/rows").and_then(Value::as_i64), Some(rows));
    let disk: i64 = TABLES.iter().map(|table| bytes(&pipeline, table)).sum();
    assert_near("bytes on disk", recommended(&plan, "disk.copy"), disk);
    let planned = plan.pointer("/full/statements").and_then(Value::as_f64).expect("a number of statements");
    #[expect(clippy::cast_possible_truncation, reason = "some thousands")]
    assert_near("statements", planned as i64, statements);
    pipeline.stop();
}

/// Within a third: documents differ, and so does how full pages are.
fn assert_near(what: &str, planned: i64, found: i64) {
    assert!(planned * 3 > found * 2 && planned * 2 < found * 3, "{what}: planned {planned}, found {found}");
}

fn recommended(plan: &Value, name: &str) -> i64 {
    let all = plan.get("recommendations").and_then(Value::as_array).expect("recommendations");
    let found = all.iter().find(|each| each.get("name").and_then(Value::as_str) == Some(name));
    found.and_then(|each| each.get("value")).and_then(Value::as_i64).expect("a recommendation with this name")
}

fn count(pipeline: &Pipeline, table: &str) -> i64 {
    pipeline.database.session().number(&format!("SELECT COUNT(*) FROM {table}"))
}

/// Data and indexes of a table.
fn bytes(pipeline: &Pipeline, table: &str) -> i64 {
    let mut session = pipeline.database.session();
    session.rows(&format!("ANALYZE TABLE {table}"));
    session.number(&format!(
        "SELECT data_length + index_length FROM information_schema.tables WHERE table_schema = '{}' AND table_name = '{table}'",
        pipeline.database.name
    ))
}

/// Statements that the server was sent, by everybody: there is nobody else.
fn statements(pipeline: &Pipeline) -> i64 {
    let rows = pipeline.database.session().rows("SHOW GLOBAL STATUS LIKE 'Questions'");
    let number = rows.first().and_then(|row| row.get(1)).and_then(|cell| cell.parse().ok());
    number.expect("the server counts statements")
}
