//! Whose a line is: a line that cannot be read goes to the wrong owner never, and what it says of its owner is told.

use proptest::{prelude::*, sample::Index};

use super::*;

/// Two services which both have `p`; `q` is of the second.
fn with(bundles: &[u8], fields: Option<&[u8]>) -> TempDir {
    let services = b"{\"id\":\"s1\"}\n{\"id\":\"s2\"}";
    let providers = b"{\"id\":\"p\",\"service_id\":\"s1\"}\n{\"id\":\"p\",\"service_id\":\"s2\"}\n\
        {\"id\":\"q\",\"service_id\":\"s2\"}";
    let files = [(PROVIDER_SERVICES, &services[..]), (PROVIDERS, providers), (BUNDLES, bundles)];
    folder(&files.into_iter().chain(fields.map(|fields| (SUBSCRIPTION_FIELDS, fields))).collect::<Vec<_>>())
}

/// The one fault of a folder, which no parent asks for, without its place.
async fn lost(folder: &TempDir) -> String {
    let all = read(folder).await;
    assert_eq!((all.found.len(), all.unreachable.len()), (0, 1), "{:?}", all.faults());
    all.faults().remove(0).split(' ').skip(2).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_bundle_without_a_parent_tells_all_that_it_says_of_it() {
    let long = format!(r#"{{"id":"b","provider_id":"{}","service_id":"s1"}}"#, "p".repeat(256));
    for (line, told) in [
        (r#"{"id":"b","provider_id":"r"}"#, "Orphan bundle ?/r/b"),
        (r#"{"id":"b","provider_id":"r","service_id":"s2"}"#, "Orphan bundle s2/r/b"),
        (r#"{"id":"b","provider_id":"p","service_id":"s3"}"#, "Orphan bundle s3/p/b"),
        (r#"{"id":"b","provider_id":"p"}"#, "MissingId bundle ?/p/b"),
        (r#"{"id":"b","provider_id":"q","service_id":7}"#, "WrongType bundle ?/q/b"),
        (r#"{"id":"b","provider_id":"q","service_id":""}"#, "MissingId bundle ?/q/b"),
        (r#"{"id":"b","provider_id":"q","service_id":"s2"#, "NotJson bundle ?/?/b"),
        (r#"{"id":"b","service_id":"s1"}"#, "MissingId bundle s1/?/b"),
        (r#"{"id":"b","service_id":"s1","provider_id":7}"#, "WrongType bundle s1/?/b"),
        (r#"{"id":"b","service_id":"s1","provider_id":null}"#, "MissingId bundle s1/?/b"),
        (r#"{"id":"b","service_id":"s1","provider_id":true}"#, "WrongType bundle s1/?/b"),
        (r#"{"id":"b","service_id":"s1","provider_id":["p"]}"#, "WrongType bundle s1/?/b"),
        (r#"{"id":"b","service_id":"s1","provider_id":"\ud83e"}"#, "NotJson bundle ?/?/b"),
        (r#"{"id":"b","service_id":"s1","provider_id":"r\u0000"}"#, "Orphan bundle s1/r"),
        (r#"{"id":"b","provider_id":"p","provider_id":"q"}"#, "NotAnObject bundle ?/?/b"),
        (r#"{"id":"b","provider_id":"p","provider\u005fid":"q"}"#, "NotAnObject bundle ?/?/b"),
        (r#"{"id":"b","of":{"provider_id":"q"}}"#, "MissingId bundle ?/?/b"),
        (r#"{"id":"b","of":{"provider_id":"q"}"#, "NotJson bundle ?/?/b"),
        (r#"{"id":"b","prov"#, "NotJson bundle ?/?/b"),
        ("{\"id\":\"b\",\"provider_id\":\"q\0\"}", "NotJson bundle ?/?/b"),
        (&long, "TooLarge bundle s1/?/b"),
    ] {
        let found = lost(&with(line.as_bytes(), None)).await;
        assert!(found.starts_with(told), "{line}: {found}");
    }
}

#[tokio::test]
async fn a_field_without_a_parent_tells_all_that_it_says_of_it() {
    let bundles = br#"{"id":"b","provider_id":"p","service_id":"s1"}
        {"id":"b","provider_id":"q"}
        {"id":"c","provider_id":"q"}"#;
    for (line, told) in [
        (r#"{"id":"f","bundle_id":"d"}"#, "Orphan subscription_field ?/?/d/f"),
        (r#"{"id":"f","bundle_id":"b"}"#, "MissingId subscription_field ?/?/b/f"),
        (r#"{"id":"f","bundle_id":"c","service_id":"s1"}"#, "Orphan subscription_field s1/?/c/f"),
        (r#"{"id":"f","bundle_id":"c","service_id":"s3"}"#, "Orphan subscription_field s3/?/c/f"),
        (r#"{"id":"f","bundle_id":"c","service_id":3}"#, "WrongType subscription_field ?/?/c/f"),
        (r#"{"id":"f","bundle_id":"c","provider_id":3}"#, "WrongType subscription_field ?/?/c/f"),
        (r#"{"id":"f","bundle_id":"b","provider_id":"q","service_id":"s1"}"#, "Orphan subscription_field s1/q/f"),
        (r#"{"id":"f","bundle_id":"c","provider_id":"r"}"#, "Orphan subscription_field ?/r/f"),
        (r#"{"id":"f","bundle_id":"c","provider_id":"p"}"#, "Orphan subscription_field ?/p/f"),
        (r#"{"id":"f","provider_id":"p"}"#, "MissingId subscription_field ?/p/f"),
        (r#"{"id":"f"}"#, "MissingId subscription_field ?/?/f"),
        (r#"{"id":"f","bundle_id":"c""#, "NotJson"),
    ] {
        let folder = with(bundles, Some(line.as_bytes()));
        if told == "NotJson" {
            assert_eq!(read(&folder).await.faults(), ["subscription_fields.jsonl:1 NotJson subscription_field s2/q/f"]);
        } else {
            assert_eq!(lost(&folder).await, told, "{line}");
        }
    }
}

#[tokio::test]
async fn the_service_that_a_field_names_tells_providers_and_bundles_of_one_id_apart() {
    let bundles = br#"{"id":"b","provider_id":"p","service_id":"s1"}
        {"id":"b","provider_id":"p","service_id":"s2"}
        {"id":"c","provider_id":"p","service_id":"s1"}
        {"id":"c","provider_id":"q"}"#;
    let fields = br#"{"id":"f1","bundle_id":"b","provider_id":"p","service_id":"s1"}
        {"id":"f2","bundle_id":"b","provider_id":"p","service_id":"s2"}
        {"id":"f3","bundle_id":"b","service_id":"s2"}
        {"id":"f4","bundle_id":"c","service_id":"s1"}
        {"id":"f5","bundle_id":"c","service_id":"s2"}"#;
    let all = read(&with(bundles, Some(fields))).await;
    assert_eq!(all.faults(), [""; 0]);
    assert_eq!(fields_of(&all), ["p/b/f1", "p/c/f4", "p/b/f2", "p/b/f3", "q/c/f5"]);
}

#[tokio::test]
async fn byte_order_marks_before_any_line_are_passed_over() {
    let mark = "\u{FEFF}";
    let bundle = |id: &str| format!("{{\"id\":\"{id}\",\"provider_id\":\"q\"}}");
    let field = |id: &str| format!("{{\"id\":\"{id}\",\"bundle_id\":\"b1\",\"position\":1}}");
    let marked =
        |lines: [String; 3]| format!("{mark}{}\n{mark}\n{mark}{mark}{}\r\n{mark}{}", lines[0], lines[1], lines[2]);
    let bundles = [bundle("b1"), bundle("b2"), bundle("b3")];
    let fields = [field("f1"), field("f2"), field("f3")];
    let sound = with(bundles.join("\n").as_bytes(), Some(fields.join("\n").as_bytes()));
    let joined = with(marked(bundles).as_bytes(), Some(marked(fields).as_bytes()));
    let (one, other) = (open(sound.path()), open(joined.path()));
    let all = read_all(&other).await;
    assert_eq!(all.faults(), [""; 0]);
    assert_eq!(all, read_all(&one).await);
    assert_eq!(other.counts().await.unwrap(), one.counts().await.unwrap());
    assert_eq!(other.counts().await.unwrap(), all.counts());
}

#[tokio::test]
async fn a_file_in_another_encoding_is_named_and_gives_nobody_anything() {
    let text = "{\"id\":\"b1\",\"provider_id\":\"q\"}\n{\"id\":\"b2\",\"provider_id\":\"q\"}\n";
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
    for bytes in [marked(b"\xFE\xFF", &big), marked(b"\xFF\xFE", &little), big, little] {
        let all = read(&with(&bytes, None)).await;
        assert_eq!((all.found.len(), all.counts().bundles), (0, 0));
        assert!(all.unreachable.len() >= 2);
        for fault in all.unreachable {
            let DocumentFault { service_id, provider_id, code, reason, .. } = fault;
            assert_eq!((service_id, provider_id, code), (None, None, FaultCode::NotJson));
            assert!(reason.contains("UTF-16") && reason.contains("convert the file to UTF-8"), "{reason}");
        }
    }
}

#[tokio::test]
async fn lines_that_end_in_a_carriage_return_alone_are_one_line_that_is_nobodys() {
    let bundles =
        "{\"id\":\"b1\",\"provider_id\":\"q\"}\r{\"id\":\"b2\",\"provider_id\":\"p\",\"service_id\":\"s1\"}\r";
    let all = read(&with(bundles.as_bytes(), None)).await;
    assert_eq!(all.faults(), ["unreachable bundles.jsonl:1 NotJson bundle ?/?/b1"]);
    assert!(all.unreachable[0].reason.contains("carriage return"), "{}", all.unreachable[0]);
    let huge = bundles.repeat(MAX_DOCUMENT / bundles.len() + 2);
    assert_eq!(lost(&with(huge.as_bytes(), None)).await, "TooLarge bundle ?/?/?");

    let folder = with(b"", None);
    fs::write(folder.path().join(PROVIDER_SERVICES), "{\"id\":\"s1\"}\r{\"id\":\"s2\"}\r").unwrap();
    let services: Vec<_> = open(folder.path()).services().try_collect().await.unwrap();
    let [Found::Fault(fault)] = services.as_slice() else { panic!("{services:?}") };
    assert_eq!((&fault.service_id, fault.code), (&None, FaultCode::NotJson), "it could be any service");
}

/// What happens to lines of a file: cut at a place, or without their ends, or both.
#[derive(Clone, Debug)]
struct Damage {
    line: Index,
    cut: Option<Index>,
    joined: bool,
}

fn damage() -> impl Strategy<Value = Damage> {
    let cut = prop::option::of(any::<Index>());
    (any::<Index>(), cut, any::<bool>()).prop_map(|(line, cut, joined)| Damage { line, cut, joined })
}

const OWNERS: [(&str, &str); 4] = [("s1", "p"), ("s2", "p"), ("s2", "q"), ("s1", "r")];

/// A bundle of one of these owners, who is in its id, with its names in some order; `q` and `r` may do without a service.
fn document(order: usize, owner: usize, number: usize) -> (ServiceId, ProviderId, String, String) {
    let (service, provider) = OWNERS[owner % OWNERS.len()];
    let id = format!("{service}-{provider}-{number}");
    let mut members = vec![
        format!("\"id\":\"{id}\""),
        format!("\"provider_id\":\"{provider}\""),
        "\"subscription_fields\":[{\"id\":\"f\",\"name\":\"\\u00e9\"},{\"id\":\"g\"}]".to_owned(),
    ];
    if provider == "p" || order.is_multiple_of(2) {
        members.push(format!("\"service_id\":\"{service}\""));
    }
    let first = order / 2 % members.len();
    members.rotate_left(first);
    (service.into(), provider.into(), id, format!("{{{}}}", members.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_gives_nobody_what_is_anothers_and_loses_nothing_without_a_word(
        documents in prop::collection::vec((0_usize..8, 0_usize..4), 1..8),
        damages in prop::collection::vec(damage(), 0..3),
    ) {
        let documents: Vec<_> =
            documents.iter().enumerate().map(|(number, (order, owner))| document(*order, *owner, number)).collect();
        let mut lines: Vec<String> = documents.iter().map(|document| format!("{}\n", document.3)).collect();
        for Damage { line, cut, joined } in damages {
            let line = &mut lines[line.index(documents.len())];
            let mut end = line.trim_end().len();
            if let Some(cut) = cut {
                end = cut.index(end + 1);
            }
            // A text that was cut to nothing leaves no trace: that is for the guard and the manifest.
            let end = end.max(1).min(line.len());
            line.truncate(end);
            line.push_str(if joined { "" } else { "\n" });
        }
        let folder = with(lines.concat().as_bytes(), None);
        append(&folder.path().join(PROVIDERS), "\n{\"id\":\"r\",\"service_id\":\"s1\"}\n");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let all = runtime.block_on(read(&folder));

        for ((service, provider), bundles) in &all.bundles {
            for bundle in bundles {
                prop_assert!(bundle.id.starts_with(&format!("{service}-{provider}-")), "{bundle:?} of {service}/{provider}");
            }
        }
        for (number, (service, provider, id, line)) in documents.iter().enumerate() {
            // The beginning of a document, without its owner's name, behind another that broke off: both together are
            // what one broken document can be. That it is gone is for the guard and the manifest, too.
            let before = number.checked_sub(1).map(|before| (&lines[before], &documents[before].3));
            let is_behind_a_cut = before.is_some_and(|(text, whole)| !text.ends_with('\n') && text != whole);
            if is_behind_a_cut && !lines[number].contains("\"provider_id\"") {
                continue;
            }
            let owned = all.bundles.get(&(service.clone(), provider.clone()));
            let covered = |fault: &DocumentFault| {
                fault.service_id.as_ref().is_none_or(|named| named == service)
                    && fault.provider_id.as_ref().is_none_or(|named| named == provider)
            };
            let kept = owned.is_none_or(|bundles| bundles.iter().any(|bundle| bundle.id == *id));
            prop_assert!(kept || all.unreachable.iter().any(covered), "{line}\n{lines:#?}\n{:?}", all.faults());
        }
    }
}
