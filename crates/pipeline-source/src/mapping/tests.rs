use pipeline_model::documents::DataType;

use super::*;

fn a_bundle(document: &str) -> Result<Bundle, Vec<Violation>> {
    bundle(document.as_bytes(), &BundleFields::default(), &SubscriptionFieldFields::default())
}

fn nested(field: &str) -> Result<SubscriptionField, Violation> {
    let document = format!(r#"{{"id":"b","provider_id":"p","subscription_fields":[{field}]}}"#);
    a_bundle(&document).map(|mut b| b.fields.remove(0)).map_err(|mut violations| violations.remove(0))
}

fn code_of_service(document: &str) -> FaultCode {
    service(document.as_bytes(), &ServiceFields::default()).unwrap_err().code
}

#[test]
fn a_value_keeps_its_exact_text_and_says_its_type() {
    for (value, text, data_type) in [
        ("1.10", "1.10", DataType::Number),
        ("1e400", "1e400", DataType::Number),
        ("-0.0", "-0.0", DataType::Number),
        ("12345678901234567890.123456789", "12345678901234567890.123456789", DataType::Number),
        (r#""1.10""#, "1.10", DataType::String),
        (r#""""#, "", DataType::String),
        (r#""\u00e4\ud83e\udd5d""#, "ä🥝", DataType::String),
        ("true", "true", DataType::Boolean),
        ("null", "null", DataType::Null),
        (r#"{ "a" : 1.0 }"#, r#"{ "a" : 1.0 }"#, DataType::Json),
        ("[1, 2]", "[1, 2]", DataType::Json),
    ] {
        let field = nested(&format!(r#"{{"id":"f","value":{value}}}"#)).unwrap();
        assert_eq!((field.value.as_deref(), field.data_type), (Some(text), data_type), "{value}");
    }
    let absent = nested(r#"{"id":"f"}"#).unwrap();
    assert_eq!((absent.value, absent.data_type), (None, DataType::Null));
}

#[test]
fn a_nested_field_has_its_name_for_an_id_and_its_place_for_a_position() {
    let fields =
        r#"{"name":"a"},{"id":"x","name":"b","position":-7},{"id":null,"name":"c","position":null,"data_type":"t"}"#;
    let document = format!(r#"{{"id":"b","provider_id":"p","subscription_fields":[{fields}]}}"#);
    let read = a_bundle(&document).unwrap().fields;
    let ids: Vec<_> =
        read.iter().map(|f| (f.id.as_str(), f.name.as_deref(), f.position, f.attributes.as_str())).collect();
    let expected = [("a", Some("a"), 0, "{}"), ("x", Some("b"), -7, "{}"), ("c", Some("c"), 2, r#"{"data_type":"t"}"#)];
    assert_eq!(ids, expected);
    assert_eq!(nested("{}").unwrap_err().code, FaultCode::MissingId);
    assert_eq!(nested(r#"{"id":"","name":"n"}"#).unwrap_err().code, FaultCode::MissingId);
    assert_eq!(nested("17").unwrap_err().code, FaultCode::NotAnObject);
}

#[test]
fn a_field_of_the_wrong_type_is_refused_by_its_name() {
    for (document, name) in [
        (r#"{"id":17}"#, "`id` is `17`"),
        (r#"{"id":"s","name":17}"#, "`name` is `17`"),
        (r#"{"id":["s"]}"#, "`id` is an array"),
    ] {
        let violation = service(document.as_bytes(), &ServiceFields::default()).unwrap_err();
        assert_eq!(violation.code, FaultCode::WrongType);
        assert!(violation.reason.contains(name), "{}", violation.reason);
    }
    for field in [
        r#"{"id":"f","required":"yes"}"#,
        r#"{"id":"f","required":1}"#,
        r#"{"id":"f","position":1.0}"#,
        r#"{"id":"f","position":"1"}"#,
        r#"{"id":"f","position":9223372036854775808}"#,
    ] {
        let violation = nested(field).unwrap_err();
        assert_eq!(violation.code, FaultCode::WrongType, "{field}");
        assert_eq!((violation.level, violation.document_id.as_deref()), (Level::SubscriptionField, Some("f")));
        assert!(violation.reason.starts_with("field 1 of bundle `b`: "), "{}", violation.reason);
    }
    let list = a_bundle(r#"{"id":"b","provider_id":"p","subscription_fields":{}}"#).unwrap_err();
    assert_eq!(list[0].code, FaultCode::WrongType);
    assert!(a_bundle(r#"{"id":"b","provider_id":"p","subscription_fields":null}"#).unwrap().fields.is_empty());
}

#[test]
fn every_broken_field_of_a_bundle_is_named() {
    let fields = r#"{"name":17},{"name":"ok"},[],{"name":"f","required":0}"#;
    let violations =
        a_bundle(&format!(r#"{{"id":"b","provider_id":"p","subscription_fields":[{fields}]}}"#)).unwrap_err();
    let codes: Vec<_> = violations.iter().map(|violation| violation.code).collect();
    assert_eq!(codes, [FaultCode::WrongType, FaultCode::NotAnObject, FaultCode::WrongType]);
}

#[test]
fn ids_and_names_are_bounded_in_characters_not_in_bytes() {
    let service_of = |id: &str, name: &str| format!(r#"{{"id":"{id}","name":"{name}"}}"#);
    let most = service_of(&"ß".repeat(MAX_ID), &"🥝".repeat(MAX_NAME));
    assert!(service(most.as_bytes(), &ServiceFields::default()).is_ok());
    assert_eq!(code_of_service(&service_of(&"ß".repeat(MAX_ID + 1), "n")), FaultCode::TooLarge);
    assert_eq!(code_of_service(&service_of("s", &"n".repeat(MAX_NAME + 1))), FaultCode::TooLarge);
}

#[test]
fn missing_null_and_empty_ids_are_all_missing() {
    for document in ["{}", r#"{"id":null}"#, r#"{"id":""}"#] {
        assert_eq!(code_of_service(document), FaultCode::MissingId, "{document}");
    }
    for document in [r#"{"id":"p"}"#, r#"{"id":"p","service_id":""}"#] {
        let violation = provider(document.as_bytes(), &ProviderFields::default()).unwrap_err();
        assert_eq!((violation.code, violation.document_id.as_deref()), (FaultCode::MissingId, Some("p")));
    }
}

#[test]
fn ids_keep_what_a_collation_would_lose() {
    for id in ["a ", " a", "A", "á", "a\u{301}", "\u{0}", "🥝"] {
        let document = serde_json::json!({ "id": id }).to_string();
        assert_eq!(service(document.as_bytes(), &ServiceFields::default()).unwrap().id.as_str(), id);
    }
}

#[test]
fn depth_is_bounded_alike_for_values_and_unknown_fields() {
    let nested_json = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for key in ["value", "other"] {
        assert!(nested(&format!(r#"{{"id":"f","{key}":{}}}"#, nested_json(29))).is_ok());
        let violation = nested(&format!(r#"{{"id":"f","{key}":{}}}"#, nested_json(30))).unwrap_err();
        assert_eq!(violation.code, FaultCode::TooDeep);
    }
}

#[test]
fn names_that_are_empty_or_mean_two_things_are_refused() {
    let mut mapping = Mapping::default();
    assert!(check_names(&mapping).is_ok());
    mapping.bundles.provider_id = "id".to_owned();
    assert_eq!(
        check_names(&mapping).unwrap_err().to_string(),
        "`source.mapping.bundles` cannot be used: two of its names are `id`"
    );
    mapping.bundles.provider_id.clear();
    assert!(check_names(&mapping).unwrap_err().to_string().contains("empty"));
}

#[test]
fn nested_fields_are_read_alike_however_the_key_of_their_list_is_written() {
    for fields in [
        r#"[{"name":"a"},{"id":"b","value":1.10,"x":"\u00e4"}]"#,
        r#"[{"name":"a"},17,{"id":"b","required":0},{"id":"c","id":"d"}]"#,
        r#"[{"name":"a","name":"b"}]"#,
        r#"[{"name":"a","n\u0061me":"b"}]"#,
        "[]",
        "null",
        "{}",
        "1e400",
    ] {
        let written = |key: &str| a_bundle(&format!(r#"{{"id":"b","{key}":{fields},"provider_id":"p","o":1}}"#));
        let read = written("subscription_fields");
        assert_eq!(read, written(r"subscription\u005ffields"), "{fields}");
    }
    let twice = r#"{"id":"b","provider_id":"p","subscription_fields":[],"subscription\u005ffields":[]}"#;
    assert_eq!(a_bundle(twice).unwrap_err()[0].code, FaultCode::NotAnObject);
}
