use super::*;

fn findings(new: &str, history: &[&str], level: Level) -> Vec<Finding> {
    let new = Schema::parse(new).unwrap();
    let old: Vec<(String, Schema)> =
        history.iter().zip(1..).map(|(text, n)| (format!("v{n}"), Schema::parse(text).unwrap())).collect();
    let past: Vec<Past<'_>> = old.iter().map(|(label, schema)| Past { label, schema }).collect();
    check(&new, &past, level)
}

fn rules(new: &str, history: &[&str], level: Level) -> Vec<Rule> {
    findings(new, history, level).into_iter().map(|finding| finding.rule).collect()
}

/// A record `R`, one field to a line, so that line 2 is the first field.
fn record(fields: &[&str]) -> String {
    format!("{{\"type\":\"record\",\"name\":\"R\",\"fields\":[\n{}\n]}}", fields.join(",\n"))
}

const A: &str = r#"{"name":"a","type":"int"}"#;
const B: &str = r#"{"name":"b","type":"int"}"#;
const B_DEFAULT: &str = r#"{"name":"b","type":"int","default":0}"#;

#[test]
fn each_level_forbids_its_directions() {
    use Level::*;
    let (small, large) = (record(&[A]), record(&[A, B]));
    for (level, adding, removing) in [
        (None, false, false),
        (Backward, true, false),
        (BackwardTransitive, true, false),
        (Forward, false, true),
        (ForwardTransitive, false, true),
        (Full, true, true),
        (FullTransitive, true, true),
    ] {
        let added = rules(&large, &[&small], level);
        let removed = rules(&small, &[&large], level);
        assert_eq!(added, vec![Rule::AvroFieldAddedWithoutDefault; adding.into()], "{level}");
        assert_eq!(removed, vec![Rule::AvroFieldRemovedWithoutDefault; removing.into()], "{level}");
        assert_eq!(rules(&large, &[], level), [], "a first version always passes");
        assert_eq!(rules(&record(&[A, B_DEFAULT]), &[&small], level), []);
    }
}

#[test]
fn only_the_transitive_levels_look_beyond_the_newest_version() {
    use Level::*;
    let (text, number) = (record(&[r#"{"name":"a","type":"string"}"#]), record(&[A]));
    for (newest_only, transitive) in
        [(Backward, BackwardTransitive), (Forward, ForwardTransitive), (Full, FullTransitive)]
    {
        assert_eq!(rules(&number, &[&text, &number], newest_only), []);
        assert_eq!(rules(&number, &[&text, &number], transitive), [Rule::AvroTypeChanged]);
    }
}

#[test]
fn a_finding_names_place_path_readers_and_versions() {
    let old = record(&[r#"{"name":"l","type":{"type":"array","items":"string"}}"#]);
    let new = record(&[A, r#"{"name":"l","type":{"type":"array","items":"int"}}"#]);
    let found = findings(&new, &[&old, &old], Level::FullTransitive);
    let [added, changed] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((added.rule, added.path.as_str()), (Rule::AvroFieldAddedWithoutDefault, "R.a"));
    assert_eq!(added.place, Place { line: 2, column: 9, length: 3 });
    assert_eq!((&added.breaks, &added.versions), (&vec![Direction::Backward], &vec!["v1".into(), "v2".into()]));
    assert_eq!((changed.rule, changed.path.as_str()), (Rule::AvroTypeChanged, "R.l[]"));
    assert_eq!(changed.place, Place { line: 3, column: 44, length: 5 });
    assert_eq!(changed.message, "the type was `string` and is `int`");
    assert_eq!(changed.breaks, [Direction::Backward, Direction::Forward]);
}

#[test]
fn each_kind_of_change_has_its_rule() {
    use Rule::*;
    let field = |kind: &str| record(&[&format!(r#"{{"name":"f","type":{kind}}}"#)]);
    let symbols = |list: &str| field(&format!(r#"{{"type":"enum","name":"E","symbols":[{list}]}}"#));
    let fixed = |size: u32| field(&format!(r#"{{"type":"fixed","name":"F","size":{size}}}"#));
    let decimal =
        |scale: u32| field(&format!(r#"{{"type":"bytes","logicalType":"decimal","precision":9,"scale":{scale}}}"#));
    let time = |unit: &str| field(&format!(r#"{{"type":"long","logicalType":"timestamp-{unit}"}}"#));
    let renamed = record(&[A]).replace("\"R\"", "\"S\"");
    let aliased = record(&[r#"{"name":"c","type":"int","aliases":["a","b"]}"#]);
    let (int, long) = (field(r#""int""#), field(r#""long""#));
    let (narrow, wide) = (field(r#"["null","int"]"#), field(r#"["null","int","string"]"#));
    for (old, new, rule) in [
        (record(&[A]), renamed, AvroNameChanged),
        (int.clone(), field(r#""string""#), AvroTypeChanged),
        (long.clone(), int.clone(), AvroTypeNarrowed),
        (int, long, AvroTypeWidened),
        (symbols(r#""X""#), symbols(r#""X","Y""#), AvroEnumSymbolAdded),
        (symbols(r#""X","Y""#), symbols(r#""X""#), AvroEnumSymbolRemoved),
        (narrow.clone(), wide.clone(), AvroUnionTypeAdded),
        (wide, narrow, AvroUnionTypeRemoved),
        (fixed(2), fixed(3), AvroFixedSizeChanged),
        (decimal(2), decimal(3), AvroDecimalChanged),
        (time("millis"), time("micros"), AvroLogicalTypeChanged),
    ] {
        assert_eq!(rules(&new, &[&old], Level::Full), [rule], "{old} -> {new}");
    }
    assert_eq!(rules(&aliased, &[&record(&[A, B])], Level::Backward), [AvroFieldAliasAmbiguous]);
}

#[test]
fn a_default_of_a_later_branch_is_a_finding_whatever_came_before() {
    let later = r#"{"name":"n","type":["string","null"],"default":null}"#;
    let found = findings(&record(&[A, later]), &[], Level::Full);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].rule, found[0].path.as_str()), (Rule::AvroDefaultNotPortable, "R.n"));
    assert_eq!((found[0].place.line, found[0].place.column), (3, 48));
    assert_eq!(rules(&record(&[A, later]), &[&record(&[A])], Level::Full), [Rule::AvroDefaultNotPortable]);
    assert_eq!(rules(&record(&[A, later]), &[], Level::None), []);
    let more = r#"{"name":"m","type":"int","default":0}"#;
    assert_eq!(rules(&record(&[A, later, more]), &[&record(&[A, later])], Level::Full), [], "it is no news");
    // An old reader would need it.
    assert_eq!(rules(&record(&[A]), &[&record(&[A, later])], Level::Forward), [Rule::AvroDefaultNotPortable]);
    assert_eq!(rules(&record(&[A]), &[&record(&[A, later])], Level::Backward), []);
}
