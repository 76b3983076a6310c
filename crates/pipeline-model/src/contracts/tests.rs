use std::collections::BTreeSet;

use apache_avro::Schema;

use super::*;

/// The canonical form drops docs and defaults and keeps names, order and types: what both sides must agree on.
fn assert_in_step<M: Message>() {
    let file = Schema::parse_str(M::SCHEMA).unwrap();
    assert_eq!(file.canonical_form(), M::get_schema().canonical_form(), "{} differs from its .avsc file", M::TOPIC);
}

#[test]
fn every_record_type_equals_its_schema_file() {
    assert_in_step::<RunRequested>();
    assert_in_step::<ServiceDiscovered>();
    assert_in_step::<BatchPlanned>();
    assert_in_step::<Confirmed>();
    assert_in_step::<Activated>();
}

#[test]
fn every_schema_file_has_its_record_type() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".avsc").map(str::to_owned))
        .collect();
    let types: BTreeSet<String> = ALL.iter().map(|(topic, _)| (*topic).to_owned()).collect();
    assert_eq!(files, types);
}
