//! Our rules and a real registry's give the same verdict, on hundreds of generated changes and at every level; where
//! they do not, it is a known fault of that registry, and the specification says so.
#![expect(clippy::panic, reason = "test code outside of test functions")]

use std::collections::{BTreeMap, BTreeSet};

use compatibility::{
    generator::Generator,
    judge::{Judge, Verdict},
};
use futures::{StreamExt, stream};
use pipeline_schema::{Finding, LEVELS, Level, Past, Schema, Severity, check};
use serde_json::{Value, json};
use testkit::registry::Registry;

const SEED: u64 = 20_261_122;

/// Changes of one schema into another, judged both ways.
const PAIRS: usize = 700;

/// Histories of three versions and what is to follow them, judged at every level.
const CHAINS: usize = 40;

/// Pairs that have to be judged; the registry fails on some.
const ENOUGH: usize = 500;

/// Questions to the registry at a time.
const AT_A_TIME: usize = 8;

/// Where the registry (Apicurio 2.6.13 with Avro for Java 1.12.0) departs from the specification (Avro 1.12.0), or ours is
/// stricter than both because decoders are, by name and the specification's words.
const DEVIATIONS: [(&str, &str); 8] = [
    (
        "decimal",
        "Decimal: \"For the purposes of schema resolution, two schemas that are decimal logical types match if their \
         scales and precisions match.\" The registry compares the underlying types only.",
    ),
    (
        "first branch",
        "Schema Resolution: \"if reader's is a union, but writer's is not: The first schema in the reader's union that \
         matches the writer's schema is recursively resolved against it. If none match, an error is signalled.\" The \
         registry tries every branch.",
    ),
    (
        "recursion",
        "Names: \"a name must be defined before it is used (`before` in the depth-first, left-to-right traversal of the \
         JSON parse tree)\", so a record may name itself in its fields, as the specification's own LongList does. The \
         registry fails with an internal error when it is to store some of these.",
    ),
    (
        "bytes as text",
        "Schema Resolution: \"bytes is promotable to string\". The registry holds to it. Of bytes that are no UTF-8 \
         Java's library makes another text, and the decoder of the stages fails, so ours is an error.",
    ),
    (
        "namespace in a union",
        "Schema Resolution: \"both schemas are enums whose (unqualified) names match\". The registry holds to it. Java's \
         library looks for an enum or a fixed type in a union by its full name and fails, so ours is an error.",
    ),
    (
        "default",
        "Complex Types, Records: \"the type of the default value must match with one element of the union\". The registry \
         asks only whether there is a default. Java's library fails on an empty list, and libraries of the time when the \
         default had to be of the first type fail on one of a later type, so ours are errors.",
    ),
    (
        "alias elsewhere",
        "Aliases: \"a type alias may be specified either as fully namespace-qualified\" and of fields it says nothing of \
         the record's namespace. The registry follows a field's alias in any record that matches. Java's library does in \
         records of one whole name, so ours is an error.",
    ),
    (
        "ambiguous alias",
        "Aliases: \"Aliases function by re-writing the writer's schema using aliases from the reader's schema.\" Two \
         fields of the writer would get one name. The registry answers with an error instead of a verdict.",
    ),
];

/// Old and new, and how they came to be.
struct Case {
    name: String,
    history: Vec<Value>,
    new: Value,
    /// The deviation that is expected here.
    deviation: Option<&'static str>,
}

#[tokio::test]
async fn our_rules_agree_with_a_real_registry_on_every_generated_change() {
    let judge = Judge::new(Registry::shared().url());
    let mut cases = pairs();
    cases.extend(by_hand());
    let outcomes: Vec<Outcome> =
        stream::iter(&cases).map(|case| ask_both_ways(&judge, case)).buffer_unordered(AT_A_TIME).collect().await;
    let seen = assert_agreement(&outcomes);
    let known: BTreeSet<&str> = DEVIATIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(seen, known, "the table names exactly the deviations that appear");
    let compatible = outcomes.iter().flat_map(|outcome| &outcome.verdicts).filter(|(_, ours, _)| *ours).count();
    let verdicts: usize = outcomes.iter().map(|outcome| outcome.verdicts.len()).sum();
    let judged = outcomes.iter().filter(|outcome| !outcome.verdicts.is_empty()).count();
    println!("{judged} of {} pairs judged, {verdicts} verdicts, {compatible} of them compatible", outcomes.len());
    assert!(judged >= ENOUGH, "{judged} pairs");
    assert!(compatible * 5 > verdicts && compatible * 5 < verdicts * 4, "the generator makes both kinds");
}

#[tokio::test]
async fn every_level_looks_at_the_same_versions_as_a_real_registry() {
    let judge = Judge::new(Registry::shared().url());
    let cases = chains();
    let outcomes: Vec<Outcome> = stream::iter(&cases)
        .map(|case| register_at_every_level(&judge, case))
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    assert_agreement(&outcomes);
}

