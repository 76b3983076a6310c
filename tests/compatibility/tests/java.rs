//! The gate never passes what Apache Avro's Java library or our own decoder cannot read, and warns where a value changes
//! its meaning: on data of more than a thousand generated pairs of schemas.
#![expect(clippy::panic, clippy::unwrap_used, reason = "test code outside of test functions")]

use std::collections::BTreeMap;

use apache_avro::{
    Schema as Library, reader::datum::GenericDatumReader, types::Value as Avro, writer::datum::GenericDatumWriter,
};
use compatibility::{
    data::Data,
    generator::Generator,
    oracle::{Datum, Oracle},
    shown::{hex, means_the_same, plain, shown},
};
use fastrand::Rng;
use pipeline_core::registry::Reading;
use pipeline_schema::{Finding, Level, Past, Schema, Severity, check};
use serde_json::Value;

/// The first seed; `SLUICE_SEED` is another one.
const SEED: u64 = 20_261_128;
/// Pairs that are judged; `SLUICE_PAIRS` is another number.
const PAIRS: usize = 1_500;
/// Data of each pair.
const DATA: usize = 8;

/// What has to be among the pairs that pass, with how it shows.
const FEATURES: [(&str, &str); 7] = [
    ("unions of named types", "},{\"type\":"),
    ("logical types", "logicalType"),
    ("decimals", "decimal"),
    ("aliases", "aliases"),
    ("defaults", "default"),
    ("names that are used again", "\"name\":\"u"),
    ("namespaces", "\"namespace\":\"m\""),
];

/// One datum of a pair, and what everybody makes of it.
struct Case<'a> {
    findings: &'a [Finding],
    datum: &'a Datum,
    ours: &'a Result<Value, String>,
}

#[test]
fn what_the_gate_passes_java_and_our_decoder_read_and_it_warns_of_another_meaning() {
    let (seed, pairs) = (number("SLUICE_SEED", SEED), number("SLUICE_PAIRS", PAIRS as u64));
    let (mut oracle, mut generator, mut random) = (Oracle::start(), Generator::rich(seed), Rng::with_seed(seed));
    let mut tally: BTreeMap<String, u64> = BTreeMap::new();
    let mut disagreements = BTreeMap::new();
    let mut judged = 0;
    while judged < pairs {
        let writer = generator.schema();
        let reader = generator.changed(&writer);
        let (Ok(old), Ok(new)) = (Schema::parse(&writer.to_string()), Schema::parse(&reader.to_string())) else {
            continue;
        };
        judged += 1;
        let findings = check(&new, &[Past { label: "writer", schema: &old }], Level::Backward);
        let passes = findings.iter().all(|finding| finding.rule.severity() == Severity::Warning);
        count(&mut tally, if passes { "passed" } else { "refused" });
        let both = format!("{writer}{reader}");
        for (feature, _) in FEATURES.into_iter().filter(|(_, mark)| passes && both.contains(mark)) {
            count(&mut tally, &format!("passed with {feature}"));
        }
        if let Err(said) = judge(&mut oracle, &mut random, (&writer, &reader), &findings, &mut tally) {
            disagreements.entry(said.0).or_insert_with(Vec::new).push(format!("{}\n  {writer}\n  {reader}", said.1));
        }
    }
    println!("{judged} pairs: {tally:?}");
    let seen = |what: &str| tally.get(what).copied().unwrap_or(0);
    assert!(seen("passed") * 4 > pairs && seen("refused") * 4 > pairs, "the generator makes both kinds: {tally:?}");
    for (feature, _) in FEATURES {
        assert!(seen(&format!("passed with {feature}")) * 50 > pairs, "too few {feature}: {tally:?}");
    }
    let listed: Vec<String> =
        disagreements.iter().map(|(kind, all)| format!("{} times {kind}, such as {}", all.len(), all[0])).collect();
    assert!(listed.is_empty(), "seed {seed}: {} kinds of disagreement\n{}", listed.len(), listed.join("\n"));
}

