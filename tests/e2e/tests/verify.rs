//! `sluice verify` names what is wrong with a copy, whoever damaged it; and a rollback gives the older copy back.
#![expect(clippy::panic, clippy::expect_used, reason = "test code outside of test functions")]

use std::time::Duration;

use e2e::folder::{Edition, Folder};
use serde_json::Value;
use testkit::{
    mariadb::{Database, MariaDb, Session},
    process::{Launch, Signal},
};

/// Far more than a call takes.
const DEADLINE: Duration = Duration::from_secs(120);

/// The tables that readers see something of.
const TABLES: [&str; 6] = [
    "sluice_provider_service_version",
    "sluice_provider_version",
    "sluice_provider_content",
    "sluice_content_bundle",
    "sluice_content_field",
    "sluice_active_generation",
];

/// Documents in which a sloppy comparison would see no difference.
const ODD_PROVIDER: &str = r#"{"id":"odd","service_id":"steady","weight":1.50}"#;
const ODD_BUNDLE: &str = r#"{"id":"o","provider_id":"odd","service_id":"steady","name":"","subscription_fields":[
    {"name":"empty","value":""},{"name":"null","value":null},{"name":"number","value":1.0},{"name":"text","value":"Abc"}]}"#;

/// A copy in a database of its own.
struct Copy {
    database: Database,
}

/// Damage, and what has to be said about it.
struct Case {
    /// What a person would call it.
    name: &'static str,
    statements: Vec<String>,
    /// Kind and place of each difference.
    differences: &'static [&'static str],
    /// Invariants that it breaks.
    invariants: &'static [&'static str],
}

// === impl Copy ===

impl Copy {
    fn new() -> Self {
        Self { database: MariaDb::shared().fresh_database() }
    }

    fn fill(&self, source: &str) {
        let target = self.database.url();
        Launch::binary("sluice").args(["demo", "--source", source, "--target", &target]).run().expect_code(0);
    }

    fn launch(&self, arguments: &[&str]) -> Launch {
        let target = format!("target.url={}", self.database.url());
        // Nobody listens there; a rollback says so, and goes on.
        let kafka = "kafka.bootstrap_servers=127.0.0.1:1";
        let launch = Launch::binary("sluice").args(arguments.iter().copied());
        launch.args(["-o", "json", "-X", &target, "-X", kafka])
    }

    /// A call that must end with this code; gives its answer.
    fn call(&self, code: i32, arguments: &[&str]) -> Value {
        let ended = self.launch(arguments).start().wait(DEADLINE).expect_code(code);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("not JSON: {error}\n{}", ended.stdout))
    }
}

// === impl Case ===

impl Case {
    fn new(name: &'static str, sql: impl Into<String>, differences: &'static [&'static str]) -> Self {
        Self { name, statements: vec![sql.into()], differences, invariants: &[] }
    }

    fn and(mut self, sql: impl Into<String>) -> Self {
        self.statements.push(sql.into());
        self
    }

    fn breaks(self, invariants: &'static [&'static str]) -> Self {
        Self { invariants, ..self }
    }

    fn check(&self, copy: &Copy, source: &str) {
        let mut session = copy.database.session();
        for sql in &self.statements {
            session.run(sql);
        }
        let code = i32::from(!self.differences.is_empty());
        let report = copy.call(code, &["verify", "--source", source]);
        assert_eq!(differences(&report), self.differences, "{}: {report}", self.name);
        let code = i32::from(!self.invariants.is_empty());
        let report = copy.call(code, &["verify", "--invariants"]);
        assert_eq!(broken(&report), self.invariants, "{}: {report}", self.name);
        mend(&mut session);
    }
}

