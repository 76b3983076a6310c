use proptest::prelude::*;

use super::redact_url;

#[test]
fn a_password_is_hidden_whatever_characters_it_holds() {
    for (url, shown) in [
        ("mysql://u:p@h:1/d", "mysql://u:***@h:1/d"),
        ("mysql://u:p@q@h/d", "mysql://u:***@h/d"),
        ("mysql://u:p/q?r#s:t@h/d", "mysql://u:***@h/d"),
        ("mysql://u:p%40q@h/d?ssl-mode=REQUIRED", "mysql://u:***@h/d?ssl-mode=REQUIRED"),
        ("mysql://u:@h/d", "mysql://u:***@h/d"),
        ("mysql://:p@h/d", "mysql://:***@h/d"),
        ("couchbases://u:p@h1:11207,h2/bucket.scope", "couchbases://u:***@h1:11207,h2/bucket.scope"),
        ("http://u:p@registry:8081", "http://u:***@registry:8081"),
    ] {
        assert_eq!(redact_url(url), shown);
    }
}

#[test]
fn a_user_alone_is_shown_where_it_is_an_account_and_hidden_where_it_may_be_a_token() {
    assert_eq!(redact_url("mysql://loader@h/d"), "mysql://loader@h/d");
    assert_eq!(redact_url("couchbase://reader@h/b.s"), "couchbase://reader@h/b.s");
    assert_eq!(redact_url("https://ghp_token@h/v1"), "https://***@h/v1");
}

#[test]
fn parameters_that_sound_like_a_secret_are_hidden() {
    let url = "couchbase://h/b.s?token=t&timeout=5;api_key=k&Password=p&client_secret=s#access_token=a";
    assert_eq!(redact_url(url), "couchbase://h/b.s?token=***");
    assert_eq!(redact_url("couchbase://h/b.s?timeout=5;Api_Key=k&x=1"), "couchbase://h/b.s?timeout=5;Api_Key=***");
    assert_eq!(redact_url("https://h/?p%61ssword=p"), "https://h/?p%61ssword=***");
    assert_eq!(redact_url("https://h/?password=p@q"), "https://***");
}

#[test]
fn lists_of_hosts_and_texts_that_are_no_urls_keep_no_secret_either() {
    assert_eq!(redact_url("u:p@h1:9092,u:q@h2:9092"), "u:***@h2:9092");
    assert_eq!(redact_url("http://u:p@h1:1,http://u:q@h2:2"), "http://u:***@h2:2");
    assert_eq!(redact_url("mysql:/u:p@h/d"), "mysql:***@h/d");
    assert_eq!(redact_url("http://[u:p@h"), "http://[u:***@h");
}

#[test]
fn what_has_no_secret_stays_as_it_is() {
    for text in [
        "",
        "h1:9092,h2:9092",
        "sqlite:///a/b:c@d.db",
        "sqlite:///a.db?mode=ro",
        "file:///data/of:us@home",
        "generator:?services=40&providers=10000&seed=1",
        "http://[::1]:8081/",
        "info,pipeline_core=debug",
    ] {
        assert_eq!(redact_url(text), text);
    }
}

/// What people and generators of passwords use, and what a URL gives a meaning to, more often.
fn password() -> impl Strategy<Value = String> {
    let odd =
        proptest::sample::select(vec![":", "/", "?", "#", "@", "&", ";", "=", "%", "://", "?token=", "password="]);
    let piece = prop_oneof![odd.prop_map(str::to_owned), "[!-~]{1,4}", any::<char>().prop_map(String::from)];
    proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// The password is marked at both ends, so that no part of it that matters can be left.
    #[test]
    fn no_end_of_a_password_is_left_wherever_it_stands(password in password()) {
        let marked = format!("begin{password}end");
        for url in [
            format!("mysql://user:{marked}@host:3306/copy"),
            format!("mysql:user:{marked}@host/copy"),
            format!("mysql:/user:{marked}@host/copy"),
            format!("user:{marked}@host:9092,user:{marked}@other:9092"),
            format!("https://user:{marked}@host/path?x=1"),
            format!("https://{}@host/path", marked.replace(':', "")),
            format!("couchbase://host/bucket?password={marked}"),
            format!("mysql://user@host:3306/copy?ssl-mode=REQUIRED&password={marked}"),
            format!("https://host:8081/?x=1#access_token={marked}"),
            format!("https://host:8081?api_key={marked}&x=1"),
        ] {
            let shown = redact_url(&url);
            prop_assert!(!shown.contains("begin") && !shown.contains("end"), "{url}: {shown}");
            prop_assert_eq!(redact_url(&shown), shown);
        }
    }
}
