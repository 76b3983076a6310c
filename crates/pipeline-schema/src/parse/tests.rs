use super::*;

fn faults(text: &str) -> Vec<String> {
    Schema::parse(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}

/// A record `R` with the one field `f`.
fn field(rest: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f",{rest}}}]}}"#)
}

#[test]
fn every_fault_is_told_with_its_place() {
    let text = r#"{
  "type": "record",
  "name": "R",
  "fields": [
    {"name": "a", "type": "integer"},
    {"name": "a", "type": "int", "default": "x"},
    {"name": "2b", "type": "int"},
    {"type": "int"},
    {"name": "c", "type": {"type": "enum", "name": "E", "symbols": ["X", "X", "y z"], "default": "Q"}},
    {"name": "d", "type": {"type": "fixed", "name": "R"}},
    {"name": "e", "type": ["null", ["int"], "null"]}
  ]
}"#;
    insta::assert_snapshot!(faults(text).join("\n"), @r#"
    5:27: type `integer` is not defined before this place
    6:14: the record has a field `a` already
    6:45: the default "x" is no value of `a`'s type
    7:14: "2b" is not a name: a name has letters, digits and underscores, and no digit first
    8:5: a field needs a `name`
    9:74: the enum has a symbol `X` already
    9:79: `"y z"` is not a symbol: a name has letters, digits and underscores, and no digit first
    9:98: the default "Q" is not one of the symbols
    10:27: type `fixed` needs a `size`, a whole number of bytes
    10:27: type `R` is defined already
    11:36: a union cannot hold a union
    11:45: a union cannot hold the same type twice
    "#);
}

#[test]
fn a_default_is_a_value_of_its_type() {
    for (kind, good, bad) in [
        (r#""null""#, "null", "0"),
        (r#""boolean""#, "true", "1"),
        (r#""int""#, "7", "2147483648"),
        (r#""long""#, "2147483648", "1.5"),
        (r#""double""#, "1", "\"1\""),
        (r#""bytes""#, "\"\u{ff}\"", "\"\u{100}\""),
        (r#""string""#, "\"\"", "null"),
        (r#"["null","int"]"#, "null", "\"x\""),
        (r#"["null","int"]"#, "3", "true"),
        (r#"{"type":"array","items":"int"}"#, "[1,2]", "[1,null]"),
        (r#"{"type":"map","values":"int"}"#, r#"{"a":1}"#, r#"{"a":"b"}"#),
        (r#"{"type":"fixed","name":"F","size":2}"#, "\"ab\"", "\"a\""),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, "\"A\"", "\"B\""),
        (r#"{"type":"record","name":"S","fields":[{"name":"x","type":"int"}]}"#, r#"{"x":1}"#, "{}"),
    ] {
        let with = |default: &str| field(&format!(r#""type":{kind},"default":{default}"#));
        assert!(Schema::parse(&with(good)).is_ok(), "{kind} {good}");
        assert_eq!(faults(&with(bad)).len(), 1, "{kind} {bad}");
    }
}

#[test]
fn names_are_qualified_by_the_nearest_namespace() {
    let text = r#"{"type":"record","name":"R","namespace":"a.b","aliases":["Q","c.P"],"fields":[
        {"name":"x","type":{"type":"enum","name":"E","symbols":["A"]}},
        {"name":"y","type":"E"},
        {"name":"z","type":"a.b.E"},
        {"name":"again","type":["null","R"]}]}"#;
    let schema = Schema::parse(text).unwrap();
    let Kind::Record(record) = &schema.node(schema.root()).kind else { panic!("a record") };
    assert_eq!(record.name.to_string(), "a.b.R");
    let aliases: Vec<String> = record.aliases.iter().map(ToString::to_string).collect();
    assert_eq!(aliases, ["a.b.Q", "c.P"]);
    let names: Vec<String> = record.fields.iter().map(|field| schema.describe(field.kind)).collect();
    assert_eq!(names, ["enum a.b.E", "enum a.b.E", "enum a.b.E", "[null, record a.b.R]"]);
}

#[test]
fn an_invalid_logical_type_is_ignored_as_the_specification_asks() {
    for (logical, described) in [
        (r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#, "bytes decimal(9,2)"),
        (r#"{"type":"bytes","logicalType":"decimal","precision":9}"#, "bytes decimal(9,0)"),
        (r#"{"type":"bytes","logicalType":"decimal","precision":2,"scale":9}"#, "bytes"),
        (r#"{"type":"string","logicalType":"decimal","precision":2}"#, "string"),
        (r#"{"type":"long","logicalType":"timestamp-millis"}"#, "long timestamp-millis"),
    ] {
        let schema = Schema::parse(logical).unwrap();
        assert_eq!(schema.describe(schema.root()), described, "{logical}");
    }
}

#[test]
fn nesting_without_end_is_a_fault_and_no_overflow() {
    let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(10_000), "}".repeat(10_000));
    assert!(!faults(&deep).is_empty());
}

#[test]
fn what_is_no_json_is_named_and_read_leniently() {
    let text = format!("\u{feff}// licence\n{}", field(r#""type":"int""#));
    let said = faults(&text);
    assert_eq!(said.len(), 2);
    assert!(said[0].starts_with("1:1: the text begins with a byte order mark"), "{said:?}");
    assert!(said[1].starts_with("1:2: a comment"), "{said:?}");
    let read = Schema::parse_lenient(&text).unwrap();
    assert_eq!((read.harmless.len(), read.invalid.len()), (2, 0));
    assert!(faults("\u{feff}{").len() == 2 && Schema::parse_lenient("\u{feff}{").is_err());
}

#[test]
fn what_can_be_read_in_one_way_only_is_overlooked_in_the_past_and_nothing_else() {
    for text in [
        field(r#""type":["int","null"],"default":"null""#),
        field(r#""type":{"type":"enum","name":"E","symbols":["a-b"],"default":"c"}"#),
        field(r#""type":"int""#).replace("\"R\"", "\"my-shop.R-1\""),
        field(r#""type":"int","aliases":["a b"]"#).replace("\"f\"", "\"f-1\""),
        r#"{"type":"fixed","name":"F","namespace":"a-b","size":1}"#.to_owned(),
    ] {
        assert!(Schema::parse(&text).is_err(), "{text}");
        let read = Schema::parse_lenient(&text).unwrap_or_else(|faults| panic!("{text}: {faults}"));
        assert!(!read.invalid.is_empty() && read.harmless.is_empty(), "{text}");
    }
    for text in [
        field(r#""type":"nowhere.T""#),
        field(r#""type":["int","int"]"#),
        field(r#""type":{"type":"enum","name":"E","symbols":["A","A"]}"#),
        field(r#""type":"int""#).replace("\"f\"", "\"\""),
        "{}".to_owned(),
        String::new(),
    ] {
        assert!(Schema::parse_lenient(&text).is_err(), "{text}");
    }
}

#[test]
fn a_default_that_not_every_library_can_use_is_known_for_one() {
    let later = |rest: &str| {
        let schema = Schema::parse(&field(rest)).unwrap();
        let Kind::Record(record) = &schema.node(schema.root()).kind else { panic!("a record") };
        record.fields[0].unportable.is_some()
    };
    assert!(!later(r#""type":["null","int"],"default":null"#));
    assert!(later(r#""type":["null","int"],"default":1"#));
    assert!(later(r#""type":{"type":"array","items":["int","null"]},"default":[1,null]"#));
    let inner = r#"{"type":"record","name":"S","fields":[{"name":"x","type":["int","null"],"default":null}]}"#;
    assert!(later(&format!(r#""type":{inner},"default":{{}}"#)));
    assert!(!later(&format!(r#""type":{inner},"default":{{"x":1}}"#)));
    assert!(later(r#""type":[{"type":"array","items":"int"},"null"],"default":[]"#), "Java's library fails on it");
    assert!(!later(r#""type":[{"type":"array","items":"int"},"null"],"default":[1]"#));
}

#[test]
fn a_schema_has_a_bounded_length_number_of_parts_and_depth() {
    let long = field(&format!(r#""doc":"{}","type":"int""#, "x".repeat(600_000)));
    assert!(faults(&long).join("").contains("more than 524288"), "length");

    let fields = (0..12_000).map(|n| format!(r#"{{"name":"f{n}","type":"int"}}"#)).collect::<Vec<_>>().join(",");
    let many = [
        format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#),
        format!(r#"{{"type":"enum","name":"E","symbols":[{}]}}"#, vec![r#""A""#; 12_000].join(",")),
        format!("[{}]", vec![r#""int""#; 12_000].join(",")),
    ];
    for text in many {
        let faults = faults(&text);
        let too_many = faults.iter().filter(|fault| fault.ends_with("more than 10000 types, fields and symbols"));
        assert_eq!(too_many.count(), 1, "{} faults", faults.len());
    }

    // Written flat: each record holds the one before it by its name.
    let chain = |length: usize| {
        let links = (1..length)
            .map(|n| format!(r#"{{"type":"record","name":"R{n}","fields":[{{"name":"f","type":"R{}"}}]}}"#, n - 1));
        let first = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
        format!("[{}]", std::iter::once(first).chain(links).collect::<Vec<_>>().join(","))
    };
    assert!(Schema::parse(&chain(200)).is_ok());
    assert_eq!(faults(&chain(300)), ["1:1: its types hold each other more than 256 levels deep"]);
}

#[test]
fn a_default_within_unions_of_records_is_judged_once_for_each_branch() {
    // The innermost value fits nowhere, so each of the two branches is tried on each of the fifty levels.
    let records = r#"["null",{"type":"record","name":"A","fields":[{"name":"f","type":["null","A",{"type":"record","name":"B","fields":[{"name":"f","type":["null","A","B"]}]}]}]},"B"]"#;
    let default = format!("{}5{}", r#"{"f":"#.repeat(50), "}".repeat(50));
    let text = field(&format!(r#""type":{records},"default":{default}"#));
    assert!(faults(&text).join("").contains("is no value of `f`'s type"));
}