// === cases ===

fn pairs() -> Vec<Case> {
    let mut generator = Generator::new(SEED);
    let pair = |n: usize| {
        let old = generator.schema();
        let new = generator.changed(&old);
        Case { name: format!("pair-{n}"), history: vec![old], new, deviation: None }
    };
    (0..PAIRS).map(pair).collect()
}

fn chains() -> Vec<Case> {
    let mut generator = Generator::new(SEED + 1);
    let chain = |n: usize| {
        let first = generator.schema();
        let second = generator.changed(&first);
        let third = generator.changed(&second);
        let new = generator.changed(&third);
        Case { name: format!("chain-{n}"), history: vec![first, second, third], new, deviation: None }
    };
    // What is registered already may be registered again whatever the level, and makes no new version.
    let all_differ = |case: &Case| {
        let versions: Vec<&Value> = case.history.iter().chain([&case.new]).collect();
        versions.iter().enumerate().all(|(place, version)| !versions.iter().take(place).any(|known| known == version))
    };
    (0..).map(chain).filter(all_differ).take(CHAINS).collect()
}

/// What chance would hardly make.
fn by_hand() -> Vec<Case> {
    let record = |fields: Value| json!({ "type": "record", "name": "R", "fields": fields });
    let field = |kind: Value| record(json!([{ "name": "f", "type": kind }]));
    let inner = |name: &str, fields: Value| json!({ "type": "record", "name": name, "fields": fields });
    let strict = json!([{ "name": "a", "type": "int" }]);
    let decimal = |scale: u32| json!({ "type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale });
    let cases = [
        ("decimal-scale", field(decimal(2)), field(decimal(3)), Some("decimal")),
        ("decimal-to-bytes", field(decimal(2)), field(json!("bytes")), None),
        (
            "second-branch",
            field(inner("z.T", json!([]))),
            field(json!([inner("x.T", strict.clone()), inner("y.T", json!([]))])),
            Some("first branch"),
        ),
        (
            "alias-of-two",
            record(json!([{ "name": "a", "type": "int" }, { "name": "b", "type": "int" }])),
            record(json!([{ "name": "b", "type": "int", "aliases": ["a"] }])),
            Some("ambiguous alias"),
        ),
        ("namespace", inner("x.T", json!([])), inner("y.T", json!([])), None),
        ("renamed-root", inner("x.T", json!([])), inner("x.U", json!([])), None),
        (
            "renamed-root-alias",
            inner("x.T", json!([])),
            json!({ "type": "record", "name": "x.U", "aliases": ["T"], "fields": [] }),
            None,
        ),
        (
            "later-default",
            record(json!([])),
            record(json!([{ "name": "a", "type": ["string", "null"], "default": null }])),
            Some("default"),
        ),
        (
            "empty-list",
            record(json!([])),
            record(json!([{ "name": "a", "type": [{ "type": "array", "items": "int" }, "null"], "default": [] }])),
            Some("default"),
        ),
        (
            "alias-elsewhere",
            inner("x.T", json!([{ "name": "a", "type": "int" }])),
            inner("y.T", json!([{ "name": "b", "type": "int", "aliases": ["a"] }])),
            Some("alias elsewhere"),
        ),
        (
            "namespace-in-union",
            field(json!({ "type": "fixed", "name": "x.F", "size": 2 })),
            field(json!(["null", { "type": "fixed", "name": "y.F", "size": 2 }])),
            Some("namespace in a union"),
        ),
        ("not-a-record", json!("int"), json!("long"), None),
        ("union-of-all", json!(["null", "int"]), json!(["null", "long", "string"]), None),
        (
            "list-of-itself",
            record(json!([{ "name": "v", "type": "int" }, { "name": "next", "type": ["null", "R"] }])),
            record(json!([{ "name": "v", "type": "long" }, { "name": "next", "type": ["null", "R"] }])),
            None,
        ),
    ];
    let case = |(name, old, new, deviation): (&str, Value, Value, _)| Case {
        name: format!("hand-{name}"),
        history: vec![old],
        new,
        deviation,
    };
    cases.into_iter().map(case).collect()
}

// === verdicts ===

/// Ours and theirs on one case; no verdicts when the registry could not even store the history.
struct Outcome<'a> {
    case: &'a Case,
    verdicts: Vec<(Level, bool, Verdict)>,
}

async fn ask_both_ways<'a>(judge: &Judge, case: &'a Case) -> Outcome<'a> {
    let mut verdicts = Vec::new();
    if store(judge, &case.name, &case.history).await {
        for level in [Level::Backward, Level::Forward] {
            judge.hold_to(&case.name, level.as_str()).await;
            let theirs = judge.ask(&case.name, &case.new).await;
            verdicts.push((level, ours(&case.history, &case.new, level), theirs));
        }
    }
    Outcome { case, verdicts }
}

