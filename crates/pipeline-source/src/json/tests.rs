use proptest::{prelude::*, sample::Index};

use super::*;

fn rest_of(document: &str, taken: &[&str]) -> String {
    let mut object = Object::parse(document.as_bytes()).unwrap();
    for key in taken {
        object.take(key);
    }
    object.rest().unwrap().as_str().to_owned()
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
    let plain = r#"{"z" : 1.10, "id":"x","ä b" :[1, 2], "":null,"o":{ "k" : -0 }}"#;
    assert_eq!(rest_of(plain, &["id"]), r#"{"z":1.10,"ä b":[1, 2],"":null,"o":{ "k" : -0 }}"#);
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

/// What an object holds, and the list in it as far as it was read, by the careful way.
fn by_and_by(document: &[u8]) -> Result<(String, Option<Vec<String>>), Broken> {
    let mut object = Object::parse(document)?;
    let elements = object.take("list").and_then(Value::elements);
    let objects = elements.map(|elements| elements.into_iter().map(|element| Object::parse_text(element.raw())));
    let list = objects.and_then(|mut objects| {
        objects.try_fold(Vec::new(), |mut list, object| {
            list.push(shown(&object.ok()?));
            Some(list)
        })
    });
    Ok((shown(&object), list))
}

fn shown(object: &Object<'_>) -> String {
    let shown = |member: &Member<'_>| (!member.taken).then(|| format!("{:?} {:?}", member.key, member.raw_value));
    object.members.iter().filter_map(shown).collect::<Vec<_>>().join(",")
}

/// Objects that nearly all are sound.
fn object_of(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let key =
        prop::sample::select(vec!["\"list\"", "\"id\"", "\"l\\u0069st\"", "\"a\"", "\"b\"", "\"\\n\"", "\"\\ud800\""]);
    let members = prop::collection::btree_map(key, value, 0..4);
    let members = members.prop_map(|members| members.into_iter().map(|(key, value)| format!("{key} : {value}")));
    members.prop_map(|members| format!("{{{}}}", members.collect::<Vec<_>>().join(", ")))
}

fn document() -> impl Strategy<Value = Vec<u8>> {
    let plain = prop::sample::select(vec!["\"x\"", "\"\\ud83e\"", "\"\\u00e4\"", "1e999", "1.10", "null", "01", "{}"]);
    let value = plain.prop_map(str::to_owned).prop_recursive(2, 16, 4, |inner| {
        let list = prop::collection::vec(prop_oneof![1 => inner.clone(), 8 => object_of(inner.clone())], 0..4);
        prop_oneof![object_of(inner), list.prop_map(|values| format!("[{}]", values.join(",")))]
    });
    let list = prop::collection::vec(object_of(value.clone()), 0..4);
    let list = list.prop_map(|objects| format!("{{\"a\":1,\"list\":[{}],\"c\":[]}}", objects.join(",")));
    let cut = |(document, at): (String, Index)| document.as_bytes().get(..at.index(document.len())).unwrap().to_vec();
    let whole = prop_oneof![object_of(value), list];
    prop_oneof![3 => whole.clone().prop_map(String::into_bytes), 1 => (whole, any::<Index>()).prop_map(cut)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_that_is_read_in_the_same_pass_is_what_it_is_when_read_on_its_own(document in document()) {
        let at_once = Object::parse_with_list(&document, "list").map(|(mut object, list)| {
            let list = list.map(|list| list.iter().map(|object| shown(object.as_ref().unwrap())).collect::<Vec<_>>());
            // Only a key with escapes may have kept a sound list from being read.
            let taken = if list.is_some() { None } else { object.take("list") };
            (shown(&object), list, taken)
        });
        match (at_once, by_and_by(&document)) {
            (Ok((object, Some(list), _)), Ok(careful)) => prop_assert_eq!((object, Some(list)), careful),
            (Ok((object, None, taken)), Ok((careful, list))) => {
                prop_assert_eq!(object, careful);
                let escaped = String::from_utf8_lossy(&document).contains("l\\u0069st");
                prop_assert!(list.is_none() || escaped, "{:?} {:?}", taken, list);
            }
            (at_once, careful) => prop_assert_eq!(at_once.map(drop), careful.map(drop)),
        }
    }
}
