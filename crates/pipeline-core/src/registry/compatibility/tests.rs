use super::*;

/// A record with the given fields, as `name:type` or `name:type=default`.
fn record(fields: &[&str]) -> Schema {
    let fields: Vec<String> = fields
        .iter()
        .map(|field| {
            let (name, rest) = field.split_once(':').unwrap();
            match rest.split_once('=') {
                Some((kind, default)) => format!(r#"{{"name":"{name}","type":{kind},"default":{default}}}"#),
                None => format!(r#"{{"name":"{name}","type":{rest}}}"#),
            }
        })
        .collect();
    Schema::parse_str(&format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","))).unwrap()
}

fn directions(new: &Schema, history: &[&Schema], level: Level) -> Vec<(u32, Direction)> {
    let history: Vec<Past<'_>> = history.iter().zip(1..).map(|(schema, version)| Past { version, schema }).collect();
    conflicts(new, &history, level).into_iter().map(|conflict| (conflict.version, conflict.direction)).collect()
}

#[test]
fn a_field_without_default_may_be_removed_but_not_added_under_backward() {
    let (small, large) = (record(&[r#"a:"int""#]), record(&[r#"a:"int""#, r#"b:"int""#]));
    assert_eq!(directions(&small, &[&large], Level::Backward), []);
    assert_eq!(directions(&large, &[&small], Level::Backward), [(1, Direction::Backward)]);
}

#[test]
fn a_field_without_default_may_be_added_but_not_removed_under_forward() {
    let (small, large) = (record(&[r#"a:"int""#]), record(&[r#"a:"int""#, r#"b:"int""#]));
    assert_eq!(directions(&large, &[&small], Level::Forward), []);
    assert_eq!(directions(&small, &[&large], Level::Forward), [(1, Direction::Forward)]);
}

#[test]
fn full_lets_only_fields_with_defaults_come_and_go() {
    let (small, large) = (record(&[r#"a:"int""#]), record(&[r#"a:"int""#, r#"b:"int"=0"#]));
    assert_eq!(directions(&large, &[&small], Level::Full), []);
    assert_eq!(directions(&small, &[&large], Level::Full), []);
    let required = record(&[r#"a:"int""#, r#"b:"int""#]);
    assert_eq!(directions(&required, &[&small], Level::Full), [(1, Direction::Backward)]);
}

#[test]
fn only_the_transitive_levels_look_beyond_the_newest_version() {
    let text = record(&[r#"a:"string""#]);
    let number = record(&[r#"a:"int""#]);
    for (level, newest_only) in [
        (Level::BackwardTransitive, Level::Backward),
        (Level::ForwardTransitive, Level::Forward),
        (Level::FullTransitive, Level::Full),
    ] {
        assert_eq!(directions(&number, &[&text, &number], newest_only), [], "{newest_only}");
        assert_ne!(directions(&number, &[&text, &number], level), [], "{level}");
    }
}

#[test]
fn a_wider_number_is_readable_one_way_only() {
    let (int, long) = (record(&[r#"a:"int""#]), record(&[r#"a:"long""#]));
    assert_eq!(directions(&long, &[&int], Level::Backward), []);
    assert_eq!(directions(&long, &[&int], Level::Full), [(1, Direction::Forward)]);
}

#[test]
fn an_enum_may_grow_only_when_its_readers_have_a_default() {
    let colour = |symbols: &str, default: &str| {
        let kind = format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]{default}}}"#);
        record(&[&format!("a:{kind}")])
    };
    let default = r#","default":"X""#;
    assert_ne!(directions(&colour(r#""X","Y""#, ""), &[&colour(r#""X""#, "")], Level::Full), []);
    assert_eq!(directions(&colour(r#""X","Y""#, default), &[&colour(r#""X""#, default)], Level::Full), []);
}

#[test]
fn a_union_may_grow_for_new_readers_only() {
    let (narrow, wide) = (record(&[r#"a:["null","int"]"#]), record(&[r#"a:["null","int","string"]"#]));
    assert_eq!(directions(&wide, &[&narrow], Level::Backward), []);
    assert_eq!(directions(&narrow, &[&wide], Level::Backward), [(1, Direction::Backward)]);
}

#[test]
fn none_lets_everything_pass_and_a_first_version_always_passes() {
    let (text, number) = (record(&[r#"a:"string""#]), record(&[r#"a:"int""#]));
    assert_eq!(directions(&text, &[&number], Level::None), []);
    for level in LEVELS {
        assert_eq!(directions(&text, &[], level), []);
    }
}

#[test]
fn a_conflict_names_version_field_and_reader() {
    let (new, old) = (record(&[r#"a:"string""#]), record(&[r#"a:"int""#]));
    let found = conflicts(&new, &[Past { version: 4, schema: &old }], Level::Backward);
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["the new schema cannot read what version 4 wrote: field `a`: the types differ"]);
}

#[test]
fn every_level_reads_its_own_name() {
    for level in LEVELS {
        assert_eq!(level.as_str().parse::<Level>().unwrap(), level);
        assert_eq!(serde_json::to_string(&level).unwrap(), format!("\"{level}\""));
    }
    assert!("full".parse::<Level>().is_err());
}
