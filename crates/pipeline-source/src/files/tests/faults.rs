//! Every rule that a document can break: what becomes of it, whom it rejects, and the place that is told.

use super::*;

async fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    read(&folder(&files)).await.faults()
}

#[tokio::test]
async fn services_that_break_a_rule_are_told_with_their_line() {
    let long = format!("{{\"id\":\"{}\"}}", "x".repeat(256));
    let deep = format!("{{\"id\":\"deep\",\"a\":{}{}}}", "[".repeat(30), "]".repeat(30));
    let services = [
        "{\"id\":\"ok\"}",
        "not json",
        "[]",
        "{}",
        "{\"id\":\"\"}",
        "{\"id\":17}",
        "{\"id\":\"name\",\"name\":17}",
        "{\"id\":\"twice\"}",
        "{\"id\":\"twice\"}",
        "{\"id\":\"twice\"}",
        "{\"id\":\"keys\",\"a\":1,\"a\":2}",
        &long,
        &deep,
        "{\"id\":\"broken off\",\"name\":\"no",
        "{\"id\":\"half\",\"name\":\"\\ud83e\"}",
    ];
    let told = faults(&[(PROVIDER_SERVICES, &services.join("\n")), (PROVIDERS, ""), (BUNDLES, "")]).await;
    let expected = [
        "provider_services.jsonl:2 NotJson provider_service ?/?/?",
        "provider_services.jsonl:3 NotAnObject provider_service ?/?/?",
        "provider_services.jsonl:4 MissingId provider_service ?/?/?",
        "provider_services.jsonl:5 MissingId provider_service ?/?/?",
        "provider_services.jsonl:6 WrongType provider_service ?/?/?",
        "provider_services.jsonl:7 WrongType provider_service name/?/name",
        "provider_services.jsonl:9 DuplicateId provider_service twice/?/twice",
        "provider_services.jsonl:11 NotAnObject provider_service keys/?/keys",
        "provider_services.jsonl:12 TooLarge provider_service ?/?/?",
        "provider_services.jsonl:13 TooDeep provider_service deep/?/deep",
        "provider_services.jsonl:14 NotJson provider_service broken off/?/broken off",
        "provider_services.jsonl:15 NotJson provider_service half/?/half",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn providers_that_break_a_rule_are_told_below_their_service_or_as_unreachable() {
    let providers = r#"{"id":"ok","service_id":"s"}
{"id":"a"}
{"service_id":"s"}
{"id":"b","service_id":"nowhere"}
{"id":"c","service_id":"s","name":{}}
{"id":"d","service_id":"s"}
{"id":"d","service_id":"s"}
{"id":"e","service_id":7}
{"id":"f","service_id":"s","service_id":"s"}
{"id":"g","service_id":"s","na
{"id":"h","service_i"#;
    let told = faults(&[(PROVIDER_SERVICES, "{\"id\":\"s\"}"), (PROVIDERS, providers), (BUNDLES, "")]).await;
    let expected = [
        "providers.jsonl:3 MissingId provider s/?/?",
        "providers.jsonl:5 WrongType provider s/c/c",
        "providers.jsonl:7 DuplicateId provider s/d/d",
        "providers.jsonl:10 NotJson provider s/g/g",
        "unreachable providers.jsonl:4 Orphan provider nowhere/b/b",
        "unreachable providers.jsonl:2 MissingId provider ?/a/a",
        "unreachable providers.jsonl:8 WrongType provider ?/e/e",
        "unreachable providers.jsonl:9 NotAnObject provider ?/f/f",
        "unreachable providers.jsonl:11 NotJson provider ?/?/h",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn one_bad_bundle_rejects_its_provider_and_no_other() {
    for (line, expected) in [
        (r#"{"id":"x","provider_id":"p1","name":1}"#, "bundles.jsonl:2 WrongType bundle s1/p1/x"),
        (r#"{"provider_id":"p1"}"#, "bundles.jsonl:2 MissingId bundle s1/p1/?"),
        (r#"{"id":"b","provider_id":"p1"}"#, "bundles.jsonl:2 DuplicateId bundle s1/p1/b"),
        (r#"{"id":"x","provider_id":"p1","a":1,"a":1}"#, "bundles.jsonl:2 NotAnObject bundle s1/p1/x"),
        (r#"{"id":"x","provider_id":"p1","a":"#, "bundles.jsonl:2 NotJson bundle s1/p1/x"),
        (
            r#"{"id":"x","provider_id":"p1","subscription_fields":[{"name":"f"},{"name":"f"}]}"#,
            "bundles.jsonl:2 DuplicateId subscription_field s1/p1/f",
        ),
        (
            r#"{"id":"x","provider_id":"p1","subscription_fields":[{"name":"f","required":"no"}]}"#,
            "bundles.jsonl:2 WrongType subscription_field s1/p1/f",
        ),
    ] {
        let sound = [r#"{"id":"b","provider_id":"p1"}"#, r#"{"id":"b","provider_id":"p2"}"#];
        let all = read(&small(&[sound[0], line, sound[1]].join("\n"), None)).await;
        assert_eq!(all.faults(), [expected], "{line}");
        let copied: Vec<&str> = all.bundles.keys().map(|(_, provider)| provider.as_str()).collect();
        assert_eq!(copied, ["p2"], "{line}");
    }
}

#[tokio::test]
async fn bundles_without_a_known_provider_are_unreachable_and_reject_nobody() {
    let bundles = r#"{"id":"a","provider_id":"nobody"}
{"id":"b"}
{"id":"c","provider_id":""}
garbage
{"id":"d","provider_id":"p1","service_id":"s2"}
{"id":"e","provider_id":"p1","provider_id":"p2"}"#;
    let all = read(&small(bundles, None)).await;
    let expected = [
        "unreachable bundles.jsonl:1 Orphan bundle ?/nobody/a",
        "unreachable bundles.jsonl:5 Orphan bundle s2/p1/d",
        "unreachable bundles.jsonl:2 MissingId bundle ?/?/b",
        "unreachable bundles.jsonl:3 MissingId bundle ?/?/c",
        "unreachable bundles.jsonl:4 NotJson bundle ?/?/?",
        "unreachable bundles.jsonl:6 NotAnObject bundle ?/?/e",
    ];
    assert_eq!(all.faults(), expected);
    assert_eq!(all.bundles.len(), 2);
}

#[tokio::test]
async fn one_bad_separate_field_rejects_its_provider_and_no_other() {
    let bundles = "{\"id\":\"b1\",\"provider_id\":\"p1\"}\n{\"id\":\"b2\",\"provider_id\":\"p2\"}";
    for (line, expected) in [
        (r#"{"bundle_id":"b1"}"#, "subscription_fields.jsonl:2 MissingId subscription_field s1/p1/?"),
        (r#"{"id":"f","bundle_id":"b1"}"#, "subscription_fields.jsonl:2 DuplicateId subscription_field s1/p1/f"),
        (
            r#"{"id":"x","bundle_id":"b1","required":0}"#,
            "subscription_fields.jsonl:2 WrongType subscription_field s1/p1/x",
        ),
        (
            r#"{"id":"x","bundle_id":"b2","provider_id":"p1"}"#,
            "subscription_fields.jsonl:2 Orphan subscription_field s1/p1/x",
        ),
        (r#"{"id":"x","provider_id":"p1"}"#, "subscription_fields.jsonl:2 MissingId subscription_field s1/p1/x"),
        (r#"{"id":"x","bundle_id":"b1","va"#, "subscription_fields.jsonl:2 NotJson subscription_field s1/p1/x"),
    ] {
        let sound = r#"{"id":"f","bundle_id":"b1"}"#;
        let all = read(&small(bundles, Some(&format!("{sound}\n{line}\n")))).await;
        assert_eq!(all.faults(), [expected], "{line}");
        let copied: Vec<&str> = all.bundles.keys().map(|(_, provider)| provider.as_str()).collect();
        assert_eq!(copied, ["p2"], "{line}");
    }
    for (line, expected) in [
        (r#"{"id":"x","bundle_id":"b3"}"#, "Orphan subscription_field ?/?/b3/x"),
        (r#"{"id":"x","bundle_id":"b1","provider_id":"p3"}"#, "Orphan subscription_field ?/p3/x"),
        (r#"{"id":"x"}"#, "MissingId subscription_field ?/?/x"),
        (r#"{"id":"x","bundle_id":"b1","provider_id":3}"#, "WrongType subscription_field ?/?/b1/x"),
    ] {
        let all = read(&small(bundles, Some(line))).await;
        assert_eq!(all.faults(), [format!("unreachable subscription_fields.jsonl:1 {expected}")], "{line}");
        assert_eq!(all.bundles.len(), 2);
    }
}

#[tokio::test]
async fn bytes_that_are_not_utf8_reject_the_provider_that_they_name() {
    let bundles =
        b"{\"id\":\"b\",\"provider_id\":\"p1\",\"name\":\"\xff\"}\n\xff\xfe\n{\"id\":\"\xff\",\"provider_id\":\"p2\"}";
    let folder = small("", None);
    fs::write(folder.path().join(BUNDLES), bundles).unwrap();
    let expected = [
        "bundles.jsonl:1 NotJson bundle s1/p1/b",
        "unreachable bundles.jsonl:2 NotJson bundle ?/?/?",
        "unreachable bundles.jsonl:3 NotJson bundle ?/?/?",
    ];
    assert_eq!(read(&folder).await.faults(), expected);
}

#[tokio::test]
async fn a_line_beyond_the_bound_is_passed_over_and_rejects_the_provider_that_its_beginning_names() {
    let filler = "x".repeat(MAX_DOCUMENT);
    let fits = "y".repeat(MAX_DOCUMENT - 50);
    let bundles = [
        format!(r#"{{"id":"a","provider_id":"p1","text":"{filler}"}}"#),
        format!(r#"{{"text":"{filler}","id":"b","provider_id":"p1"}}"#),
        format!(r#"{{"id":"c","provider_id":"p2","text":"{fits}"}}"#),
        format!(r#"{{"id":"d","provider_id":"p1","text":"{filler}"}}"#),
    ];
    let all = read(&small(&bundles.join("\n"), None)).await;
    let expected = [
        "bundles.jsonl:1 TooLarge bundle s1/p1/a",
        "bundles.jsonl:4 TooLarge bundle s1/p1/d",
        "unreachable bundles.jsonl:2 TooLarge bundle ?/?/?",
    ];
    assert_eq!(all.faults(), expected);
    assert_eq!(all.counts().bundles, 1);
}

#[tokio::test]
async fn a_faulty_provider_is_a_parent_all_the_same() {
    let folder = small("{\"id\":\"b\",\"provider_id\":\"p1\"}\n{\"id\":\"c\",\"provider_id\":\"p2\"}", None);
    let providers = "{\"id\":\"p1\",\"service_id\":\"s1\",\"name\":1}\n{\"id\":\"p2\",\"service_id\":\"s2\"}\n{\"id\":\"p2\",\"service_id\":\"s2\"}";
    fs::write(folder.path().join(PROVIDERS), providers).unwrap();
    let expected = ["providers.jsonl:1 WrongType provider s1/p1/p1", "providers.jsonl:3 DuplicateId provider s2/p2/p2"];
    assert_eq!(read(&folder).await.faults(), expected);

    let subtrees = open(folder.path()).subtrees(&"s2".into(), &["p2".into()]).await.unwrap();
    let SubtreeContent::Rejected(faults) = &subtrees[0].content else { panic!("{subtrees:?}") };
    let DocumentFault { level, code, place, reason, .. } = &faults[0];
    assert_eq!((*level, *code, place.as_str()), (Level::Provider, FaultCode::DuplicateId, "providers.jsonl:3"));
    assert_eq!(reason, "the provider `p2` stands in providers.jsonl:2 too");
}
