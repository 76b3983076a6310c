use super::*;

fn schema(text: &str) -> Schema {
    Schema::parse(text).unwrap_or_else(|faults| panic!("{text}: {faults}"))
}

/// A record `R` with these fields, as JSON members after the name: `a` and `"type":"int"`.
fn record(fields: &[(&str, &str)]) -> Schema {
    let fields: Vec<String> = fields.iter().map(|(name, rest)| format!(r#"{{"name":"{name}",{rest}}}"#)).collect();
    schema(&format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(",")))
}

fn said(writer: &Schema, reader: &Schema) -> Vec<String> {
    mismatches(writer, reader).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn reads(writer: &str, reader: &str) {
    assert_eq!(said(&schema(writer), &schema(reader)), [""; 0], "{writer} as {reader}");
}

#[track_caller]
fn fails(writer: &str, reader: &str, because: &str) {
    assert_eq!(said(&schema(writer), &schema(reader)), [because], "{writer} as {reader}");
}

#[test]
fn the_promotions_are_those_of_the_specification() {
    let allowed = [
        ("int", "long"),
        ("int", "float"),
        ("int", "double"),
        ("long", "float"),
        ("long", "double"),
        ("float", "double"),
        ("string", "bytes"),
        // And ("bytes", "string"), which not all bytes survive.
    ];
    let all = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
    for from in all {
        for to in all {
            let expected = from == to || allowed.contains(&(from, to));
            let found = said(&schema(&format!("\"{from}\"")), &schema(&format!("\"{to}\"")));
            assert_eq!(found.is_empty(), expected, "{from} as {to}");
        }
    }
}

#[test]
fn a_reader_needs_a_default_for_what_the_writer_lacks() {
    let small = record(&[("a", r#""type":"int""#)]);
    let large = record(&[("a", r#""type":"int""#), ("b", r#""type":"int""#)]);
    let mild = record(&[("a", r#""type":"int""#), ("b", r#""type":["null","int"],"default":null"#)]);
    assert_eq!(said(&large, &small), [""; 0]);
    assert_eq!(said(&small, &large), ["`b`: field `b` is missing in the writer and has no default in the reader"]);
    assert_eq!(said(&small, &mild), [""; 0]);
}

#[test]
fn aliases_belong_to_the_reader() {
    let old = record(&[("a", r#""type":"int""#)]);
    let new = record(&[("b", r#""type":"int","aliases":["a"]"#)]);
    assert_eq!(said(&old, &new), [""; 0]);
    assert_eq!(said(&new, &old).len(), 1);
    let both = record(&[("a", r#""type":"int""#), ("b", r#""type":"int""#)]);
    assert_eq!(said(&both, &new), ["`b`: field `b` stands for several fields of the writer: a, b"]);
    let fixed = |name: &str, rest: &str| format!(r#"{{"type":"fixed","name":"{name}","size":2{rest}}}"#);
    reads(&fixed("x.A", ""), &fixed("y.A", ""));
    reads(&fixed("x.A", ""), &fixed("y.B", r#","aliases":["x.A"]"#));
    fails(&fixed("x.A", ""), &fixed("y.B", ""), "`x.A` cannot be read as `y.B`: the names differ");
    fails(&fixed("x.A", ""), &fixed("y.B", r#","aliases":["A"]"#), "`x.A` cannot be read as `y.B`: the names differ");
    fails(&fixed("A", ""), r#"{"type":"fixed","name":"A","size":3}"#, "2 bytes cannot be read as 3 bytes");
}

#[test]
fn an_enum_without_default_has_to_know_every_symbol() {
    let colours = |symbols: &str, rest: &str| format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]{rest}}}"#);
    let (one, two) = (colours(r#""X""#, ""), colours(r#""X","Y""#, ""));
    reads(&one, &two);
    fails(&two, &one, "symbol `Y` is not among the reader's, and the reader's enum has no default");
    reads(&two, &colours(r#""X""#, r#","default":"X""#));
}

#[test]
fn every_branch_of_a_writers_union_needs_a_place() {
    reads(r#"["null","int"]"#, r#"["string","long","null"]"#);
    fails(r#"["null","int"]"#, r#"["null","string"]"#, "`int` has no place in the reader's `[null, string]`");
    fails(r#"["null","int"]"#, r#""int""#, "`null` has no place in the reader's `int`");
    reads(r#""int""#, r#"["null","double"]"#);
    fails(r#""int""#, r#"["null","string"]"#, "`int` cannot be read as `[null, string]`");
    reads(r#"["int","float"]"#, r#""double""#);
    fails(r#"["null","int"]"#, r#""string""#, "`[null, int]` cannot be read as `string`");
}

#[test]
fn the_first_branch_that_matches_is_followed_and_no_other() {
    let of =
        |namespace: &str, fields: &str| format!(r#"{{"type":"record","name":"{namespace}.R","fields":[{fields}]}}"#);
    let (empty, strict) = (of("x", ""), of("x", r#"{"name":"a","type":"int"}"#));
    let other = of("y", "");
    // Both branches match by their unqualified name; only the second could read it.
    fails(
        &of("z", ""),
        &format!("[{strict},{other}]"),
        "`a`: field `a` is missing in the writer and has no default in the reader",
    );
    reads(&of("z", ""), &format!("[{other},{strict}]"));
    // The very same name is preferred.
    reads(&other, &format!("[{strict},{other}]"));
    fails(
        &empty,
        &format!("[{other},{strict}]"),
        "`a`: field `a` is missing in the writer and has no default in the reader",
    );
}

#[test]
fn a_type_that_holds_itself_is_walked_once() {
    let list = |value: &str, next: &str| {
        schema(&format!(
            r#"{{"type":"record","name":"L","fields":[{{"name":"v","type":"{value}"}},{{"name":"next","type":{next}}}]}}"#
        ))
    };
    let next = r#"["null","L"]"#;
    assert_eq!(said(&list("int", next), &list("long", next)), [""; 0]);
    assert_eq!(said(&list("long", next), &list("int", next)), ["`v`: `long` cannot be read as `int`"]);
    assert_eq!(said(&list("int", next), &list("int", r#"["null",{"type":"array","items":"L"}]"#)).len(), 1);
}

#[test]
fn only_the_digits_of_decimals_matter_among_logical_types() {
    let decimal = |precision: u32, scale: u32| {
        format!(r#"{{"type":"bytes","logicalType":"decimal","precision":{precision},"scale":{scale}}}"#)
    };
    reads(&decimal(9, 2), &decimal(9, 2));
    fails(
        &decimal(9, 2),
        &decimal(9, 3),
        "`bytes decimal(9,2)` cannot be read as `bytes decimal(9,3)`: the digits differ",
    );
    reads(&decimal(9, 2), r#""bytes""#);
    let (millis, micros) = (
        schema(r#"{"type":"long","logicalType":"timestamp-millis"}"#),
        schema(r#"{"type":"long","logicalType":"timestamp-micros"}"#),
    );
    assert_eq!(said(&millis, &micros), [""; 0]);
    assert_eq!(walk(&millis, &micros)[0].to_string(), "`long timestamp-millis` is read as `long timestamp-micros`");
}

#[test]
fn what_some_values_survive_is_partial() {
    let is_partial = |writer: &str, reader: &str| mismatches(&schema(writer), &schema(reader))[0].partial;
    assert!(is_partial(r#"["null","int"]"#, r#""int""#));
    assert!(is_partial(r#"{"type":"array","items":"string"}"#, r#"{"type":"array","items":"int"}"#));
    assert!(!is_partial(r#""string""#, r#""int""#));
}

#[test]
fn the_branch_of_the_very_type_comes_before_a_promotion() {
    let decimal = |scale: u32| format!(r#"{{"type":"bytes","logicalType":"decimal","precision":9,"scale":{scale}}}"#);
    let (date, time) =
        (r#"{"type":"int","logicalType":"date"}"#, r#"{"type":"long","logicalType":"timestamp-millis"}"#);
    for union in [
        format!(r#"["null","string",{}]"#, decimal(2)),
        format!(r#"["null","long",{date}]"#),
        format!(r#"["double","float",{time},{date}]"#),
        r#"["bytes",{"type":"string","logicalType":"uuid"}]"#.to_owned(),
    ] {
        assert_eq!(walk(&schema(&union), &schema(&union)), [], "{union} has not changed");
    }
    let in_union = |scale: u32| schema(&format!(r#"["null","string",{}]"#, decimal(scale)));
    let found = walk(&in_union(2), &in_union(3));
    assert!(matches!(found.as_slice(), [Mismatch { problem: Problem::Decimal { .. }, .. }]), "{found:?}");
    let found = walk(&schema(&decimal(2)), &in_union(3));
    assert!(matches!(found.as_slice(), [Mismatch { problem: Problem::Decimal { .. }, .. }]), "{found:?}");
    let found = walk(&schema(date), &schema(r#"["null","long"]"#));
    assert!(matches!(found.as_slice(), [Mismatch { problem: Problem::Meaning { .. }, .. }]), "{found:?}");
}

#[test]
fn where_decoders_fail_on_what_the_specification_allows_they_count() {
    fails(r#""bytes""#, r#""string""#, "`bytes` cannot be read as `string`: not all bytes are text");
    assert!(mismatches(&schema(r#""bytes""#), &schema(r#""string""#))[0].partial);
    let fixed = |name: &str| format!(r#"{{"type":"fixed","name":"{name}","size":2}}"#);
    reads(&fixed("x.A"), &fixed("y.A"));
    fails(
        &fixed("x.A"),
        &format!(r#"["null",{}]"#, fixed("y.A")),
        "`fixed x.A(2)` cannot be read as `fixed y.A(2)`: in a union the whole names count",
    );
    reads(
        &fixed("x.A"),
        &format!(r#"["null",{}]"#, fixed("y.A").replace("\"size\"", "\"aliases\":[\"x.A\"],\"size\"")),
    );
}

#[test]
fn an_alias_takes_what_was_written_under_another_fields_name() {
    let old = record(&[("a", r#""type":"int""#)]);
    let new = record(&[("a", r#""type":"int","default":0"#), ("b", r#""type":"int","aliases":["a"]"#)]);
    assert_eq!(said(&old, &new), ["`a`: field `a` of the writer is taken for `b`, which has it for an alias"]);
    let (Kind::Record(from), Kind::Record(to)) = (&old.node(old.root()).kind, &new.node(new.root()).kind) else {
        panic!("records")
    };
    let sources: Vec<Option<&str>> =
        to.fields.iter().map(|field| source_of(from, to, field).map(|source| source.name.as_str())).collect();
    assert_eq!(sources, [None, Some("a")]);
}

#[test]
fn an_alias_counts_in_a_record_of_the_same_whole_name() {
    let of = |name: &str, field: &str| {
        format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":{field},"type":"int"}}]}}"#)
    };
    let alias = r#""b","aliases":["a"]"#;
    reads(&of("x.R", "\"a\""), &of("x.R", alias));
    let known = of("y.R", alias).replace("\"y.R\"", "\"y.R\",\"aliases\":[\"x.R\"]");
    reads(&of("x.R", "\"a\""), &known);
    let because = "`b`: field `a` is read as `b` only in a record of the same whole name";
    fails(&of("x.R", "\"a\""), &of("y.R", alias), because);
}

#[test]
fn numbers_that_lose_digits_are_told_and_readable() {
    for (from, to, told) in [
        ("int", "float", true),
        ("long", "float", true),
        ("long", "double", true),
        ("int", "double", false),
        ("float", "double", false),
        ("int", "long", false),
    ] {
        let (from, to) = (schema(&format!("\"{from}\"")), schema(&format!("\"{to}\"")));
        assert_eq!((walk(&from, &to).len(), mismatches(&from, &to).len()), (told.into(), 0));
    }
}