fn keep(session: &mut Session) {
    for table in TABLES {
        session.run(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"));
    }
}

fn mend(session: &mut Session) {
    for table in TABLES {
        session.run(&format!("DELETE FROM {table}"));
        session.run(&format!("INSERT INTO {table} SELECT * FROM kept_{table}"));
    }
}

/// Kind and place of each difference, such as `changed steady/p-0`.
fn differences(report: &Value) -> Vec<String> {
    let list = report["differences"].as_array().expect("differences are listed");
    let line = |difference: &Value| {
        let ids = ["service_id", "provider_id", "bundle_id", "field_id"];
        let path: Vec<&str> = ids.iter().filter_map(|id| difference[*id].as_str()).collect();
        format!("{} {}", difference["kind"].as_str().unwrap_or_default(), path.join("/"))
    };
    list.iter().map(line).collect()
}

/// Names of the invariants that are broken.
fn broken(report: &Value) -> Vec<&str> {
    let list = report["invariants"].as_array().expect("invariants are listed");
    list.iter().filter(|line| line["result"] == "broken").filter_map(|line| line["invariant"].as_str()).collect()
}

/// The number of a provider's content.
fn content(provider: &str) -> String {
    format!(
        "(SELECT content_id FROM kept_sluice_provider_content WHERE service_id = 'steady' \
         AND provider_id = '{provider}')"
    )
}

/// Damage of each kind.
fn cases() -> Vec<Case> {
    let field = |id: &str, set: &str| {
        format!("UPDATE sluice_content_field SET {set} WHERE content_id = {} AND field_id = '{id}'", content("odd"))
    };
    let bundle = |set: &str| format!("UPDATE sluice_content_bundle SET {set} WHERE content_id = {}", content("odd"));
    let provider = |set: &str| format!("UPDATE sluice_provider_version SET {set} WHERE provider_id = 'odd'");
    let first = content("p-0");
    vec![
        Case::new("a changed value", field("number", "value = '2'"), &["changed steady/odd/o/number"]),
        Case::new("another number text", field("number", "value = '1.00'"), &["changed steady/odd/o/number"]),
        Case::new("another case", field("text", "value = 'abc'"), &["changed steady/odd/o/text"]),
        Case::new("a trailing space", field("text", "value = 'Abc '"), &["changed steady/odd/o/text"]),
        Case::new("NULL for an empty value", field("empty", "value = NULL"), &["changed steady/odd/o/empty"]),
        Case::new("an empty value for NULL", field("null", "value = ''"), &["changed steady/odd/o/null"]),
        Case::new("another type", field("text", "data_type = 'json'"), &["changed steady/odd/o/text"]),
        Case::new(
            "an unknown type",
            field("text", "data_type = 'what'"),
            &["damaged steady/odd", "missing steady/odd/o/text"],
        ),
        Case::new("another position", field("text", "position = 9"), &["changed steady/odd/o/text"]),
        Case::new("another requirement", field("text", "required = 1"), &["changed steady/odd/o/text"]),
        Case::new("NULL for an empty name", bundle("name = NULL"), &["changed steady/odd/o"]),
        Case::new(
            "another bundle id, by case",
            bundle("bundle_id = 'O'"),
            &["missing steady/odd/o", "extra steady/odd/O"],
        ),
        Case::new("an empty name for NULL", provider("name = ''"), &["changed steady/odd"]),
        Case::new("a wrong name", provider("name = 'other'"), &["changed steady/odd"]),
        Case::new("wrong attributes", provider("attributes = '{\"weight\":1.5}'"), &["changed steady/odd"]),
        Case::new(
            "another provider id, by a space",
            provider("provider_id = 'odd '"),
            &["missing steady/odd", "extra steady/odd "],
        )
        .and("UPDATE sluice_provider_content SET provider_id = 'odd ' WHERE provider_id = 'odd'"),
        Case::new(
            "a wrong name of a service",
            "UPDATE sluice_provider_service_version SET name = 'other' WHERE service_id = 'steady'",
            &["changed steady"],
        ),
        Case::new(
            "a stored digest",
            format!("UPDATE sluice_provider_content SET digest = REPEAT('x', 32) WHERE content_id = {first}"),
            &["damaged steady/p-0"],
        ),
        Case::new(
            "a lost field",
            format!(
                "DELETE FROM sluice_content_field WHERE content_id = {first} AND bundle_ordinal = 0 \
                 AND field_id = 'note'"
            ),
            &["damaged steady/p-0", "missing steady/p-0/b1/note"],
        )
        .breaks(&["I2"]),
        Case::new(
            "an added field",
            format!(
                "CREATE TABLE added_field AS SELECT * FROM kept_sluice_content_field \
                 WHERE content_id = {first} AND bundle_ordinal = 0 AND field_id = 'note'"
            ),
            &["damaged steady/p-0", "extra steady/p-0/b1/added"],
        )
        .and("UPDATE added_field SET field_id = 'added', ordinal = 99")
        .and("INSERT INTO sluice_content_field SELECT * FROM added_field")
        .breaks(&["I2"]),
        Case::new(
            "a lost bundle",
            format!("DELETE FROM sluice_content_bundle WHERE content_id = {first} AND bundle_id = 'b2'"),
            &["damaged steady/p-0", "damaged steady/p-0", "damaged steady/p-0", "missing steady/p-0/b2"],
        )
        .breaks(&["I2"]),
        Case::new(
            "a lost provider",
            "DELETE FROM sluice_provider_version WHERE provider_id = 'odd'",
            &["missing steady/odd"],
        ),
        Case::new(
            "a foreign provider",
            "CREATE TABLE added_provider AS SELECT * FROM kept_sluice_provider_version WHERE provider_id = 'odd'",
            &["extra steady/foreign"],
        )
        .and("CREATE TABLE added_content AS SELECT * FROM kept_sluice_provider_content WHERE provider_id = 'odd'")
        .and("UPDATE added_provider SET provider_id = 'foreign'")
        .and("UPDATE added_content SET provider_id = 'foreign'")
        .and("INSERT INTO sluice_provider_version SELECT * FROM added_provider")
        .and("INSERT INTO sluice_provider_content SELECT * FROM added_content")
        .breaks(&["I2"]),
        Case::new(
            "a lost service",
            "DELETE FROM sluice_provider_service_version WHERE service_id = 'empty'",
            &["missing empty"],
        ),
        Case::new(
            "a pointer to an older generation",
            "UPDATE sluice_active_generation SET generation = 1, previous = NULL WHERE service_id = 'rising'",
            &["missing rising"],
        )
        .breaks(&["I3", "I6"]),
        Case::new(
            "a pointer to no generation",
            "UPDATE sluice_active_generation SET generation = 99 WHERE service_id = 'empty'",
            // The open rows are seen at any later generation: only the invariants can tell.
            &[],
        )
        .breaks(&["I3", "I6"]),
    ]
}

#[test]
fn every_kind_of_damage_is_named_row_by_row() {
    let folder = Folder::new("damage", 6);
    let copy = Copy::new();
    copy.fill(&folder.url());
    folder.write(Edition::Second);
    folder.append("providers.jsonl", ODD_PROVIDER);
    folder.append("bundles.jsonl", &ODD_BUNDLE.replace('\n', ""));
    copy.fill(&folder.url());
    let report = copy.call(0, &["verify", "--source", &folder.url()]);
    assert_eq!((&report["equal"], &report["complete"]), (&Value::from(true), &Value::from(true)));
    let report = copy.call(0, &["verify", "--invariants"]);
    assert_eq!(report["invariants"].as_array().map(Vec::len), Some(12));
    assert_eq!(report["invariants"][6]["result"], "not-applicable", "no run is open");

    keep(&mut copy.database.session());
    for case in cases() {
        case.check(&copy, &folder.url());
    }
    assert_eq!(copy.call(0, &["verify", "--source", &folder.url()])["equal"], true, "all was mended");
}

#[test]
fn after_a_rollback_the_copy_equals_the_older_source() {
    let (older, newer) = (Folder::new("older", 6), Folder::new("newer", 6));
    newer.write(Edition::Second);
    let copy = Copy::new();
    let verify = |code: i32, arguments: &[&str]| copy.call(code, &[&["verify"], arguments].concat());
    copy.fill(&older.url());
    verify(0, &["--source", &older.url()]);
    copy.fill(&newer.url());
    verify(0, &["--source", &newer.url()]);
    verify(1, &["--source", &older.url()]);

    copy.call(0, &["generation", "rollback", "--yes", "--reason", "bad prices"]);
    verify(0, &["--source", &older.url()]);
    verify(1, &["--source", &newer.url()]);
    verify(0, &["--invariants"]);

    copy.call(0, &["generation", "rollback", "--yes"]);
    verify(0, &["--source", &newer.url()]);
    copy.call(0, &["generation", "rollback", "--service", "moving", "--yes"]);
    verify(0, &["--service", "moving", "--source", &older.url()]);
    let report = verify(1, &["--source", &newer.url()]);
    assert!(differences(&report).iter().all(|line| line.contains(" moving")), "{report}");
    verify(1, &["--source", &older.url()]);
    verify(0, &["--invariants"]);

    // The next run moves readers on to what the source has now, wherever they were.
    copy.fill(&newer.url());
    verify(0, &["--source", &newer.url()]);
    verify(0, &["--invariants"]);
}

#[test]
fn an_interrupted_comparison_goes_on_within_its_service() {
    const PROVIDERS: i64 = 2_000;
    let source = format!("generator:?services=2&providers={PROVIDERS}&bundles=1&fields=1");
    let slow = format!("{source}&latency_ms=300");
    let copy = Copy::new();
    copy.fill(&source);

    let mut first = copy.launch(&["verify", "--source", &slow]).start();
    first.wait_for_line(" of 2,000 providers");
    first.signal(Signal::SIGINT);
    let first = first.wait(DEADLINE).expect_code(10);
    let report: Value = serde_json::from_str(&first.stdout).expect("an answer");
    assert_eq!(report["complete"], false);
    let resume = report["resume"].as_str().expect("how to go on");
    assert!(first.stderr.contains(resume), "{}", first.stderr);
    let (_, cursor) = resume.split_once("--after=").expect("a cursor");
    assert!(cursor.contains('/'), "{cursor} is within a service");

    let rest = copy.call(0, &["verify", "--source", &source, "--after", cursor]);
    assert_eq!(rest["complete"], true);
    let providers = |report: &Value| report["providers"].as_i64().unwrap_or_default();
    assert_eq!(providers(&report) + providers(&rest), PROVIDERS);
    assert!(providers(&report) > 0 && providers(&rest) > 0);
    let unknown = cursor.split_once('/').map(|(service, _)| format!("{service}/nobody")).unwrap_or_default();
    copy.launch(&["verify", "--source", &source, "--after", &unknown]).run().expect_code(1);
}
