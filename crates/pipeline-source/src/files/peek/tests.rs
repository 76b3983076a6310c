use proptest::{prelude::*, sample::Index};

use super::*;

const NAMES: [&str; 4] = ["id", "provider_id", ",", "a\"b/"];

/// Keys that are a name, look like one, or are spelled in another way.
fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        r#""id""#,
        r#""provider_id""#,
        r#"",""#,
        r#""a\"b/""#,
        r#""a\u0022b\/""#,
        r#""i\u0064""#,
        r#""id ""#,
        r#""provider""#,
        r#""list""#,
        r#""""#,
    ])
}

/// Values that may hold keys, or what looks like them.
fn value() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(vec![
        r#""x""#,
        r#""id""#,
        r#""\"id\":1""#,
        r#""b{""#,
        r#""\u00e4""#,
        r#""provider_id""#,
        "17",
        "1e999",
        "null",
        "[]",
        "01",
        "\"\u{1}\"",
    ]);
    let plain = plain.prop_map(str::to_owned);
    plain.prop_recursive(3, 16, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(",")));
        prop_oneof![object_of(inner), list]
    })
}

/// Objects with blanks here and there.
fn object_of(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let blank = || prop::sample::select(vec!["", "", "", " ", "\t"]);
    let member = (blank(), key(), blank(), value, blank());
    let member = member.prop_map(|(a, key, b, value, c)| format!("{a}{key}{b}:{c}{value}"));
    prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

/// Objects, some of which break off and some of which have a byte that does not belong there.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let whole = || object_of(value()).prop_map(String::into_bytes);
    let cut = (whole(), any::<Index>()).prop_map(|(line, at)| line.get(..at.index(line.len())).unwrap().to_vec());
    let wrong = (whole(), any::<Index>(), any::<u8>()).prop_map(|(mut line, at, byte)| {
        let at = at.index(line.len());
        line[at] = byte;
        line
    });
    prop_oneof![2 => whole(), 1 => cut, 1 => wrong]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stopping_early_never_changes_what_is_seen(line in line()) {
        let shown = String::from_utf8_lossy(&line);
        prop_assert_eq!(Peek::new(NAMES).look(&line), peek(&line, NAMES), "{}", shown);
        prop_assert_eq!(Peek::below(NAMES).look(&line), peek_below(&line, NAMES), "{}", shown);
        let ([_, without @ ..], [_, others @ ..]) = (Peek::below(NAMES).without(NAMES[0]).look(&line), peek_below(&line, NAMES));
        prop_assert_eq!(without, others, "{}", shown);
    }
}

#[test]
fn nested_documents_with_ids_are_not_read() {
    let line = br#"{"id":"b","provider_id":"p","fields":[{"id":"f","name":"id's"},{"id":"g","value":"identity"}]}"#;
    let ids = Peek::below(["id", "provider_id", "service_id"]);
    assert_eq!(ids.look(line), [Seen::Once("\"b\""), Seen::Once("\"p\""), Seen::Absent]);
    let fields = line.windows(8).position(|bytes| bytes == b"\"fields\"").unwrap();
    assert!(ids.last_key(line).unwrap().0 < fields);
}

#[test]
fn ids_before_a_break_are_seen_and_those_behind_it_are_not() {
    for line in [r#"{"id":"b","fields":[1,"#, r#"{"id":"b","fields":01,"i":"c"}"#] {
        assert_eq!(peek(line.as_bytes(), ["id"]), [Seen::Once("\"b\"")], "{line}");
    }
    assert_eq!(peek(br#"{"id":"b","fields":[],"\u0069d":"c"}"#, ["id"]), [Seen::Uncertain]);
    assert_eq!(peek(br#"{"id":"b"#, ["id"]), [Seen::Uncertain]);
    assert_eq!(peek(b"garbage", ["id"]), [Seen::Absent]);
}

#[test]
fn a_broken_line_that_could_be_two_documents_names_nobody() {
    const OWNERS: [&str; 3] = ["id", "provider_id", "service_id"];
    for line in [
        // A line end was lost, or is not one.
        r#"{"id":"b","provider_id":"p"}{"id":"c","provider_id":"q"}"#,
        "{\"id\":\"b\",\"provider_id\":\"p\"}\r{\"id\":\"c\",\"provider_id\":\"q\"}\r",
        r#"{"id":"b","provider_id":"p"}{"#,
        r#"{"id":"b","provider_id":"p"} {"id""#,
        r#"{"id":"b","provider_id":"p"}{"id":"c"}"#,
        // The first of two files was cut.
        r#"{"id":"b","provider_id":"p","na{"id":"c","provider_id":"q"}"#,
        r#"{"id":"b","provider_id":"p","fields":[{"provider_id":"q","id":"c"}"#,
        r#"{"id":"b","provider_id":"p","x":{"id":"c","provider_id":"q"}"#,
        r#"{"id":"b","provider_id":"p","x":01,"provider\u005fid":"q"}"#,
        r#"{"id":"b","provider_id":"p","service_id":"s","x":01,"service_id":"t"}"#,
        r#"{"id":"b","provider_id":"p","x":01,"service_id":"t"}"#,
        r#"{"id":"b","service_id":"s",{"id":"c","provider_id":"q"}"#,
        r#"{"id":"b","service_id":"s","fields":[{"provider_id":"q","id":"c"}"#,
    ] {
        assert_eq!(peek_below(line.as_bytes(), OWNERS), [Seen::Uncertain; 3], "{line}");
        assert_eq!(Peek::below(OWNERS).look(line.as_bytes()), [Seen::Uncertain; 3], "{line}");
    }
    let sound = r#"{"id":"b","fields":[{"id":"f","provider_id":"q"}],"provider_id":"p"}"#;
    let [_, provider, _] = peek_below(sound.as_bytes(), OWNERS);
    assert_eq!(provider.named(), Named::As("p".into()), "what is nested is of no account in a sound line");
    let cut = r#"{"id":"b","provider_id":"p","fields":[{"id":"f"},{"id":"g""#;
    assert_eq!(peek_below(cut.as_bytes(), OWNERS)[1].named(), Named::As("p".into()), "nested ids are usual");
}

#[test]
fn a_value_that_is_no_id_is_told_from_none() {
    let named = |value: &str| peek(format!(r#"{{"id":{value}}}"#).as_bytes(), ["id"])[0].named_owned();
    for value in ["\"\"", "7", "true", "[]", "{}", r#"["p"]"#, r#""\ud83e""#, "\"\u{0}\"", "\"p", r#""p","id":"q""#] {
        assert_eq!(named(value), Named::Unreadable, "{value}");
    }
    assert_eq!(named("null"), Named::Not);
    assert_eq!(peek(b"{}", ["id"])[0].named(), Named::Not);
    assert_eq!(named(r#""\u0070\u0000""#), Named::As("p\0".into()));
    assert_eq!(named(&format!("\"{}\"", "p".repeat(MAX_ID + 1))), Named::Unreadable);
}

impl Seen<'_> {
    fn named_owned(self) -> Named<'static> {
        match self.named() {
            Named::As(id) => Named::As(id.into_owned().into()),
            Named::Not => Named::Not,
            Named::Unreadable => Named::Unreadable,
        }
    }
}
