use super::*;
use crate::{Schema, mismatches};

const CITY: &str = r#"{"type":"record","name":"City","fields":[{"name":"n","type":"string"}]}"#;
const ADDRESS: &str = r#"{"type":"record","name":"c.Address",
  "fields":[{"name":"city","type":"City"},{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A"]}}]}"#;
const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[
  {"name":"to","type":["null","c.Address"]}, {"name":"x","type":"int"},
  {"name":"from","type":"c.Address"}, {"name":"k","type":"c.Kind"}]}"#;

#[test]
fn a_text_is_completed_with_what_others_define_and_once() {
    let library = Library::new([CITY, ADDRESS]);
    let whole = library.complete(ORDER).unwrap();
    let schema = Schema::parse(&whole.text).unwrap_or_else(|faults| panic!("{}: {faults}", whole.text));
    let written = r#"{"type":"record","name":"Order","namespace":"shop","fields":[
      {"name":"to","type":["null",{"type":"record","name":"c.Address","fields":[{"name":"city","type":
        {"type":"record","name":"City","namespace":"","fields":[{"name":"n","type":"string"}]}},
        {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A"]}}]}]},
      {"name":"x","type":"int"},{"name":"from","type":"c.Address"},{"name":"k","type":"c.Kind"}]}"#;
    let written = Schema::parse(written).unwrap();
    assert_eq!((mismatches(&written, &schema), mismatches(&schema, &written)), (vec![], vec![]));
    assert!(crate::changes(&written, &schema).is_empty());
    assert!(library.complete(CITY).is_none(), "it lacks nothing");
    assert!(Library::default().complete(ORDER).is_none());
}

#[test]
fn places_are_those_of_the_text_as_it_was() {
    let library = Library::new([CITY, ADDRESS]);
    let whole = library.complete(ORDER).unwrap();
    let line = whole.text.lines().nth(1).unwrap();
    let column = |of: &str| line[..line.find(of).unwrap()].chars().count() + 1;
    let place = |column| whole.original(Place { line: 2, column, length: 1 });
    assert_eq!(place(column("\"to\"")), Place { line: 2, column: 11, length: 1 });
    assert_eq!(place(column("\"city\"")), Place { line: 2, column: 31, length: 11 });
    assert_eq!(place(column("\"x\"")), Place { line: 2, column: 54, length: 1 });
}

#[test]
fn types_that_use_each_other_and_names_with_two_meanings_end() {
    let one = r#"{"type":"record","name":"One","fields":[{"name":"two","type":["null","Two"]}]}"#;
    let two = r#"{"type":"record","name":"Two","fields":[{"name":"one","type":["null","One"]}]}"#;
    let whole = Library::new([one, two]).complete(one).unwrap();
    Schema::parse(&whole.text).unwrap();
    // A part of a definition, and then the whole of it.
    let part =
        r#"{"type":"record","name":"R","fields":[{"name":"k","type":"c.Kind"},{"name":"a","type":"c.Address"}]}"#;
    Schema::parse(&Library::new([CITY, ADDRESS]).complete(part).unwrap().text).unwrap();
    // Two texts have a `Kind` of their own inside.
    let other = ADDRESS.replace("Address", "Other").replace("[\"A\"]", "[\"B\"]");
    let uses = r#"{"type":"record","name":"R","fields":[{"name":"k","type":"c.Kind"}]}"#;
    assert!(Library::new([ADDRESS, &other]).complete(uses).is_none());
    let outermost = r#"{"type":"enum","name":"c.Kind","symbols":["C"]}"#;
    assert!(Library::new([ADDRESS, &other, outermost]).complete(uses).unwrap().text.contains("[\"C\"]"));
}