/// Registers in earnest, under a subject for each level.
async fn register_at_every_level<'a>(judge: &Judge, case: &'a Case) -> Outcome<'a> {
    let mut verdicts = Vec::new();
    for &level in LEVELS {
        let subject = format!("{}-{level}", case.name);
        if store(judge, &subject, &case.history).await {
            judge.hold_to(&subject, level.as_str()).await;
            let theirs = judge.register(&subject, &case.new).await;
            verdicts.push((level, ours(&case.history, &case.new, level), theirs));
        }
    }
    Outcome { case, verdicts }
}

async fn store(judge: &Judge, subject: &str, history: &[Value]) -> bool {
    for version in history {
        match judge.register(subject, version).await {
            Verdict::Compatible => {}
            Verdict::Failed if names_itself(version) => return false,
            verdict => panic!("{subject}: {verdict:?} for {version}"),
        }
    }
    true
}

/// Whether the outermost record holds itself.
fn names_itself(schema: &Value) -> bool {
    let text = schema.to_string();
    text.contains("\"n.R\"") || text.matches("\"R\"").count() > 1
}

fn ours(history: &[Value], new: &Value, level: Level) -> bool {
    errors(history, new, level).is_empty()
}

/// What ours has against a change.
fn errors(history: &[Value], new: &Value, level: Level) -> Vec<Finding> {
    let parse =
        |schema: &Value| Schema::parse(&schema.to_string()).unwrap_or_else(|faults| panic!("{schema}: {faults}"));
    let history: Vec<Schema> = history.iter().map(parse).collect();
    let past: Vec<Past<'_>> = history.iter().map(|schema| Past { label: "", schema }).collect();
    let mut found = check(&parse(new), &past, level);
    found.retain(|finding| finding.rule.severity() == Severity::Error);
    found
}

/// Why ours alone has something against a change, when that is all it has.
fn decoders_explain(case: &Case, level: Level) -> Option<&'static str> {
    let errors = errors(&case.history, &case.new, level);
    let all = |what: &str| !errors.is_empty() && errors.iter().all(|finding| finding.message.contains(what));
    let kinds = [
        ("bytes as text", "let it be read as text"),
        ("namespace in a union", "does not in a union"),
        ("alias elsewhere", "in a record of the same whole name only"),
        ("default", "on which Java's library fails"),
        ("default", "is no value of its union's first type"),
    ];
    kinds.into_iter().find(|(_, what)| all(what)).map(|(name, _)| name)
}

/// Fails with every disagreement that no known deviation explains; gives the deviations that appeared.
fn assert_agreement<'a>(outcomes: &[Outcome<'a>]) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut unexplained = BTreeMap::new();
    for Outcome { case, verdicts } in outcomes {
        if verdicts.is_empty() {
            seen.insert("recursion");
        }
        for (level, ours, theirs) in verdicts {
            if *theirs == (if *ours { Verdict::Compatible } else { Verdict::Incompatible }) {
                continue;
            }
            let recursion = (*theirs == Verdict::Failed && names_itself(&case.new)).then_some("recursion");
            match case
                .deviation
                .or(recursion)
                .or_else(|| decimals_explain(case, *level, *theirs))
                .or_else(|| decoders_explain(case, *level))
            {
                // That registry may let pass what the specification forbids, and fail; it is never the stricter one.
                Some(deviation) if !ours || *theirs == Verdict::Failed => drop(seen.insert(deviation)),
                _ => {
                    let Case { name, history, new, .. } = case;
                    let said = format!("{level}: ours {ours}, theirs {theirs:?}\n  {history:?}\n  {new}");
                    unexplained.insert(name.clone(), said);
                }
            }
        }
        if let Some(deviation) = case.deviation {
            assert!(seen.contains(deviation), "{}: the registry does not deviate here", case.name);
        }
    }
    let listed: Vec<String> = unexplained.iter().map(|(name, said)| format!("{name}: {said}")).collect();
    assert!(listed.is_empty(), "{} disagreements:\n{}", listed.len(), listed.join("\n"));
    seen
}

/// Whether the two agree once no decimal is called one.
fn decimals_explain(case: &Case, level: Level, theirs: Verdict) -> Option<&'static str> {
    let plain: Vec<Value> = case.history.iter().map(without_decimals).collect();
    (ours(&plain, &without_decimals(&case.new), level) && theirs == Verdict::Compatible).then_some("decimal")
}

fn without_decimals(schema: &Value) -> Value {
    match schema {
        Value::Object(members) if members.get("logicalType").is_some_and(|name| name == "decimal") => "bytes".into(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), without_decimals(value))).collect(),
        Value::Array(items) => items.iter().map(without_decimals).collect(),
        other => other.clone(),
    }
}