#[test]
fn a_schema_that_has_not_changed_has_no_warning() {
    let mut generator = Generator::rich(SEED);
    for _ in 0..PAIRS {
        let text = generator.schema().to_string();
        let Ok(schema) = Schema::parse(&text) else { continue };
        let found = check(&schema, &[Past { label: "itself", schema: &schema }], Level::Full);
        let found: Vec<&Finding> = found.iter().filter(|finding| !finding.versions.is_empty()).collect();
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}

type Disagreement = (String, String);

fn judge(
    oracle: &mut Oracle,
    random: &mut Rng,
    (writer, reader): (&Value, &Value),
    findings: &[Finding],
    tally: &mut BTreeMap<String, u64>,
) -> Result<(), Disagreement> {
    let writer_data = Data::of(writer);
    let bytes: Vec<Vec<u8>> = (0..DATA).map(|_| writer_data.datum(random)).collect();
    let hexes: Vec<String> = bytes.iter().map(|datum| hex(datum)).collect();
    let passes = findings.iter().all(|finding| finding.rule.severity() == Severity::Warning);
    let answers = match oracle.ask(&writer.to_string(), &reader.to_string(), &hexes) {
        Ok(answers) => answers,
        Err(error) => return Err((format!("java refuses a schema: {}", short(&error)), String::new())),
    };
    let ours = Ours::new(writer, reader);
    // The library refuses defaults of some logical types; what it writes then is not the question here.
    let library = Library::parse_str(&without_logical_types(writer).to_string()).ok();
    for (datum, answer) in bytes.iter().zip(&answers) {
        assert_eq!(hex(datum), answer.again, "java writes what it read: {writer}");
        if let Some(library) = &library {
            assert_eq!(shown(&written_again(library, datum)), plain(&answer.written), "our library as well: {writer}");
            count(tally, "data that our library wrote");
        }
        if !passes {
            continue;
        }
        count(tally, "data of passed pairs");
        let ours = ours.as_ref().map_err(Clone::clone).and_then(|ours| ours.read(datum));
        let case = Case { findings, datum: answer, ours: &ours };
        case.disagreement().map_or(Ok(()), |kind| {
            Err((
                kind,
                format!("{}\n  written {}\n  java {:?}\n  ours {ours:?}", hex(datum), answer.written, answer.read),
            ))
        })?;
    }
    Ok(())
}

/// The value of a datum after the library that encodes messages has read, written and read it.
fn written_again(schema: &Library, datum: &[u8]) -> Avro {
    let read = |bytes: &[u8]| GenericDatumReader::builder(schema).build().unwrap().read_value(&mut &*bytes).unwrap();
    let mut bytes = Vec::new();
    GenericDatumWriter::builder(schema).build().unwrap().write_value(&mut bytes, read(datum)).unwrap();
    read(&bytes)
}

fn without_logical_types(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let kept = members.iter().filter(|(key, _)| !matches!(key.as_str(), "logicalType" | "scale" | "precision"));
            kept.map(|(key, value)| (key.clone(), without_logical_types(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_logical_types).collect(),
        other => other.clone(),
    }
}

/// The product's way from a message to a value.
struct Ours(Reading);

impl Ours {
    fn new(writer: &Value, reader: &Value) -> Result<Self, String> {
        Reading::new(&writer.to_string(), &reader.to_string()).map(Self)
    }

    fn read(&self, datum: &[u8]) -> Result<Value, String> {
        let value = self.0.value(datum).map_err(|error| {
            std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
        })?;
        Ok(shown(&value))
    }
}

// === impl Case ===

impl Case<'_> {
    fn disagreement(&self) -> Option<String> {
        let warned = !self.findings.is_empty();
        match (&self.datum.read, self.ours) {
            (Err(error), _) => Some(format!("java cannot read it: {}", short(error))),
            (_, Err(error)) => Some(format!("we cannot read it: {}", short(error))),
            (Ok(java), Ok(ours)) if plain(java) != *ours => Some("java and we read different values".to_owned()),
            (Ok(java), Ok(_)) if !means_the_same(&self.datum.written, java) && !warned => {
                Some("the meaning changes without a word".to_owned())
            }
            _ => None,
        }
    }
}

fn short(error: &str) -> String {
    let plain: String = error.chars().filter(|c| !c.is_ascii_digit()).collect();
    plain.split(['{', '[', '"']).next().unwrap_or_default().chars().take(90).collect()
}

fn count(tally: &mut BTreeMap<String, u64>, what: &str) {
    *tally.entry(what.to_owned()).or_default() += 1;
}

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => otherwise,
    }
}
