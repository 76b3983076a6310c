use super::*;

const INT: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const LONG: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#;
const MAYBE: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":["null","int"]}]}"#;

#[test]
fn the_reason_names_the_place() {
    assert_eq!(can_read(INT, LONG), Ok(()));
    assert_eq!(can_read(LONG, INT), Err("`a`: `long` cannot be read as `int`".to_owned()));
}

#[test]
fn what_some_values_survive_may_be_read() {
    assert!(can_read(MAYBE, INT).is_err());
    assert_eq!(may_read(MAYBE, INT), Ok(()));
    assert!(may_read(LONG, INT).is_err());
}

#[test]
fn a_conflict_names_rule_field_reader_and_version() {
    let (old, new) = (Schema::parse(INT).unwrap(), Schema::parse(LONG).unwrap());
    assert_eq!(conflicts(&new, &[(4, &old)], Level::Backward), [""; 0]);
    assert_eq!(
        conflicts(&new, &[(4, &old)], Level::Full),
        ["AVRO_TYPE_WIDENED at R.a: the type was `int` and is `long`; an old reader cannot read what is written now \
          (version 4)"]
    );
}

/// The decoder looks a field up by its name alone: where an alias would be needed it takes the default, and what was
/// written is lost without a word.
#[test]
fn our_records_use_no_aliases() {
    for (topic, schema) in pipeline_model::contracts::ALL {
        assert!(!schema.contains("\"aliases\""), "{topic}");
    }
}
