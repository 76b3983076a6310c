use super::*;

fn rest_of(document: &str, taken: &[&str]) -> String {
    let mut object = Object::parse(document.as_bytes()).unwrap();
    for key in taken {
        object.take(key);
    }
    object.rest().unwrap().0
}

fn code(document: &[u8]) -> FaultCode {
    let broken = Object::parse(document).unwrap_err();
    assert!(!broken.reason.is_empty() && !broken.reason.contains('\n'), "{}", broken.reason);
    broken.code
}

#[test]
fn what_is_not_taken_keeps_its_order_and_its_exact_text() {
    let document = r#" {"z" : 1.10, "id":"x","a":1e400,"\u0061b": "\u00e4\/", "big":123456789012345678901234567890,
        "o":{ "k" : [1.0, -0 ] },"n":null} "#;
    let expected = r#"{"z":1.10,"a":1e400,"\u0061b":"\u00e4\/","big":123456789012345678901234567890,"o":{ "k" : [1.0, -0 ] },"n":null}"#;
    assert_eq!(rest_of(document, &["id"]), expected);
    assert_eq!(rest_of(r#"{"id":1}"#, &["id", "absent"]), "{}");
    assert_eq!(rest_of("{}", &[]), "{}");
}

#[test]
fn text_is_decoded_to_its_characters_and_numbers_are_left_alone() {
    let document = r#"{"a":"\ud83e\udd5d \"q\" \\ \u0000 \u00df","b":1.10,"c":"東京 🥝","d":true,"e":["x"]}"#;
    let mut object = Object::parse(document.as_bytes()).unwrap();
    let mut text = |key: &str| object.take(key).unwrap().text().unwrap().into_owned();
    assert_eq!(text("a"), "🥝 \"q\" \\ \0 ß");
    assert_eq!(text("b"), "1.10");
    assert_eq!(text("c"), "東京 🥝");
    assert_eq!(text("d"), "true");
    assert_eq!(text("e"), "[\"x\"]");
}

#[test]
fn a_key_is_found_however_it_is_written() {
    let mut object = Object::parse(br#"{"\u0069d":"x"}"#).unwrap();
    assert_eq!(object.take("id").unwrap().text().unwrap(), "x");
}

#[test]
fn a_repeated_key_is_refused_however_it_is_written_and_however_many_there_are() {
    assert_eq!(code(br#"{"a":1,"\u0061":2}"#), FaultCode::NotAnObject);
    let many: Vec<String> = (0..500).chain([250]).map(|n| format!("\"k{n}\":{n}")).collect();
    assert_eq!(code(format!("{{{}}}", many.join(",")).as_bytes()), FaultCode::NotAnObject);
}

#[test]
fn what_is_not_an_object_is_told_from_what_is_not_json() {
    for document in ["[1,2]", "\"text\"", "17", "1e400", "null", "true"] {
        assert_eq!(code(document.as_bytes()), FaultCode::NotAnObject, "{document}");
    }
    for document in
        ["", "{", "{\"a\":1", "{\"a\":1}{}", "{a:1}", "[1", "nul", "{\"a\":01}", "{\"a\":\"\n\"}", "\u{feff}{}"]
    {
        assert_eq!(code(document.as_bytes()), FaultCode::NotJson, "{document}");
    }
}

#[test]
fn bytes_that_are_not_utf8_and_half_surrogates_are_refused_anywhere_in_the_document() {
    assert_eq!(code(b"{\"a\":\"\xff\"}"), FaultCode::NotJson);
    for half in [r"\ud83e", r"\udd5d", r"\ud83e\ud83e", r"\ud83ex", r"\ud83e\\udd5d", r"\uDD5D\uD83E"] {
        assert_eq!(code(format!(r#"{{"a":{{"b":["{half}"]}}}}"#).as_bytes()), FaultCode::NotJson, "{half}");
    }
    for sound in [r"\ud83e\udd5d", r"\\ud83e", r"\uD83E\uDD5D\ud83e\udd5d", r"\u0000", r"\ud7ff\ue000"] {
        assert!(Object::parse(format!(r#"{{"a":"{sound}"}}"#).as_bytes()).is_ok(), "{sound}");
    }
}

#[test]
fn nesting_is_allowed_up_to_the_bound_and_refused_beyond_without_a_stack() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let deep = |levels| Object::parse(nested(levels).as_bytes()).unwrap().rest().map_err(|broken| broken.code);
    assert!(deep(MAX_DEPTH - 1).is_ok());
    assert_eq!(deep(MAX_DEPTH), Err(FaultCode::TooDeep));
    assert_eq!(deep(1_000_000), Err(FaultCode::TooDeep));
    let brackets_in_text = format!(r#"{{"a":["{}\"["]}}"#, "[{".repeat(100));
    assert!(Object::parse(brackets_in_text.as_bytes()).unwrap().rest().is_ok());
}

#[test]
fn texts_in_messages_are_short_and_cannot_move_the_cursor() {
    assert_eq!(quoted("a\u{1b}[2J\n"), "`a\\u{1b}[2J\\n`");
    assert_eq!(quoted(&"é".repeat(500)).chars().count(), 83);
}
